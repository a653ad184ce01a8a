"""`Common`: what an engine subclasses to say how its application is run.

An engine says how to find the executable, how to build the command line, how to read a line of output, and which files must be
there afterwards. Everything else (processes, logs, environment, checking files, reporting) is done by the framework around it, on
an instance made for one bucket:

    prepare() · pre() · for each step: get_commandline() … progress(line) … · expected_outputs() · post(exitcode)

Method names are those of accsyn's engine scripts where they mean the same. `item` is text in `get_commandline` ("1001-1005": a
process may render several) and a number where it is about one item.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar

from laneway.engine import environment
from laneway.engine.bucket import Spec
from laneway.engine.outputs import Outputs
from laneway.engine.progress import Progress
from laneway.engine.sequence import looks_like_folder
from laneway.errors import EngineError
from laneway.frames import Frames
from laneway.model import EngineOffer, Json


@dataclass(frozen=True, slots=True)
class Context:
    """Where a bucket runs. `cores` is the lane's share of the server's, `environ` the cleaned environment that engines start from."""

    attempt: int = 0
    number: int = 1
    lane: int = 1
    server: str = ""
    hostname: str = ""
    cores: int = 1
    environ: Mapping[str, str] = field(default_factory=dict)
    dry: bool = False  # a preview: nothing will be run, nothing may be written


@dataclass(frozen=True, slots=True)
class Step:
    """One process of a bucket and the items that are done when it has ended well.

    A step without items prepares the next one that has some; where it fails, the steps up to that one are left out.
    `commandline` and `stdin` take the place of `get_commandline` and `get_stdin`.
    """

    items: Frames
    commandline: Sequence[str] | None = None
    stdin: bytes | None = None


class Common:
    """The base of every engine; see the module. One instance serves one bucket of one job."""

    SETTINGS: ClassVar[Mapping[str, Json]] = {}
    PARAMETERS: ClassVar[Mapping[str, Json]] = {}
    ENVS: ClassVar[Mapping[str, Json]] = {}
    versions: ClassVar[tuple[str, ...]] = ()  # the application versions that this engine is known to work with

    def __init__(self, spec: Spec, items: Frames, context: Context) -> None:
        self.spec = spec
        self.items = items
        self.context = context
        self.parameters: dict[str, Json] = {**self.PARAMETERS, **spec.parameters}
        self.outputs = Outputs(context.attempt)
        self._notes: list[str] = []

    # -- how it is run -----------------------------------------------------------------------------------------------------------

    def get_executable(self) -> str:
        """The program's path, or a name to be found on PATH. Raise EngineError where it is not installed."""
        raise NotImplementedError(f"{type(self).__module__} does not say what to run: define get_executable")

    def get_commandline(self, item: str) -> Sequence[str]:
        """The arguments, the executable first, that run `item` (one item or a range as text)."""
        raise NotImplementedError(f"{type(self).__module__} does not say how to run it: define get_commandline")

    def get_steps(self) -> Iterable[Step]:
        """The bucket's processes, run one after another: one for all items, or one an item where max_bucketsize is 1."""
        if self.SETTINGS.get("max_bucketsize") == 1 or self.SETTINGS.get("items") is False:
            return (Step(Frames.span(item, item)) for item in self.items)
        return [Step(self.items)]

    def get_envs(self) -> Mapping[str, str | None]:
        """Environment variables for the process; None takes one away. The job's own come on top."""
        return {}

    def get_stdin(self, item: str) -> str | bytes | None:
        """What the process reads from its standard input; None for nothing."""
        return None

    def get_working_path(self) -> str | None:
        """The folder in which the process starts; None for the home folder of the agent's user."""
        return None

    def get_allowed_exitcodes(self) -> Sequence[int]:
        """Exit codes that count as success."""
        return (0,)

    # -- input and output --------------------------------------------------------------------------------------------------------

    def get_input(self, item: int = 0) -> str:
        """The input: the one for `item` where each input is an item of its own. Raises EngineError where there is none."""
        inputs = self.spec.input
        if not inputs:
            raise EngineError("the job has no input.", field="input", fix="Name the file to work on.")
        if self.SETTINGS.get("items") is not False:
            return inputs[0]
        if not 0 <= item < len(inputs):
            raise EngineError(f"there is no input number {item}: the job has {len(inputs)}.", field="input")
        return inputs[item]

    def get_output(self) -> str | None:
        """Where the results go; None where the input alone decides."""
        return self.spec.output

    def output_is_folder(self) -> bool:
        """Whether the output names a folder, not a file."""
        output = self.get_output()
        return output is not None and looks_like_folder(output)

    def create_output_folder(self) -> bool:
        """Whether a missing output folder is created."""
        return self.parameters.get("create_output_folder", True) is not False

    def get_output_folder(self) -> str | None:
        """The folder that will hold the results, as far as it is known beforehand."""
        output = self.get_output()
        if output is None:
            return None
        return (output.rstrip("/\\") or output) if self.output_is_folder() else os.path.dirname(output) or None

    def expected_outputs(self, item: int) -> Sequence[str] | None:
        """The files that must be there, new and not empty, once `item` is done; None where the engine cannot say.

        Asked again after the process has ended, so that an engine may answer from what its process printed.
        """
        return None

    # -- around it ---------------------------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Looks at input and output before anything runs. Raise EngineError for what is wrong with them."""
        folder = self.get_output_folder()
        if folder is not None and not self.context.dry:
            self.outputs.mark(folder, create=self.create_output_folder())

    def pre(self) -> None:
        """Runs before the first process."""

    def finish(self, step: Step) -> None:
        """Runs after each process that ended well, before the files of its items are checked. EngineError fails these items."""

    def post(self, exitcode: int) -> None:
        """Runs after the last process, also after a failure (`exitcode` -1 where it was stopped). EngineError fails the bucket."""

    def process_output(self, stdout: str | None, stderr: str | None) -> None:
        """Called with every line of output, as `stdout`: both streams come as one, in their order."""

    def progress(self, line: str) -> Progress | float | None:
        """What a line of output says about progress: a fraction of the running process (0 to 1), or a Progress."""
        return None

    def explain(self, exitcode: int | None) -> EngineError | None:
        """The reason in people's words why it went wrong, where the engine knows; None: the framework says what it saw.

        Called after a bad exit (None: ended by a signal) and after an allowed exit with files missing.
        """
        return None

    def log(self, text: str) -> None:
        """Writes to the attempt's log."""
        self._notes.append(text)

    def take_notes(self) -> list[str]:
        """What `log` was given since the last call; the framework writes it."""
        notes, self._notes = self._notes, []
        return notes

    # -- whether it can be run here ----------------------------------------------------------------------------------------------

    def probe(self) -> EngineOffer | bool:
        """Whether this engine can run here. The default: its executable is found."""
        return EngineOffer(available=True, executable=self.get_executable())

    # -- for command lines -------------------------------------------------------------------------------------------------------

    def parameter(self, name: str) -> Json:
        """The job's parameter `name`, or the engine's default; KeyError for one that the engine does not have."""
        return self.parameters[name]

    def text_parameter(self, name: str) -> str | None:
        """A parameter that must be text; None where it is unset or empty."""
        value = self.parameters.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise wrong_type(name, value, "text")
        return value

    def number_parameter(self, name: str) -> int | None:
        """A parameter that must be a whole number, or text that reads as one; None where it is unset."""
        value = self.parameters.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, str) and value.strip().lstrip("-").isdigit():
            return int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong_type(name, value, "a whole number")
        return value

    def switch_parameter(self, name: str) -> bool | None:
        """A parameter that must be true or false; None where it is unset."""
        value = self.parameters.get(name)
        if isinstance(value, str) and value.lower() in ("true", "false", "1", "0", "yes", "no"):
            return value.lower() in ("true", "1", "yes")
        if value is None or isinstance(value, bool):
            return value
        raise wrong_type(name, value, "true or false")

    def build_arguments(self, name: str = "arguments") -> list[str]:
        """A parameter with arguments as a list: a list is taken as it is, text is split as a shell would, without any expansion."""
        value = self.parameters.get(name)
        if value is None:
            return []
        if isinstance(value, list):
            if not all(isinstance(each, (str, int, float)) and not isinstance(each, bool) for each in value):
                raise wrong_type(name, value, "text or a list of text")
            return [str(each) for each in value]
        if not isinstance(value, str):
            raise wrong_type(name, value, "text or a list of text")
        try:
            return list(_split(value))
        except ValueError as exc:
            raise EngineError(f"cannot be split into arguments: {exc}.", field=f"parameters.{name}", value=value) from exc

    @staticmethod
    def get_os() -> str:
        """`linux`, `mac` or `windows`."""
        return environment.system()


@lru_cache(maxsize=16)
def _split(text: str) -> tuple[str, ...]:
    """Buckets of one job split the same text again and again."""
    return tuple(shlex.split(text))


def wrong_type(name: str, value: object, wanted: str) -> EngineError:
    """The error for a parameter of the wrong type."""
    return EngineError(f"must be {wanted}, not {value!r}.", field=f"parameters.{name}", value=value)
