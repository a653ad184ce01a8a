"""Finding the file of a program, and saying why one cannot be started."""

from __future__ import annotations

import errno
import os
import shutil
from functools import lru_cache

from laneway.errors import EngineError


def resolve(name: str, path: str | None) -> str:
    """The file that `name` stands for: itself when it has a slash, otherwise the first on `path`. Raises EngineError."""
    if os.path.dirname(name):
        return name
    found = _on_path(name, path)
    if found is None:
        _on_path.cache_clear()  # it may be installed in the meantime
        raise EngineError(
            f"the program {name!r} is not found.",
            field="executable",
            value=name,
            fix=f"Install it, or put its folder on PATH ({path}).",
        )
    return found


@lru_cache(maxsize=64)
def _on_path(name: str, path: str | None) -> str | None:
    return shutil.which(name, path=path)


def launch_fault(name: str, cwd: str | None, exc: OSError) -> EngineError:
    """Why `name` could not be started in `cwd`."""
    _on_path.cache_clear()
    if cwd is not None and not os.path.isdir(cwd):
        return EngineError(f"the working folder {cwd} is not there: {exc.strerror}.", field="cwd", value=cwd)
    reasons = {
        errno.ENOENT: "there is no such file, or the interpreter that its first line names is missing",
        errno.EACCES: "it is not a program that this user may run",
        errno.ENOEXEC: "it is neither a program of this system nor a script whose first line names its interpreter",
        errno.E2BIG: "its arguments and environment are too long",
    }
    why = reasons.get(exc.errno or 0, exc.strerror or str(exc))
    lasting = exc.errno in reasons
    return EngineError(f"{name} cannot be started: {why}.", field="executable", value=name, retry=not lasting)
