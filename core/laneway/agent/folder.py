"""The agent's data folder: who this server is, and that one agent only uses it."""

from __future__ import annotations

import os
import sys
import uuid
from pathlib import Path
from typing import IO

from laneway.errors import ConflictError, UserError


class Lock:
    """A file that one living process holds; the system lets go of it however that process ends. The file names the pid."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None

    def take(self, what: str) -> None:
        """Raises ConflictError naming the holder's pid; `what` says whose lock it is, as in `an agent`."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = self.path.open("r+b" if self.path.exists() else "w+b")
        try:
            _lock(file.fileno())
        except OSError as exc:
            file.close()
            pid = self.holder()
            raise ConflictError(
                f"{what} already runs on {self.path.parent} (pid {pid or 'unknown'}).",
                field="data",
                value=str(self.path.parent),
                fix="Stop it first, or give this one a data folder of its own with --data.",
            ) from exc
        file.seek(0)
        file.truncate()
        file.write(b"%d\n" % os.getpid())
        file.flush()
        self._file = file

    def holder(self) -> int | None:
        """The pid in the file."""
        try:
            return int(self.path.read_bytes())
        except (OSError, ValueError):
            return None

    def release(self) -> None:
        """Lets go; the file stays, since removing it would let two processes hold locks on two files of one name."""
        if self._file is not None:
            self._file.close()
            self._file = None


def server_id(folder: Path) -> str:
    """The uuid of this server, made at its first start and kept in the file `server`."""
    path = folder / "server"
    try:
        return uuid.UUID(path.read_text().strip()).hex
    except FileNotFoundError:
        pass
    except ValueError as exc:
        raise UserError(
            f"{path} does not hold a server id.", field="data", fix="Delete it: the server gets a new one."
        ) from exc
    made = uuid.uuid4().hex
    partial = path.with_suffix(".new")
    partial.write_text(made + "\n")
    partial.replace(path)
    return made


if sys.platform == "win32":
    import msvcrt

    _FAR = 1 << 30  # the locked byte lies behind the pid, since Windows lets nobody read a locked one

    def _lock(fd: int) -> None:
        os.lseek(fd, _FAR, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        os.lseek(fd, 0, os.SEEK_SET)

else:
    import fcntl

    def _lock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
