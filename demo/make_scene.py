"""Builds the demo's scene, `demo/lanes.blend`: dusk, five lanes of light, and the frames that travel on them.

    blender -b --factory-startup --python-exit-code 1 --python demo/make_scene.py

Blender 3.4's API as far as 5.0 still has it, and what Blender 3.4 saves 5.0 opens. Two things shape every choice:

- A frame may cost two seconds of one core, without a denoiser. So no light has a size, no reflection is rough and the ambient
  light is part of the materials: nothing here is noisy at eight samples.
- The animation loops after `FRAMES` frames. Everything moves by drivers whose expressions Blender evaluates without Python, which
  work although scripts in files are switched off on a farm.
"""

from __future__ import annotations

import math
import random
import sys
from pathlib import Path

import bpy

FRAMES = 30
SIZE = (512, 288)
LANES = (-4.8, -2.4, 0.0, 2.4, 4.8)  # metres from the middle of the road
COLOURS = ((1.0, 0.16, 0.42), (1.0, 0.42, 0.10), (1.0, 0.78, 0.30), (0.22, 0.80, 1.0), (0.46, 0.30, 1.0))
NEAR, FAR = -14.0, 130.0
SPACING = 9.0  # metres between two frames on a lane, and what one travels in a loop
HAZE = (0.90, 0.24, 0.16)

Vertices = list[tuple[float, float, float]]
Faces = list[tuple[int, ...]]


def height(y: float) -> float:
    """The road's height above zero at `y`: it rises gently towards the sun."""
    return 0.55 * math.sin(y * 0.075) + 0.3 * math.sin(y * 0.031 + 1.0)


def bend(y: float) -> float:
    """How far the road has swung to the side at `y`."""
    return 1.6 * math.sin(y * 0.045)


HEIGHT = "(0.55*sin({y}*0.075)+0.3*sin({y}*0.031+1.0))"
BEND = "(1.6*sin({y}*0.045))"


# -- Materials ---------------------------------------------------------------------------------------------------------------


class Nodes:
    """A material's node tree, built from the output backwards."""

    def __init__(self, name: str) -> None:
        self.material = bpy.data.materials.new(name)
        self.material.use_nodes = True
        self.tree = self.material.node_tree
        self.tree.nodes.clear()

    def add(self, kind: str, inputs: dict[str | int, object] | None = None, **attributes: object) -> bpy.types.Node:
        """A node of `kind`; an input is a constant or another node's output socket."""
        node = self.tree.nodes.new(kind)
        for name, value in attributes.items():
            setattr(node, name, value)
        for key, value in (inputs or {}).items():
            if isinstance(value, bpy.types.NodeSocket):
                self.tree.links.new(value, node.inputs[key])
            else:
                node.inputs[key].default_value = value
        return node

    def math(self, operation: str, first: object, second: object = 0.0) -> bpy.types.NodeSocket:
        """One arithmetic step."""
        return self.add("ShaderNodeMath", {0: first, 1: second}, operation=operation).outputs[0]

    def emission(self, colour: object, strength: object = 1.0) -> bpy.types.NodeSocket:
        """Light of one colour."""
        return self.add("ShaderNodeEmission", {"Color": colour, "Strength": strength}).outputs[0]

    def mix(self, factor: object, first: bpy.types.NodeSocket, second: bpy.types.NodeSocket) -> bpy.types.NodeSocket:
        """`second` over `first` by `factor`."""
        return self.add("ShaderNodeMixShader", {0: factor, 1: first, 2: second}).outputs[0]

    def ramp(self, factor: object, *stops: tuple[float, tuple[float, float, float]]) -> bpy.types.NodeSocket:
        """A colour ramp."""
        node = self.add("ShaderNodeValToRGB", {0: factor})
        elements = node.color_ramp.elements
        while len(elements) < len(stops):
            elements.new(0.5)
        for element, (position, colour) in zip(elements, stops, strict=True):
            element.position = position
            element.color = (*colour, 1.0)
        return node.outputs[0]

    def haze(self, shader: bpy.types.NodeSocket, reach: float = 95.0) -> bpy.types.NodeSocket:
        """Distance melts into the horizon: exact and free of noise, unlike a volume."""
        distance = self.add("ShaderNodeCameraData").outputs["View Distance"]
        thin = self.math("POWER", 2.718, self.math("MULTIPLY", distance, -1.0 / reach))
        return self.mix(thin, self.emission((*HAZE, 1.0), 0.85), shader)

    def finish(self, shader: bpy.types.NodeSocket) -> bpy.types.Material:
        """The material whose surface is `shader`."""
        self.add("ShaderNodeOutputMaterial", {"Surface": shader})
        return self.material


