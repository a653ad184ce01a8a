"""Reads from a .blend file which frames its scenes render.

A .blend file is a header and a row of blocks. The header is `BLENDER`, then until version 4.5 the pointer size (`_` 4 bytes,
`-` 8), the byte order (`v` little, `V` big) and three digits of version; since 5.0 the header's own length in two digits, `-`,
two digits of format version, `v` and four digits of version. A block has a code, a length and a body:

    classic   code[4]  length:int32  pointer[4 or 8]  sdna:int32  count:int32
    5.0       code[4]  sdna:int32    pointer[8]       length:int64  count:int64

Blender writes, before anything else, one `REND` block for each scene that renders: start and end as int32, then the scene's
name. So the first kilobytes are enough, however large the file is. Files may be compressed as a whole, with gzip until 2.93 and
with zstandard since 3.0. The frame step is not in these blocks.
"""

from __future__ import annotations

import gzip
import importlib
import io
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, cast

from laneway.errors import NotFoundError, UserError

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
MOST_BLOCKS = 4096
MOST_BYTES = 16 * 1024 * 1024  # of blocks passed over on the way; the preview image is the largest known, with 256 KB
_LAST = frozenset({b"GLOB", b"DNA1", b"ENDB"})  # what follows the blocks of interest in every version
_RANGE_FIX = "Pass --range to say which frames to render."


@dataclass(frozen=True, slots=True)
class BlendScene:
    """A scene that renders: its name, its first and its last frame."""

    name: str
    start: int
    end: int

    @property
    def range(self) -> str:
        """Its frames as a range text."""
        return str(self.start) if self.start == self.end else f"{self.start}-{self.end}"


@dataclass(frozen=True, slots=True)
class BlendFile:
    """What the head of a .blend file says. `version` is that of the Blender which saved it, such as (3, 4)."""

    version: tuple[int, int]
    scenes: tuple[BlendScene, ...]

    def scene(self, name: str | None = None) -> BlendScene:
        """The scene that Blender would render: `name`, or the only one. Raises UserError where that is not clear."""
        found = [scene for scene in self.scenes if name in (None, scene.name)]
        if len({scene.range for scene in found}) == 1:
            return found[0]
        listed = ", ".join(f"{scene.name} {scene.range}" for scene in self.scenes) or "none"
        if name is not None:
            raise UserError(f"the file says nothing of a scene {name!r} (it names: {listed}).", field="range", fix=_RANGE_FIX)
        raise UserError(f"which scene's frames? The file names: {listed}.", field="range", fix=_RANGE_FIX)


@dataclass(frozen=True, slots=True)
class _Layout:
    version: tuple[int, int]
    head: struct.Struct
    length_at: int  # index of the length among the head's fields
    range: struct.Struct


def read(path: Path | str) -> BlendFile:
    """The scenes of the file at `path`. Reads some kilobytes, whatever the file's size.

    Raises NotFoundError, or UserError for what is no .blend file, is cut off, or is compressed in a way that cannot be read here.
    """
    path = Path(path)
    try:
        with path.open("rb") as raw, _uncompressed(path, raw) as file:
            return _read(path, file)
    except FileNotFoundError:
        raise NotFoundError(f"there is no file {path}.", field="input", value=str(path)) from None
    except EOFError:
        _fail(path, "it is cut off")
    except (gzip.BadGzipFile, zlib.error) as exc:
        _fail(path, f"its compression is damaged ({exc})")
    except OSError as exc:
        raise UserError(f"{path} cannot be read: {exc.strerror or exc}.", field="input", value=str(path)) from exc


