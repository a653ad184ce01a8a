"""Finding an application among the versions installed on this computer."""

from __future__ import annotations

import glob
import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

_NUMBER = re.compile(r"\d+(?:\.\d+)*")
_PATIENCE = 60  # seconds for a program to say its version: the first start from a cold disk is slow


def version_key(version: str) -> tuple[int, ...]:
    """A key by which 10.0 comes after 9.9; the first number in the text counts, text without one comes first."""
    match = _NUMBER.search(version)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def matches(version: str, wanted: str) -> bool:
    """Whether `version` is of the wanted one: 3.4.1 is of 3.4 and of 3, and not of 3.40."""
    found, asked = version_key(version), version_key(wanted)
    return bool(asked) and found[: len(asked)] == asked


def newest(candidates: Iterable[tuple[str, str]], wanted: str | None = None) -> tuple[str, str] | None:
    """Of (path, version) the newest one, or the newest of the wanted version; the earlier of equals. None: there is none."""
    fitting = [each for each in candidates if wanted is None or matches(each[1], wanted)]
    return max(fitting, key=lambda each: version_key(each[1]), default=None)


def programs(patterns: Sequence[str], name: str | None = None, environ: Mapping[str, str] | None = None) -> list[str]:
    """The programs that are there: `name` on the PATH of `environ`, then what the glob patterns find; each file once."""
    found: dict[str, str] = {}
    folders = (environ or os.environ).get("PATH", "").split(os.pathsep) if name else []
    paths = [os.path.join(folder, f"{name}{'.exe' if os.name == 'nt' else ''}") for folder in folders if folder]
    for pattern in patterns:
        paths += sorted(glob.glob(os.path.expanduser(pattern)))
    for path in paths:
        if os.path.isfile(path) and os.access(path, os.X_OK):
            found.setdefault(os.path.realpath(path), path)
    return list(found.values())


def ask_version(arguments: Sequence[str], environ: Mapping[str, str] | None = None) -> str | None:
    """The version that a program prints on its first lines when run so; None where it prints none or does not run. Remembered."""
    try:
        changed = os.stat(arguments[0]).st_mtime_ns
    except OSError:
        return None
    return _ask(tuple(arguments), changed, tuple(sorted((environ or os.environ).items())))


@lru_cache(maxsize=64)
def _ask(arguments: tuple[str, ...], changed: int, environ: tuple[tuple[str, str], ...]) -> str | None:
    try:
        answer = subprocess.run(
            arguments, capture_output=True, stdin=subprocess.DEVNULL, timeout=_PATIENCE, env=dict(environ), check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    text = answer.stdout.decode("utf-8", "replace")
    match = re.search(r"\d+\.\d+(?:\.\d+)*", text) if answer.returncode == 0 else None
    return match[0] if match else None
