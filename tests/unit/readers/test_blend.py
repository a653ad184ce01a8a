from __future__ import annotations

import gzip
import shutil
import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from laneway.errors import NotFoundError, UserError
from laneway.readers.blend import BlendFile, BlendScene, read

MAKE = """
import bpy, os
scene = bpy.context.scene
scene.name, scene.frame_start, scene.frame_end = "Shot \\u00e5", 11, 42
bpy.data.scenes.new("Other").frame_end = 7
bpy.ops.wm.save_as_mainfile(filepath=os.path.abspath("plain.blend"), compress=False)
bpy.ops.wm.save_as_mainfile(filepath=os.path.abspath("packed.blend"), compress=True)
scene.frame_start = scene.frame_end
bpy.ops.wm.save_as_mainfile(filepath=os.path.abspath("one.blend"), compress=False)
"""


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files that the installed Blender has saved, or the ones of the same content made by hand where there is none."""
    folder = tmp_path_factory.mktemp("blend")
    blender = shutil.which("blender")
    if blender is not None:
        command = [blender, "-b", "--factory-startup", "--python-exit-code", "3", "--python-expr", MAKE]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
        return folder
    data = classic([("Shot å", 11, 42)])
    (folder / "plain.blend").write_bytes(data)
    (folder / "packed.blend").write_bytes(zstandard.ZstdCompressor().compress(data))
    (folder / "one.blend").write_bytes(classic([("Shot å", 42, 42)]))
    return folder


def classic(scenes: list[tuple[str, int, int]], *, pointer: str = "-", order: str = "v", version: str = "304") -> bytes:
    """A file head as Blender wrote it until 4.5."""
    ends, wide = {"v": "<", "V": ">"}[order], {"_": "i", "-": "q"}[pointer]
    data = f"BLENDER{pointer}{order}{version}".encode()
    for name, start, end in scenes:
        body = struct.pack(f"{ends}ii64s", start, end, name.encode())
        data += struct.pack(f"{ends}4si{wide}ii", b"REND", len(body), 77, 0, 1) + body
    return data + struct.pack(f"{ends}4si{wide}ii", b"GLOB", 16, 77, 0, 1) + bytes(16)


def modern(scenes: list[tuple[str, int, int]], head: bytes = b"BLENDER17-01v0500") -> bytes:
    """A file head as Blender writes it since 5.0."""
    for name, start, end in scenes:
        body = struct.pack("<ii256s", start, end, name.encode())
        head += struct.pack("<4siqqq", b"REND", 0, 77, len(body), 1) + body
    return head + struct.pack("<4siqqq", b"GLOB", 0, 77, 16, 1) + bytes(16)


@pytest.mark.parametrize(
    ("name", "text"), [("plain", "11-42"), ("packed", "11-42"), ("one", "42")], ids=["plain", "zstandard", "one frame"]
)
def test_files_that_blender_saved(real: Path, name: str, text: str) -> None:
    found = read(real / f"{name}.blend")
    assert found.scene().name == "Shot å"
    assert found.scene().range == text
    assert len(found.scenes) == 1


@pytest.mark.parametrize("pointer", ["_", "-"], ids=["4 bytes", "8 bytes"])
@pytest.mark.parametrize("order", ["v", "V"], ids=["little", "big"])
def test_every_pointer_size_and_byte_order(tmp_path: Path, pointer: str, order: str) -> None:
    path = tmp_path / "a.blend"
    path.write_bytes(classic([("A", -5, 7)], pointer=pointer, order=order, version="279"))
    assert read(path) == BlendFile((2, 79), (BlendScene("A", -5, 7),))
    assert read(path).scene().range == "-5-7"


def test_the_header_of_blender_5(tmp_path: Path) -> None:
    path = tmp_path / "a.blend"
    path.write_bytes(modern([("Fünf", 3, 9)]))
    assert read(path) == BlendFile((5, 0), (BlendScene("Fünf", 3, 9),))


def test_gzip_of_the_years_before_3_0(tmp_path: Path) -> None:
    path = tmp_path / "a.blend"
    path.write_bytes(gzip.compress(classic([("A", 1, 250)], version="293")))
    assert read(str(path)).scene().range == "1-250"


def test_several_scenes_need_a_name(tmp_path: Path) -> None:
    path = tmp_path / "a.blend"
    path.write_bytes(classic([("A", 1, 10), ("B", 5, 6), ("C", 1, 10)]))
    found = read(path)
    assert found.scene("B").range == "5-6"
    with pytest.raises(UserError, match="B 5-6") as caught:
        found.scene()
    assert "--range" in str(caught.value)
    with pytest.raises(UserError, match="says nothing of a scene 'D'"):
        found.scene("D")


def test_several_scenes_of_one_range_do_not(tmp_path: Path) -> None:
    path = tmp_path / "a.blend"
    path.write_bytes(classic([("A", 1, 10), ("C", 1, 10)]))
    assert read(path).scene().range == "1-10"


WHOLE = classic([("A", 1, 10)])
BROKEN = {
    "empty": b"",
    "another format": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "only the magic": b"BLENDER",
    "unknown pointer size": b"BLENDER?v304" + WHOLE[12:],
    "no version": b"BLENDER-vabc" + WHOLE[12:],
    "cut in a block's head": WHOLE[:20],
    "cut in a block": WHOLE[:50],
    "cut before the end of the head": WHOLE[:-20],
    "no scene": classic([]),
    "negative length": b"BLENDER-v304" + struct.pack("<4siqii", b"REND", -8, 1, 0, 1),
    "absurd length": b"BLENDER-v304" + struct.pack("<4siqii", b"REND", 2**31 - 1, 1, 0, 1) + bytes(100),
    "absurd length in 5.0": b"BLENDER17-01v0500" + struct.pack("<4siqqq", b"TEST", 0, 1, 2**62, 1) + bytes(100),
    "short scene block": b"BLENDER-v304" + struct.pack("<4siqii", b"REND", 4, 1, 0, 1) + bytes(4),
    "nothing to render": classic([("A", 10, 1)]),
    "a format of the future": modern([("A", 1, 2)], b"BLENDER17-02v0700"),
    "a longer header": modern([("A", 1, 2)], b"BLENDER24-01v0700"),
    "damaged gzip": b"\x1f\x8b" + bytes(60),
    "cut off gzip": gzip.compress(bytes(range(256)) + WHOLE)[:30],
    "damaged zstandard": b"\x28\xb5\x2f\xfd" + b"\xff" * 60,
    "cut off zstandard": zstandard.ZstdCompressor().compress(WHOLE)[:20],
    "gzip of something else": gzip.compress(b"hello world, this is no scene"),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
def test_broken_and_foreign_files_are_told(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.blend"
    path.write_bytes(data)
    with pytest.raises(UserError) as caught:
        read(path)
    assert caught.value.fix


def test_a_missing_file_and_a_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        read(tmp_path / "no.blend")
    with pytest.raises(UserError):
        read(tmp_path)


@given(st.data())
def test_any_damage_is_a_user_error_or_an_answer(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    raw = bytearray(data.draw(st.sampled_from([WHOLE, modern([("A", 1, 10)])])))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.blend"
    path.write_bytes(bytes(raw[: data.draw(st.integers(0, len(raw)))]))
    with suppress(UserError):
        read(path)


def test_a_compression_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.blend"
    head = b"BLENDER17-01v0500" + struct.pack("<4siqqq", b"TEST", 0, 1, 10**9, 1)
    path.write_bytes(gzip.compress(head + bytes(50_000_000), compresslevel=1))
    with pytest.raises(UserError, match="1000000000"):
        read(path)


def test_without_zstandard_the_error_says_to_pass_a_range(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    monkeypatch.setitem(sys.modules, "compression.zstd", None)
    path = tmp_path / "a.blend"
    path.write_bytes(zstandard.ZstdCompressor().compress(WHOLE))
    with pytest.raises(UserError, match="zstandard") as caught:
        read(path)
    assert "--range" in str(caught.value)