def frame_value(nodes: Nodes, expression: str) -> bpy.types.NodeSocket:
    """A number that follows the current frame."""
    socket = nodes.add("ShaderNodeValue").outputs[0]
    driver = socket.driver_add("default_value").driver
    driver.type = "SCRIPTED"
    driver.expression = expression
    return socket


def road_material() -> bpy.types.Material:
    """Wet asphalt: dark, and a mirror at shallow angles, broken by ripples."""
    nodes = Nodes("Wet road")
    place = nodes.add("ShaderNodeTexCoord").outputs["Object"]
    stretched = nodes.add("ShaderNodeMapping", {"Vector": place, "Scale": (0.55, 0.16, 1.0)}).outputs[0]
    noise = nodes.add("ShaderNodeTexNoise", {"Vector": stretched, "Scale": 3.0, "Detail": 3.0}).outputs["Fac"]
    bump = nodes.add("ShaderNodeBump", {"Strength": 0.10, "Distance": 0.12, "Height": noise}).outputs[0]
    mirror = nodes.add("ShaderNodeBsdfGlossy", {"Color": (0.86, 0.84, 0.95, 1.0), "Roughness": 0.0, "Normal": bump}).outputs[0]
    asphalt = nodes.emission((0.010, 0.008, 0.024, 1.0), 1.0)
    facing = nodes.add("ShaderNodeLayerWeight", {"Blend": 0.30}).outputs["Facing"]
    shine = nodes.math("ADD", 0.10, nodes.math("MULTIPLY", nodes.math("POWER", facing, 2.2), 0.75))
    return nodes.finish(nodes.haze(nodes.mix(shine, asphalt, mirror), 70.0))


def lane_material() -> bpy.types.Material:
    """A line of light in its object's colour, along which pulses run towards the sun, each with a fading tail."""
    nodes = Nodes("Light")
    lane = nodes.add("ShaderNodeObjectInfo")
    along = nodes.add("ShaderNodeSeparateXYZ", {0: nodes.add("ShaderNodeTexCoord").outputs["Object"]}).outputs["Y"]
    moving = frame_value(nodes, f"100-(frame-1)/{FRAMES}.0")
    turn = nodes.math("ADD", nodes.math("ADD", nodes.math("DIVIDE", along, SPACING), moving), lane.outputs["Random"])
    tail = nodes.math("POWER", nodes.math("FRACT", turn), 3.0)
    strength = nodes.math("ADD", 0.30, nodes.math("MULTIPLY", tail, 2.6))
    return nodes.finish(nodes.haze(nodes.emission(lane.outputs["Color"], strength), 140.0))


def card_material() -> bpy.types.Material:
    """A frame's picture: a sun over a hill, in its object's colour."""
    nodes = Nodes("Picture")
    place = nodes.add("ShaderNodeSeparateXYZ", {0: nodes.add("ShaderNodeTexCoord").outputs["Generated"]})
    across, up = place.outputs["X"], place.outputs["Z"]
    colour = nodes.add("ShaderNodeObjectInfo").outputs["Color"]
    sky = nodes.emission(colour, nodes.math("SUBTRACT", 0.80, nodes.math("MULTIPLY", up, 0.75)))
    x = nodes.math("MULTIPLY", nodes.math("SUBTRACT", across, 0.62), 16 / 9)
    z = nodes.math("SUBTRACT", up, 0.50)
    away = nodes.math("ADD", nodes.math("MULTIPLY", x, x), nodes.math("MULTIPLY", z, z))
    glow, white = nodes.emission(colour, 1.6), nodes.emission((1.0, 0.9, 0.8, 1.0), 0.8)
    sun = nodes.add("ShaderNodeAddShader", {0: glow, 1: white}).outputs[0]
    wave = nodes.math("MULTIPLY", nodes.math("SINE", nodes.math("MULTIPLY", across, 5.6)), 0.14)
    hill = nodes.math("LESS_THAN", up, nodes.math("ADD", 0.36, wave))
    picture = nodes.mix(nodes.math("LESS_THAN", away, 0.034), sky, sun)
    return nodes.finish(nodes.haze(nodes.mix(hill, picture, nodes.emission(colour, 0.09)), 150.0))


