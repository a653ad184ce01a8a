"""The command lines of a job that is not run."""

from __future__ import annotations

from pathlib import Path

import pytest

from laneway.engine import EngineError, preview
from laneway.model import Json


def spec(**changes: Json) -> dict[str, Json]:
    return {
        "id": 0,
        "engine": "command",
        "name": "n",
        "input": [],
        "parameters": {"command": "sh -c ${ITEM}"},
        "envs": {},
        **changes,
    }


def test_one_command_an_item() -> None:
    commands = preview(spec(envs={"A": 1}), "3-4")
    assert [(command.argv, command.items, command.warning) for command in commands] == [
        (("sh", "-c", "3"), "3", None),
        (("sh", "-c", "4"), "4", None),
    ]
    assert commands[0].env == {"A": "1"}


def test_a_program_that_is_missing_is_a_warning() -> None:
    (command,) = preview(spec(parameters={"command": "no-such-program ${ITEM}"}), "1")
    assert command.argv == ("no-such-program", "1")
    assert "no-such-program is not found" in (command.warning or "")


def test_an_application_that_is_missing_stands_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = tmp_path / "shot.blend"
    scene.write_bytes(b"BLENDER-v304")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("LANEWAY_BPY_PYTHON", raising=False)
    monkeypatch.delenv("LANEWAY_BLENDER", raising=False)
    (command,) = preview(spec(engine="blender", version="1.0", parameters={}, input=[str(scene)]), "1-3")
    assert command.argv[:2] == ("blender", "-b")
    assert "-f" in command.argv
    assert "Blender 1.0 is not found" in (command.warning or "")


def test_nothing_is_written(tmp_path: Path) -> None:
    preview(spec(output=str(tmp_path / "new" / "a.####.txt")), "1")
    assert not (tmp_path / "new").exists()


def test_a_fault_of_the_job_is_raised(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="cannot be read"):
        preview(spec(engine="blender", parameters={}, input=[str(tmp_path / "none.blend")]), "1")
