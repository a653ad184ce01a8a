"""Whether the files that a bucket promised are really there: they exist, are not empty, whole, and were written by this attempt.

"Written by this attempt" is judged by the clock of the file system that holds them, which on a file server is not this computer's:
before the start a marker file is created in the output folder, its time read, and the marker removed. That also shows early that
the folder can be written. A file counts as written when its content or its inode changed no earlier than the marker, so that a tool
which copies a file together with its old modification time is not suspected.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterable
from stat import S_ISDIR, S_ISREG

from laneway.engine import pictures
from laneway.errors import EngineError
from laneway.frames import Frames

_HOPELESS = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EINVAL, errno.EISDIR}
_LITTLE = 4 * 1024 * 1024  # bytes


class Outputs:
    """The output folders of one attempt and the times from which their files must be."""

    def __init__(self, attempt: int) -> None:
        self._attempt = attempt
        self._since: dict[str, int] = {}

    def mark(self, folder: str, *, create: bool = True) -> None:
        """Notes the time in `folder`, which is created where it is missing; once per folder.

        Raises EngineError where nothing can be written there.
        """
        if folder not in self._since:
            try:
                self._since[folder] = _touch(folder, f".laneway-{self._attempt}", create)
            except OSError as exc:
                raise unwritable(folder, exc) from exc

    def since(self, folder: str, nanoseconds: int) -> None:
        """As `mark`, with a marker's time that the renderer itself has read."""
        self._since[folder] = nanoseconds

    def shortage(self) -> str | None:
        """A sentence about an output folder whose disk is (nearly) full: programs often give another reason for that, or none."""
        for folder in self._since:
            with contextlib.suppress(OSError):
                free = shutil.disk_usage(folder).free
                if free < _LITTLE:
                    return f"Only {free // 1024} KB are free in {folder}."
        return None

    def fault(self, path: str) -> str | None:
        """What is wrong with the file (or folder) at `path`, in a few words; None when it is as promised."""
        try:
            found = os.stat(path)
        except FileNotFoundError:
            return "is missing"
        except OSError as exc:
            return f"cannot be read ({exc.strerror})"
        since = self._since.get(os.path.dirname(path))
        if S_ISDIR(found.st_mode):
            return None
        if not S_ISREG(found.st_mode):
            return "is not a file"
        if found.st_size == 0:
            return "is empty"
        if since is not None and max(found.st_mtime_ns, found.st_ctime_ns) < since:
            return "is older than this attempt: it was there before and has not been written again"
        return pictures.fault(path)


def _touch(folder: str, name: str, create: bool) -> int:
    path = os.path.join(folder, name)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    try:
        handle = os.open(path, flags, 0o644)
    except FileNotFoundError:
        if not create:
            raise
        os.makedirs(folder, exist_ok=True)
        handle = os.open(path, flags, 0o644)
    try:
        return os.fstat(handle).st_mtime_ns
    finally:
        os.close(handle)
        os.unlink(path)


def unwritable(folder: str, exc: OSError) -> EngineError:
    """The error for an output folder in which nothing can be written; a full disk may be emptied, a read-only one stays."""
    text = f"the output folder {folder} cannot be written: {exc.strerror or exc}."
    return EngineError(text, field="output", value=folder, retry=exc.errno not in _HOPELESS)


def sentence(faults: Iterable[tuple[int, str, str]]) -> str:
    """One sentence for the (item, path, fault) found: which items, and the first file by name."""
    listed = list(faults)
    _, path, words = listed[0]
    items = Frames.of(sorted({item for item, _, _ in listed}))
    more = f" (and {len(listed) - 1} more files)" if len(listed) > 1 else ""
    return f"item{'s' if len(items) > 1 else ''} {items}: the expected file {path} {words}{more}"