def rim_material() -> bpy.types.Material:
    """The edge of a frame."""
    nodes = Nodes("Rim")
    return nodes.finish(nodes.haze(nodes.emission(nodes.add("ShaderNodeObjectInfo").outputs["Color"], 1.9), 170.0))


def letter_material() -> bpy.types.Material:
    """Chrome with its own dusk in it: the letters' faces are a gradient, their bevels reflect the world."""
    nodes = Nodes("Letters")
    up = nodes.add("ShaderNodeSeparateXYZ", {0: nodes.add("ShaderNodeTexCoord").outputs["Generated"]}).outputs["Y"]
    face = nodes.ramp(
        up, (0.22, (1.0, 0.22, 0.42)), (0.5, (1.0, 0.80, 0.72)), (0.66, (0.86, 0.95, 1.0)), (0.98, (0.12, 0.56, 1.0))
    )
    chrome = nodes.add("ShaderNodeBsdfGlossy", {"Color": (1.0, 0.94, 0.98, 1.0), "Roughness": 0.0}).outputs[0]
    facing = nodes.add("ShaderNodeLayerWeight", {"Blend": 0.5}).outputs["Facing"]
    return nodes.finish(
        nodes.mix(nodes.math("MINIMUM", nodes.math("ADD", facing, 0.22), 1.0), nodes.emission(face, 1.25), chrome)
    )


def mountain_material() -> bpy.types.Material:
    """Facets lit by the low sun, with the sky's violet in their shadows."""
    nodes = Nodes("Mountains")
    rock = nodes.add("ShaderNodeBsdfDiffuse", {"Color": (0.30, 0.13, 0.34, 1.0)}).outputs[0]
    up = nodes.add("ShaderNodeSeparateXYZ", {0: nodes.add("ShaderNodeNewGeometry").outputs["Normal"]}).outputs["Z"]
    sky = nodes.emission((0.050, 0.022, 0.125, 1.0), nodes.math("ADD", 0.35, nodes.math("MULTIPLY", up, 0.9)))
    lit = nodes.add("ShaderNodeAddShader", {0: rock, 1: sky}).outputs[0]
    return nodes.finish(nodes.haze(lit, 190.0))


def sun_material() -> bpy.types.Material:
    """The disc at the end of the road."""
    nodes = Nodes("Sun")
    up = nodes.add("ShaderNodeSeparateXYZ", {0: nodes.add("ShaderNodeTexCoord").outputs["Generated"]}).outputs["Z"]
    disc = nodes.ramp(up, (0.42, (1.0, 0.07, 0.13)), (0.70, (1.0, 0.24, 0.06)), (1.0, (1.0, 0.66, 0.20)))
    return nodes.finish(nodes.emission(disc, 1.25))


# -- Objects -----------------------------------------------------------------------------------------------------------------


def put(name: str, vertices: Vertices, faces: Faces, material: bpy.types.Material) -> bpy.types.Object:
    """A mesh object of one material in the scene."""
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(vertices, [], faces)
    mesh.materials.append(material)
    thing = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(thing)
    return thing


def ribbon(
    name: str, offset: float, width: float, lift: float, material: bpy.types.Material, step: float = 1.0
) -> bpy.types.Object:
    """A strip that follows the road at `offset` from its middle."""
    vertices: Vertices = []
    faces: Faces = []
    for index in range(int((FAR - NEAR) / step) + 1):
        y = NEAR + index * step
        x, z = offset + bend(y), height(y) + lift
        vertices += [(x - width / 2, y, z), (x + width / 2, y, z)]
        if index:
            a = 2 * index
            faces.append((a - 2, a - 1, a + 1, a))
    return put(name, vertices, faces, material)


def drive(thing: bpy.types.Object, path: str, index: int, expression: str) -> None:
    """Lets a channel follow the frame."""
    driver = thing.driver_add(path, index).driver
    driver.type = "SCRIPTED"
    driver.expression = expression


