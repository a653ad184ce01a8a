"""Payloads: the JSON that creates a job, read strictly, in both spellings that users of other systems know.

`parse` collects every fault before it gives up, each with the field, the value and what to do, so that a form can show them all at
once. What it returns has every default filled in; nothing behind it looks at raw JSON again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, fields
from math import isfinite
from typing import Any, TypeVar, cast

from laneway.errors import PayloadError, RangeError, UnknownNameError, UserError
from laneway.frames import Frames, priority
from laneway.job import plan_of
from laneway.model import Depends, EngineInfo, JobSpec, Json, Settings

T = TypeVar("T")

MAX_TASKS = 1_000_000_000
MAX_NAME = 200
MAX_TEXT = 100_000
MAX_RANGE = 500_000  # characters
QUEUES: Mapping[str, int] = {"high": 999, "medium": 500, "low": 1}
ALIASES: Mapping[str, str] = {"code": "name", "app": "engine"}
KEYS = frozenset({spec.name for spec in fields(JobSpec)} - {"version", "items", "queue_priority"})
EDITABLE = frozenset({"name", "description", "metadata", "priority", "queue", "settings"})
_LATER = {
    "filters": "lane filters",
    "limits": "limits",
    "budget": "budgets",
    "tasks": "explicit tasks",
    "notify": "notifications",
    "scout": "scouts",
}
_LATER_SETTINGS = {"transfer_speedlimit": "site transfers", "task_min_time": "growing buckets"}
_OS_KEYS = frozenset({"common", "linux", "mac", "windows"})
_MOST = {"task_bucketsize": 1_000_000_000, "task_max_retries": 1_000}
_SETTINGS = {spec.name: spec for spec in fields(Settings)}


class _Faults:
    """Collects what is wrong."""

    def __init__(self) -> None:
        self.found: list[UserError] = []

    def add(self, field: str, message: str, value: object = None, fix: str | None = None) -> None:
        self.found.append(UserError(message, field=field, value=value, fix=fix))

    def attempt(self, read: Callable[[], T]) -> T | None:
        """The result of `read`, or None when it raised a fault, which is kept."""
        try:
            return read()
        except PayloadError as exc:
            self.found.extend(exc.problems)
        except UserError as exc:
            self.found.append(exc)
        return None

    def done(self) -> None:
        """Raise what was found, if anything."""
        if self.found:
            raise PayloadError(self.found)


def parse(raw: object, engines: Mapping[str, EngineInfo], *, user: str = "") -> JobSpec:
    """The job that a payload describes. Raises `PayloadError` with every fault in it."""
    faults = _Faults()
    data = faults.attempt(lambda: _known_keys(raw, faults))
    if data is None:
        raise PayloadError(faults.found)
    engine_text = data.get("engine")
    engine, version = None, None
    if not isinstance(engine_text, str) or not engine_text:
        faults.add("engine", "an engine is needed.", engine_text, f"One of: {', '.join(sorted(engines))}.")
    else:
        found = faults.attempt(lambda: find_engine(engine_text, engines))
        if found is not None:
            engine, version = found
    inputs = faults.attempt(lambda: _inputs(data.get("input"), engine)) or ()
    output = faults.attempt(lambda: _path(data.get("output"), "output"))
    settings = faults.attempt(lambda: _settings(data.get("settings", {}), engine)) or Settings()
    spec = JobSpec(
        name=faults.attempt(lambda: _name(data.get("name"), inputs, engine)) or "",
        engine=engine.name if engine else "",
        version=version,
        input=inputs,
        output=output,
        range=faults.attempt(lambda: _range(data.get("range"), engine)),
        items=engine.items if engine else True,
        priority_range=faults.attempt(lambda: _range_text(data.get("priority_range"), "priority_range")),
        parameters=faults.attempt(lambda: _parameters(data.get("parameters", {}), engine)) or {},
        envs=faults.attempt(lambda: _envs(data.get("envs", {}))) or {},
        settings=settings,
        queue=faults.attempt(lambda: _queue(data.get("queue", "medium"))[0]) or "medium",
        priority=_or(faults.attempt(lambda: _number(data.get("priority", 500), "priority", 0, 1000)), 500),
        depends_on=faults.attempt(lambda: _depends_on(data.get("depends_on", []))) or (),
        dependencies=faults.attempt(lambda: _dependencies(data.get("dependencies", []))) or (),
        description=faults.attempt(lambda: _text(data.get("description", ""), "description", MAX_TEXT)) or "",
        metadata=faults.attempt(lambda: _object(data.get("metadata", {}), "metadata")) or {},
        hold=faults.attempt(lambda: _flag(data.get("hold", False), "hold")) or False,
        user=faults.attempt(lambda: _text(data.get("user", user), "user", MAX_NAME)) or user,
        queue_priority=_or(faults.attempt(lambda: _queue(data.get("queue", "medium"))[1]), 500) if "queue" in data else 500,
    )
    _check_plan(spec, faults)
    faults.found = list({(fault.field, fault.message): fault for fault in faults.found}.values())
    faults.done()
    return spec


def find_engine(text: str, engines: Mapping[str, EngineInfo]) -> tuple[EngineInfo, str | None]:
    """The engine that `nuke` or `nuke-15` means, and the version asked for. Raises `UnknownNameError`."""
    if text in engines:
        return engines[text], None
    name, dash, version = text.rpartition("-")
    if dash and name in engines and version[:1].isdigit():
        return engines[name], version
    raise UnknownNameError("engine", text, engines, field="engine")


def parse_edit(raw: object, spec: JobSpec, engines: Mapping[str, EngineInfo]) -> dict[str, Json]:
    """What an edit of a job changes, as `events.Edit` takes it. Raises `PayloadError`; an edit that changes nothing is a fault too."""
    faults = _Faults()
    data = faults.attempt(lambda: _object(raw, "body"))
    if data is None:
        raise PayloadError(faults.found)
    engine = engines.get(spec.engine)
    changes: dict[str, Json] = {}
    for key, value in data.items():
        if key not in EDITABLE:
            if key in KEYS:
                fix = f"These can be changed: {', '.join(sorted(EDITABLE))}. For anything else submit the job anew."
                faults.add(key, "this cannot be changed after submit.", value, fix)
            else:
                faults.found.append(UnknownNameError("key", key, EDITABLE, field=key))
        elif key == "queue":
            queue = faults.attempt(lambda value=value: _queue(value))  # type: ignore[misc]  # binds the loop's value
            if queue is not None:
                changes["queue"], changes["queue_priority"] = queue
        else:
            _edit_one(key, value, engine, changes, faults)
    if not data:
        faults.add("body", "nothing to change.", None, f"Name one or more of: {', '.join(sorted(EDITABLE))}.")
    faults.done()
    return changes


def _edit_one(key: str, value: Json, engine: EngineInfo | None, changes: dict[str, Json], faults: _Faults) -> None:
    def read() -> Json:
        match key:
            case "name":
                return _text(value, key, MAX_NAME, needed=True)
            case "description":
                return _text(value, key, MAX_TEXT)
            case "metadata":
                return dict(_object(value, key))
            case "priority":
                return _number(value, key, 0, 1000)
            case _:
                settings = asdict(_settings(value, engine))
                return {name: settings[name] for name in _object(value, key)}

    before = len(faults.found)
    read_value = faults.attempt(read)
    if len(faults.found) == before:
        changes[key] = read_value


def render(spec: JobSpec) -> dict[str, Json]:
    """A job's payload with every default: what the store keeps and the API shows. `load` reads it back."""
    data = cast("dict[str, Json]", asdict(spec))
    data["input"] = list(spec.input)
    data["dependencies"] = list(spec.dependencies)
    data["depends_on"] = [{"job": one.job, "on": one.on, "when": one.when} for one in spec.depends_on]
    return data


