"""Finding installed versions."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from laneway.engine import installed


@pytest.mark.parametrize(
    ("version", "wanted", "fits"),
    [
        pytest.param("3.4.1", "3.4", True, id="patch-level-does-not-matter"),
        pytest.param("3.4.1", "3", True, id="major"),
        pytest.param("3.40.1", "3.4", False, id="not-by-text"),
        pytest.param("3.4", "3.4.1", False, id="asked-for-more"),
        pytest.param("unknown", "3.4", False, id="no-version"),
        pytest.param("Blender 3.4.1", "3.4", True, id="with-words"),
    ],
)
def test_a_version_is_of_the_wanted_one(version: str, wanted: str, fits: bool) -> None:
    assert installed.matches(version, wanted) is fits


def test_the_newest_is_by_number() -> None:
    found = [("/a", "9.9"), ("/b", "10.0"), ("/c", "9.10"), ("/d", "10.0"), ("/e", "")]
    assert installed.newest(found) == ("/b", "10.0")
    assert installed.newest(found, "9") == ("/c", "9.10")
    assert installed.newest(found, "8") is None
    assert installed.newest([]) is None


def program(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_programs_are_found_once_and_path_first(tmp_path: Path) -> None:
    first = program(tmp_path / "bin" / "tool", "echo 1.2.3")
    second = program(tmp_path / "opt" / "tool-2" / "tool", "echo 2.0")
    (tmp_path / "opt" / "tool-3").mkdir()
    (tmp_path / "opt" / "tool-3" / "tool").write_text("not a program")
    os.symlink(first, tmp_path / "opt" / "link")
    patterns = [str(tmp_path / "opt" / "tool-*" / "tool"), str(tmp_path / "opt" / "link")]
    assert installed.programs(patterns, "tool", {"PATH": str(tmp_path / "bin")}) == [first, second]


def test_a_program_says_its_version(tmp_path: Path) -> None:
    assert installed.ask_version([program(tmp_path / "a", "echo Tool 3.4.1 of 2020"), "--version"]) == "3.4.1"
    assert installed.ask_version([program(tmp_path / "b", "exit 3")]) is None
    assert installed.ask_version([program(tmp_path / "c", "echo none")]) is None
    assert installed.ask_version([str(tmp_path / "missing")]) is None
