"""The ffmpeg engine, as far as nothing needs to be encoded: which images, which names, which command line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from laneway.engine import Context, EngineError, Spec, load
from laneway.errors import UnknownNameError
from laneway.frames import Frames
from laneway.model import Json

Ffmpeg = load("ffmpeg")
module = sys.modules[Ffmpeg.__module__]


def images(folder: Path, *frames: int, name: str = "a.{:04d}.png") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for frame in frames:
        (folder / name.format(frame)).write_bytes(b"image")
    return folder


def plan(
    path: Path | str, parameters: dict[str, Json] | None = None, *, frames: str | None = None, output: str | None = None
) -> list[list[str]]:
    """The command lines for one input."""
    spec = Spec(engine="ffmpeg", input=(str(path),), range=frames, parameters=parameters or {}, output=output)
    context = Context(attempt=5, cores=2, environ={"LANEWAY_FFMPEG": "/opt/ffmpeg"}, dry=True)
    engine = Ffmpeg(spec, Frames.span(0, 0), context)
    engine.prepare()
    return [list(step.commandline or ()) for step in engine.get_steps()]


def value(line: list[str], option: str) -> str:
    return line[line.index(option) + 1]


def test_a_whole_sequence_is_counted_by_ffmpeg_itself(tmp_path: Path) -> None:
    folder = images(tmp_path / "frames", 8, 9, 10, 11)
    encode, check = plan(folder / "a.####.png", {"fps": 25}, output=str(tmp_path / "m.mp4"))
    assert encode[0] == "/opt/ffmpeg"
    assert (value(encode, "-start_number"), value(encode, "-i")) == ("8", f"{folder}/a.%04d.png")
    assert (value(encode, "-framerate"), value(encode, "-r"), value(encode, "-frames:v")) == ("25", "25", "4")
    assert encode[-1] == str(tmp_path / ".laneway-5-m.mp4")
    assert value(check, "-i") == encode[-1]


@pytest.mark.parametrize(
    ("frames", "wanted", "count"),
    [
        pytest.param((1, 2, 3, 4, 6), "1-3", "3", id="part-of-one-with-a-gap"),
        pytest.param((5, 10, 15, 20), None, "4", id="every-fifth"),
        pytest.param((1, 2, 3), "3-1", "3", id="reversed"),
        pytest.param((1, 2, 3), "1,3", "2", id="a-choice"),
    ],
)
def test_what_ffmpeg_cannot_count_is_listed(tmp_path: Path, frames: tuple[int, ...], wanted: str | None, count: str) -> None:
    encode, _ = plan(images(tmp_path, *frames) / "a.####.png", frames=wanted)
    assert (value(encode, "-f"), value(encode, "-i"), value(encode, "-frames:v")) == ("concat", "pipe:0", count)


@pytest.mark.parametrize(
    ("frames", "wanted", "missing"),
    [
        pytest.param((1, 2, 5, 6, 9), None, "3-4,7-8", id="in-between"),
        pytest.param((1, 2, 3), "1-6", "4-6", id="at-the-end-of-the-range"),
        pytest.param((5, 10, 20), None, "6-9,11-19", id="uneven-steps"),
        pytest.param((1, 100), None, "2-99", id="two-alone-are-no-step"),
        pytest.param((2, 3), "1-3", "1", id="the-first"),
    ],
)
def test_missing_images_are_listed_before_anything_runs(
    tmp_path: Path, frames: tuple[int, ...], wanted: str | None, missing: str
) -> None:
    with pytest.raises(EngineError, match=f"missing or incomplete: {missing}\\.") as caught:
        plan(images(tmp_path, *frames) / "a.####.png", frames=wanted)
    assert not caught.value.retry


def test_a_gap_may_hold_the_image_before_it(tmp_path: Path) -> None:
    folder = images(tmp_path, 1, 2, 5)
    spec = Spec(engine="ffmpeg", input=(f"{folder}/a.####.png",), parameters={"gaps": "hold"})
    first = next(iter(Ffmpeg(spec, Frames.span(0, 0), Context(environ={"LANEWAY_FFMPEG": "x"}, dry=True)).get_steps()))
    listed = (first.stdin or b"").decode().splitlines()
    assert [line.rsplit("/", 1)[1] for line in listed if line.startswith("file")] == [
        "a.0001.png'",
        "a.0002.png'",
        "a.0002.png'",
        "a.0002.png'",
        "a.0005.png'",
    ]


def test_an_empty_image_is_missing(tmp_path: Path) -> None:
    (images(tmp_path, 1, 2, 3) / "a.0002.png").write_bytes(b"")
    with pytest.raises(EngineError, match="incomplete: 2"):
        plan(tmp_path)


def test_the_first_image_cannot_be_held(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="The first one must be there"):
        plan(images(tmp_path, 2, 3) / "a.####.png", {"gaps": "hold"}, frames="1-3")


def test_one_image_stands_for_its_sequence(tmp_path: Path) -> None:
    images(images(tmp_path, 1, 2, 3), 1, 2, name="b.{:04d}.png")
    encode, _ = plan(tmp_path / "b.0002.png")
    assert value(encode, "-frames:v") == "2"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("", "holds 2 sequences: a.####.png, b####.png", id="two"),
        pytest.param("empty", "holds no numbered images", id="none"),
        pytest.param("x.png", "is not one of a sequence", id="no-member"),
        pytest.param("none.####.png", "there is no image none.####.png", id="no-such-pattern"),
        pytest.param("gone/a.####.png", "cannot be read", id="no-such-folder"),
    ],
)
def test_an_input_that_is_not_one_sequence(tmp_path: Path, name: str, message: str) -> None:
    images(images(tmp_path, 1, 2), 1, name="b{}.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "x.png").touch()
    with pytest.raises(EngineError, match=message):
        plan(tmp_path / name)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        pytest.param({"profile": "h26"}, "unknown profile 'h26'. Did you mean 'h265'", id="profile"),
        pytest.param({"fps": "fast"}, "frames per second", id="fps"),
        pytest.param({"fps": 0}, "frames per second", id="fps-zero"),
        pytest.param({"fps": True}, "frames per second", id="fps-type"),
        pytest.param({"gaps": "ignore"}, "unknown way with gaps", id="gaps"),
        pytest.param({"start": 90}, "start 90 comes after end 9", id="start-after-the-end"),
        pytest.param({"start": 90, "end": None}, "no frame lies between", id="start-after-the-images"),
    ],
)
def test_wrong_parameters(tmp_path: Path, parameters: dict[str, Json], message: str) -> None:
    with pytest.raises((EngineError, UnknownNameError), match=message):
        plan(images(tmp_path, 1, 2, 3, 5), {"end": 9, **parameters})


@pytest.mark.parametrize(
    ("fps", "rate"),
    [
        pytest.param(24, "24", id="number"),
        pytest.param("24", "24", id="text"),
        pytest.param(23.976, "24000/1001", id="ntsc"),
        pytest.param("30000/1001", "30000/1001", id="fraction"),
    ],
)
def test_frames_per_second(tmp_path: Path, fps: Json, rate: str) -> None:
    assert value(plan(images(tmp_path, 1, 2, 3), {"fps": fps})[0], "-r") == rate


@pytest.mark.parametrize(
    ("given", "output", "movie"),
    [
        pytest.param("f/a.####.png", "out/m.mov", "out/m.mov", id="file"),
        pytest.param("f/a.####.png", "out", "out/a.mp4", id="folder"),
        pytest.param("f/a.####.png", None, "f/a.mp4", id="beside-the-images"),
        pytest.param("f", None, "f/f.mp4", id="named-like-the-folder"),
        pytest.param("f/a.0001.png", "out/", "out/a.mp4", id="from-one-image"),
    ],
)
def test_where_the_movie_goes(tmp_path: Path, given: str, output: str | None, movie: str) -> None:
    images(tmp_path / "f", 1, 2, 3)
    encode, _ = plan(tmp_path / given, output=None if output is None else f"{tmp_path}/{output}")
    temporary = Path(encode[-1])
    assert temporary.parent / temporary.name.removeprefix(".laneway-5-") == tmp_path / movie


def test_names_are_quoted_in_the_list() -> None:
    listed = module.concat_list(["/a/it's %d.png"], "25").decode()
    assert listed.splitlines() == [
        "ffconcat version 1.0",
        "file 'file:/a/it'\\''s %d.png'",
        "option pattern_type none",
        "duration 0.040000",
    ]