def load(data: Mapping[str, Json]) -> JobSpec:
    """The job of a payload that `render` wrote. Nothing is checked again."""
    known = dict(cast("Mapping[str, Any]", data))
    known["input"] = tuple(known["input"])
    known["dependencies"] = tuple(known["dependencies"])
    known["settings"] = Settings(**known["settings"])
    known["depends_on"] = tuple(Depends(**one) for one in known["depends_on"])
    return JobSpec(**known)


def lease_spec(job_id: int, spec: JobSpec, created: float) -> dict[str, Json]:
    """What an agent needs to know of a job: `Spec` in the agents' protocol."""
    inputs: Json = list(spec.input) if len(spec.input) > 1 else (spec.input[0] if spec.input else None)
    return {
        "id": job_id,
        "name": spec.name,
        "engine": spec.engine,
        "version": spec.version,
        "input": inputs,
        "output": spec.output,
        "range": spec.range,
        "parameters": dict(spec.parameters),
        "envs": dict(spec.envs),
        "settings": cast("dict[str, Json]", asdict(spec.settings)),
        "user": spec.user,
        "created": created,
    }


def _or(value: int | None, default: int) -> int:
    return default if value is None else value


def _known_keys(raw: object, faults: _Faults) -> dict[str, Json]:
    data = _object(raw, "body", "A payload is a JSON object with at least `engine`.")
    known: dict[str, Json] = {}
    for key, value in data.items():
        name = ALIASES.get(key, key)
        if name in known:
            faults.add(key, f"`{key}` and `{name}` are the same thing; only one may be given.", value, "Remove one of the two.")
        elif name in _LATER:
            faults.add(key, f"{_LATER[name]} are not there in this version of Laneway.", value, f"Remove `{key}`.")
        elif name not in KEYS:
            faults.found.append(UnknownNameError("key", key, KEYS | ALIASES.keys(), field=key))
        else:
            known[name] = value
    return known


