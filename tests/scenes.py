"""Makes .blend files by running Blender with a few lines of Python."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

_START = """
import bpy
FOLDER = {folder!r}
def begin(name):
    bpy.ops.wm.read_factory_settings()
    scene = bpy.context.scene
    scene.render.resolution_x = scene.render.resolution_y = 32
    scene.render.engine = "CYCLES"
    scene.cycles.samples = 2
    scene.cycles.use_denoising = False
    scene.render.filepath = "//out/" + name + "_####"
    return scene
def save(name):
    bpy.ops.wm.save_as_mainfile(filepath=FOLDER + "/" + name + ".blend", compress=False)
"""

SCENES = {
    "plain": "",
    "denoised": "scene.cycles.use_denoising = True",
    "no_camera": 'bpy.data.objects.remove(bpy.data.objects["Camera"])',
    "no_layer": "scene.view_layers[0].use = False",
    "movie": 'scene.render.image_settings.file_format = "FFMPEG"',
    "stereo": "scene.render.use_multiview = True",
    "heavy": """
scene.cycles.samples = 5000
scene.cycles.use_adaptive_sampling = False
scene.render.resolution_x = scene.render.resolution_y = 512
""",
    "two_scenes": """
other = bpy.data.scenes.new("Other")
other.camera = scene.camera
other.render.engine = "CYCLES"
other.cycles.samples = 1
other.cycles.use_denoising = False
other.render.resolution_x = other.render.resolution_y = 16
""",
    "nodes": """
scene.use_nodes = True
tree = scene.node_tree
layers = next(node for node in tree.nodes if node.type == "R_LAYERS")
one = tree.nodes.new("CompositorNodeOutputFile")
one.base_path = "//out/passes/"
one.file_slots.new("second_")
one.file_slots.new("not_linked_")
tree.links.new(layers.outputs[0], one.inputs[0])
tree.links.new(layers.outputs[1], one.inputs[1])
many = tree.nodes.new("CompositorNodeOutputFile")
many.base_path = "//out/layers_"
many.format.file_format = "OPEN_EXR_MULTILAYER"
tree.links.new(layers.outputs[0], many.inputs[0])
""",
    "script": """
text = bpy.data.texts.new("run.py")
text.write("import bpy; bpy.context.scene.render.filepath = '//out/changed_####'")
text.use_module = True
""",
}


def blender() -> str:
    """The Blender that makes the scenes; its absence is an error, since what is tested needs it."""
    found = shutil.which("blender")
    assert found, "blender is not installed: run `make setup`, or apt-get install blender"
    return found


def make(folder: Path) -> dict[str, Path]:
    """Every scene above as a file in `folder`; one Blender makes them all. Two more are broken."""
    script = _START.format(folder=str(folder))
    for name, body in SCENES.items():
        script += f"scene = begin({name!r})\n{body}\nsave({name!r})\n"
    path = folder / "make_scenes.py"
    path.write_text(script)
    line = [blender(), "-b", "--factory-startup", "--python-exit-code", "3", "-P", str(path)]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    whole = (folder / "plain.blend").read_bytes()
    (folder / "truncated.blend").write_bytes(whole[: len(whole) // 3])
    (folder / "text.blend").write_text("this is no scene")
    return {each.stem: each for each in folder.glob("*.blend")}
