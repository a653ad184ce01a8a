"""The demo's own look at the files: what is broken is found, whatever the farm says of it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from demo import checks

SIZE = (64, 36)
NAMES = [f"f.{number:04d}.png" for number in range(1, 6)]


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """Five good frames, each of its own noise."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for name in NAMES:
        Image.frombytes("RGB", SIZE, os.urandom(SIZE[0] * SIZE[1] * 3)).save(folder / name)
    return folder


@pytest.fixture
def movie(frames: Path, tmp_path: Path) -> Path:
    """A movie of the five frames."""
    path = tmp_path / "movie.mp4"
    command = [checks.ffmpeg(), "-v", "error", "-i", str(frames / "f.%04d.png"), "-pix_fmt", "yuv420p", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


def test_good_files_pass(frames: Path, movie: Path) -> None:
    assert [path.name for path, size in checks.frames(frames, NAMES, SIZE) if size > 0] == NAMES
    assert checks.movie(movie, 5) == 5


def test_truncated_frame_is_found(frames: Path) -> None:
    whole = (frames / NAMES[2]).read_bytes()
    (frames / NAMES[2]).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(checks.BadFileError, match=r"f\.0003\.png cannot be decoded"):
        checks.frames(frames, NAMES, SIZE)


def test_missing_and_extra_frames_are_named(frames: Path) -> None:
    (frames / NAMES[0]).rename(frames / "f.0009.png")
    with pytest.raises(checks.BadFileError, match=r"missing f\.0001\.png; not expected f\.0009\.png"):
        checks.frames(frames, NAMES, SIZE)


@pytest.mark.parametrize(
    ("picture", "complaint"),
    [
        pytest.param(Image.new("RGB", SIZE), "shows nothing", id="black"),
        pytest.param(Image.effect_noise((32, 18), 60.0), "is 32x18, not 64x36", id="wrong-size"),
    ],
)
def test_wrong_picture_is_found(frames: Path, picture: Image.Image, complaint: str) -> None:
    picture.save(frames / NAMES[4])
    with pytest.raises(checks.BadFileError, match=re.escape(complaint)):
        checks.frames(frames, NAMES, SIZE)


def test_empty_frame_is_found(frames: Path) -> None:
    (frames / NAMES[1]).write_bytes(b"")
    with pytest.raises(checks.BadFileError, match=r"f\.0002\.png is empty"):
        checks.frames(frames, NAMES, SIZE)


def test_short_movie_is_found(movie: Path) -> None:
    with pytest.raises(checks.BadFileError, match="has 5 frames, not 6"):
        checks.movie(movie, 6)


def test_damaged_movie_is_found(movie: Path) -> None:
    whole = movie.read_bytes()
    movie.write_bytes(whole[: len(whole) // 3])
    with pytest.raises(checks.BadFileError, match=r"does not decode|frames, not 5"):
        checks.movie(movie, 5)
