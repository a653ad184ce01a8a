"""The exact command lines of some items of a job, without running or writing anything."""

from __future__ import annotations

import os
import shutil
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

from laneway.engine import environment
from laneway.engine.bucket import Spec
from laneway.engine.common import Common, Context
from laneway.engine.discovery import load
from laneway.errors import EngineError, UserError
from laneway.frames import Frames
from laneway.model import Json

MOST_STEPS = 1000  # of one bucket; a bucket of a million items is not listed in full


@dataclass(frozen=True, slots=True)
class Command:
    """One process as it would be started: `env` holds only what the engine and the job add. `warning` says what is missing here."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str | None
    items: str
    warning: str | None = None


def preview(
    spec: Spec | Mapping[str, Json], items: Frames | str, *, engine: type[Common] | None = None, cores: int | None = None
) -> list[Command]:
    """The processes that a bucket of `items` would start; `spec` is a Spec or the lease's form of it.

    Where the application is not installed its plain name stands in the command line, with a warning. Other faults of the job that
    show before anything runs are raised as EngineError.
    """
    if not isinstance(spec, Spec):
        spec = Spec.from_wire(spec)
    if isinstance(items, str):
        items = Frames.parse(items)
    kind = engine or load(spec.engine)
    try:
        return _commands(kind, spec, items, cores)
    except UserError:
        raise
    except Exception as exc:
        raise EngineError(
            f"the engine {spec.engine} is broken: {type(exc).__name__}: {exc} (in {_where(exc)}).",
            field="engine",
            value=spec.engine,
            fix="Mend the engine's file.",
        ) from exc


def _where(exc: Exception) -> str:
    """The last line of an engine's file, or of whatever else it called, that the exception came through."""
    frames = traceback.extract_tb(exc.__traceback__)
    own = [frame for frame in frames if os.path.dirname(frame.filename) != os.path.dirname(__file__)]
    last = (own or frames)[-1]
    return f"{last.filename}, line {last.lineno}"


def _commands(kind: type[Common], spec: Spec, items: Frames, cores: int | None) -> list[Command]:
    environ = environment.clean(os.environ)
    context = Context(cores=cores or os.cpu_count() or 1, environ=environ, dry=True)
    made = kind(spec, items, context)
    warning: str | None = None
    try:
        made.get_executable()
    except EngineError as exc:
        warning = str(exc)
        name = str(kind.SETTINGS.get("executable") or spec.engine)
        made = type("Preview", (kind,), {"get_executable": lambda self: name})(spec, items, context)
    made.prepare()
    envs = environment.merge({}, made.get_envs(), environment.job_envs(spec.envs))
    commands = []
    for step in islice(made.get_steps(), MOST_STEPS):
        argv = tuple(step.commandline or made.get_commandline(str(step.items)))
        missing = warning
        if missing is None and shutil.which(argv[0], path=environ.get("PATH")) is None:
            missing = f"{argv[0]} is not found on this computer."
        commands.append(Command(argv, envs, made.get_working_path(), str(step.items), missing))
    return commands
