"""Puts what the job asks for into the scene, and refuses what Blender would let pass in silence.

Blender ends with exit code 0 although a scene of the given name does not exist (it renders another one), a format is unknown (it keeps
the scene's), a denoiser is missing (no picture). Each check here raises FaultError with a sentence for people.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from typing import Any

from .files import compositing_tree, sequencer_is_used
from .telling import FaultError


def prepare(scene: Any, data: Any, orders: Mapping[str, Any]) -> None:
    """Applies `orders` to `scene` (a bpy.types.Scene; `data` is bpy.data) and checks that it can be rendered."""
    _engine(scene, orders)
    _camera(scene, data, orders)
    _view_layer(scene, orders)
    _format(scene, orders)
    _samples(scene, orders)
    render = scene.render
    if orders.get("resolution_percentage") is not None:
        render.resolution_percentage = orders["resolution_percentage"]
    if orders.get("output") is not None:
        render.filepath = orders["output"]
        render.use_file_extension = True
    # Which frames are rendered is the farm's decision; files of an earlier, perhaps broken attempt must not be kept.
    render.use_overwrite = True
    render.use_placeholder = False
    _denoiser(scene, orders)


def choose_scene(scenes: Any, active: Any, wanted: str | None) -> Any:
    """The scene that is meant; `scenes` is bpy.data.scenes."""
    if wanted is None:
        return active
    if wanted not in scenes:
        raise FaultError(f"the file has no scene {wanted!r}; it has {_names(scenes)}.")
    return scenes[wanted]


def _names(things: Iterable[Any]) -> str:
    return ", ".join(repr(thing.name) for thing in things) or "none"


def _engine(scene: Any, orders: Mapping[str, Any]) -> None:
    wanted = orders.get("render_engine")
    if wanted is not None:
        try:
            scene.render.engine = wanted
        except TypeError as exc:
            raise FaultError(f"this Blender has no render engine {wanted!r} ({exc}).") from exc
    if not scene.render.engine:
        raise FaultError(
            "the scene's render engine is not part of this Blender: its add-on is not installed or not switched on."
        )


def _camera(scene: Any, data: Any, orders: Mapping[str, Any]) -> None:
    wanted = orders.get("camera")
    if wanted is not None:
        camera = data.objects.get(wanted)
        if camera is None or camera.type != "CAMERA":
            cameras = [each for each in data.objects if each.type == "CAMERA"]
            raise FaultError(f"there is no camera {wanted!r}; there is {_names(cameras)}.")
        scene.camera = camera
        for marker in scene.timeline_markers:  # a camera bound to a marker would take over at its frame
            marker.camera = None
    if scene.camera is None and not any(marker.camera for marker in scene.timeline_markers) and _needs_camera(scene):
        raise FaultError(f"the scene {scene.name!r} has no camera.")


def _needs_camera(scene: Any) -> bool:
    if sequencer_is_used(scene):
        return False
    tree = compositing_tree(scene)
    return tree is None or any(node.type in ("R_LAYERS", "GROUP") for node in tree.nodes)


def _view_layer(scene: Any, orders: Mapping[str, Any]) -> None:
    wanted = orders.get("view_layer")
    if wanted is not None:
        if wanted not in scene.view_layers:
            raise FaultError(f"the scene {scene.name!r} has no view layer {wanted!r}; it has {_names(scene.view_layers)}.")
        for layer in scene.view_layers:
            layer.use = layer.name == wanted
    if not any(layer.use for layer in scene.view_layers) and _needs_camera(scene):
        raise FaultError(f"no view layer of the scene {scene.name!r} is used for rendering: the pictures would be empty.")


def _format(scene: Any, orders: Mapping[str, Any]) -> None:
    image = scene.render.image_settings
    wanted = orders.get("format")
    if wanted is not None:
        if hasattr(image, "media_type"):  # 5.0
            image.media_type = "MULTI_LAYER_IMAGE" if wanted == "OPEN_EXR_MULTILAYER" else "IMAGE"
        try:
            image.file_format = wanted
        except TypeError as exc:
            raise FaultError(f"this Blender cannot write {wanted} ({exc}).") from exc
    if scene.render.is_movie_format:
        raise FaultError(
            f"the scene writes a movie ({image.file_format}), which lanes cannot render in parts: "
            "set the parameter format (PNG, OPEN_EXR, …), and make the movie with the ffmpeg engine."
        )


def _samples(scene: Any, orders: Mapping[str, Any]) -> None:
    samples = orders.get("samples")
    if samples is None:
        return
    if scene.render.engine == "CYCLES":
        scene.cycles.samples = samples
    elif scene.render.engine.startswith("BLENDER_EEVEE"):
        scene.eevee.taa_render_samples = samples
    else:
        raise FaultError(f"the parameter samples is for Cycles and EEVEE; the scene's engine is {scene.render.engine}.")


def _denoiser(scene: Any, orders: Mapping[str, Any]) -> None:
    if scene.render.engine != "CYCLES":
        return
    if orders.get("denoise") is not None:
        scene.cycles.use_denoising = orders["denoise"]
    if not scene.cycles.use_denoising or scene.cycles.denoiser == "OPTIX":
        return
    if not getattr(importlib.import_module("_cycles"), "with_openimagedenoise", True):
        raise FaultError(
            "Cycles wants the OpenImageDenoise denoiser, which this Blender lacks. "
            "Use a Blender that has it, or set the parameter denoise to false."
        )