def _object(value: object, field: str, fix: str | None = None) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise UserError(f"must be an object, not {_kind(value)}.", field=field, value=value, fix=fix)
    for key in value:
        if not isinstance(key, str):
            raise UserError("keys must be text.", field=field, value=key)
    return value


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
    return "null" if value is None else names.get(type(value), type(value).__name__)


def _text(value: object, field: str, limit: int, *, needed: bool = False) -> str:
    if not isinstance(value, str):
        raise UserError(f"must be text, not {_kind(value)}.", field=field, value=value)
    if needed and not value.strip():
        raise UserError("must not be empty.", field=field, value=value)
    if len(value) > limit:
        raise UserError(f"is {len(value)} characters long; at most {limit} are allowed.", field=field, value=value)
    bad = next((char for char in value if (char < " " and char not in "\n\t") or "\ud800" <= char <= "\udfff"), None)
    if bad is not None:
        raise UserError(
            f"has the character U+{ord(bad):04X}, which is not text.", field=field, value=repr(value), fix="Remove it."
        )
    return value


def _flag(value: object, field: str) -> bool:
    if not isinstance(value, bool):
        raise UserError(f"must be true or false, not {_kind(value)}.", field=field, value=value)
    return value


def _number(value: object, field: str, low: int, high: int) -> int:
    number = _numeric(value, field)
    if number != int(number):
        raise UserError("must be a whole number.", field=field, value=value)
    if not low <= number <= high:
        raise UserError(f"must be between {low} and {high}.", field=field, value=value)
    return int(number)


def _numeric(value: object, field: str) -> float:
    """A number, also when written as text, as other systems' settings are."""
    if isinstance(value, str):
        with suppress(ValueError):
            value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise UserError(f"must be a number, not {_kind(value)}.", field=field, value=value)
    return value


def _name(value: object, inputs: tuple[str, ...], engine: EngineInfo | None) -> str:
    if value is not None:
        return _text(value, "name", MAX_NAME, needed=True).replace("\n", " ")
    if inputs:
        return inputs[0].replace("\\", "/").rstrip("/").rpartition("/")[2][:MAX_NAME]
    return engine.name if engine else ""


