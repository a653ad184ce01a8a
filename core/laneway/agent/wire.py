"""What goes over the two wires of an agent: JSON to and from the dispatcher, JSON lines to and from the engine hosts.

Plain typed dictionaries, because a bucket of a millisecond must not pay for objects: a host's report goes to the dispatcher as it was
read. Times are epoch seconds, sizes bytes; `items` and `done` are frame strings.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, TypedDict

PROTOCOL = 1
Outcome: TypeAlias = Literal["done", "failed", "stopped"]


class Lease(TypedDict):
    """A bucket that was handed to one lane of this server."""

    attempt: int
    number: int
    job: int
    lane: int
    items: str
    timeout: float


class Report(TypedDict, total=False):
    """What became of an attempt: `kind` is started, progress or finished, and says which of the other keys are there."""

    attempt: int
    kind: Literal["started", "progress", "finished"]
    at: float
    pid: int
    fraction: float
    done: str
    item: int | None
    note: str | None
    started: float
    outcome: Outcome
    exit: int | None
    signal: int | None
    reason: str | None
    retry: bool
    cpu_seconds: float
    max_rss: int
    log_bytes: int
    commandline: list[str]


class Stop(TypedDict):
    """An attempt that must not go on, and why."""

    attempt: int
    reason: str


class Refusal(Stop, total=False):
    """A report that was not taken: its attempt is over or another server's (`stale`, the default), or it was unreadable."""

    stale: bool


class Identity(TypedDict, total=False):
    """Who the dispatcher is: `id` goes with its data, `pid` is its process on the computer `hostname`."""

    id: str
    boot: str
    version: str
    pid: int
    hostname: str


class LogRequest(TypedDict):
    """Somebody reads a log of this server; a negative offset counts from the end."""

    request: str
    job: int
    attempt: int
    offset: int
    limit: int


class Answer(TypedDict, total=False):
    """What the dispatcher says to a join, a poll or a report. `jobs` holds the specifications of the leases' jobs by their id."""

    lease: float
    leases: list[Lease]
    jobs: dict[str, dict[str, Any]]  # a specification is passed on to the engine host and never looked into
    stop: list[Stop]
    forget: list[int]
    logs: list[LogRequest]
    refused: list[Refusal]
    dispatcher: Identity


def ended(
    attempt: int, outcome: Outcome, reason: str, *, at: float, started: float | None = None, done: str = "", retry: bool = True
) -> Report:
    """The last report of an attempt that no engine host can speak for."""
    return {
        "attempt": attempt,
        "kind": "finished",
        "at": at,
        "started": at if started is None else started,
        "outcome": outcome,
        "exit": None,
        "signal": None,
        "reason": reason,
        "retry": retry,
        "done": done,
        "cpu_seconds": 0.0,
        "max_rss": 0,
        "log_bytes": 0,
        "commandline": [],
    }
