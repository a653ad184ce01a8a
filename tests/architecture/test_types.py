"""mypy reads both source roots: an error planted in either is found."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.timeout(240)
def test_planted_type_errors_are_found(project: Path, copied: Path) -> None:
    if (project / ".mypy_cache").exists():  # it only saves the reading of the standard library and of the dependencies
        shutil.copytree(project / ".mypy_cache", copied / ".mypy_cache")
    planted = ["core/laneway/errors.py", "core/laneway/client/session.py", "engines/laneway_engines/command.py"]
    for name in planted:
        with (copied / name).open("a") as file:
            file.write('\n_planted: int = "text"\n')
    verdict = subprocess.run(
        [sys.executable, "-m", "mypy", "core", "engines"], check=False, cwd=copied, capture_output=True, text=True, timeout=220
    )
    assert verdict.returncode == 1, verdict.stdout + verdict.stderr
    assert [name for name in planted if f"{name}:" not in verdict.stdout] == []