def _read(path: Path, file: BinaryIO) -> BlendFile:
    layout = _layout(path, file)
    scenes: list[BlendScene] = []
    passed = 0
    for _ in range(MOST_BLOCKS):
        head = layout.head.unpack(_exactly(file, layout.head.size))
        code, length = head[0], head[layout.length_at]
        if code in _LAST or (scenes and code != b"REND"):
            break
        passed += length
        if length < 0 or passed > MOST_BYTES:
            _fail(path, f"its block {code!r} says that it is {length} bytes long")
        body = _exactly(file, length)
        if code == b"REND":
            if length <= layout.range.size:
                _fail(path, f"its scene block is only {length} bytes long")
            start, end = layout.range.unpack_from(body)
            name = body[layout.range.size :].split(b"\0", 1)[0].decode("utf-8", "replace")
            if end < start:
                raise UserError(f"scene {name!r} of {path} renders nothing: {start} to {end}.", field="range", fix=_RANGE_FIX)
            scenes.append(BlendScene(name, start, end))
    if not scenes:
        raise UserError(f"{path} holds no scene that renders.", field="input", value=str(path), fix=_RANGE_FIX)
    return BlendFile(layout.version, tuple(scenes))


def _layout(path: Path, file: BinaryIO) -> _Layout:
    head = file.read(12)
    if head[:7] != b"BLENDER":
        _fail(path, "it does not begin with BLENDER")
    if len(head) < 12:
        raise EOFError
    if head[7:9].isdigit():
        head += _exactly(file, 17 - 12)
        if head[7:10] != b"17-" or head[10:12] != b"01" or head[12:13] != b"v" or not head[13:17].isdigit():
            text = head.decode("ascii", "replace")
            raise UserError(f"{path} has a header that is not known: {text}.", field="input", value=str(path), fix=_RANGE_FIX)
        number = int(head[13:17])
        return _Layout((number // 100, number % 100), struct.Struct("<4siqqq"), 3, struct.Struct("<ii"))
    order = {b"v": "<", b"V": ">"}.get(head[8:9])
    pointer = {b"_": "i", b"-": "q"}.get(head[7:8])
    if order is None or pointer is None or not head[9:12].isdigit():
        _fail(path, f"its header is {head!r}")
    number = int(head[9:12])
    return _Layout((number // 100, number % 100), struct.Struct(f"{order}4si{pointer}ii"), 1, struct.Struct(f"{order}ii"))


def _uncompressed(path: Path, raw: BinaryIO) -> BinaryIO:
    magic = raw.read(4)
    raw.seek(0)
    if magic[:2] == GZIP:
        return cast("BinaryIO", gzip.GzipFile(fileobj=raw))
    if magic == ZSTD:
        return _zstd(path, raw)
    return raw


def _zstd(path: Path, raw: BinaryIO) -> BinaryIO:
    """A zstandard stream: by Python itself from 3.14 on, before that by the package `zstandard` where it is installed."""
    for name in ("compression.zstd", "zstandard"):
        try:
            module: Any = importlib.import_module(name)
        except ImportError:
            continue
        try:
            if name == "zstandard":
                # Bounded: Blender's own frames need far less than 128 MB of window.
                reader = module.ZstdDecompressor(max_window_size=2**27).stream_reader(raw, read_across_frames=True)
            else:
                reader = module.ZstdFile(raw, options={module.DecompressionParameter.window_log_max: 27})
            head = reader.read(256 * 1024)  # all that may be needed at once: errors of the compression then come up here only
        except (module.ZstdError, EOFError) as exc:
            _fail(path, f"its compression is damaged ({exc})")
        return io.BytesIO(head)
    raise UserError(
        f"{path} is compressed with zstandard, which this Python ({_python()}) cannot read.",
        field="input",
        value=str(path),
        fix=f"{_RANGE_FIX} Or install the package `zstandard`, and the range is read from the scene.",
    )


def _python() -> str:
    import platform

    return platform.python_version()


def _exactly(file: BinaryIO, count: int) -> bytes:
    data = file.read(count)
    if len(data) < count:
        raise EOFError
    return data


def _fail(path: Path, why: str) -> NoReturn:
    raise UserError(
        f"{path} is not a .blend file that can be read: {why}.",
        field="input",
        value=str(path),
        fix="Open and save it in Blender, or pass --range if Blender can render it.",
    )
