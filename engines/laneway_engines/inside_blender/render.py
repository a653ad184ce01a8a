"""Runs inside Blender (`blender -b file.blend … -P render.py -f 1..5 -- ORDERS`) or in a Python with the bpy module.

Checks the scene, says which files each frame is in, and reports every frame as it is written. Blender itself renders what `-f` lists;
this script renders where there is no `-f`: with the bpy module, and negative frames, which `-f` takes as relative to the range.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import bpy

if TYPE_CHECKING:
    from laneway_engines.inside_blender import checks, files
    from laneway_engines.inside_blender.telling import FAULT_EXIT, FaultError, tell
else:  # Blender's Python knows nothing of Laneway: the folder is a package of its own there
    sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    from inside_blender import checks, files
    from inside_blender.telling import FAULT_EXIT, FaultError, tell

_SAMPLES = re.compile(r"(?:Sample|Rendering)\s+(\d+)\s*/\s*(\d+)")
_STATS_EVERY = 0.2  # seconds


class Watch:
    """Follows a render of `scene` through Blender's handlers."""

    def __init__(self, scene: Any, attempt: int) -> None:
        self._scene = scene
        self._attempt = attempt
        self._folder = os.path.dirname(bpy.data.filepath)
        self._marked: set[str] = set()
        self._frame = 0
        self._said = 0.0
        self._still: list[str] | None = None

    def start(self, frames: Iterator[int]) -> None:
        """Installs the handlers, and shows that the first frame's folders can be written."""
        handlers = bpy.app.handlers
        handlers.render_pre.append(self._before)
        handlers.render_write.append(self._written)
        if bpy.app.version >= (5, 0):  # earlier ones print their progress
            handlers.render_stats.append(self._stats)
        self._mark(next(frames))

    def still(self, frame: int) -> None:
        """`frame` comes next, as a still: its files are what they are now, since the scene's path is about to change for it."""
        self._still = files.frame_files(self._scene, frame, self._folder)

    def _files(self, frame: int) -> list[str]:
        return files.frame_files(self._scene, frame, self._folder) if self._still is None else self._still

    def _mark(self, frame: int) -> None:
        """Says what time it is in the folders of a frame, by their own file system, before anything is written there."""
        for path in self._files(frame):
            folder = os.path.dirname(path)
            if folder not in self._marked:
                self._marked.add(folder)
                tell("folder", folder=folder, since=touch(folder, f".laneway-{self._attempt}"))

    def _before(self, *arguments: Any) -> None:
        self._frame = self._scene.frame_current
        try:
            self._mark(self._frame)
        except FaultError as exc:  # from inside a handler Blender would print it and render on
            fail(str(exc))

    def _written(self, *arguments: Any) -> None:
        frame = self._scene.frame_current
        tell("wrote", frame=frame, files=self._files(frame))
        self._still = None

    def _stats(self, *arguments: Any) -> None:
        now = time.monotonic()
        match = _SAMPLES.search(str(arguments[0])) if arguments and now - self._said > _STATS_EVERY else None
        if match and match[1] != "0":  # the first sample comes right after none, and the next perhaps much later
            self._said = now
            tell("progress", frame=self._frame, fraction=int(match[1]) / max(int(match[2]), 1))


def touch(folder: str, name: str) -> int:
    """The time in nanoseconds that a new file in `folder` gets. Raises FaultError where nothing can be written there."""
    path = os.path.join(folder, name)
    try:
        os.makedirs(folder, exist_ok=True)
        with open(path, "wb") as file:
            since = os.fstat(file.fileno()).st_mtime_ns
        os.unlink(path)
    except OSError as exc:
        raise FaultError(f"the output folder {folder} cannot be written: {exc.strerror}.") from exc
    return since


def numbers(runs: list[list[int]]) -> Iterator[int]:
    """The frames of [first, last, step] runs."""
    for first, last, step in runs:
        yield from range(first, last + (1 if step > 0 else -1), step)


def open_file(orders: Mapping[str, Any]) -> None:
    """Loads the scene; only where there is no Blender that has done so."""
    try:
        bpy.ops.wm.open_mainfile(filepath=orders["file"], load_ui=False, use_scripts=orders["autoexec"])
    except RuntimeError as exc:
        why = str(exc).strip().removeprefix("Error: ")
        if "Failed to read blend" in why:
            why = f"the scene is damaged, incomplete, or of a newer Blender ({why})"
        raise FaultError(f"Blender: {why}") from exc


def render(scene: Any, frame: int, watch: Watch) -> None:
    """Renders one frame as `-f` does; before Blender 5 a negative one, for which a scene's range has no place, as a still."""
    if "frame_start" in bpy.ops.render.render.get_rna_type().properties:
        bpy.ops.render.render(animation=True, scene=scene.name, frame_start=frame, frame_end=frame)
        return
    if frame >= 0:
        scene.frame_start = frame
        scene.frame_end = frame
        bpy.ops.render.render(animation=True, scene=scene.name)
        return
    watch.still(frame)
    scene.frame_set(frame)
    path = scene.render.filepath
    scene.render.filepath = scene.render.frame_path(frame=frame)
    try:
        bpy.ops.render.render(write_still=True, scene=scene.name)
    finally:
        scene.render.filepath = path


def fail(reason: str, *, retry: bool = False) -> None:
    """Reports why nothing can be rendered, and whether trying again may help; ends this process."""
    tell("fault", reason=reason, retry=retry)
    os._exit(FAULT_EXIT)


def main(orders: Mapping[str, Any]) -> None:
    """Does what `orders` (see the blender engine) say."""
    if orders.get("file") is not None:
        open_file(orders)
    scene = checks.choose_scene(bpy.data.scenes, bpy.context.scene, orders.get("scene"))
    if orders.get("file") is None and scene != bpy.context.scene:
        raise FaultError(f"Blender opened the scene {bpy.context.scene.name!r} instead of {scene.name!r}.")
    checks.prepare(scene, bpy.data, orders)
    if orders.get("threads"):
        scene.render.threads_mode = "FIXED"
        scene.render.threads = orders["threads"]
    watch = Watch(scene, orders["attempt"])
    watch.start(numbers(orders["frames"]))
    if orders["by_script"]:
        for frame in numbers(orders["frames"]):
            render(scene, frame, watch)


if __name__ == "__main__":
    try:
        main(json.loads(sys.argv[sys.argv.index("--") + 1]))
    except FaultError as problem:
        fail(str(problem))
    except RuntimeError as problem:  # what an operator of Blender reports
        fail(f"Blender: {str(problem).strip().removeprefix('Error: ')}", retry=True)
    except Exception:  # noqa: BLE001  # a Blender that stays in the background would render on
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(FAULT_EXIT)
