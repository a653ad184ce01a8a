"""ffmpeg: a sequence of images becomes a movie, and every frame of it is accounted for.

ffmpeg ends a movie at the first missing image and calls that success, so the images are counted before it starts and the movie's frames
afterwards. The movie grows under a temporary name beside its place and is renamed when it is complete.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice

from laneway.engine import Common, Context, EngineError, Progress, Spec, Step, installed, pictures, sequence
from laneway.engine.common import wrong_type
from laneway.errors import UnknownNameError
from laneway.frames import Frames
from laneway.model import EngineOffer, Json

PLACES = (
    "/usr/local/bin/ffmpeg",
    "/usr/bin/ffmpeg",
    "/opt/homebrew/bin/ffmpeg",
    "/opt/local/bin/ffmpeg",
    "C:/ffmpeg/bin/ffmpeg.exe",
)
IMAGES = (".png", ".jpg", ".jpeg", ".exr", ".tif", ".tiff", ".dpx", ".tga", ".bmp", ".webp")
_NTSC = {"23.976": "24000/1001", "23.98": "24000/1001", "29.97": "30000/1001", "59.94": "60000/1001"}
_FACT = re.compile(r"^(?P<key>[a-z_0-9]+)=\s*(?P<value>\S*)\s*$")
_SPEAKER = re.compile(r"^\[[^\]]+ @ 0x[0-9a-f]+\]\s*")
_TELLING = re.compile(
    r"error|invalid|fail|cannot|could not|no such|unable|unknown|not divisible|no space|denied", re.IGNORECASE
)
_MOST_LINES = 50  # of complaints kept for the reason
_EVEN = "pad=ceil(iw/2)*2:ceil(ih/2)*2"  # yuv420p halves both sides


@dataclass(frozen=True, slots=True)
class Work:
    """One movie to make: from `images` in this order, as `temporary`, which becomes `movie`."""

    item: int
    images: Sequence[str]
    pattern: tuple[int, str] | None  # (first number, printf pattern) where ffmpeg can count them by itself
    temporary: str
    movie: str


class Engine(Common):
    """ffmpeg: makes a movie of an image sequence.

    The input is `a.####.png`, `a.%04d.png`, one numbered image, or a folder with exactly one sequence. The range, or `start` and `end`,
    picks frames; without them all that are there are taken. `gaps` says what a missing frame means: `error`, or `hold` the one before.
    """

    # -- ENGINE CONFIG START --
    SETTINGS = {
        "items": False,
        "multiple_inputs": True,
        "filename_extensions": ".png,.jpg,.jpeg,.exr,.tif,.tiff,.dpx,.tga",
        "default_bucketsize": 1,
        "description": "ffmpeg",
        "type": "transcode",
        "profiles": {
            "h264": {
                "description": "H.264 for review and the web",
                "arguments": [
                    "-c:v",
                    "libx264",
                    "-preset",
                    "medium",
                    "-crf",
                    "18",
                    "-pix_fmt",
                    "yuv420p",
                    "-movflags",
                    "+faststart",
                ],
                "extension": ".mp4",
            },
            "h265": {
                "description": "H.265, half the size of H.264",
                "arguments": [
                    "-c:v",
                    "libx265",
                    "-crf",
                    "20",
                    "-pix_fmt",
                    "yuv420p",
                    "-tag:v",
                    "hvc1",
                    "-movflags",
                    "+faststart",
                ],
                "extension": ".mp4",
            },
            "prores": {
                "description": "ProRes 422 HQ for editing",
                "arguments": ["-c:v", "prores_ks", "-profile:v", "3", "-pix_fmt", "yuv422p10le", "-vendor", "apl0"],
                "extension": ".mov",
            },
            "prores-4444": {
                "description": "ProRes 4444 with alpha",
                "arguments": ["-c:v", "prores_ks", "-profile:v", "4", "-pix_fmt", "yuva444p10le", "-vendor", "apl0"],
                "extension": ".mov",
            },
            "vp9": {
                "description": "VP9 for the web",
                "arguments": ["-c:v", "libvpx-vp9", "-crf", "30", "-b:v", "0", "-pix_fmt", "yuv420p"],
                "extension": ".webm",
            },
            "preview": {
                "description": "a small H.264, quickly made",
                "arguments": ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "28", "-pix_fmt", "yuv420p"],
                "filter": "scale='min(960,iw)':-2",
                "extension": ".mp4",
            },
        },
    }
    PARAMETERS = {
        "profile": "h264",
        "fps": 24,
        "start": None,
        "end": None,
        "gaps": "error",
        "arguments": [],
        "threads": None,
        "create_output_folder": True,
    }
    # -- ENGINE CONFIG END --

    def __init__(self, spec: Spec, items: Frames, context: Context) -> None:
        super().__init__(spec, items, context)
        self._work: Work | None = None  # what the present process is about
        self._counted = 0
        self._checking = False
        self._complaints: list[str] = []

    # -- which ffmpeg ------------------------------------------------------------------------------------------------------------

    def get_executable(self) -> str:
        named = self.context.environ.get("LANEWAY_FFMPEG")
        if named:
            return named
        for path in installed.programs(PLACES, "ffmpeg", self.context.environ):
            return path
        if importlib.util.find_spec("imageio_ffmpeg"):
            return str(importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe())
        raise EngineError(
            "ffmpeg is not found on this computer.",
            field="engine",
            value="ffmpeg",
            fix="Install it, name it in LANEWAY_FFMPEG, or install the Python package imageio-ffmpeg.",
            retry=True,  # another server may have it
        )

    def probe(self) -> EngineOffer:
        path = self.get_executable()
        version = installed.ask_version([path, "-version"], self.context.environ)
        reason = None if version else f"{path} does not run: it does not say its version."
        return EngineOffer(available=version is not None, version=version, executable=path, reason=reason)

    # -- how it is run -----------------------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        self._fps()
        self._way_with_gaps()
        super().prepare()

    def get_output_folder(self) -> str | None:
        return os.path.dirname(self._movie(self.items.first))

    def get_steps(self) -> Iterable[Step]:
        for item in self.items:
            self._work = work = self._plan(item)
            self._counted, self._checking, self._complaints = 0, False, []
            listed = None if work.pattern else concat_list(work.images, self._fps())
            yield Step(Frames(), self._encode(work), listed)
            self._counted, self._checking = 0, True
            yield Step(Frames.span(item, item), self._check(work))

    def _encode(self, work: Work) -> list[str]:
        profile = self._profile()
        line = [self.get_executable(), "-hide_banner", "-v", "warning", "-nostdin", "-nostats", "-y"]
        line += [
            "-progress",
            "pipe:1",
            "-stats_period",
            "0.2",
            "-xerror",
            "-err_detect",
            "explode",
        ]  # a damaged image is an error
        if work.pattern is not None:
            line += ["-framerate", self._fps(), "-start_number", str(work.pattern[0]), "-i", work.pattern[1]]
        else:
            line += ["-f", "concat", "-safe", "0", "-protocol_whitelist", "file,pipe", "-i", "pipe:0"]
        exact = f"setpts=N/({self._fps()}*TB)" if work.pattern is None else None
        filters = ",".join(str(each) for each in (exact, profile.get("filter"), _EVEN) if each)
        line += ["-map", "0:v:0", "-vf", filters, "-r", self._fps(), "-frames:v", str(len(work.images))]
        arguments = profile["arguments"]
        assert isinstance(arguments, list)
        threads = self.number_parameter("threads")
        line += [*map(str, arguments), "-threads", str(self.context.cores if threads is None else threads)]
        return [*line, *self.build_arguments(), work.temporary]

    def _check(self, work: Work) -> list[str]:
        """Reads the movie back, without decoding it, only to count."""
        line = [self.get_executable(), "-hide_banner", "-v", "error", "-nostdin", "-nostats", "-progress", "pipe:1"]
        return [*line, "-i", work.temporary, "-map", "0:v:0", "-c", "copy", "-f", "null", "-"]

    def _profile(self) -> dict[str, Json]:
        name = self.text_parameter("profile") or "h264"
        profiles = self.SETTINGS["profiles"]
        assert isinstance(profiles, dict)
        profile = profiles.get(name)
        if not isinstance(profile, dict):
            raise UnknownNameError("profile", name, profiles, field="parameters.profile")
        return profile

    def _fps(self) -> str:
        value = self.parameters.get("fps")
        try:
            if isinstance(value, bool) or not isinstance(value, (int, float, str)) or Fraction(str(value)) <= 0:
                raise wrong_type("fps", value, "a number of frames per second")
        except (ValueError, ZeroDivisionError) as exc:
            raise wrong_type("fps", value, "a number of frames per second, such as 24, 23.976 or 24000/1001") from exc
        return _NTSC.get(str(value), str(value))

    def _movie(self, item: int) -> str:
        """Where the movie goes: the output file, or a name from the input in the output folder or beside the images."""
        output = self.get_output()
        if output is not None and not self.output_is_folder():
            if len(self.spec.input) > 1:
                raise EngineError("several inputs need a folder as their output.", field="output", value=output)
            return os.path.abspath(output)
        path = os.path.abspath(self.get_input(item))
        folder, name = (path, os.path.basename(path)) if os.path.isdir(path) else os.path.split(path)
        stem = re.sub(r"[._ -]*(?:#+|%\d*d|\d+)(\.\w+)?$", "", name).rstrip("._ -") or os.path.basename(folder) or "movie"
        return os.path.join(os.path.abspath(output) if output else folder, f"{stem}{self._profile()['extension']}")

    # -- the images --------------------------------------------------------------------------------------------------------------

    def _plan(self, item: int) -> Work:
        found = self._find(self.get_input(item))
        frames = self._frames(found)
        movie = self._movie(item)
        folder, name = os.path.split(movie)
        there = {frame for frame in frames if frame in found.files and pictures.fault(found.path(frame)) is None}
        missing = frames - Frames.of(sorted(there))
        if missing:
            self._allow_gaps(found, frames, missing)
        images = []
        for frame in frames:
            if frame in there:
                images.append(found.path(frame))
            elif images:
                images.append(images[-1])
        if not images:
            raise EngineError(f"there is no image {found.label} in {found.folder}.", field="input", value=found.folder)
        temporary = os.path.join(folder, f".laneway-{self.context.attempt}-{name}")
        return Work(item, images, None if missing else _pattern(found, frames), temporary, movie)

    def _find(self, path: str) -> sequence.Sequence:
        path = os.path.abspath(path)
        try:
            if sequence.has_token(path) and not os.path.isdir(path):
                return sequence.find(path)
            folder = path if os.path.isdir(path) else os.path.dirname(path)
            listed = [each for each in sequence.scan(folder) if each.suffix.lower() in IMAGES]
        except OSError as exc:
            raise EngineError(f"the images {path} cannot be read: {exc.strerror}.", field="input", value=path) from exc
        if folder != path:  # one image stands for the sequence that it belongs to
            listed = [each for each in listed if os.path.basename(path) in each.files.values()]
        if len(listed) == 1:
            return listed[0]
        if not listed:
            text = "holds no numbered images" if folder == path else "is not one of a sequence of images"
            raise EngineError(f"{path} {text}.", field="input", value=path, fix="Name them as in shot.####.png.")
        names = ", ".join(each.label for each in islice(listed, 10))
        raise EngineError(f"{path} holds {len(listed)} sequences: {names}.", field="input", value=path, fix="Name one of them.")

    def _frames(self, found: sequence.Sequence) -> Frames:
        """The frames that the movie must have: the job's range, or from the first to the last image in their step."""
        start, end = self.number_parameter("start"), self.number_parameter("end")
        if start is not None and end is not None and start > end:
            raise EngineError(f"start {start} comes after end {end}.", field="parameters.start", value=start)
        if self.spec.range:
            frames = Frames.parse(self.spec.range)
        else:
            there = sorted(found.files)
            if not there:
                raise EngineError(f"there is no image {found.label} in {found.folder}.", field="input", value=found.folder)
            frames = Frames.of(there)
            if not (len(frames.runs) == 1 and len(there) > 2):  # every fifth image is a sequence as well, two alone are not
                first, last = there[0] if start is None else start, there[-1] if end is None else end
                frames = Frames.span(first, last) if first <= last else Frames()
        if frames and (start is not None or end is not None):
            frames &= Frames.span(frames.min if start is None else start, frames.max if end is None else end)
        if not frames:
            raise EngineError("no frame lies between start and end.", field="parameters.start")
        return frames

    def _way_with_gaps(self) -> str:
        gaps = self.text_parameter("gaps") or "error"
        if gaps not in ("error", "hold"):
            raise UnknownNameError("way with gaps", gaps, ("error", "hold"), field="parameters.gaps")
        return gaps

    def _allow_gaps(self, found: sequence.Sequence, frames: Frames, missing: Frames) -> None:
        """Raises EngineError unless the job says that frames may be missing, and the first one is not."""
        text = f"{len(missing)} of {len(frames)} images {found.label} in {found.folder} are missing or incomplete: {missing}."
        if self._way_with_gaps() == "error":
            raise EngineError(text, field="input", value=found.folder, fix="Render them, or set the parameter gaps to hold.")
        if frames.first in missing:
            raise EngineError(f"{text} The first one must be there to be held.", field="input", value=found.folder)
        self.log(f"{text} The image before each is held.")

    # -- what it says, and what came of it ---------------------------------------------------------------------------------------

    def progress(self, line: str) -> Progress | None:
        fact = _FACT.match(line)
        if fact is None:
            if len(self._complaints) < _MOST_LINES:
                self._complaints.append(_SPEAKER.sub("", line.strip()))
            return None
        if fact["key"] != "frame" or not fact["value"].isdigit() or self._work is None:
            return None
        self._counted = int(fact["value"])
        if self._checking:
            return None
        return Progress(item=self._work.item, fraction=min(self._counted / len(self._work.images), 1.0))

    def expected_outputs(self, item: int) -> Sequence[str] | None:
        return [self._movie(item)]

    def finish(self, step: Step) -> None:
        work = self._work
        if work is None or not self._checking:
            return
        if self._counted != len(work.images):
            said = self._said()
            raise EngineError(
                f"the movie has {self._counted} frames instead of {len(work.images)}" + (f": {said}" if said else "."),
                retry=True,
            )
        os.replace(work.temporary, work.movie)

    def explain(self, exitcode: int | None) -> EngineError | None:
        said = self._said()
        return None if said is None else EngineError(f"ffmpeg: {said}", retry=True)

    def _said(self) -> str | None:
        """The first complaint that tells something: the ones after it follow from it."""
        return next((line for line in self._complaints if _TELLING.search(line)), None) or (
            self._complaints[-1] if self._complaints else None
        )

    def post(self, exitcode: int) -> None:
        if self._work is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._work.temporary)


def concat_list(images: Iterable[str], fps: str) -> bytes:
    """A list of images for ffmpeg's concat demuxer; the durations are near enough for its order, `setpts` makes them exact."""
    seconds = f"{float(1 / Fraction(fps)):.6f}"
    lines = ["ffconcat version 1.0"]
    for image in images:
        quoted = image.replace("'", "'\\''")
        lines += [f"file 'file:{quoted}'", "option pattern_type none", f"duration {seconds}"]  # none: a % is a %
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")


def _pattern(found: sequence.Sequence, frames: Frames) -> tuple[int, str] | None:
    """The start number and the printf pattern by which ffmpeg finds the images itself; None where it would not find these exactly.

    It guesses where a sequence ends by probing ahead, which a gap further on misleads: so all of the sequence must be wanted.
    """
    run, width = frames.runs[0], found.width
    if len(frames.runs) != 1 or (run.step != 1 and len(frames) > 1) or run.start < 0 or width is None:
        return None
    if len(frames) != len(found.files) or "%" in found.folder + found.prefix + found.suffix:
        return None
    return run.start, f"{os.path.join(found.folder, found.prefix)}%0{width}d{found.suffix}"
