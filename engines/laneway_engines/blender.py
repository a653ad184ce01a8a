"""Blender: the program where it is installed, otherwise a Python that has the bpy module."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from laneway.engine import Common, Context, EngineError, Progress, Spec, Step, installed
from laneway.engine.common import wrong_type
from laneway.engine.sequence import has_token, to_hashes
from laneway.errors import UnknownNameError
from laneway.frames import Frames
from laneway.model import EngineOffer, Json

SCRIPT = Path(__file__).parent / "inside_blender" / "render.py"
MARK = "@laneway "
FAULT_EXIT = 17
PLACES = (
    "/opt/blender*/blender",
    "/opt/blender/*/blender",
    "/usr/local/blender*/blender",
    "/usr/local/blender/*/blender",
    "/snap/bin/blender",
    "~/blender*/blender",
    "/Applications/Blender*.app/Contents/MacOS/Blender",
    "C:/Program Files/Blender Foundation/Blender*/blender.exe",
)
FORMATS = {  # Blender's name: what -F calls it
    "BMP": "BMP",
    "IRIS": "IRIS",
    "PNG": "PNG",
    "JPEG": "JPEG",
    "JPEG2000": "JP2",
    "TARGA": "TGA",
    "TARGA_RAW": "RAWTGA",
    "CINEON": "CINEON",
    "DPX": "DPX",
    "OPEN_EXR": "OPEN_EXR",
    "OPEN_EXR_MULTILAYER": "OPEN_EXR_MULTILAYER",
    "HDR": "HDR",
    "TIFF": "TIFF",
    "WEBP": "WEBP",
}
_ALSO = {
    "EXR": "OPEN_EXR",
    "MULTILAYER": "OPEN_EXR_MULTILAYER",
    "JPG": "JPEG",
    "TIF": "TIFF",
    "TGA": "TARGA",
    "JP2": "JPEG2000",
}
_ENGINES = {"EEVEE": "BLENDER_EEVEE", "WORKBENCH": "BLENDER_WORKBENCH"}
_LONGEST_LIST = 4000  # frames written out for -f; a longer list is rendered by the script, since an argument has a limit

_SAMPLE = re.compile(r"^(?:.*\s)?Fra:\s?(-?\d+) .*?(?:Sample|Rendering|Rendered)\s+(\d+)\s*/\s*(\d+)")
_ERROR = re.compile(r"(?:^|\| )\s*(?:Error|ERROR)\s*:?\s+(?P<text>.+)|^(?P<python>[A-Za-z_.]*(?:Error|Exception): .+)")
_HOPELESS = re.compile(
    r"no camera|engine not found|Failed to read blend|format is not supported|Cannot read file|OpenImageDenoise|not recognized"
)


@dataclass(frozen=True, slots=True)
class Application:
    """A way to run Blender: the program itself, or with `module` a Python that has bpy."""

    path: str
    version: str
    module: bool = False


class Engine(Common):
    """Blender: renders the frames of a .blend file, a bucket in one process, and checks every file that the scene names.

    `output` is a folder, or a file name in which #### or %04d stands for the frame; without it the scene's own path counts. A file
    that is already there is rendered again. With `autoexec` (as on other farms: on) Python in the scene may run.
    """

    # -- ENGINE CONFIG START --
    SETTINGS = {
        "items": True,
        "filename_extensions": ".blend",
        "binary_filename_extensions": ".blend",
        "default_bucketsize": 5,
        "description": "Blender",
        "type": "compute",
        "vendor": "Blender Foundation",
    }
    PARAMETERS = {
        "arguments": [],
        "scene": None,
        "camera": None,
        "view_layer": None,
        "render_engine": None,
        "format": None,
        "samples": None,
        "resolution_percentage": None,
        "denoise": None,
        "threads": None,
        "autoexec": True,
    }
    versions = ("3.0", "3.1", "3.2", "3.3", "3.4", "3.5", "3.6", "4.0", "4.1", "4.2", "4.3", "4.4", "4.5", "5.0")
    # -- ENGINE CONFIG END --

    def __init__(self, spec: Spec, items: Frames, context: Context) -> None:
        super().__init__(spec, items, context)
        self._application: Application | None = None
        self._files: dict[int, list[str]] = {}  # what the script says each frame is in
        self._fault: EngineError | None = None
        self._error: str | None = None

    # -- which Blender -----------------------------------------------------------------------------------------------------------

    def get_executable(self) -> str:
        return self._find().path

    def probe(self) -> EngineOffer:
        found = self._find()
        version = found.version or installed.ask_version([found.path, "--version"], self.context.environ)
        if not version:
            return EngineOffer(
                available=False, executable=found.path, reason=f"{found.path} does not run: it does not say its version."
            )
        return EngineOffer(available=True, version=f"{version} (bpy)" if found.module else version, executable=found.path)

    def _find(self) -> Application:
        """The Blender to use: LANEWAY_BLENDER, else the newest one installed, else bpy; of the job's version where it names one."""
        if self._application is None:
            wanted, environ = self.spec.version, self.context.environ
            self._application = _program(wanted, environ) or _module(wanted, environ)
        if self._application is None:
            which = "Blender" if self.spec.version is None else f"Blender {self.spec.version}"
            raise EngineError(
                f"{which} is not found on this computer.",
                field="engine",
                value=self.spec.engine,
                fix="Install it, name it in LANEWAY_BLENDER, or install the Python package bpy.",
                retry=True,  # another server may have it
            )
        return self._application

    # -- how it is run -----------------------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        super().prepare()
        path = self.get_input()
        try:
            with open(path, "rb") as file:
                start = file.read(12)
        except OSError as exc:
            raise EngineError(f"the scene {path} cannot be read: {exc.strerror}.", field="input", value=path) from exc
        if not start.startswith((b"BLENDER", b"\x1f\x8b", b"\x28\xb5\x2f\xfd")):  # as it is, gzip (2.x), Zstandard (3.x)
            raise EngineError(f"{path} is not a Blender scene.", field="input", value=path)

    def get_working_path(self) -> str | None:
        return os.path.dirname(os.path.abspath(self.get_input()))

    def get_commandline(self, item: str) -> Sequence[str]:
        frames = Frames.parse(item)
        orders = self._orders(frames)
        executable = self.get_executable()
        if self._application is None or not self._application.module:  # None: a preview, for which nothing is found
            return self._program_line(frames, orders)
        if self.build_arguments():
            raise EngineError(
                "cannot be used: here Blender is the Python module bpy, which takes none.",
                field="parameters.arguments",
                retry=True,
            )
        orders |= {"file": self.get_input(), "autoexec": self.switch_parameter("autoexec") is not False, "by_script": True}
        return [executable, str(SCRIPT), "--", json.dumps(orders)]

    def _program_line(self, frames: Frames, orders: dict[str, Json]) -> list[str]:
        """Blender follows its options in their order: the scene, what changes it, then what renders it."""
        line = [self.get_executable(), "-b", "-Y" if self.switch_parameter("autoexec") is False else "-y"]
        if orders["threads"]:
            line += ["-t", str(orders["threads"])]
        line.append(self.get_input())
        options = (("-S", orders["scene"]), ("-E", orders["render_engine"]), ("-o", orders["output"]))
        for option, value in options:
            if value is not None:
                line += [option, str(value)]
        if orders["format"] is not None:
            line += ["-F", FORMATS[str(orders["format"])]]
        if orders["output"] is not None:
            line += ["-x", "1"]
        line += [*self.build_arguments(), "--python-exit-code", str(FAULT_EXIT), "-P", str(SCRIPT)]
        listed = frame_list(frames)
        orders["by_script"] = listed is None
        if listed is not None:
            line += ["-f", listed]
        return [*line, "--", json.dumps(orders)]

    def _orders(self, frames: Frames) -> dict[str, Json]:
        """What the script inside Blender is told."""
        threads = self.number_parameter("threads")
        engine = self.text_parameter("render_engine")
        return {
            "attempt": self.context.attempt,
            "frames": [[run.start, run.stop, run.step] for run in frames.runs],
            "scene": self.text_parameter("scene"),
            "camera": self.text_parameter("camera"),
            "view_layer": self.text_parameter("view_layer"),
            "render_engine": None if engine is None else _ENGINES.get(engine.upper(), engine.upper()),
            "format": self._format(),
            "output": self._output_pattern(),
            "samples": self._positive("samples"),
            "resolution_percentage": self._positive("resolution_percentage"),
            "denoise": self.switch_parameter("denoise"),
            "threads": self.context.cores if threads is None else threads,
        }

    def _positive(self, name: str) -> int | None:
        value = self.number_parameter(name)
        if value is not None and value < 1:
            raise wrong_type(name, value, "a whole number of at least 1")
        return value

    def _format(self) -> str | None:
        """The file format by Blender's name: the parameter, or what the output's extension says."""
        wanted = self.text_parameter("format")
        if wanted is None:
            output = self.get_output()
            extension = os.path.splitext(output)[1][1:].upper() if output and not self.output_is_folder() else ""
            name = _ALSO.get(extension, extension)
            return name if name in FORMATS else None
        name = _ALSO.get(wanted.upper(), wanted.upper())
        if name not in FORMATS:
            raise UnknownNameError("image format", wanted, [*FORMATS, *_ALSO], field="parameters.format")
        return name

    def _output_pattern(self) -> str | None:
        """The output as Blender wants it, with #### for the frame."""
        output = self.get_output()
        if output is None:
            return None
        if self.output_is_folder():
            return os.path.join(os.path.abspath(output), f"{Path(self.get_input()).stem}_####")
        if has_token(output):
            return to_hashes(os.path.abspath(output))
        stem, extension = os.path.splitext(os.path.abspath(output))
        return f"{stem}_####{extension}"

    # -- what it says ------------------------------------------------------------------------------------------------------------

    def progress(self, line: str) -> Progress | None:
        at = line.find(MARK)
        if at >= 0:
            return self._told(line[at + len(MARK) :])
        match = _SAMPLE.match(line)
        if match:
            return Progress(item=int(match[1]), fraction=int(match[2]) / max(int(match[3]), 1))
        error = _ERROR.search(line)
        if error and self._error is None:  # the first one is the cause, the others follow from it
            self._error = error["text"] or error["python"]
        return None

    def _told(self, text: str) -> Progress | None:
        """A fact from the script inside Blender (telling.py)."""
        try:
            fact = json.loads(text)
            event = fact["event"]
            if event == "folder":
                self.outputs.since(fact["folder"], fact["since"])
            elif event == "wrote":
                self._files[fact["frame"]] = fact["files"]
                return Progress(item=fact["frame"], done=fact["frame"])
            elif event == "progress":
                return Progress(item=fact["frame"], fraction=fact["fraction"])
            elif event == "fault":
                self._fault = EngineError(fact["reason"], retry=fact["retry"])
        except (ValueError, KeyError):  # some line of a scene's own script that happens to hold the mark
            return None
        return None

    def expected_outputs(self, item: int) -> Sequence[str] | None:
        return self._files.get(item)

    def finish(self, step: Step) -> None:
        missing = Frames.of(sorted(item for item in step.items if item not in self._files))
        if missing:
            why = self._fault or self._said() or "it does not say why"
            raise EngineError(f"Blender ended well, but wrote no picture of frame {missing}: {why}", retry=True)

    def explain(self, exitcode: int | None) -> EngineError | None:
        if self._fault is not None or self._error is None:
            return self._fault
        return EngineError(f"Blender: {self._said()}", retry=_HOPELESS.search(self._error) is None)

    def _said(self) -> str | None:
        if self._error is None:
            return None
        if "OpenImageDenoise" in self._error:
            return "Cycles wants the OpenImageDenoise denoiser, which this Blender lacks. Set the parameter denoise to false."
        if "Failed to read blend" in self._error:
            return f"the scene is damaged, incomplete, or of a newer Blender ({self._error})"
        return self._error


