"""Programs that are found, and ones that cannot be started."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from laneway.engine.executable import launch_fault, resolve
from laneway.errors import EngineError


def test_a_name_is_looked_for_and_a_path_is_taken(tmp_path: Path) -> None:
    (tmp_path / "tool").write_text("#!/bin/sh\n")
    (tmp_path / "tool").chmod(0o755)
    assert resolve("tool", str(tmp_path)) == str(tmp_path / "tool")
    assert resolve("./tool", str(tmp_path)) == "./tool"


def test_a_program_that_comes_later_is_found(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="'later' is not found"):
        resolve("later", str(tmp_path))
    (tmp_path / "later").write_text("#!/bin/sh\n")
    (tmp_path / "later").chmod(0o755)
    assert resolve("later", str(tmp_path)) == str(tmp_path / "later")


@pytest.mark.parametrize(
    ("number", "words", "retry"),
    [
        pytest.param(errno.ENOENT, "no such file", False, id="missing"),
        pytest.param(errno.EACCES, "not a program that this user may run", False, id="not-executable"),
        pytest.param(errno.ENOEXEC, "neither a program", False, id="not-a-program"),
        pytest.param(errno.E2BIG, "too long", False, id="too-long"),
        pytest.param(errno.EAGAIN, "cannot be started", True, id="out-of-processes"),
    ],
)
def test_why_it_does_not_start(tmp_path: Path, number: int, words: str, retry: bool) -> None:
    fault = launch_fault("tool", str(tmp_path), OSError(number, "message of the system"))
    assert words in str(fault)
    assert fault.retry is retry


def test_a_working_folder_that_is_not_there(tmp_path: Path) -> None:
    assert "working folder" in str(launch_fault("tool", str(tmp_path / "none"), FileNotFoundError(2, "No such file")))
