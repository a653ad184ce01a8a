"""File names with a frame number in them: `a.####.exr`, `a.%04d.exr`, and folders that hold such files.

Written as `#`, a token's width is that of the digits, with the sign before them (`-0007`, as Blender and Nuke write it); written as
printf, the sign counts (`-007`, as ffmpeg and C write it).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

_TOKEN = re.compile(r"%(?P<zero>0?)(?P<width>\d*)d|(?P<hash>#+)")
_NUMBERED = re.compile(r"^(?P<prefix>.*?)(?P<frame>(?<=[._])-?\d+|\d+)(?P<suffix>\.[A-Za-z][A-Za-z0-9]*)$", re.DOTALL)


def has_token(path: str) -> bool:
    """True when the file name holds a frame token."""
    return _TOKEN.search(os.path.basename(path)) is not None


def fill(path: str, frame: int) -> str:
    """`path` with every frame token replaced; `#` counts in the file name only, since folders may be named `C#`."""
    folder, name = os.path.split(path)
    name = _TOKEN.sub(lambda match: _format(match, frame), name)
    return os.path.join(folder, name) if folder else name


def to_hashes(path: str) -> str:
    """`path` with its printf tokens written as #; the width stays."""
    folder, name = os.path.split(path)
    return os.path.join(folder, _TOKEN.sub(lambda match: match["hash"] or "#" * max(int(match["width"] or 1), 1), name))


def _format(match: re.Match[str], frame: int) -> str:
    hashes = match["hash"]
    if hashes:
        return f"{'-' if frame < 0 else ''}{abs(frame):0{len(hashes)}d}"
    width = int(match["width"] or 0)
    return f"{frame:0{width}d}" if match["zero"] else f"{frame:{width}d}"


def looks_like_folder(path: str) -> bool:
    """Whether an output names a folder: it is one, ends in a slash, or has neither a frame token nor an extension."""
    if path.endswith(("/", "\\")) or os.path.isdir(path):
        return True
    return not has_token(path) and not os.path.splitext(path)[1]


@dataclass(frozen=True, slots=True)
class Sequence:
    """The files `prefix` number `suffix` in `folder`; `files` maps each frame found to its file name."""

    folder: str
    prefix: str
    suffix: str
    files: dict[int, str]

    @property
    def label(self) -> str:
        return f"{self.prefix}####{self.suffix}"

    def path(self, frame: int) -> str:
        return os.path.join(self.folder, self.files[frame])

    @property
    def width(self) -> int | None:
        """The digits of printf's `%0Nd` that writes all of these names, or None where no single one does."""
        texts = {frame: name[len(self.prefix) : len(name) - len(self.suffix)] for frame, name in self.files.items()}
        width = min((len(text) for text in texts.values()), default=1)
        return width if all(text == f"{frame:0{width}d}" for frame, text in texts.items()) else None


def find(pattern: str) -> Sequence:
    """The files on disk that `pattern`, a path with one token in its name, stands for. OSError where the folder cannot be read."""
    folder, name = os.path.split(pattern)
    match = _TOKEN.search(name)
    if match is None:
        raise ValueError(f"{pattern!r} has no frame token such as #### or %04d")
    prefix, suffix = name[: match.start()], name[match.end() :]
    width = len(match["hash"] or "") or int(match["width"] or 1)
    number = re.compile(rf"-?\d{{{1 if match['hash'] is None else width},}}")
    files: dict[int, str] = {}
    with os.scandir(folder or ".") as entries:
        for entry in entries:
            middle = entry.name[len(prefix) : len(entry.name) - len(suffix)]
            if entry.name == prefix + middle + suffix and number.fullmatch(middle):
                files[int(middle)] = entry.name
    return Sequence(folder, prefix, suffix, files)


def scan(folder: str) -> list[Sequence]:
    """Every numbered sequence of files in `folder`, by name. A single numbered file counts. OSError where it cannot be read."""
    found: dict[tuple[str, str], dict[int, str]] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            match = None if entry.name.startswith(".") else _NUMBERED.match(entry.name)
            if match and entry.is_file():
                found.setdefault((match["prefix"], match["suffix"]), {})[int(match["frame"])] = entry.name
    return [Sequence(folder, prefix, suffix, files) for (prefix, suffix), files in sorted(found.items())]
