"""What lies on disk, looked at without asking the farm: frames are decoded to the last pixel, a movie's frames are counted."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageStat


class BadFileError(Exception):
    """A file is missing or is not what it should be."""


def frames(folder: Path, names: Sequence[str], size: tuple[int, int]) -> list[tuple[Path, int]]:
    """Each frame with its bytes. Raises BadFileError unless exactly these are there, whole, of `size` and with a picture in them."""
    there = {path.name for path in folder.iterdir()}
    missing, extra = [name for name in names if name not in there], sorted(there.difference(names))
    if missing or extra:
        raise BadFileError(f"{folder}: missing {', '.join(missing) or 'nothing'}; not expected {', '.join(extra) or 'nothing'}")
    return [(folder / name, _frame(folder / name, size)) for name in names]


def _frame(path: Path, size: tuple[int, int]) -> int:
    if path.stat().st_size == 0:
        raise BadFileError(f"{path} is empty")
    try:
        with Image.open(path) as picture:
            picture.load()  # all of it: a truncated file opens well and fails here
            found, spread = picture.size, max(ImageStat.Stat(picture.convert("L")).stddev)
    except (OSError, SyntaxError) as error:
        raise BadFileError(f"{path} cannot be decoded: {error}") from error
    if found != size:
        raise BadFileError(f"{path} is {found[0]}x{found[1]}, not {size[0]}x{size[1]}")
    if spread < 2.0:
        raise BadFileError(f"{path} shows nothing: all its pixels are nearly the same")
    return path.stat().st_size


def movie(path: Path, expected: int) -> int:
    """How many frames a full decode finds. Raises BadFileError unless it is `expected` and the decoder has nothing to say."""
    if not path.is_file() or path.stat().st_size == 0:
        raise BadFileError(f"{path} is missing or empty")
    command = [ffmpeg(), "-hide_banner", "-nostdin", "-v", "error", "-i", str(path), "-map", "0:v:0", "-f", "null"]
    result = subprocess.run([*command, "-progress", "pipe:1", "-"], capture_output=True, text=True, timeout=120, check=False)
    if result.returncode or result.stderr.strip():
        raise BadFileError(f"{path} does not decode: {result.stderr.strip() or result.returncode}")
    counted = [int(number) for number in re.findall(r"^frame=\s*(\d+)", result.stdout, re.MULTILINE)]
    if not counted or counted[-1] != expected:
        raise BadFileError(f"{path} has {counted[-1] if counted else 0} frames, not {expected}")
    return counted[-1]


def ffmpeg() -> str:
    """The decoder: the system's, or the one that imageio-ffmpeg brings. Raises BadFileError where there is neither."""
    found = shutil.which("ffmpeg")
    if found:
        return found
    try:
        from imageio_ffmpeg import get_ffmpeg_exe

        return str(get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        raise BadFileError(f"there is no ffmpeg to check the movie with: {error}") from error
