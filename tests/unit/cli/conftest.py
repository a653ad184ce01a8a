"""The command line as a function: arguments in, exit code and output out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from laneway.cli import main
from tests.fakes.job_api import FakeDispatcher, running

SKETCH = '''
from laneway.engine import Common


class Engine(Common):
    """Sketch: draws."""

    SETTINGS = {"filename_extensions": ".sketch, .draw", "executable": "sketcher"}
    PARAMETERS = {"quality": "low", "layers": None, "arguments": []}

    def get_executable(self):
        return "/opt/sketcher"

    def get_envs(self):
        return {"SKETCH_HOME": "/opt/my sketches"}

    def get_commandline(self, item):
        return [self.get_executable(), self.spec.input[0], "--frame", item]
'''
COLLAGE = '''
from laneway.engine import Common


class Engine(Common):
    """Collage: one picture from each file."""

    SETTINGS = {"items": False, "multiple_inputs": True, "filename_extensions": ".draw,.piece"}
    PARAMETERS = {}
'''


@dataclass(frozen=True)
class Ran:
    """What a command line did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Cli = Callable[..., Ran]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No dispatcher but those that a test starts, two engines more, and a folder of its own to stand in."""
    for name in ("LANEWAY_URL", "LANEWAY_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANEWAY_DATA", str(tmp_path / "data"))
    engines = tmp_path / "engines"
    engines.mkdir()
    (engines / "sketch.py").write_text(SKETCH)
    (engines / "collage.py").write_text(COLLAGE)
    monkeypatch.setenv("LANEWAY_ENGINES", str(engines))
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """The present folder."""
    return tmp_path / "here"


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    def run(*argv: object) -> Ran:
        capsys.readouterr()
        code = main([str(word) for word in argv])
        out, err = capsys.readouterr()
        return Ran(int(code), out, err)

    return run


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeDispatcher]:
    with running(tmp_path / "data") as dispatcher:
        yield dispatcher
