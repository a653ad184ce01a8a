"""Lanes, scenes and a full disk."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import scenes
from tests.lanes import Lane


@pytest.fixture
def lane(tmp_path: Path) -> Iterator[Lane]:
    made = Lane(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="session")
def blend(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Scenes by name (tests/scenes.py). They stay as they are: a test renders a copy."""
    return scenes.make(tmp_path_factory.mktemp("scenes"))


@pytest.fixture
def scene(blend: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    """Gives a copy of a scene in the test's own folder."""

    def copy(name: str) -> Path:
        return Path(shutil.copy(blend[name], tmp_path))

    return copy


@dataclass(frozen=True)
class SmallDisk:
    """A folder with room for `size` bytes; `limit` is what a lane must do first where it is no file system of its own."""

    folder: Path
    size: int
    limit: Callable[[], None] | None


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """A tmpfs of 256 KiB. Where nothing may be mounted, a limit on the size of a file fails writes in the same place."""
    folder, size = tmp_path / "small", 256 * 1024
    folder.mkdir()
    line = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.getuid() == 0 and subprocess.run(line, capture_output=True, check=False).returncode == 0:
        yield SmallDisk(folder, size, None)
        subprocess.run(["umount", "-l", str(folder)], check=True)
    else:
        yield SmallDisk(folder, size, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)))