def frame_list(frames: Frames) -> str | None:
    """`frames` as -f takes them ("1,3,5..9"); None where it cannot: negative ones, or too many."""
    if frames.min < 0:
        return None
    parts: list[str] = []
    for run in frames.runs:
        if run.step == 1:
            parts.append(f"{run.start}..{run.stop}" if run.stop > run.start else str(run.start))
        elif len(parts) + run.size > _LONGEST_LIST:
            return None
        else:
            parts += map(str, range(run.start, run.stop + (1 if run.step > 0 else -1), run.step))
    return ",".join(parts) if len(parts) <= _LONGEST_LIST else None


def _program(wanted: str | None, environ: Mapping[str, str]) -> Application | None:
    named = environ.get("LANEWAY_BLENDER")
    if named:
        version = installed.ask_version([named, "--version"], environ) or "" if wanted else ""
        return Application(named, version) if wanted is None or installed.matches(version, wanted) else None
    paths = installed.programs(PLACES, "blender", environ)
    if wanted is None and len(paths) == 1:
        return Application(paths[0], "")  # no need to start it to ask which one it is
    found = installed.newest([(path, installed.ask_version([path, "--version"], environ) or "") for path in paths], wanted)
    return Application(*found) if found else None


def _module(wanted: str | None, environ: Mapping[str, str]) -> Application | None:
    """A Python with bpy: LANEWAY_BPY_PYTHON, or the one that runs this; found without importing bpy."""
    python = environ.get("LANEWAY_BPY_PYTHON") or (sys.executable if importlib.util.find_spec("bpy") else None)
    if not python:
        return None
    version = installed.ask_version([python, "-c", "import importlib.metadata as m; print(m.version('bpy'))"], environ)
    if version is None or (wanted is not None and not installed.matches(version, wanted)):
        return None
    return Application(python, version, module=True)
