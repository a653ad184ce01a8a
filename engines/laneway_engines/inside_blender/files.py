"""Which files a frame of a scene will be in, as Blender itself resolves them, for Blender 3 to 5.

`scene` is a `bpy.types.Scene`; nothing here imports bpy.
"""

from __future__ import annotations

import os
import re
from typing import Any

_EXTENSIONS = {
    "BMP": ".bmp",
    "IRIS": ".rgb",
    "PNG": ".png",
    "JPEG": ".jpg",
    "TARGA": ".tga",
    "TARGA_RAW": ".tga",
    "CINEON": ".cin",
    "DPX": ".dpx",
    "OPEN_EXR": ".exr",
    "OPEN_EXR_MULTILAYER": ".exr",
    "HDR": ".hdr",
    "TIFF": ".tif",
    "WEBP": ".webp",
}


def frame_files(scene: Any, frame: int, blend_folder: str) -> list[str]:
    """Every file that rendering `frame` writes: the picture, one per view where views are files, and File Output nodes."""
    return [os.path.abspath(path) for path in _pictures(scene, frame) + _node_files(scene, frame, blend_folder)]


def _pictures(scene: Any, frame: int) -> list[str]:
    render = scene.render
    if not (render.use_multiview and render.image_settings.views_format == "INDIVIDUAL"):
        return [render.frame_path(frame=frame)]
    views = [view.name for view in render.views if view.use]
    if render.views_format == "STEREO_3D":
        views = [name for name in views if name in ("left", "right")]
    return [render.frame_path(frame=frame, view=name) for name in views]


def sequencer_is_used(scene: Any) -> bool:
    """The picture comes from strips, not from the scene's camera."""
    editor = scene.sequence_editor
    if editor is None or not scene.render.use_sequencer:
        return False
    return len(editor.strips if hasattr(editor, "strips") else editor.sequences) > 0


def compositing_tree(scene: Any) -> Any | None:
    """The node tree through which the picture goes; None where it is not used."""
    if not scene.render.use_compositing:
        return None
    if hasattr(scene, "compositing_node_group"):  # 5.0
        return scene.compositing_node_group
    return scene.node_tree if scene.use_nodes else None


def _node_files(scene: Any, frame: int, blend_folder: str) -> list[str]:
    """The files of File Output nodes, as far as they can be told beforehand: not those of views, groups, or unknown formats."""
    tree = compositing_tree(scene)
    if tree is None or scene.render.use_multiview or sequencer_is_used(scene):
        return []
    files = []
    for node in tree.nodes:
        if node.type == "OUTPUT_FILE" and not node.mute:
            files += _new_style(node) if hasattr(node, "file_output_items") else _old_style(node)
    return [_with_frame(path, frame, blend_folder) + extension for path, extension in files]


def _old_style(node: Any) -> list[tuple[str, str]]:
    """Blender before 5.0: a base path and a slot per input. Of a multilayer file only the node has a path."""
    if node.format.file_format == "OPEN_EXR_MULTILAYER":
        return [(node.base_path, ".exr")] if any(_is_fed(socket) for socket in node.inputs) else []
    files = []
    for socket, slot in zip(node.inputs, node.file_slots, strict=False):
        image = node.format if slot.use_node_format else slot.format
        if _is_fed(socket) and image.file_format in _EXTENSIONS:
            files.append((os.path.join(node.base_path, slot.path), _EXTENSIONS[image.file_format]))
    return files


def _new_style(node: Any) -> list[tuple[str, str]]:
    """Blender 5.0: a folder, a file name, and an item per input whose name follows the file name."""
    if "{" in node.directory + node.file_name:  # a path template, which only Blender can fill in
        return []
    base = os.path.join(node.directory, node.file_name)
    if node.format.file_format == "OPEN_EXR_MULTILAYER":
        return [(base, ".exr")] if any(_is_fed(socket) for socket in node.inputs) else []
    files = []
    for socket, item in zip(node.inputs, node.file_output_items, strict=False):
        image = item.format if item.override_node_format else node.format
        if _is_fed(socket) and image.file_format in _EXTENSIONS and "{" not in item.name:
            files.append((base + item.name, _EXTENSIONS[image.file_format]))
    return files


def _is_fed(socket: Any) -> bool:
    """Whether something reaches the socket; a reroute that hangs in the air does not count."""
    for _ in range(100):
        links = [link for link in socket.links if not getattr(link, "is_muted", False)]
        if not links:
            return False
        source = links[0].from_node
        if source.type != "REROUTE":
            return True
        socket = source.inputs[0]
    return False


def _with_frame(path: str, frame: int, blend_folder: str) -> str:
    """As Blender does it: the last #### of the file name, or four digits at its end; // is the scene's folder."""
    if path.startswith("//"):
        path = os.path.join(blend_folder, path[2:].lstrip("/\\"))
    folder, name = os.path.split(path)
    tokens = list(re.finditer("#+", name))
    start, end, width = (tokens[-1].start(), tokens[-1].end(), len(tokens[-1][0])) if tokens else (len(name), len(name), 4)
    number = f"{'-' if frame < 0 else ''}{abs(frame):0{width}d}"
    return os.path.join(folder, name[:start] + number + name[end:])
