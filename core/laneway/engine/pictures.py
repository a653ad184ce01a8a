"""Whether an image file was cut off: a look at its ends and at the sizes that it states, without decoding it.

Programs that read images often make up what is missing and say nothing (ffmpeg fills a truncated EXR with black, and calls it success);
some that write them do not notice a full disk (bpy 5.0, BMP). Known here: PNG, JPEG, OpenEXR, TIFF, WebP, BMP, DPX.
"""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"IEND\xaeB`\x82"
_JPEG_END = b"\xff\xd9"
_TRAILER = 4096  # bytes that a program may add behind the end of a PNG or JPEG
_EXR = b"\x76\x2f\x31\x01"
_EXR_TILED, _EXR_DEEP, _EXR_PARTS = 0x200, 0x800, 0x1000
_EXR_LINES = (1, 1, 1, 16, 32, 16, 32, 32, 32, 256)  # scan lines in a chunk, by compression
_MOST_CHUNKS = 1 << 20
_TIFF = {b"II*\0": "<", b"MM\0*": ">"}  # by byte order
_DPX = {b"SDPX": ">", b"XPDS": "<"}
_NOT_SAID = 0xFFFFFFFF


def fault(path: str) -> str | None:
    """What is wrong with the image at `path` in a few words; None for a whole one and for formats that are not known here."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size == 0:
                return "is empty"
            start = file.read(20)
            if start.startswith(_PNG):
                whole = _PNG_END in _end(file, size)
            elif start.startswith(b"\xff\xd8\xff"):
                whole = _JPEG_END in _end(file, size)
            elif start.startswith(_EXR):
                file.seek(8)
                whole = _exr_is_whole(file, size, struct.unpack_from("<I", start, 4)[0])
            elif start[:4] in _TIFF:
                whole = _tiff_is_whole(file, size, start)
            else:
                whole = size >= _stated_size(start)
    except FileNotFoundError:
        return "is missing"
    except OSError as exc:
        return f"cannot be read ({exc.strerror})"
    except (struct.error, ValueError, IndexError):
        whole = False
    return None if whole else "is cut off"


def _end(file: BinaryIO, size: int) -> bytes:
    file.seek(max(size - _TRAILER, 0))
    return file.read()


def _stated_size(start: bytes) -> int:
    """How long a file says that it is; 0 where it does not, or is of a kind that is not known here."""
    size = 0
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        size = struct.unpack_from("<I", start, 4)[0] + 8
    elif start.startswith(b"BM"):
        size = struct.unpack_from("<I", start, 2)[0]
    elif start[:4] in _DPX:
        size = struct.unpack_from(f"{_DPX[start[:4]]}I", start, 16)[0]
    return 0 if size == _NOT_SAID else size


def _tiff_is_whole(file: BinaryIO, size: int, start: bytes) -> bool:
    """The directory comes last, as every common writer has it: it must be there in full."""
    order = _TIFF[start[:4]]
    (offset,) = struct.unpack_from(f"{order}I", start, 4)
    if not 8 <= offset < size:
        return False
    file.seek(offset)
    (entries,) = struct.unpack(f"{order}H", file.read(2))
    return bool(offset + 2 + 12 * entries + 4 <= size)


def _exr_is_whole(file: BinaryIO, size: int, version: int) -> bool:
    """Reads the header and the table of chunk offsets behind it: every chunk must have been written, the last one to its end."""
    if version & (_EXR_TILED | _EXR_DEEP | _EXR_PARTS):
        return True  # not looked into
    attributes: dict[bytes, bytes] = {}
    while name := _text(file):
        _text(file)  # its type
        (length,) = struct.unpack("<i", file.read(4))
        attributes[name] = file.read(length)
    _, top, _, bottom = struct.unpack("<4i", attributes.get(b"dataWindow", b""))
    lines = _EXR_LINES[attributes.get(b"compression", b"")[0]]
    count = (bottom - top) // lines + 1
    if not 0 < count <= _MOST_CHUNKS:
        return False
    offsets = struct.unpack(f"<{count}Q", file.read(8 * count))
    if 0 in offsets:
        return False
    file.seek(max(offsets))
    _, length = struct.unpack("<2i", file.read(8))
    end: int = max(offsets) + 8 + length
    return end <= size


def _text(file: BinaryIO) -> bytes:
    """A text that ends in a zero byte; ValueError where it does not end."""
    text = b""
    while (byte := file.read(1)) != b"\x00":
        if not byte or len(text) > 255:
            raise ValueError("not the header of an OpenEXR file")
        text += byte
    return text
