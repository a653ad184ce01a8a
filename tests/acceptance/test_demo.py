"""The demo itself, on three of its frames: what `make demo` promises, and that it does not promise what it has not got."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

RUN = Path(__file__).resolve().parents[2] / "demo" / "run.py"


def run(out: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the demo into `out`."""
    return subprocess.run(
        [sys.executable, str(RUN), "--frames", "3", "--out", str(out), *arguments],
        env={**os.environ, "COLUMNS": "160", **environment},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


def processes_of(folder: Path) -> list[psutil.Process]:
    """What still runs and names the folder."""
    return [p for p in psutil.process_iter(["cmdline"]) if str(folder) in " ".join(p.info["cmdline"] or [])]


@pytest.mark.timeout(180)
def test_frames_and_movie_are_there_and_nothing_else_is_left(tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run(out)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "3 frames decoded and counted" in result.stdout
    assert sorted(path.name for path in (out / "frames").iterdir()) == [f"lanes.{frame:04d}.png" for frame in (1, 2, 3)]
    assert (out / "contact-sheet.png").stat().st_size > 10_000
    assert processes_of(out) == []


@pytest.mark.timeout(120)
def test_failure_is_said_and_is_an_exit_code(tmp_path: Path) -> None:
    empty = tmp_path / "bin"
    empty.mkdir()
    out = tmp_path / "out"
    result = run(out, PATH=str(empty), LANEWAY_BLENDER=str(empty / "blender"), LANEWAY_BPY_PYTHON=str(empty / "python"))
    assert result.returncode == 1
    assert "The demo failed: the engine blender cannot be used here" in result.stdout
    assert processes_of(out) == []


def test_a_folder_with_other_files_is_not_emptied(tmp_path: Path) -> None:
    precious = tmp_path / "work.txt"
    precious.write_text("mine")
    result = run(tmp_path)
    assert result.returncode == 1
    assert precious.read_text() == "mine"
