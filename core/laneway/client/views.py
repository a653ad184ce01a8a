"""What the dispatcher answers, as frozen types.

Every view keeps the answer itself in `data`, so nothing that a newer dispatcher sends is lost, and fills what an older one does
not send with defaults. Times are seconds since the epoch; frames are range texts such as `1-5,9`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from laneway.model import Json

T = TypeVar("T")
V = TypeVar("V", bound="View")

OVER = frozenset({"done", "failed", "aborted", "deleted"})


@dataclass(frozen=True, kw_only=True)
class View:
    """One object of the API. `data` is what was received."""

    data: Mapping[str, Json] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_data(cls: type[V], data: Mapping[str, Any]) -> V:
        """The view of a JSON object; keys that the view does not know stay in `data`, and null counts as not sent."""
        values: dict[str, Any] = {"data": data}
        for name in cls.__dataclass_fields__:
            value = data.get(name)
            if value is not None and name != "data":
                values[name] = tuple(value) if isinstance(value, list) else value
        return cls(**values)


@dataclass(frozen=True, kw_only=True)
class JobView(View):
    """A job. `counts` has the number of its tasks by state, `progress` runs from 0 to 1, `running` is the lanes at work now."""

    id: int
    name: str = ""
    engine: str = ""
    version: str | None = None
    input: str | tuple[str, ...] = ()
    output: str | None = None
    range: str | None = None
    priority_range: str | None = None
    user: str = ""
    state: str = "init"
    reason: str = ""
    priority: int = 0
    queue: str = ""
    queue_priority: int = 0
    bucket_size: int = 1
    max_lanes: int = 0
    tasks: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    progress: float = 0.0
    running: int = 0
    created: float | None = None
    started: float | None = None
    finished: float | None = None
    depends_on: Sequence[Mapping[str, Json]] = ()
    dependencies: Sequence[str] = ()
    description: str = ""
    metadata: Mapping[str, Json] = field(default_factory=dict)
    settings: Mapping[str, Json] = field(default_factory=dict)
    parameters: Mapping[str, Json] = field(default_factory=dict)
    envs: Mapping[str, Json] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Whether nothing more happens by itself: done, failed, aborted, or deleted."""
        return self.state in OVER

    @property
    def done(self) -> int:
        """How many of its tasks are done."""
        return self.counts.get("done", 0)


@dataclass(frozen=True, kw_only=True)
class Submitted:
    """The answer to a submission: the job (none for a dry run) and what the dispatcher wants its sender to know."""

    job: JobView | None
    warnings: tuple[str, ...] = ()
    data: Mapping[str, Json] = field(default_factory=dict, repr=False, compare=False)

    @property
    def id(self) -> int:
        """The number of the new job."""
        if self.job is None:
            raise AttributeError("a dry run makes no job")
        return self.job.id


@dataclass(frozen=True, kw_only=True)
class TaskView(View):
    """One task. `attempt` is the attempt at work on it or the last one."""

    item: int
    state: str = ""
    attempt: int | None = None
    tries: int = 0
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class RunView(View):
    """Neighbouring items in the same state."""

    items: str
    state: str = ""


@dataclass(frozen=True, kw_only=True)
class AttemptView(View):
    """One try of a bucket on a lane. `max_rss` and `log_bytes` are bytes."""

    id: int
    job: int = 0
    number: int = 0
    items: str = ""
    state: str = ""
    server: str = ""
    hostname: str = ""
    lane: int = 0
    created: float | None = None
    started: float | None = None
    finished: float | None = None
    fraction: float = 0.0
    exit: int | None = None
    signal: int | None = None
    reason: str = ""
    cpu_seconds: float | None = None
    max_rss: int | None = None
    log_bytes: int | None = None
    commandline: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class HistoryView(View):
    """One row of the history: what happened, to what, by whom and why."""

    seq: int = 0
    at: float = 0.0
    kind: str = ""
    job: int | None = None
    attempt: int | None = None
    server: str | None = None
    items: str = ""
    reason: str = ""
    actor: str = ""


@dataclass(frozen=True, kw_only=True)
class EventView(View):
    """One live event. `name` is `job`, `attempt` or `server`; a passing one (progress) has no `seq`.

    The name `resync` means that the dispatcher could not keep what this listener had to hear; it is connected anew.
    """

    name: str = ""
    seq: int | None = None
    at: float = 0.0
    kind: str = ""
    job: int | None = None
    attempt: int | None = None
    server: str | None = None
    items: str = ""
    reason: str = ""
    state: str = ""


@dataclass(frozen=True, kw_only=True)
class ServerView(View):
    """A computer that offers lanes. `ram` is bytes, `running` the lanes at work."""

    server: str = ""
    number: int = 0
    hostname: str = ""
    os: str = ""
    site: str = ""
    cores: int = 0
    ram: int = 0
    version: str = ""
    addresses: Sequence[str] = ()
    online: bool = False
    seen: float | None = None
    lanes: int = 0
    running: int = 0
    engines: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class LaneView(View):
    """One execution slot and what it does."""

    server: str = ""
    hostname: str = ""
    lane: int = 0
    state: str = ""
    job: int | None = None
    attempt: int | None = None
    items: str = ""
    fraction: float = 0.0


@dataclass(frozen=True, kw_only=True)
class EngineView(View):
    """An engine that the dispatcher knows. `servers` are the names of the online servers that can run it."""

    name: str
    description: str = ""
    items: bool = True
    multiple_inputs: bool = False
    input_required: bool = True
    extensions: Sequence[str] = ()
    binary_extensions: Sequence[str] = ()
    default_range: str | None = None
    default_bucketsize: int = 1
    max_bucketsize: int = 0
    parameters: Mapping[str, Json] = field(default_factory=dict)
    versions: Sequence[str] = ()
    servers: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class LogChunk:
    """A piece of a log: `data` stands at byte `offset`, the next piece starts at `next`.

    `size` is the log's length so far; `complete` says that nothing will be added and that this piece reaches its end.
    """

    data: bytes
    offset: int
    next: int
    size: int
    complete: bool
    attempt: int | None = None


@dataclass(frozen=True, kw_only=True)
class Page(Sequence[T], Generic[T]):
    """A part of a list: its items, and how many there are in all. `data` is what was received."""

    items: tuple[T, ...]
    total: int
    data: Mapping[str, Json] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __getitem__(self, index: Any) -> Any:
        return self.items[index]


@dataclass(frozen=True, kw_only=True)
class TaskPage(Page[TaskView]):
    """A part of a job's tasks; `runs` is the whole job in few words."""

    runs: tuple[RunView, ...] = ()
