"""The engine in docs/engines.md is one that works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from laneway.engine import discovery, preview
from laneway.model import Json

PAGE = Path(__file__).resolve().parents[3] / "docs" / "engines.md"


def test_the_engine_of_the_docs_is_found_and_makes_its_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [code] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "povray.py").write_text(code)
    monkeypatch.setenv("LANEWAY_ENGINES", str(tmp_path))
    info = discovery.catalogue()["povray"]
    assert (info.extensions, info.max_bucketsize) == ((".pov",), 1)
    program = tmp_path / "bin" / "povray"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    spec: dict[str, Json] = {
        "id": 1,
        "name": "s",
        "engine": "povray",
        "input": "/a/s.pov",
        "output": "/o/a_####.png",
        "range": "1-3",
        "parameters": {},
    }
    [first, second] = preview(spec, "1-3x2")
    assert first.argv == (str(program), "+I/a/s.pov", "+O/o/a_0001.png", "+K1", "+W320", "+H180", "-D")
    assert second.argv[2] == "+O/o/a_0003.png"


def test_a_broken_engine_is_named_with_its_file_and_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = "    # -- ENGINE CONFIG START --\n    SETTINGS = {}\n    # -- ENGINE CONFIG END --\n"
    method = "    def get_executable(self):\n        return 1 / 0\n"
    source = f"from laneway.engine import Common\n\n\nclass Engine(Common):\n{config}\n{method}"
    (tmp_path / "oops.py").write_text(source)
    monkeypatch.setenv("LANEWAY_ENGINES", str(tmp_path))
    with pytest.raises(Exception, match=r"the engine oops is broken: ZeroDivisionError.*oops\.py, line 10"):
        preview({"id": 1, "name": "s", "engine": "oops", "range": "1", "parameters": {}}, "1")
