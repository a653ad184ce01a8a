"""The Blender engine with real Blenders: the program, and the module bpy in a Python of its own (LANEWAY_BPY_PYTHON)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from laneway.engine import pictures
from tests.integration.engine.conftest import SmallDisk
from tests.lanes import Lane, Report, gone

Copy = Callable[[str], Path]


def environ(kind: str, folder: Path) -> dict[str, str]:
    if kind == "program":
        return {"LANEWAY_BPY_PYTHON": ""}
    python = os.environ.get("LANEWAY_BPY_PYTHON", "")
    assert python, "LANEWAY_BPY_PYTHON names no Python with bpy: run the tests by `make test`, which makes one in .venv-bpy"
    assert Path(python).exists(), f"{python} is not there: run `make setup`"
    return {"LANEWAY_BPY_PYTHON": python, "PATH": str(folder)}  # no blender on this PATH


@pytest.fixture(params=[pytest.param("program", id="program"), pytest.param("module", id="bpy")])
def kind(request: pytest.FixtureRequest) -> str:
    value: str = request.param
    return value


@pytest.fixture
def lane(tmp_path: Path, kind: str) -> Iterator[Lane]:
    made = Lane(tmp_path, {"LANEWAY_BLENDER": "", **environ(kind, tmp_path)})
    yield made
    made.close()


def render(lane: Lane, path: Path, items: str = "1", **spec: Any) -> Report:
    return lane.finish(lane.start("blender", items, input=str(path), **spec), timeout=110)


def pngs(folder: Path) -> list[str]:
    for path in folder.rglob("*.*"):
        assert pictures.fault(str(path)) is None
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))


@pytest.mark.parametrize(
    ("items", "names"),
    [
        pytest.param("1-3,7", ["0001", "0002", "0003", "0007"], id="list"),
        pytest.param("10-6x2", ["0006", "0008", "0010"], id="reversed-step"),
        pytest.param("-3--2,4", ["-0002", "-0003", "0004"], id="negative"),
        pytest.param("0", ["0000"], id="zero"),
    ],
)
def test_frames_come_out_as_files(lane: Lane, scene: Copy, tmp_path: Path, items: str, names: list[str]) -> None:
    report = render(lane, scene("plain"), items)
    assert (report["outcome"], report["reason"], report["done"]) == ("done", None, items)
    assert pngs(tmp_path / "out") == [f"plain_{name}.png" for name in names]
    assert report["max_rss"] > 100 << 20


@pytest.mark.parametrize(
    ("output", "parameters", "name"),
    [
        pytest.param("a/b", {}, "a/b/plain_0005.png", id="folder"),
        pytest.param("a/shot.%05d.exr", {}, "a/shot.00005.exr", id="format-by-extension"),
        pytest.param("a/shot.png", {"format": "JPEG"}, "a/shot_0005.jpg", id="format-by-parameter"),
        pytest.param("a/x_####", {"format": "TIFF", "resolution_percentage": 50, "samples": 1}, "a/x_0005.tif", id="small"),
    ],
)
def test_the_output_of_the_job_wins(
    lane: Lane, scene: Copy, tmp_path: Path, output: str, parameters: dict[str, object], name: str
) -> None:
    report = render(lane, scene("plain"), "5", output=str(tmp_path / output), parameters=parameters)
    assert (report["outcome"], report["reason"]) == ("done", None)
    assert (tmp_path / name).stat().st_size > 0
    assert not (tmp_path / "out").exists()


def test_every_view_and_every_node_is_checked(lane: Lane, scene: Copy, tmp_path: Path) -> None:
    assert render(lane, scene("stereo"), "1")["outcome"] == "done"
    assert pngs(tmp_path / "out") == ["stereo_0001_L.png", "stereo_0001_R.png"]
    report = render(lane, scene("nodes"), "1,-2")
    assert (report["outcome"], report["reason"]) == ("done", None)
    text = lane.text(report)
    for path in (each for each in (tmp_path / "out").rglob("*.*") if not each.name.startswith("stereo")):
        assert str(path) in text  # each was expected
    assert len(list((tmp_path / "out").rglob("*.exr"))) == 2


@pytest.mark.parametrize(
    ("name", "parameters", "reason"),
    [
        pytest.param("no_camera", {}, "the scene 'Scene' has no camera", id="no-camera"),
        pytest.param("no_layer", {}, "no view layer of the scene 'Scene' is used", id="no-view-layer"),
        pytest.param("movie", {}, "writes a movie (FFMPEG)", id="movie"),
        pytest.param("truncated", {}, "the scene is damaged, incomplete, or of a newer Blender", id="truncated"),
        pytest.param("text", {}, "is not a Blender scene", id="not-a-scene"),
        pytest.param("plain", {"scene": "Nope"}, "has no scene 'Nope'; it has 'Scene'", id="scene"),
        pytest.param("plain", {"camera": "Nope"}, "no camera 'Nope'; there is 'Camera'", id="camera"),
        pytest.param("plain", {"view_layer": "Nope"}, "no view layer 'Nope'", id="view-layer"),
        pytest.param("plain", {"render_engine": "NOPE"}, "NOPE", id="render-engine"),
        pytest.param("plain", {"format": "NOPE"}, "unknown image format 'NOPE'", id="format"),
    ],
)
def test_what_cannot_be_rendered_fails_with_its_reason(
    lane: Lane, scene: Copy, name: str, parameters: dict[str, object], reason: str
) -> None:
    report = render(lane, scene(name), "1-2", parameters=parameters)
    assert (report["outcome"], report["retry"], report["done"]) == ("failed", False, "")
    assert reason in report["reason"]
    assert report["reason"].count("\n") == 0


def test_a_missing_scene(lane: Lane, tmp_path: Path) -> None:
    report = render(lane, tmp_path / "none.blend")
    assert (report["outcome"], report["retry"]) == ("failed", False)
    assert report["reason"] == f"input: the scene {tmp_path}/none.blend cannot be read: No such file or directory."


def test_a_denoiser_that_is_not_there_is_named(lane: Lane, scene: Copy, kind: str) -> None:
    report = render(lane, scene("denoised"))
    if report["outcome"] == "failed":  # a Blender built without it, as Debian's; bpy has it
        assert kind == "program"
        assert report["reason"].startswith("Cycles wants the OpenImageDenoise denoiser, which this Blender lacks.")
        assert report["retry"] is False
    assert render(lane, scene("denoised"), parameters={"denoise": False})["outcome"] == "done"


def test_another_scene_of_the_file(lane: Lane, scene: Copy, tmp_path: Path) -> None:
    report = render(lane, scene("two_scenes"), output=str(tmp_path / "o.png"), parameters={"scene": "Other"})
    assert (report["outcome"], report["reason"]) == ("done", None)
    assert (tmp_path / "o_0001.png").exists()


def test_python_in_the_scene_runs_unless_it_is_told_not_to(lane: Lane, scene: Copy, tmp_path: Path) -> None:
    assert render(lane, scene("script"))["outcome"] == "done"
    assert pngs(tmp_path / "out") == ["changed_0001.png"]
    assert render(lane, scene("script"), parameters={"autoexec": False})["outcome"] == "done"
    assert pngs(tmp_path / "out") == ["changed_0001.png", "script_0001.png"]


def test_an_output_that_cannot_be_written_is_known_before_rendering(lane: Lane, scene: Copy, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file where the scene wants a folder")
    report = render(lane, scene("heavy"))
    assert (report["outcome"], report["retry"]) == ("failed", False)
    assert f"the output folder {tmp_path}/out cannot be written" in report["reason"]


def test_a_full_disk(scene: Copy, small_disk: SmallDisk, tmp_path: Path, kind: str) -> None:
    if small_disk.limit is None:
        (small_disk.folder / "filler").write_bytes(b"x" * (small_disk.size - 4096))
    lane = Lane(tmp_path, {"LANEWAY_BLENDER": "", **environ(kind, tmp_path)}, small_disk.limit)
    try:
        parameters = {"resolution_percentage": 1600, "format": "BMP", "samples": 1}  # 512 x 512: 768 KiB
        report = render(lane, scene("plain"), "1-2", output=str(small_disk.folder / "a.bmp"), parameters=parameters)
        assert (report["outcome"], report["done"]) == ("failed", "")
        assert small_disk.limit is not None or f"KB are free in {small_disk.folder}" in report["reason"], report["reason"]
        assert lane.command("/bin/true")["outcome"] == "done"
    finally:
        lane.close()


def test_samples_are_progress_and_a_stop_is_quick(lane: Lane, scene: Copy) -> None:
    attempt = lane.start("blender", "1-2", input=str(scene("heavy")))
    pid = lane.until("started", attempt)["pid"]
    while True:
        report = lane.until("progress", attempt)
        if report["fraction"] > 0:
            break
    assert (report["item"], report["done"]) == (1, "")
    assert report["fraction"] < 0.5
    lane.stop(attempt)
    report = lane.finish(attempt, timeout=15)
    assert report["outcome"] == "stopped"
    assert gone(pid)


def test_it_says_which_blender_it_is(lane: Lane, kind: str) -> None:
    lane.order(type="probe")
    offer = lane.message()["engines"]["blender"]
    assert offer["available"] is True
    assert offer["version"].endswith(" (bpy)") is (kind == "module")
    assert Path(offer["executable"]).exists()


def test_the_version_of_the_job_counts(lane: Lane, scene: Copy, kind: str) -> None:
    lane.order(type="probe")
    version = lane.message()["engines"]["blender"]["version"].split()[0]
    short = ".".join(version.split(".")[:2])
    assert render(lane, scene("plain"), version=short)["outcome"] == "done"
    report = render(lane, scene("plain"), version="1.0")
    assert report["outcome"] == "failed"
    assert "Blender 1.0 is not found" in report["reason"]
