"""Whether an image file is whole."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from laneway.engine import pictures

PNG = b"\x89PNG\r\n\x1a\n" + b"chunks" * 40 + b"\x00\x00\x00\x00IEND\xaeB`\x82"
JPEG = b"\xff\xd8\xff\xe0" + b"data" * 40 + b"\xff\xd9"


def exr(height: int = 20, *, lines: int = 16, compression: int = 3) -> bytes:
    """An OpenEXR file whose chunks hold ten bytes each."""
    header = b"\x76\x2f\x31\x01" + struct.pack("<I", 2)
    header += b"compression\0compression\0" + struct.pack("<iB", 1, compression)
    header += b"dataWindow\0box2i\0" + struct.pack("<5i", 16, 0, 0, 63, height - 1) + b"\0"
    count = -(-height // lines)
    first = len(header) + 8 * count
    table = struct.pack(f"<{count}Q", *(first + 18 * number for number in range(count)))
    return header + table + b"".join(struct.pack("<2i", number * lines, 10) + b"." * 10 for number in range(count))


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        pytest.param(PNG, None, id="png"),
        pytest.param(PNG + b"added", None, id="png-with-a-trailer"),
        pytest.param(PNG[:-8], "is cut off", id="png-cut"),
        pytest.param(JPEG, None, id="jpeg"),
        pytest.param(JPEG[:-2], "is cut off", id="jpeg-cut"),
        pytest.param(exr(), None, id="exr"),
        pytest.param(exr(lines=1, compression=0), None, id="exr-not-compressed"),
        pytest.param(exr()[:-1], "is cut off", id="exr-last-chunk-cut"),
        pytest.param(exr()[:70], "is cut off", id="exr-header-cut"),
        pytest.param(exr()[:-36].replace(exr()[-52:-36], b"\0" * 16), "is cut off", id="exr-table-not-written"),
        pytest.param(b"BM" + struct.pack("<I", 40) + b"." * 34, None, id="bmp"),
        pytest.param(b"BM" + struct.pack("<I", 41) + b"." * 34, "is cut off", id="bmp-cut"),
        pytest.param(b"RIFF" + struct.pack("<I", 32) + b"WEBP" + b"." * 28, None, id="webp"),
        pytest.param(b"RIFF" + struct.pack("<I", 99) + b"WEBP" + b"." * 28, "is cut off", id="webp-cut"),
        pytest.param(b"SDPX" + b"." * 12 + struct.pack(">I", 40) + b"." * 20, None, id="dpx"),
        pytest.param(b"XPDS" + b"." * 12 + struct.pack("<I", 41) + b"." * 20, "is cut off", id="dpx-cut"),
        pytest.param(b"SDPX" + b"." * 12 + b"\xff" * 4, None, id="dpx-that-does-not-say"),
        pytest.param(b"II*\0" + struct.pack("<I", 20) + b"." * 12 + struct.pack("<H", 1) + b"." * 16, None, id="tiff"),
        pytest.param(
            b"MM\0*" + struct.pack(">I", 20) + b"." * 12 + struct.pack(">H", 1) + b"." * 15, "is cut off", id="tiff-cut"
        ),
        pytest.param(b"II*\0" + struct.pack("<I", 0) + b"." * 20, "is cut off", id="tiff-without-its-directory"),
        pytest.param(b"BM", "is cut off", id="bmp-of-two-bytes"),
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b"text", None, id="unknown"),
    ],
)
def test_an_image_shows_whether_it_is_whole(tmp_path: Path, data: bytes, fault: str | None) -> None:
    path = tmp_path / "image"
    path.write_bytes(data)
    assert pictures.fault(str(path)) == fault


def test_a_missing_image(tmp_path: Path) -> None:
    assert pictures.fault(str(tmp_path / "none.png")) == "is missing"
