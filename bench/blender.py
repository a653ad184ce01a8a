"""24 light frames of the demo's scene on 2 lanes, against the same frames as two plain `blender -b` side by side.

The frames are the demo's at a quarter of its size and four samples, a few hundred milliseconds each, so that what a farm
adds is not hidden behind the rendering. `laneway` renders two buckets of 12, the same two Blender processes as the plain way;
`laneway-default` uses the engine's own bucket size.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

from bench.harness import ROOT, Farm, scratch
from bench.record import Goal, emit, interleave, ratios
from laneway.model import Json

FRAMES = 24


def run(rounds: int) -> None:
    """Prints seconds and the ratio."""
    blender = shutil.which("blender")
    if blender is None:
        raise RuntimeError("no blender on PATH")
    folder = scratch("blender")
    try:
        scene = light_scene(blender, folder)
        with Farm(2) as farm:
            systems = {
                "blender": lambda: plain(blender, scene, folder / "plain"),
                "laneway": lambda: through_farm(farm, scene, folder / "farm", FRAMES // 2),
                "laneway-default": lambda: through_farm(farm, scene, folder / "default", None),
            }
            taken = interleave(systems, rounds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for name, values in taken.items():
        emit("blender", name, "seconds", values, "s")
    emit("blender", "laneway", "times_plain", ratios(taken["laneway"], taken["blender"]), "x", goal=Goal("<=", 1.15))
    emit("blender", "laneway-default", "times_plain", ratios(taken["laneway-default"], taken["blender"]), "x")


def light_scene(blender: str, folder: Path) -> Path:
    """The demo's scene, smaller."""
    scene = folder / "light.blend"
    lighter = (
        "import bpy; s = bpy.context.scene; s.render.resolution_percentage = 25; s.cycles.samples = 4; "
        f"bpy.ops.wm.save_as_mainfile(filepath={str(scene)!r})"
    )
    command = [blender, "-b", str(ROOT / "demo" / "lanes.blend"), "--python-exit-code", "1", "--python-expr", lighter]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return scene


def plain(blender: str, scene: Path, output: Path) -> float:
    """Two Blender processes, each with half of the frames."""
    fresh(output)
    began = time.perf_counter()
    halves = [(1, FRAMES // 2), (FRAMES // 2 + 1, FRAMES)]
    processes = [
        subprocess.Popen(
            [blender, "-b", str(scene), "-o", f"{output}/f.####", "-s", str(first), "-e", str(last), "-a"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for first, last in halves
    ]
    codes = [process.wait() for process in processes]
    took = time.perf_counter() - began
    check(output, codes == [0, 0])
    return took


def through_farm(farm: Farm, scene: Path, output: Path, bucket: int | None) -> float:
    """One job."""
    fresh(output)
    payload: dict[str, Json] = {
        "engine": "blender",
        "input": str(scene),
        "range": f"1-{FRAMES}",
        "output": f"{output}/f.####.png",
    }
    if bucket is not None:
        payload["settings"] = {"task_bucketsize": bucket}
    took = farm.run(payload)
    check(output, fine=True)
    return took


def fresh(folder: Path) -> None:
    """An empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def check(folder: Path, fine: bool) -> None:
    """Raises RuntimeError unless all frames are there."""
    found = [path for path in folder.iterdir() if path.stat().st_size > 0]
    if not fine or len(found) != FRAMES:
        raise RuntimeError(f"{len(found)} of {FRAMES} frames in {folder}")
