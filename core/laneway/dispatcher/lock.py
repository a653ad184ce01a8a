"""One dispatcher per data folder: a lock that the operating system releases when its holder dies, however that happens."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from laneway.errors import StoreError

if sys.platform == "win32":
    import msvcrt

    _FAR = 1 << 30  # Windows locks bytes, and a locked byte cannot be read: lock one that nobody reads

    def _take(file: BinaryIO) -> None:
        file.seek(_FAR)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _take(file: BinaryIO) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class FolderLock:
    """Holds `path` while it is open; raises `StoreError` naming the process that has it."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab+")
        try:
            _take(self._file)
        except OSError as exc:
            self._file.seek(0)
            holder = self._file.read(20).decode("ascii", "replace").strip() or "unknown"
            self._file.close()
            raise StoreError(
                f"another dispatcher (process {holder}) already uses {path.parent}.",
                field="data",
                value=str(path.parent),
                fix="Stop it first, or name another folder with --data.",
            ) from exc
        self._file.truncate(0)
        self._file.write(str(os.getpid()).encode())
        self._file.flush()

    def close(self) -> None:
        """Let the next one in."""
        self._file.close()

    def __enter__(self) -> FolderLock:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