def add_frames(rng: random.Random) -> None:
    """The frames that travel on the lanes: a glowing rim around a picture, sixteen by nine."""
    w, h, t = 0.72, 0.405, 0.03
    outer = [(-w, 0, -h), (w, 0, -h), (w, 0, h), (-w, 0, h)]
    inner = [(-w + t, 0, -h + t), (w - t, 0, -h + t), (w - t, 0, h - t), (-w + t, 0, h - t)]
    rim_faces: Faces = [(i, (i + 1) % 4, 4 + (i + 1) % 4, 4 + i) for i in range(4)]
    mesh = bpy.data.meshes.new("Frame")
    mesh.from_pydata(outer + inner, [], [*rim_faces, (4, 5, 6, 7)])
    mesh.materials.append(rim_material())
    mesh.materials.append(card_material())
    mesh.polygons[4].material_index = 1
    for lane, (offset, colour) in enumerate(zip(LANES, COLOURS, strict=True)):
        start = NEAR + rng.uniform(0.0, SPACING)
        for number in range(9):
            thing = bpy.data.objects.new(f"Frame {lane + 1}.{number:02d}", mesh)
            bpy.context.scene.collection.objects.link(thing)
            thing.color = (*colour, 1.0)
            y = f"({start + number * SPACING:.3f}+{SPACING}*(frame-1)/{FRAMES}.0)"
            drive(thing, "location", 0, f"{offset}+" + BEND.format(y=y))
            drive(thing, "location", 1, y)
            drive(thing, "location", 2, "0.72+" + HEIGHT.format(y=y))


def add_mountains(rng: random.Random) -> None:
    """Two ranges of low facets beside the road, higher the farther away they stand."""
    material = mountain_material()
    for side in (-1, 1):
        for row, (near, far, base, tall) in enumerate(((13.0, 30.0, 6.0, 7.0), (26.0, 56.0, 24.0, 17.0))):
            columns, rows = 26, 6
            vertices: Vertices = []
            for j in range(rows):
                across = j / (rows - 1)
                for i in range(columns):
                    y = base + (FAR + 30 - base) * i / (columns - 1) + rng.uniform(-1.4, 1.4)
                    x = bend(y) + side * (near + (far - near) * across + rng.uniform(-1.2, 1.2))
                    crest = math.sin(math.pi * min(1.0, across * 1.15)) ** 1.2
                    z = -0.8 + tall * crest * rng.uniform(0.45, 1.0) * (0.55 + 0.45 * i / columns)
                    vertices.append((x, y, z if 0 < j < rows - 1 else -0.8))
            faces: Faces = []
            for j in range(rows - 1):
                for i in range(columns - 1):
                    a, b = j * columns + i, (j + 1) * columns + i
                    faces += [(a, a + 1, b), (a + 1, b + 1, b)] if side < 0 else [(a, b, a + 1), (a + 1, b, b + 1)]
            put(f"Mountains {'left' if side < 0 else 'right'} {row + 1}", vertices, faces, material)


def add_letters() -> None:
    """The word, standing over the road; it breathes a little."""
    curve = bpy.data.curves.new("Laneway", "FONT")
    curve.body = "laneway"
    curve.align_x = "CENTER"
    curve.size = 2.55
    curve.space_character = 1.06
    curve.extrude = 0.20
    curve.bevel_depth = 0.045
    curve.bevel_resolution = 2
    curve.offset = 0.018
    curve.materials.append(letter_material())
    word = bpy.data.objects.new("Laneway", curve)
    word.rotation_euler = (math.radians(90), 0, 0)
    bpy.context.scene.collection.objects.link(word)
    word.location = (bend(8.0), 8.0, 0.0)
    drive(word, "location", 2, f"{height(8.0) + 2.05:.3f}+0.06*sin(6.28318530718*(frame-1)/{FRAMES}.0)")


def add_sun() -> None:
    """The disc that is seen, and the light that falls from it."""
    centre_x, centre_y, centre_z, radius = bend(FAR), FAR + 45.0, 15.0, 30.0
    rim = [
        (centre_x + radius * math.cos(a), centre_y, centre_z + radius * math.sin(a))
        for a in (2 * math.pi * i / 96 for i in range(96))
    ]
    put("Sun", rim, [tuple(range(96))], sun_material())
    light = bpy.data.lights.new("Sunlight", "SUN")
    light.energy = 5.5
    light.angle = 0.0
    light.color = (1.0, 0.50, 0.30)
    thing = bpy.data.objects.new("Sunlight", light)
    thing.rotation_euler = (math.radians(-72), 0, 0)
    bpy.context.scene.collection.objects.link(thing)


