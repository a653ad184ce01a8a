"""What arrives over HTTP, read strictly and fast: JSON bodies and the messages of agents.

Bodies are read from bytes by pydantic's core straight into frozen dataclasses; numbers are bounded here, so that nothing behind
this module meets an integer that SQLite cannot hold or a time that is not a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Generic, Literal, TypeVar, cast

import orjson
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from laneway import events
from laneway.errors import PayloadError, UserError
from laneway.model import EngineOffer, Json, ServerInfo

MAX_BODY = 8 << 20  # bytes
MAX_DEPTH = 64  # levels of lists and objects in a body
MAX_LANES = 10_000
MAX_REPORTS = 10_000

T = TypeVar("T")
Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
Small = Annotated[int, Field(ge=-(2**31), le=2**32)]
Time = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
Fraction = Annotated[float, Field(allow_inf_nan=False)]
Item = Annotated[int, Field(ge=-(2**53), le=2**53)]
Word = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9._:-]+$")]
Line = Annotated[str, Field(max_length=2000)]
Text = Annotated[str, Field(max_length=1_000_000)]
_LENIENT = ConfigDict(extra="ignore")


@dataclass(frozen=True)
class JoinBody:
    """An agent says who its server is and what its lanes can run. `ram` is in bytes."""

    __pydantic_config__ = _LENIENT
    server: Word
    boot: Word
    hostname: Annotated[str, Field(min_length=1, max_length=255)]
    lanes: Annotated[int, Field(ge=1, le=MAX_LANES)]
    protocol: Literal[1] = 1
    os: Word = "linux"
    site: Word = "main"
    cores: Count = 1
    ram: Count = 0
    version: Line = ""
    addresses: tuple[Line, ...] = ()
    engines: Mapping[str, EngineOffer] = field(default_factory=dict)
    held: tuple[Count, ...] = ()
    data_folder: Line = ""

    def info(self) -> ServerInfo:
        """As the farm knows it."""
        return ServerInfo(
            server=self.server,
            boot=self.boot,
            hostname=self.hostname,
            lanes=self.lanes,
            os=self.os,
            site=self.site,
            cores=self.cores,
            ram=self.ram,
            version=self.version,
            addresses=self.addresses,
            engines=self.engines,
            held=self.held,
            data_folder=self.data_folder,
        )


@dataclass(frozen=True)
class PollBody:
    """An agent waits for work, `wait` seconds at most. `known`: its attempts at work, or over and their last report unacknowledged."""

    __pydantic_config__ = _LENIENT
    boot: Word
    known: tuple[Count, ...] = ()
    wait: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0


@dataclass(frozen=True)
class LeaveBody:
    """An agent stops."""

    __pydantic_config__ = _LENIENT
    boot: Word


@dataclass(frozen=True)
class StartedReport:
    """The process of an attempt runs."""

    __pydantic_config__ = _LENIENT
    kind: Literal["started"]
    attempt: Count
    at: Time
    pid: Count = 0

    def event(self, server: str) -> events.Started:
        """As the farm takes it."""
        return events.Started(self.attempt, server, self.at, self.pid)


@dataclass(frozen=True)
class ProgressReport:
    """How far an attempt is; `done` are its finished items so far, as a range."""

    __pydantic_config__ = _LENIENT
    kind: Literal["progress"]
    attempt: Count
    at: Time
    fraction: Fraction = 0.0
    done: Text = ""
    item: Item | None = None
    note: Line | None = None

    def event(self, server: str) -> events.Progress:
        """As the farm takes it."""
        return events.Progress(self.attempt, server, self.at, self.fraction, self.done, self.item, self.note)


@dataclass(frozen=True)
class FinishedReport:
    """An attempt is over; `done` are the items whose files are there."""

    __pydantic_config__ = _LENIENT
    kind: Literal["finished"]
    attempt: Count
    at: Time
    outcome: events.Outcome
    started: Time = 0.0
    exit: Small | None = None
    signal: Small | None = None
    reason: Text | None = None
    retry: bool = True
    done: Text = ""
    cpu_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    max_rss: Count = 0
    log_bytes: Count = 0
    commandline: tuple[Text, ...] = ()

    def event(self, server: str) -> events.Finished:
        """As the farm takes it."""
        return events.Finished(
            self.attempt,
            server,
            self.at,
            self.outcome,
            self.started,
            self.exit,
            self.signal,
            self.reason,
            self.retry,
            self.done,
            self.cpu_seconds,
            self.max_rss,
            self.log_bytes,
            self.commandline,
        )


Report = Annotated[StartedReport | ProgressReport | FinishedReport, Field(discriminator="kind")]


@dataclass(frozen=True)
class ReportBody:
    """What became of attempts."""

    __pydantic_config__ = _LENIENT
    boot: Word
    reports: Annotated[tuple[Report, ...], Field(max_length=MAX_REPORTS)]


@dataclass(frozen=True)
class _LooseReports:
    __pydantic_config__ = _LENIENT
    boot: Word
    reports: Annotated[tuple[dict[str, object], ...], Field(max_length=MAX_REPORTS)]


@dataclass(frozen=True)
class ActionBody:
    """Why somebody acts on a job, and on which of its items."""

    __pydantic_config__ = ConfigDict(extra="forbid")
    reason: Line | None = None
    range: Text | None = None


class Message(Generic[T]):
    """A kind of body. `read` raises `PayloadError`, every fault in it, for bytes that are none."""

    def __init__(self, kind: type[T]) -> None:
        self._adapter: TypeAdapter[T] = TypeAdapter(kind)

    def read(self, body: bytes) -> T:
        """The message in a body."""
        try:
            return self._adapter.validate_json(body)
        except ValidationError as exc:
            raise _faults(exc) from exc

    def schema(self) -> dict[str, Json]:
        """For the OpenAPI document."""
        return cast("dict[str, Json]", self._adapter.json_schema(ref_template="#/components/schemas/{model}"))


JOIN, POLL, REPORTS, LEAVE, ACTION = (
    Message(JoinBody),
    Message(PollBody),
    Message(ReportBody),
    Message(LeaveBody),
    Message(ActionBody),
)
_LOOSE = Message(_LooseReports)
_ONE: TypeAdapter[StartedReport | ProgressReport | FinishedReport] = TypeAdapter(Report)


@dataclass(frozen=True)
class BadReport:
    """A report that cannot be read. `final`: it says that the attempt is over, and that much is believed."""

    attempt: int
    reason: str
    final: bool


def read_reports(body: bytes) -> tuple[ReportBody, list[BadReport]]:
    """The reports in a body, and those that cannot be read.

    One report that is broken does not hold up the others, which an agent would send again and again otherwise.
    """
    try:
        return REPORTS.read(body), []
    except PayloadError:
        loose = _LOOSE.read(body)
    good, bad = [], []
    for raw in loose.reports:
        try:
            good.append(_ONE.validate_python(raw, strict=False))
        except ValidationError as exc:
            attempt = raw.get("attempt")
            if not isinstance(attempt, int) or isinstance(attempt, bool) or not 0 <= attempt < 2**63:
                raise _faults(exc, "reports") from exc
            bad.append(BadReport(attempt, f"its report cannot be read: {_faults(exc)}"[:1000], raw.get("kind") == "finished"))
    return ReportBody(loose.boot, tuple(good)), bad


class MalformedError(UserError):
    """A body that is no JSON."""

    code = "malformed"


class TooLargeError(UserError):
    """A body that is longer than `MAX_BODY`."""

    code = "too_large"

    def __init__(self) -> None:
        super().__init__(f"the body is larger than {MAX_BODY >> 20} MiB.", field="body", fix="Send less at once.")


def read_json(body: bytes) -> object:
    """The JSON in a body; raises `MalformedError` for what is none, or is nested too deeply to be looked at."""
    try:
        value: object = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        raise MalformedError(f"the body is not JSON: {exc}.", field="body", fix="Send one JSON value in UTF-8.") from exc
    level: list[object] = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ())
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return value
    raise MalformedError(
        f"the body is nested more than {MAX_DEPTH} levels deep.", field="body", fix="Send values that are less nested."
    )


def _faults(exc: ValidationError, prefix: str = "") -> UserError:
    found = exc.errors(include_url=False, include_context=False)
    if found[0]["type"] == "json_invalid":
        return MalformedError(f"the body is not JSON: {found[0]['msg']}.", field="body", fix="Send one JSON value in UTF-8.")
    return PayloadError([fault(error["loc"], error["msg"], error["input"], prefix) for error in found[:20]])


def fault(place: tuple[int | str, ...], message: str, value: object, prefix: str = "") -> UserError:
    """One finding of pydantic's in our words: `reports[2].at: …`."""
    name = prefix
    for part in place:
        name += f"[{part}]" if isinstance(part, int) else f".{part}" if name else part
    shown = value if isinstance(value, (str, int, float, bool)) else None
    return UserError(f"{message[:1].lower()}{message[1:]}.", field=name or "body", value=shown)
