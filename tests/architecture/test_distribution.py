"""What is handed out: the wheel, and files that say nothing of where they were made."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest


def sources(folder: Path) -> set[str]:
    """Every file of both packages, as it must stand in the wheel."""
    roots = {"laneway": folder / "core", "laneway_engines": folder / "engines"}
    return {
        path.relative_to(root).as_posix()
        for package, root in roots.items()
        for path in (root / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture
def wheel(copied: Path) -> zipfile.ZipFile:
    """The wheel that the project builds."""
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel"], cwd=copied, check=True, capture_output=True)
    (path,) = (copied / "dist").glob("*.whl")
    return zipfile.ZipFile(path)


def test_wheel_has_every_file_of_both_packages(copied: Path, wheel: zipfile.ZipFile) -> None:
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packed == sources(copied)
    assert {"laneway/py.typed", "laneway_engines/blender.py"} <= packed
    assert any(name.startswith("laneway/dispatcher/migrations/") and name.endswith(".sql") for name in packed)


def test_wheel_has_the_command_and_the_licence(wheel: zipfile.ZipFile) -> None:
    texts = {name.rsplit("/", 1)[1]: wheel.read(name).decode() for name in wheel.namelist() if ".dist-info/" in name}
    assert "laneway = laneway.cli:main" in texts["entry_points.txt"]
    assert "License-Expression: Apache-2.0" in texts["METADATA"]
    assert "Apache License" in texts["LICENSE"]


def committed(project: Path) -> list[Path]:
    """The files that are, or would be, committed."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=project, check=True, capture_output=True, text=True).stdout
    return [project / name for name in listed.split("\0") if name and (project / name).is_file()]


# Put together here, because this file is looked at too.
PLACES = {
    "another-folder-of-its-makers": re.compile(rb"\.\./" + rb"shared"),
    "its-makers-machine": re.compile(rb"(?<![\w.])/wo" + rb"rk(?![\w-])|/opt/(?:py" + rb"pi|wheels)"),
    "registry-host": re.compile(rb"pypi" + rb"\.org|python" + rb"hosted\.org|deb\.deb" + rb"ian\.org|registry\.npm" + rb"js"),
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
def test_no_file_names(project: Path, place: re.Pattern[bytes]) -> None:
    found = [str(path.relative_to(project)) for path in committed(project) if place.search(path.read_bytes())]
    assert found == []