def add_sky() -> None:
    """Dusk from the horizon up, with stars."""
    world = bpy.data.worlds.new("Dusk")
    bpy.context.scene.world = world
    world.use_nodes = True
    world.cycles.sampling_method = "NONE"
    nodes = Nodes.__new__(Nodes)
    nodes.tree = world.node_tree
    nodes.tree.nodes.clear()
    direction = nodes.add("ShaderNodeTexCoord").outputs["Generated"]
    up = nodes.add("ShaderNodeSeparateXYZ", {0: direction}).outputs["Z"]
    sky = nodes.ramp(
        up,
        (0.0, HAZE),
        (0.05, (0.62, 0.11, 0.20)),
        (0.16, (0.17, 0.035, 0.24)),
        (0.40, (0.030, 0.014, 0.11)),
        (1.0, (0.006, 0.005, 0.035)),
    )
    cells = nodes.add("ShaderNodeTexVoronoi", {"Vector": direction, "Scale": 90.0}, feature="F1").outputs["Distance"]
    star = nodes.math("MULTIPLY", nodes.math("LESS_THAN", cells, 0.075), nodes.math("MULTIPLY", up, 2.2))
    background = nodes.add("ShaderNodeBackground", {"Color": sky, "Strength": 0.5}).outputs[0]
    stars = nodes.add("ShaderNodeBackground", {"Color": (0.85, 0.9, 1.0, 1.0), "Strength": star}).outputs[0]
    nodes.add("ShaderNodeOutputWorld", {"Surface": nodes.add("ShaderNodeAddShader", {0: background, 1: stars}).outputs[0]})


def add_camera() -> None:
    """A slow sway that ends where it began."""
    data = bpy.data.cameras.new("Camera")
    data.lens = 26.0
    data.clip_end = 400.0
    camera = bpy.data.objects.new("Camera", data)
    bpy.context.scene.collection.objects.link(camera)
    turn = f"6.28318530718*(frame-1)/{FRAMES}.0"
    drive(camera, "location", 0, f"0.55*sin({turn})")
    drive(camera, "location", 1, f"-5.2-0.35*cos({turn})")
    drive(camera, "location", 2, f"2.05+0.12*cos({turn})")
    camera.rotation_euler = (math.radians(90.5), 0, 0)
    drive(camera, "rotation_euler", 2, f"-0.035+0.026*sin({turn})")
    drive(camera, "rotation_euler", 1, f"0.012*sin({turn})")
    bpy.context.scene.camera = camera


def set_up_render() -> None:
    """Everything that decides what a frame costs."""
    scene = bpy.context.scene
    scene.name = "Lanes"
    scene.frame_start, scene.frame_end, scene.frame_current = 1, FRAMES, 1
    render = scene.render
    render.engine = "CYCLES"
    render.resolution_x, render.resolution_y = SIZE
    render.resolution_percentage = 100
    render.fps = 12
    render.filepath = "//out/lanes.####"
    render.image_settings.file_format = "PNG"
    render.image_settings.color_mode = "RGB"
    render.use_persistent_data = True
    cycles = scene.cycles
    cycles.device = "CPU"
    cycles.samples = 12
    cycles.use_adaptive_sampling = False
    cycles.use_denoising = False
    cycles.max_bounces = 3
    cycles.diffuse_bounces = 0
    cycles.glossy_bounces = 2
    cycles.caustics_reflective = cycles.caustics_refractive = False
    scene.view_settings.view_transform = "Filmic"
    scene.view_settings.look = "High Contrast"
    scene.view_settings.exposure = 0.25


def main(target: Path) -> None:
    """Builds the scene and saves it to `target`, uncompressed so that any reader can open it."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    rng = random.Random(7)
    set_up_render()
    add_sky()
    add_sun()
    ribbon("Road", 0.0, 60.0, 0.0, road_material())
    light = lane_material()
    for number, (offset, colour) in enumerate(zip(LANES, COLOURS, strict=True), start=1):
        ribbon(f"Lane {number}", offset, 0.10, 0.02, light).color = (*colour, 1.0)
    add_frames(rng)
    add_mountains(rng)
    add_letters()
    add_camera()
    spare = [space for space in bpy.data.workspaces if space != bpy.context.window.workspace]
    bpy.data.batch_remove(spare)  # two hundred kilobytes of screens that nobody opens
    bpy.ops.wm.save_as_mainfile(filepath=str(target), compress=False)


if __name__ == "__main__":
    arguments = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []
    main(Path(arguments[0]) if arguments else Path(__file__).resolve().with_name("lanes.blend"))
