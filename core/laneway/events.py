"""What can happen to a farm, as frozen types: the only way that its state changes.

An event comes from outside (somebody submits, an agent reports) or is made by the core itself (a bucket is leased, a delay is
over). Those that change a job are written to the append-only history with `to_data()` and can be replayed from there, so what the
history tells people and what restores the farm after a crash are the same rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias, cast

from laneway.model import JobSpec, Json, ServerInfo
from laneway.spans import Span

Outcome = Literal["done", "failed", "stopped"]


@dataclass(frozen=True, slots=True)
class Submit:
    """A new job."""

    kind: ClassVar[str] = "submitted"
    job: int
    spec: JobSpec


@dataclass(frozen=True, slots=True)
class Pause:
    """No new bucket of the job is handed out; what runs may finish."""

    kind: ClassVar[str] = "paused"
    job: int


@dataclass(frozen=True, slots=True)
class Resume:
    """A paused or aborted job goes on."""

    kind: ClassVar[str] = "resumed"
    job: int


@dataclass(frozen=True, slots=True)
class Abort:
    """The job ends now; its running processes are ended."""

    kind: ClassVar[str] = "aborted"
    job: int


@dataclass(frozen=True, slots=True)
class Retry:
    """Failed tasks wait for a lane again, or, with `items` (a range), those items whatever became of them."""

    kind: ClassVar[str] = "retried"
    job: int
    items: str | None = None


@dataclass(frozen=True, slots=True)
class Edit:
    """Fields of the job change; `changes` has the names of `JobSpec` and of `Settings` (see `laneway.payload.parse_edit`)."""

    kind: ClassVar[str] = "edited"
    job: int
    changes: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delete:
    """The job and its history go."""

    kind: ClassVar[str] = "deleted"
    job: int


@dataclass(frozen=True, slots=True)
class Join:
    """A server offers its lanes."""

    kind: ClassVar[str] = "joined"
    info: ServerInfo


@dataclass(frozen=True, slots=True)
class Leave:
    """A server stops cleanly; its attempts have been ended."""

    kind: ClassVar[str] = "left"
    server: str
    boot: str


@dataclass(frozen=True, slots=True)
class Lost:
    """A server's lease is over: whatever it ran has been ended by its agent."""

    kind: ClassVar[str] = "lost"
    server: str
    boot: str


@dataclass(frozen=True, slots=True)
class Leased:
    """A bucket, the positions `[lo, hi)` of the job's plan, goes to a lane. `number` counts the tries, from 1."""

    kind: ClassVar[str] = "leased"
    attempt: int
    number: int
    job: int
    lo: int
    hi: int
    server: str
    lane: int


@dataclass(frozen=True, slots=True)
class Started:
    """The process of an attempt runs."""

    kind: ClassVar[str] = "started"
    attempt: int
    server: str
    at: float
    pid: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an attempt is: `fraction` of its bucket, and the items that are finished (`done`, a range)."""

    kind: ClassVar[str] = "progress"
    attempt: int
    server: str
    at: float
    fraction: float = 0.0
    done: str = ""
    item: int | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """An attempt is over. `done` are the items whose files are there; times in epoch seconds, `max_rss` and `log_bytes` in bytes."""

    kind: ClassVar[str] = "finished"
    attempt: int
    server: str
    at: float
    outcome: Outcome
    started: float = 0.0
    exit: int | None = None
    signal: int | None = None
    reason: str | None = None
    retry: bool = True
    done: str = ""
    cpu_seconds: float = 0.0
    max_rss: int = 0
    log_bytes: int = 0
    commandline: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Returned:
    """An attempt ended through no fault of its own; what is left of its bucket waits for a lane again."""

    kind: ClassVar[str] = "returned"
    attempt: int


@dataclass(frozen=True, slots=True)
class RetryDue:
    """The delay after a failure is over."""

    kind: ClassVar[str] = "retry-due"
    job: int
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Released:
    """What these tasks waited for is there."""

    kind: ClassVar[str] = "released"
    job: int
    spans: tuple[Span, ...]


Event: TypeAlias = (
    Submit
    | Pause
    | Resume
    | Abort
    | Retry
    | Edit
    | Delete
    | Join
    | Leave
    | Lost
    | Leased
    | Started
    | Progress
    | Finished
    | Returned
    | RetryDue
    | Released
)


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the append-only history.

    `items` is a range for people, `data` what replaying needs. Rows with `replay` are events; the others (kind `state`,
    `server-state`) are what followed from them.
    """

    seq: int
    at: float
    kind: str
    job: int | None = None
    attempt: int | None = None
    server: str | None = None
    items: str = ""
    reason: str = ""
    actor: str = ""
    data: Mapping[str, Json] = field(default_factory=dict)
    replay: bool = False


def data_of(event: Event) -> dict[str, Json]:
    """What a row keeps of an event beyond its own columns (job, attempt, server)."""
    match event:
        case Leased():
            return {"number": event.number, "lo": event.lo, "hi": event.hi, "lane": event.lane}
        case Started():
            return {"at": event.at, "pid": event.pid}
        case Progress():
            return {"at": event.at, "fraction": event.fraction, "done": event.done}
        case Finished():
            return {
                "at": event.at,
                "outcome": event.outcome,
                "started": event.started,
                "exit": event.exit,
                "signal": event.signal,
                "reason": event.reason,
                "retry": event.retry,
                "done": event.done,
                "cpu_seconds": event.cpu_seconds,
                "max_rss": event.max_rss,
                "log_bytes": event.log_bytes,
                "commandline": list(event.commandline),
            }
        case Retry():
            return {"items": event.items}
        case Edit():
            return {"changes": dict(event.changes)}
        case RetryDue() | Released():
            return {"spans": [[lo, hi] for lo, hi in event.spans]}
        case _:
            return {}


def event_of(row: Row) -> Event:
    """The event of a row with `replay`; the counterpart of `data_of`. Raises `ValueError` for a kind that is never replayed."""
    data = cast("dict[str, object]", dict(row.data))
    job, attempt, server = row.job or 0, row.attempt or 0, row.server or ""
    match row.kind:
        case "paused":
            return Pause(job)
        case "resumed":
            return Resume(job)
        case "aborted":
            return Abort(job)
        case "deleted":
            return Delete(job)
        case "retried":
            return Retry(job, cast("str | None", data["items"]))
        case "edited":
            return Edit(job, cast("Mapping[str, Json]", data["changes"]))
        case "retry-due":
            return RetryDue(job, _spans(data))
        case "released":
            return Released(job, _spans(data))
        case "returned":
            return Returned(attempt)
        case "leased":
            number, lo, hi, lane = (cast("int", data[key]) for key in ("number", "lo", "hi", "lane"))
            return Leased(attempt, number, job, lo, hi, server, lane)
        case "started":
            return Started(attempt, server, cast("float", data["at"]), cast("int", data["pid"]))
        case "progress":
            return Progress(
                attempt, server, cast("float", data["at"]), cast("float", data["fraction"]), cast("str", data["done"])
            )
        case "finished":
            data["commandline"] = tuple(cast("list[str]", data["commandline"]))
            return Finished(attempt, server, **data)  # type: ignore[arg-type]  # written by data_of, with these very names
        case _:
            raise ValueError(f"a row of kind {row.kind!r} is not an event")


def _spans(data: Mapping[str, object]) -> tuple[Span, ...]:
    return tuple((lo, hi) for lo, hi in cast("list[list[int]]", data["spans"]))