def _inputs(value: object, engine: EngineInfo | None) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [] if value is None else [value]
    if not values and engine is not None and engine.input_required:
        raise UserError(
            "an input file is needed.", field="input", value=value, fix="Name the file to render, as an absolute path."
        )
    if len(values) > 1 and engine is not None and not engine.multiple_inputs:
        raise UserError(f"{engine.name} takes one input, not {len(values)}.", field="input", fix="Submit a job for each file.")
    paths = [_path(one, f"input[{at}]" if isinstance(value, list) else "input") for at, one in enumerate(values)]
    return tuple(path for path in paths if path is not None)


def _path(value: object, field: str) -> str | None:
    if value is None:
        return None
    text = _text(value, field, 4096, needed=True)
    if "\n" in text or "\t" in text:
        raise UserError("a path cannot hold line breaks or tabs.", field=field, value=repr(text))
    head = text.split("=", 1)[0]
    if "=" in text and head in ("share", "volume", "folder", "collection", "home"):
        raise UserError(
            f"{head}= paths are not there in this version of Laneway.", field=field, value=text, fix="Use a native path."
        )
    slashed = text.replace("\\", "/")
    if not (slashed.startswith("/") or (slashed[1:3] == ":/" and slashed[0].isalpha())):
        raise UserError(
            "must be an absolute path.", field=field, value=text, fix="Begin it with / or with a drive such as C:/."
        )
    if ".." in slashed.split("/"):
        raise UserError("must not go upwards with `..`.", field=field, value=text, fix="Write the path that it leads to.")
    return text


def _range_text(value: object, field: str) -> str | None:
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise UserError(
            f"must be a range as text, not {_kind(value)}.", field=field, value=value, fix="For example 1-100 or 1-100x5."
        )
    return value


def _range(value: object, engine: EngineInfo | None) -> str | None:
    text = _range_text(value, "range")
    if text is None:
        if engine is None or not engine.items:
            return None
        if engine.default_range is not None:
            return engine.default_range
        if engine.input_required:
            raise UserError("a range is needed.", field="range", fix="Name the frames to render, for example 1-100 or 1-100x5.")
        return None
    try:
        frames = Frames.parse(text)
    except RangeError as exc:
        exc.field = "range"
        raise
    if len(frames) > MAX_TASKS:
        raise UserError(
            f"has {len(frames):,} items; a job can have at most {MAX_TASKS:,}.",
            field="range",
            value=text,
            fix="Split it into several jobs.",
        )
    return str(frames)


def _check_plan(spec: JobSpec, faults: _Faults) -> None:
    if spec.priority_range is None or faults.found:
        return
    if spec.range is None or not spec.items:
        faults.add(
            "priority_range", "there is no range that it could be part of.", spec.priority_range, "Remove it, or give a range."
        )
        return
    frames = Frames.parse(spec.range)

    def read() -> Frames:
        try:
            return priority(cast("str", spec.priority_range), frames)
        except RangeError as exc:
            exc.field = "priority_range"
            raise

    if faults.attempt(read) is not None:
        faults.attempt(lambda: plan_of(spec))


def _settings(value: object, engine: EngineInfo | None) -> Settings:
    faults = _Faults()
    known: dict[str, int | float] = {}
    for key, one in _object(value, "settings").items():
        field = f"settings.{key}"
        if key in _LATER_SETTINGS:
            faults.add(field, f"{_LATER_SETTINGS[key]} are not there in this version of Laneway.", one, "Remove it.")
        elif key not in _SETTINGS:
            faults.found.append(UnknownNameError("setting", key, _SETTINGS, field=field))
        else:
            read = faults.attempt(lambda key=key, one=one, field=field: _setting(key, one, field))  # type: ignore[misc]  # binds
            if read is not None:
                known[key] = read
    if engine is not None:
        known.setdefault("task_bucketsize", engine.default_bucketsize)
        most = engine.max_bucketsize
        if most and not 0 < known["task_bucketsize"] <= most:
            fix = f"Use a size from 1 to {most}."
            faults.add(
                "settings.task_bucketsize", f"{engine.name} takes at most {most} in a bucket.", known["task_bucketsize"], fix
            )
    faults.done()
    return Settings(**known)  # type: ignore[arg-type]  # whole numbers where the field is one, see _setting


