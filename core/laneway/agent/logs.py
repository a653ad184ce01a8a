"""The log files of attempts: parts of them for whoever reads along, and their end when a job is deleted."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

LARGEST = 4 << 20  # bytes of one answer


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of a log from `offset`; `size` is the whole file's at that moment."""

    data: bytes
    offset: int
    size: int


def read(path: Path, offset: int, limit: int) -> Part:
    """Up to `limit` bytes from `offset`, which counts from the end where it is negative; a log that is not there is empty."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            start = max(0, size + offset) if offset < 0 else min(offset, size)
            file.seek(start)
            return Part(file.read(max(0, min(limit, LARGEST, size - start))), start, size)
    except OSError:
        return Part(b"", 0, 0)


def forget(folder: Path) -> None:
    """Removes a job's logs; what cannot be removed stays."""
    shutil.rmtree(folder, ignore_errors=True)
