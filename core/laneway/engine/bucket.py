"""What a lane is given to do: a job's specification as the agent sends it, and the lease of one bucket of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from laneway.errors import EngineError
from laneway.frames import Frames
from laneway.model import Json


@dataclass(frozen=True, slots=True)
class Spec:
    """A job as engines see it. `input` holds one path per input; `envs` is flat or keyed by operating system, as it was submitted."""

    engine: str
    id: int = 0
    name: str = ""
    version: str | None = None
    input: tuple[str, ...] = ()
    output: str | None = None
    range: str | None = None
    parameters: Mapping[str, Json] = field(default_factory=dict)
    envs: Mapping[str, Json] = field(default_factory=dict)
    settings: Mapping[str, Json] = field(default_factory=dict)
    user: str = ""

    @classmethod
    def from_wire(cls, data: Mapping[str, Json]) -> Spec:
        """The specification in a lease; raises EngineError naming the field that is not as agreed."""
        return cls(
            engine=_text(data, "engine"),
            id=_number(data, "id"),
            name=_text(data, "name", ""),
            version=_optional_text(data, "version"),
            input=_texts(data, "input"),
            output=_optional_text(data, "output"),
            range=_optional_text(data, "range"),
            parameters=_mapping(data, "parameters"),
            envs=_mapping(data, "envs"),
            settings=_mapping(data, "settings"),
            user=_text(data, "user", ""),
        )


@dataclass(frozen=True, slots=True)
class Bucket:
    """One lease: some items of a job for one lane, as attempt `attempt`. `timeout` is in seconds, 0 for none."""

    attempt: int
    spec: Spec
    items: Frames
    label: str  # the items as text
    number: int = 1
    lane: int = 1
    timeout: float = 0.0
    log: str = ""
    server: str = ""
    hostname: str = ""

    @classmethod
    def from_wire(cls, data: Mapping[str, Json], spec: Spec) -> Bucket:
        """The lease in a `run` message; raises EngineError or RangeError where it is not as agreed."""
        timeout = data.get("timeout") or 0.0
        if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
            raise _not("a number", timeout, "timeout")
        text = _text(data, "items")
        if text.isdecimal() and text.isascii() and len(text) < 10 and text[0] != "0":  # one item: nothing to parse
            items, label = Frames.span(int(text), int(text)), text
        else:
            items = Frames.parse(text)
            label = str(items)
        return cls(
            attempt=_number(data, "attempt"),
            spec=spec,
            items=items,
            label=label,
            number=_number(data, "number"),
            lane=_number(data, "lane"),
            timeout=float(timeout),
            log=_text(data, "log"),
            server=_text(data, "server", ""),
            hostname=_text(data, "hostname", ""),
        )

    def environment(self) -> dict[str, str | None]:
        """The variables by which a process of this attempt is known."""
        own: dict[str, str | None] = {
            "LANEWAY_JOB": str(self.spec.id),
            "LANEWAY_ATTEMPT": str(self.attempt),
            "LANEWAY_LANE": str(self.lane),
            "LANEWAY_ITEMS": self.label,
        }
        if self.server:
            own["LANEWAY_SERVER"] = self.server
        return own


def _not(what: str, value: object, key: str) -> EngineError:
    return EngineError(f"the lease's {key} is not {what}.", field=key, value=value)


def _text(data: Mapping[str, Json], key: str, default: str | None = None) -> str:
    value = data.get(key, default)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise _not("text", value, key)
    return value


def _optional_text(data: Mapping[str, Json], key: str) -> str | None:
    return None if data.get(key) is None else _text(data, key)


def _number(data: Mapping[str, Json], key: str) -> int:
    value = data.get(key, 0)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _not("a whole number", value, key)
    return value


def _texts(data: Mapping[str, Json], key: str) -> tuple[str, ...]:
    value = data.get(key)
    if value is None or value == "":
        return ()
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
        raise _not("a path or a list of paths", value, key)
    return tuple(each for each in values if isinstance(each, str))


def _mapping(data: Mapping[str, Json], key: str) -> Mapping[str, Json]:
    value = data.get(key) or {}
    if not isinstance(value, dict):
        raise _not("an object", value, key)
    return value
