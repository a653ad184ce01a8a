"""The ffmpeg engine with a real ffmpeg."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.engine.conftest import SmallDisk
from tests.lanes import Lane, Report, gone


def ffmpeg() -> str:
    found = shutil.which("ffmpeg")
    assert found, "ffmpeg is not installed: run `make setup`"
    return found


@pytest.fixture
def frames(tmp_path: Path) -> Callable[..., Path]:
    """Makes numbered images of a size and gives their folder."""

    def make(count: int = 12, *, size: str = "64x48", name: str = "a.%04d.png", folder: str = "frames") -> Path:
        where = tmp_path / folder
        where.mkdir()
        source = ["-f", "lavfi", "-i", f"testsrc=size={size}:rate=24", "-frames:v", str(count)]
        subprocess.run([ffmpeg(), "-v", "error", *source, str(where / name)], check=True)
        return where

    return make


def encode(lane: Lane, given: Path, output: Path | None, items: str = "0", **spec: Any) -> Report:
    return lane.finish(lane.start("ffmpeg", items, input=str(given), output=None if output is None else str(output), **spec))


def count(movie: Path) -> tuple[int, str, str]:
    """Frames (decoded), size, and frames per second of a movie."""
    line = [ffmpeg(), "-i", str(movie), "-map", "0:v:0", "-f", "null", "-"]
    said = subprocess.run(line, capture_output=True, text=True, check=True).stderr
    shape = re.search(r"Video: .*?, (\d{2,}x\d+).*?([\d.]+) fps", said)
    assert shape
    return int(re.findall(r"frame=\s*(\d+)", said)[-1]), shape[1], shape[2]


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".laneway")]


@pytest.mark.parametrize(
    ("profile", "name"),
    [
        pytest.param("h264", "m.mp4", id="h264"),
        pytest.param("h265", "m.mp4", id="h265"),
        pytest.param("prores", "m.mov", id="prores"),
        pytest.param("prores-4444", "m.mov", id="prores-4444"),
        pytest.param("vp9", "m.webm", id="vp9"),
        pytest.param("preview", "m.mp4", id="preview"),
    ],
)
def test_every_profile_makes_every_frame(
    lane: Lane, frames: Callable[..., Path], tmp_path: Path, profile: str, name: str
) -> None:
    report = encode(lane, frames() / "a.####.png", tmp_path / name, parameters={"profile": profile, "fps": 25})
    assert (report["outcome"], report["reason"], report["done"]) == ("done", None, "0")
    assert count(tmp_path / name) == (12, "64x48", "25")
    assert leftovers(tmp_path) == []


def test_odd_sizes_are_padded(lane: Lane, frames: Callable[..., Path], tmp_path: Path) -> None:
    assert encode(lane, frames(size="63x47"), tmp_path / "m.mp4")["outcome"] == "done"
    assert count(tmp_path / "m.mp4") == (12, "64x48", "24")


def test_a_folder_and_a_name_for_the_movie(lane: Lane, frames: Callable[..., Path], tmp_path: Path) -> None:
    assert encode(lane, frames(), tmp_path / "movies")["outcome"] == "done"
    assert count(tmp_path / "movies" / "frames.mp4")[0] == 12


def test_several_inputs_are_an_item_each(lane: Lane, frames: Callable[..., Path], tmp_path: Path) -> None:
    given = [
        str(frames(5, folder="one") / "a.####.png"),
        str(frames(7, folder="two") / "b.####.png"),
        str(tmp_path / "none" / "c.#.png"),
    ]
    (tmp_path / "two").rename(tmp_path / "kept")
    (tmp_path / "two").mkdir()
    for path in (tmp_path / "kept").iterdir():
        path.rename(tmp_path / "two" / path.name.replace("a.", "b."))
    report = lane.finish(lane.start("ffmpeg", "0-1", input=given, output=str(tmp_path / "movies")))
    assert (report["outcome"], report["done"]) == ("done", "0-1")
    assert (count(tmp_path / "movies" / "a.mp4")[0], count(tmp_path / "movies" / "b.mp4")[0]) == (5, 7)
    assert lane.finish(lane.start("ffmpeg", "2", input=given, output=str(tmp_path / "movies")))["outcome"] == "failed"


def test_a_gap_is_an_error_before_anything_runs(lane: Lane, frames: Callable[..., Path], tmp_path: Path) -> None:
    folder = frames()
    for frame in (4, 6, 7):
        (folder / f"a.{frame:04d}.png").unlink()
    report = encode(lane, folder, tmp_path / "m.mp4")
    assert (report["outcome"], report["retry"], report["exit"], report["commandline"]) == ("failed", False, None, [])
    assert "3 of 12 images a.####.png" in report["reason"]
    assert "are missing or incomplete: 4,6-7." in report["reason"]
    assert not (tmp_path / "m.mp4").exists()


@pytest.mark.parametrize("fps", [pytest.param(24, id="24"), pytest.param("23.976", id="ntsc"), pytest.param(7, id="odd")])
def test_a_gap_may_be_held(lane: Lane, frames: Callable[..., Path], tmp_path: Path, fps: object) -> None:
    folder = frames(30)
    for frame in (4, 6, 7, 30):
        (folder / f"a.{frame:04d}.png").unlink()
    report = encode(lane, folder, tmp_path / "m.mp4", range="1-30", parameters={"gaps": "hold", "fps": fps})
    assert (report["outcome"], report["reason"]) == ("done", None)
    assert count(tmp_path / "m.mp4")[0] == 30
    assert "The image before each is held" in lane.text(report)


def test_a_range_with_steps_backwards_and_with_strange_names(lane: Lane, frames: Callable[..., Path], tmp_path: Path) -> None:
    folder = frames(10, name="sh 'x' %04d.png").rename(tmp_path / "it's 100%d")
    report = encode(lane, folder, tmp_path / "m.mp4", range="10-1x3")
    assert (report["outcome"], report["reason"]) == ("done", None)
    assert count(tmp_path / "m.mp4")[0] == 4


def test_negative_frames(lane: Lane, frames: Callable[..., Path], tmp_path: Path) -> None:
    folder = frames(5)
    for frame in range(1, 6):
        (folder / f"a.{frame:04d}.png").rename(
            folder / f"n.{frame - 3:05d}.png" if frame < 3 else folder / f"n.{frame - 3:04d}.png"
        )
    assert encode(lane, folder / "n.####.png", tmp_path / "m.mp4")["outcome"] == "done"
    assert count(tmp_path / "m.mp4")[0] == 5


def test_a_damaged_image_is_found(lane: Lane, frames: Callable[..., Path], tmp_path: Path) -> None:
    folder = frames()
    path = folder / "a.0005.png"
    path.write_bytes(path.read_bytes()[:300])
    report = encode(lane, folder, tmp_path / "m.mp4")
    assert report["outcome"] == "failed"
    assert "missing or incomplete: 5." in report["reason"]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"rubbish" * 50 + b"\x00\x00\x00\x00IEND\xaeB`\x82")
    report = encode(lane, folder, tmp_path / "m.mp4")
    assert report["outcome"] == "failed"
    assert not (tmp_path / "m.mp4").exists()


def test_a_movie_that_is_too_short_is_not_success(tmp_path: Path, frames: Callable[..., Path]) -> None:
    folder = frames()
    liar = tmp_path / "ffmpeg"
    liar.write_text(f'#!/bin/sh\nexec {ffmpeg()} $(echo " $* " | sed "s/ -frames:v 12 / -frames:v 9 /")\n')
    liar.chmod(0o755)
    lane = Lane(tmp_path, {"LANEWAY_FFMPEG": str(liar)})
    try:
        report = encode(lane, folder, tmp_path / "m.mp4", parameters={"profile": "h264"})
        assert report["outcome"] == "failed"
        assert "the movie has 9 frames instead of 12" in report["reason"]
        assert not (tmp_path / "m.mp4").exists()
        assert leftovers(tmp_path) == []
    finally:
        lane.close()


def test_a_wrong_argument_is_told_in_ffmpegs_words(lane: Lane, frames: Callable[..., Path], tmp_path: Path) -> None:
    report = encode(lane, frames(), tmp_path / "m.mp4", parameters={"arguments": "-nonsense 3"})
    assert report["outcome"] == "failed"
    assert report["reason"].startswith("ffmpeg: ")
    assert leftovers(tmp_path) == []


def test_a_full_disk(tmp_path: Path, frames: Callable[..., Path], small_disk: SmallDisk) -> None:
    folder = frames(48, size="640x480")
    if small_disk.limit is None:
        (small_disk.folder / "filler").write_bytes(b"x" * (small_disk.size - 8192))
    lane = Lane(tmp_path, before=small_disk.limit)
    try:
        report = encode(lane, folder, small_disk.folder / "m.mp4", parameters={"arguments": "-qp 0", "profile": "prores"})
        assert report["outcome"] == "failed"
        assert report["retry"] is True
        assert not (small_disk.folder / "m.mp4").exists()
        assert leftovers(small_disk.folder) == []
    finally:
        lane.close()


def test_progress_and_a_stop(lane: Lane, frames: Callable[..., Path], tmp_path: Path) -> None:
    folder = frames(60, size="1280x720")
    parameters = {"arguments": "-preset veryslow -crf 1"}
    attempt = lane.start("ffmpeg", "0", input=str(folder), output=str(tmp_path / "m.mp4"), parameters=parameters)
    pid = lane.until("started", attempt)["pid"]
    report = lane.until("progress", attempt)
    assert 0 < report["fraction"] < 1
    lane.stop(attempt)
    assert lane.finish(attempt)["outcome"] == "stopped"
    assert gone(pid)
    assert leftovers(tmp_path) == []


def test_the_wheels_ffmpeg_where_there_is_no_other(tmp_path: Path, frames: Callable[..., Path]) -> None:
    folder = frames()
    lane = Lane(tmp_path, {"PATH": str(tmp_path), "LANEWAY_FFMPEG": str(wheel())})
    try:
        report = encode(lane, folder, tmp_path / "m.mp4")
        assert (report["outcome"], report["reason"]) == ("done", None)
    finally:
        lane.close()
    assert count(tmp_path / "m.mp4")[0] == 12


def wheel() -> Path:
    import imageio_ffmpeg

    return Path(imageio_ffmpeg.get_ffmpeg_exe())
