"""Whether an image file was cut off: a look at its ends, without decoding it, for PNG, JPEG and OpenEXR.

Programs that read images often make up what is missing and say nothing (ffmpeg fills a truncated EXR with black, and calls it success).
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


def fault(path: str) -> str | None:
    """What is wrong with the image at `path` in a few words; None for a whole one and for formats that are not known here."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size == 0:
                return "is empty"
            start = file.read(8)
            if start == _PNG:
                whole = _PNG_END in _end(file, size)
            elif start.startswith(b"\xff\xd8\xff"):
                whole = _JPEG_END in _end(file, size)
            elif start.startswith(_EXR):
                whole = _exr_is_whole(file, size, struct.unpack("<I", start[4:])[0])
            else:
                return None
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