def _setting(key: str, value: object, field: str) -> int | float:
    if _SETTINGS[key].type == "int":
        return _number(value, field, 0, _MOST.get(key, 1_000_000))
    number = _numeric(value, field)
    if not 0 <= number <= 31_536_000:
        raise UserError("must be between 0 seconds and a year (31536000).", field=field, value=value)
    return number


def _parameters(value: object, engine: EngineInfo | None) -> dict[str, Json]:
    faults = _Faults()
    given = _object(value, "parameters")
    if engine is None:
        return given
    for key, one in given.items():
        field = f"parameters.{key}"
        if key not in engine.parameters:
            faults.found.append(UnknownNameError(f"parameter of {engine.name}", key, engine.parameters, field=field))
            continue
        default = engine.parameters[key]
        if default is None or one is None:
            continue
        fits = isinstance(one, bool) if isinstance(default, bool) else _fits(one, default)
        if not fits:
            faults.add(field, f"must be {_kind(default)}, not {_kind(one)}.", one, f"The default is {default!r}.")
    faults.done()
    return {**engine.parameters, **given}


def _fits(value: Json, default: Json) -> bool:
    if isinstance(default, int | float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(default, str | list):
        return isinstance(value, str | list)  # arguments may be a string or a list
    return isinstance(value, type(default))


def _envs(value: object) -> dict[str, Json]:
    envs = _object(value, "envs")
    by_os = bool(envs) and envs.keys() <= _OS_KEYS and all(isinstance(one, dict) for one in envs.values())
    faults = _Faults()
    for group, variables in envs.items() if by_os else (("", envs),):
        prefix = f"envs.{group}." if group else "envs."
        for key, one in cast("dict[str, Json]", variables).items():
            if not key or "=" in key or "\0" in key:
                faults.add(f"{prefix}{key}", "is no name for an environment variable.", key)
            elif key.startswith("LANEWAY_"):
                faults.add(f"{prefix}{key}", "names that begin with LANEWAY_ are Laneway's own.", key, "Choose another name.")
            elif isinstance(one, dict | list) or one is None:
                faults.add(f"{prefix}{key}", f"must be text, not {_kind(one)}.", one)
            elif "\0" in str(one):
                faults.add(f"{prefix}{key}", "must not hold a NUL character.", repr(one))
    faults.done()
    return envs


def _queue(value: object) -> tuple[str, int]:
    if isinstance(value, str) and value.lower() in QUEUES:
        return value.lower(), QUEUES[value.lower()]
    if isinstance(value, str) and not value.isdigit():
        raise UnknownNameError("queue", value, QUEUES, field="queue")
    number = _number(value, "queue", 0, 1000)
    return str(number), number


def _depends_on(value: object) -> tuple[Depends, ...]:
    if not isinstance(value, list):
        value = [value]
    found: dict[int, Depends] = {}
    for at, one in enumerate(value):
        field = f"depends_on[{at}]"
        entry = _object(one, field) if isinstance(one, dict) else {"job": one}
        for key in entry:
            if key not in ("job", "on", "when"):
                raise UnknownNameError("key", key, ("job", "on", "when"), field=f"{field}.{key}")
        job = _number(entry.get("job"), f"{field}.job", 1, 2**53)
        on, when = entry.get("on", "all"), entry.get("when", "done")
        if on not in ("all", "item"):
            raise UserError("must be `all` or `item`.", field=f"{field}.on", value=on)
        if when not in ("done", "finished"):
            raise UserError("must be `done` or `finished`.", field=f"{field}.when", value=when)
        found[job] = Depends(job, cast("Any", on), cast("Any", when))
    return tuple(found.values())


def _dependencies(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise UserError(f"must be a list of paths, not {_kind(value)}.", field="dependencies", value=value)
    return tuple(_paths(value, "dependencies"))


def _paths(values: Iterable[object], field: str) -> list[str]:
    paths = (_path(one, f"{field}[{at}]") for at, one in enumerate(values))
    return [path for path in paths if path is not None]
