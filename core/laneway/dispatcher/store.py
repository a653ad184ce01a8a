"""What the dispatcher asks of its store, and the records that pass between them.

The farm decides in memory; the store makes what was decided durable. `append` takes what one change produced, `then` is called
when it can no longer be lost, in the order of the appends, and `durable` waits for everything appended so far. Nothing leaves
the dispatcher before that: no answer, no lease, no event.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from laneway.events import Row
from laneway.model import Json
from laneway.spans import Span

Ending = Literal["done", "failed", "stopped", "lost"]


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job as it is kept: its payload (`laneway.payload.render`), a snapshot of the farm's view of it, and the last row in that."""

    id: int
    created: float
    payload: Mapping[str, Json]
    snapshot: Mapping[str, Json]
    seq: int


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """An attempt that is over. `lo` and `hi` are positions in the job's plan, times epoch seconds, `max_rss` and `log_bytes` bytes."""

    id: int
    job: int
    number: int
    lo: int
    hi: int
    items: str
    state: Ending
    server: str
    hostname: str
    lane: int
    created: float
    started: float | None
    finished: float
    fraction: float
    exit: int | None = None
    signal: int | None = None
    reason: str | None = None
    cpu_seconds: float = 0.0
    max_rss: int = 0
    log_bytes: int = 0
    commandline: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ServerRecord:
    """A server as it is kept, so that a restarted dispatcher still knows its name: `info` is what it said when it joined."""

    id: str
    info: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Batch:
    """What one change of the farm leaves to keep. It becomes durable as a whole or not at all."""

    rows: Sequence[Row] = ()
    jobs: Sequence[JobRecord] = ()
    ended: Sequence[AttemptRecord] = ()
    servers: Sequence[ServerRecord] = ()
    deleted: Sequence[int] = ()
    meta: Mapping[str, int] = field(default_factory=dict)
    submissions: Mapping[str, int] = field(default_factory=dict)  # a submission's key and the job it made


@dataclass(frozen=True, slots=True)
class Saved:
    """What a store holds when the dispatcher starts: `rows` are those to replay after the snapshots, by `seq`.

    `last_attempt` is the newest attempt among those that are over.
    """

    jobs: Sequence[JobRecord]
    rows: Sequence[Row]
    servers: Sequence[ServerRecord]
    meta: Mapping[str, int]
    submissions: Mapping[str, int]
    last_seq: int
    last_attempt: int


class Journal(Protocol):
    """The writing side. It is used from one event loop only."""

    @property
    def trouble(self) -> str | None:
        """Why nothing can be written at the moment, or None."""

    def append(self, batch: Batch, then: Callable[[], None] | None = None) -> None:
        """Keep a batch; `then` is called on the loop as soon as it is durable. Does not wait."""

    async def durable(self) -> None:
        """Wait until everything appended so far is durable; raises `StoreError` when that takes too long."""

    async def close(self) -> None:
        """Write what is left and close."""


class Archive(Protocol):
    """The reading side: what is durable, newest attempt first."""

    def load(self) -> Saved:
        """Everything that restores the farm."""

    async def history(self, *, job: int | None = None, after: int = 0, limit: int = 100) -> Sequence[Row]:
        """Rows after a sequence number, oldest first."""

    async def attempts(self, job: int, *, limit: int = 100, offset: int = 0) -> Sequence[AttemptRecord]:
        """The attempts of a job that are over."""

    async def attempts_at(self, job: int, spans: Sequence[Span], *, widest: int) -> Sequence[AttemptRecord]:
        """Attempts over that have one of these positions; no bucket of the job was longer than `widest`."""

    async def widest(self, job: int) -> int:
        """The length of the longest bucket among the attempts of a job that are over; 0 when there are none."""

    async def attempt_count(self, job: int) -> int:
        """How many attempts of a job are over."""

    async def attempt(self, attempt: int) -> AttemptRecord | None:
        """One attempt that is over."""


class Store(Journal, Archive, Protocol):
    """Both sides."""
