"""The Blender engine, as far as no Blender is needed: its command line, and what it reads from lines."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from laneway.engine import Context, EngineError, Progress, Spec, load
from laneway.engine.common import Common
from laneway.errors import UnknownNameError
from laneway.frames import Frames
from laneway.model import Json

Blender = load("blender")
module = sys.modules[Blender.__module__]


@pytest.fixture
def program(tmp_path: Path) -> str:
    path = tmp_path / "blender-3.4" / "blender"
    path.parent.mkdir()
    path.write_text("#!/bin/sh\necho Blender 3.4.1\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def scene(tmp_path: Path) -> str:
    path = tmp_path / "shot.blend"
    path.write_bytes(b"BLENDER-v304 and more")
    return str(path)


def engine(
    program: str, scene: str, parameters: dict[str, Json] | None = None, *, output: str | None = None, items: str = "1-3"
) -> Common:
    spec = Spec(engine="blender", input=(scene,), output=output, parameters=parameters or {})
    return Blender(spec, Frames.parse(items), Context(attempt=5, cores=4, environ={"LANEWAY_BLENDER": program}, dry=True))


def test_options_come_in_the_order_in_which_blender_follows_them(program: str, scene: str, tmp_path: Path) -> None:
    parameters: dict[str, Json] = {
        "scene": "Shot",
        "render_engine": "cycles",
        "format": "exr",
        "arguments": "--log render",
        "autoexec": False,
    }
    line = list(engine(program, scene, parameters, output=str(tmp_path / "out")).get_commandline("1-3,7"))
    orders = json.loads(line.pop())
    assert line == [
        *(program, "-b", "-Y", "-t", "4", scene, "-S", "Shot", "-E", "CYCLES", "-o", str(tmp_path / "out" / "shot_####")),
        *("-F", "OPEN_EXR", "-x", "1", "--log", "render", "--python-exit-code", "17", "-P", str(module.SCRIPT)),
        *("-f", "1..3,7", "--"),
    ]
    assert orders["frames"] == [[1, 3, 1], [7, 7, 1]]
    assert orders["by_script"] is False
    assert Path(module.SCRIPT).is_file()


def test_without_parameters_the_scene_decides(program: str, scene: str) -> None:
    line = engine(program, scene, {"threads": 0}).get_commandline("5")
    assert [word for word in line if word in ("-S", "-E", "-o", "-F", "-x", "-t")] == []
    assert "-y" in line


@pytest.mark.parametrize(
    ("frames", "listed"),
    [
        pytest.param("1-10", "1..10", id="range"),
        pytest.param("10-8", "10,9,8", id="reversed"),
        pytest.param("1-9x4", "1,5,9", id="step"),
        pytest.param("0,5-6", "0,5..6", id="list"),
        pytest.param("-3-4", None, id="negative-is-for-the-script"),
        pytest.param("1-20000x2", None, id="too-long-is-for-the-script"),
        pytest.param("1-2000000", "1..2000000", id="a-range-of-any-length"),
    ],
)
def test_frames_as_blender_takes_them(frames: str, listed: str | None) -> None:
    assert module.frame_list(Frames.parse(frames)) == listed


@pytest.mark.parametrize(
    ("output", "pattern", "image"),
    [
        pytest.param("out", "out/shot_####", None, id="folder"),
        pytest.param("out/b.%05d.exr", "out/b.#####.exr", "OPEN_EXR", id="printf"),
        pytest.param("out/b.####.jpg", "out/b.####.jpg", "JPEG", id="hashes"),
        pytest.param("out/b.png", "out/b_####.png", "PNG", id="no-token"),
        pytest.param("out/b_####", "out/b_####", None, id="no-extension"),
    ],
)
def test_the_output_as_blender_takes_it(
    program: str, scene: str, tmp_path: Path, output: str, pattern: str, image: str | None
) -> None:
    orders = json.loads(engine(program, scene, output=str(tmp_path / output)).get_commandline("1")[-1])
    assert (orders["output"], orders["format"]) == (str(tmp_path / pattern), image)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        pytest.param({"format": "NOFMT"}, "unknown image format 'NOFMT'", id="format"),
        pytest.param({"format": "FFMPEG"}, "unknown image format", id="movie"),
        pytest.param({"samples": 0}, "at least 1", id="samples"),
        pytest.param({"samples": "many"}, "whole number", id="samples-type"),
        pytest.param({"scene": 3}, "must be text", id="scene"),
        pytest.param({"autoexec": "perhaps"}, "true or false", id="autoexec"),
    ],
)
def test_wrong_parameters(program: str, scene: str, parameters: dict[str, Json], message: str) -> None:
    with pytest.raises((EngineError, UnknownNameError), match=message):
        engine(program, scene, parameters).get_commandline("1")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(None, "cannot be read: No such file", id="missing"),
        pytest.param(b"hello", "is not a Blender scene", id="text"),
        pytest.param(b"", "is not a Blender scene", id="empty"),
    ],
)
def test_a_scene_that_is_none(program: str, tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "bad.blend"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(EngineError, match=message) as caught:
        engine(program, str(path)).prepare()
    assert not caught.value.retry


@pytest.mark.parametrize(
    ("line", "said"),
    [
        pytest.param("Fra:7 Mem:9M (Peak 10M) | Time:00:00.00 | Scene, ViewLayer | Sample 1/4", Progress(0.25, 7), id="cycles"),
        pytest.param("Fra:-7 Mem:9M | Time:00:00.00 | Sample 4/4", Progress(1.0, -7), id="negative-frame"),
        pytest.param("Fra:7 Mem:9M | Rendering 16 / 64 samples", Progress(0.25, 7), id="eevee"),
        pytest.param("Fra:7 Mem:9M | Rendered 1/2 Tiles", Progress(0.5, 7), id="tiles"),
        pytest.param("Fra:7 Mem:9.90M (Peak 10.83M) | Time:00:00.00 | Updating Lights", None, id="no-sample"),
        pytest.param("Saved: '/tmp/a_0007.png'", None, id="saved"),
        pytest.param('@laneway {"event": "progress", "frame": 3, "fraction": 0.5}', Progress(0.5, 3), id="handler"),
        pytest.param('junk@laneway {"event": "wrote", "frame": 3, "files": ["/a"]}', Progress(item=3, done=3), id="wrote"),
        pytest.param("@laneway rubbish", None, id="not-ours"),
        pytest.param('@laneway {"event": "wrote"}', None, id="not-ours-either"),
    ],
)
def test_what_lines_say(program: str, scene: str, line: str, said: Progress | None) -> None:
    assert engine(program, scene).progress(line) == said


@pytest.mark.parametrize(
    ("line", "reason", "retry"),
    [
        pytest.param("Error: Cannot render, no camera", "Blender: Cannot render, no camera", False, id="camera"),
        pytest.param(
            "Error: Render error (No space left on device) cannot save: '/a'", "No space left on device", True, id="disk"
        ),
        pytest.param("00:00.1  render  | Error: Cannot render, no camera", "no camera", False, id="blender-5"),
        pytest.param(
            "Error: Build without OpenImageDenoiser", "Cycles wants the OpenImageDenoise denoiser", False, id="denoiser"
        ),
        pytest.param("KeyError: 'x'", "Blender: KeyError: 'x'", True, id="python"),
        pytest.param(
            '@laneway {"event": "fault", "reason": "no such scene", "retry": false}',
            "no such scene",
            False,
            id="fault-of-the-script",
        ),
    ],
)
def test_why_it_went_wrong(program: str, scene: str, line: str, reason: str, retry: bool) -> None:
    made = engine(program, scene)
    made.progress(line)
    made.progress("Error: something that follows from it")
    explained = made.explain(1)
    assert explained is not None
    assert reason in str(explained)
    assert explained.retry is retry


def test_frames_without_a_word_are_not_done(program: str, scene: str) -> None:
    made = engine(program, scene)
    made.progress('@laneway {"event": "wrote", "frame": 2, "files": ["/a"]}')
    (step,) = made.get_steps()
    with pytest.raises(EngineError, match="wrote no picture of frame 1,3"):
        made.finish(step)


def test_the_wanted_version_is_found_on_path(tmp_path: Path, scene: str) -> None:
    paths = []
    for version in ("3.4.1", "3.10.0", "2.93"):
        path = tmp_path / version / "blender"
        path.parent.mkdir()
        path.write_text(f"#!/bin/sh\necho Blender {version}\n")
        path.chmod(0o755)
        paths.append(str(path.parent))
    environ = {"PATH": os.pathsep.join(paths)}

    def found(version: str | None) -> str:
        return Blender(Spec(engine="blender", version=version), Frames.span(1, 1), Context(environ=environ)).get_executable()

    assert found("3.4") == f"{paths[0]}/blender"
    assert found("2.93") == f"{paths[2]}/blender"
    with pytest.raises(EngineError, match=r"Blender 1\.0 is not found"):
        found("1.0")
