"""A job in the farm's memory: its plan, and where each of its tasks is, in a few spans of positions.

The plan is the order in which items are rendered: the priority range first, then the rest. A task is a position in the plan. Tasks
that a lane is at work on belong to its `Attempt`; all others lie in exactly one of the sets in `Job.sets`, or in `delayed`, which
counts as queued: those wait for their retry.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import cast

from laneway.frames import Frames, priority
from laneway.model import JobSpec, Json
from laneway.spans import Counts, Span, Spans
from laneway.states import Asked, JobState, TaskState
from laneway.transitions import job_state

RESTING = (
    TaskState.PENDING,
    TaskState.QUEUED,
    TaskState.DONE,
    TaskState.FAILED,
    TaskState.ONHOLD,
    TaskState.EXCLUDED,
)


SHOWN = 100  # spans of items that a sentence or a row of the history names


class Attempt:
    """One bucket at work on one lane: the positions `[lo, hi)` of its job's plan. `done` are those whose files are there already."""

    __slots__ = (
        "created",
        "done",
        "fraction",
        "hi",
        "id",
        "item",
        "items",
        "job",
        "lane",
        "lo",
        "note",
        "number",
        "pid",
        "server",
        "started",
        "stopping",
    )

    def __init__(
        self, attempt: int, *, number: int, job: int, lo: int, hi: int, items: str, server: str, lane: int, created: float
    ) -> None:
        self.id = attempt
        self.number = number
        self.job = job
        self.lo = lo
        self.hi = hi
        self.items = items
        self.server = server
        self.lane = lane
        self.created = created
        self.started: float | None = None
        self.pid: int | None = None
        self.fraction = 0.0
        self.item: int | None = None
        self.note: str | None = None
        self.done: Spans | None = None
        self.stopping: str | None = None  # why its end was asked for

    @property
    def state(self) -> TaskState:
        """Where its unfinished tasks are."""
        return TaskState.BOOTING if self.started is None else TaskState.EXECUTING

    @property
    def left(self) -> int:
        """How many of its tasks are not done yet."""
        return self.hi - self.lo - (0 if self.done is None else len(self.done))

    def rest(self) -> list[Span]:
        """The spans that are not done yet."""
        if self.done is None:
            return [(self.lo, self.hi)]
        rest = Spans([(self.lo, self.hi)])
        rest.subtract(self.done)
        return list(rest)


def plan_of(spec: JobSpec) -> tuple[Frames, int]:
    """The frames of a job in the order they are rendered, and how many of them are its priority range."""
    if spec.range is None or not spec.items:
        return Frames.span(0, max(len(spec.input), 1) - 1), 0
    frames = Frames.parse(spec.range)
    if spec.priority_range is None:
        return frames, 0
    first = priority(spec.priority_range, frames)
    return first | frames, len(first)


class Job:
    """A job and its tasks. Only `laneway.farm` changes it."""

    __slots__ = (
        "asked",
        "created",
        "delayed",
        "due",
        "failed_on",
        "failure",
        "finished",
        "first_count",
        "id",
        "noted",
        "numbers",
        "plan",
        "ran_on",
        "rank",
        "rows_since_snapshot",
        "running",
        "sets",
        "spec",
        "started",
        "state",
        "total",
        "tries",
        "working",
    )

    def __init__(self, job: int, spec: JobSpec, created: float) -> None:
        self.id = job
        self.spec = spec
        self.plan, self.first_count = plan_of(spec)
        self.total = len(self.plan)
        self.created = created
        self.started: float | None = None
        self.finished: float | None = None
        self.asked = Asked.PAUSE if spec.hold else Asked.RUN
        self.state = JobState.INIT
        self.noted = JobState.INIT  # the state that the history knows
        self.sets: dict[TaskState, Spans] = {state: Spans() for state in RESTING}
        self.delayed = Spans()
        self.due: dict[int, tuple[float, int]] = {}  # when they may be tried again: by the first of a span, (time, its end)
        self.running: dict[int, Attempt] = {}
        self.working = {TaskState.BOOTING: 0, TaskState.EXECUTING: 0}
        self.tries = Counts()  # failures so far
        self.numbers = Counts()  # attempts that did not finish a task, whatever the reason: what numbers the next one
        self.failed_on: dict[str, int] = {}
        self.ran_on: set[str] = set()
        self.failure = ""
        self.rank: tuple[int, int, int, int] | None = None
        self.rows_since_snapshot = 0

    # -- reading --

    def counts(self) -> dict[TaskState, int]:
        """How many tasks are in which state; every state is present."""
        counts = {state: len(spans) for state, spans in self.sets.items()}
        counts[TaskState.QUEUED] += len(self.delayed)
        counts.update(self.working)
        return counts

    def derived_state(self) -> JobState:
        """The state that follows from the tasks and from what was asked; no job has ended before its last process has."""
        state = job_state(self.counts(), self.asked)
        if self.running and (state is JobState.DONE or state is JobState.FAILED):
            return JobState.ABORTED if self.asked is Asked.ABORT else JobState.RUNNING
        return state

    def spans(self, state: TaskState) -> list[Span]:
        """The positions of the tasks in a state, as sorted spans."""
        if state in self.working:
            return list(Spans(span for attempt in self.running.values() if attempt.state is state for span in attempt.rest()))
        if state is TaskState.QUEUED and self.delayed:
            both = self.sets[state].copy()
            both.update(self.delayed)
            return list(both)
        return list(self.sets[state])

    def task(self, position: int) -> TaskState:
        """The state of one task; IndexError when there is no such position."""
        for state, spans in self.sets.items():
            if position in spans:
                return state
        if position in self.delayed:
            return TaskState.QUEUED
        attempt = self.attempt_at(position)
        if attempt is None:
            raise IndexError(f"job {self.id} has no task at position {position}")
        return attempt.state

    def attempt_at(self, position: int) -> Attempt | None:
        """The attempt that is at work on a task."""
        for attempt in self.running.values():
            if attempt.lo <= position < attempt.hi:
                return attempt
        return None

    def frames(self, spans: Iterable[Span]) -> Frames:
        """The items at these positions."""
        return Frames.from_positions(self.plan, spans)

    def text(self, spans: Iterable[Span]) -> str:
        """The items at these positions as a range for people: what is in very many pieces is cut short."""
        few = list(islice(spans, SHOWN + 1))
        text = str(self.frames(few[:SHOWN]))
        return text if len(few) <= SHOWN else f"{text}, …"

    def items(self, lo: int, hi: int) -> str:
        """The items at `[lo, hi)` as a range."""
        if hi - lo == 1:
            return str(self.plan[lo])
        return str(self.plan.slice(lo, hi))

    def positions(self, items: str) -> list[Span]:
        """The positions of those items of a range that the job has."""
        return self.plan.positions(Frames.parse(items)) if items else []

    @property
    def ready(self) -> bool:
        """Whether a bucket could be handed out now."""
        limit = self.spec.settings.max_lanes
        return self.asked is Asked.RUN and bool(self.sets[TaskState.QUEUED]) and (limit == 0 or len(self.running) < limit)

    def next_bucket(self) -> Span:
        """The positions of the bucket that would be handed out next; there must be one.

        A bucket never mixes the priority range with the rest, nor tasks that failed with fresh ones. After a failure buckets shrink,
        down to one task for the last try, so that one broken frame does not take its neighbours along.
        """
        lo, hi = cast("Span", self.sets[TaskState.QUEUED].first)
        if lo < self.first_count < hi:
            hi = self.first_count
        size = self.spec.settings.task_bucketsize or self.total
        if self.tries:
            hi = self.tries.edge(lo, hi)
            failures = self.tries.at(lo)
            if failures:
                last = failures >= self.spec.settings.task_max_retries
                size = 1 if last else max(1, size // 4**failures)
        return lo, min(hi, lo + size)

    def delay(self, due: float, lo: int, hi: int) -> None:
        """Let the tasks at `[lo, hi)` wait, queued, until `due` (epoch seconds)."""
        self.due[lo] = (due, hi)
        self.delayed.add(lo, hi)

    def hasten(self, lo: int, hi: int) -> None:
        """The tasks at `[lo, hi)` wait no longer; the rest of a span that is cut by this keeps its time."""
        known = self.due.get(lo)
        if known is not None and known[1] == hi:
            del self.due[lo]
        else:
            for start, (due, stop) in list(self.due.items()):
                if start < hi and lo < stop:
                    del self.due[start]
                    if start < lo:
                        self.due[start] = (due, lo)
                    if hi < stop:
                        self.due[hi] = (due, stop)
        self.delayed.remove(lo, hi)

    def overdue(self, lo: int, hi: int, now: float) -> list[Span]:
        """What of the span `[lo, hi)`, as it was delayed, has waited long enough."""
        known = self.due.get(lo)
        if known is not None and known[1] == hi:
            return [(lo, hi)] if known[0] <= now else []
        return sorted((start, stop) for start, (due, stop) in self.due.items() if lo <= start < hi and due <= now)

    # -- snapshot --

    def dump(self) -> dict[str, Json]:
        """Everything but the payload, as JSON."""
        return {
            "asked": self.asked.value,
            "started": self.started,
            "finished": self.finished,
            "sets": {state.value: _dump(spans) for state, spans in self.sets.items() if spans},
            "tries": [_dump(level) for level in self.tries.dump()],
            "numbers": [_dump(level) for level in self.numbers.dump()],
            "failed_on": dict(self.failed_on),
            "ran_on": cast("list[Json]", sorted(self.ran_on)),
            "failure": self.failure,
            "delayed": [[due, lo, hi] for lo, (due, hi) in sorted(self.due.items())],
            "running": [
                {
                    "attempt": attempt.id,
                    "number": attempt.number,
                    "lo": attempt.lo,
                    "hi": attempt.hi,
                    "server": attempt.server,
                    "lane": attempt.lane,
                    "created": attempt.created,
                    "started": attempt.started,
                    "pid": attempt.pid,
                    "done": _dump(attempt.done or ()),
                    "stopping": attempt.stopping,
                }
                for attempt in self.running.values()
            ],
        }

    def load(self, snapshot: Mapping[str, Json]) -> None:
        """The counterpart of `dump`, on a fresh job."""
        data = cast("Mapping[str, object]", snapshot)
        self.asked = Asked(cast("str", data["asked"]))
        self.started = cast("float | None", data["started"])
        self.finished = cast("float | None", data["finished"])
        sets = cast("Mapping[str, list[list[int]]]", data["sets"])
        self.sets = {state: _load(sets.get(state.value, [])) for state in RESTING}
        self.tries = Counts.load(_load(level) for level in cast("list[list[list[int]]]", data["tries"]))
        self.numbers = Counts.load(_load(level) for level in cast("list[list[list[int]]]", data["numbers"]))
        self.failed_on = dict(cast("Mapping[str, int]", data["failed_on"]))
        self.ran_on = set(cast("list[str]", data["ran_on"]))
        self.failure = cast("str", data["failure"])
        for due, lo, hi in cast("list[tuple[float, int, int]]", data["delayed"]):
            self.delay(due, lo, hi)
        for kept in cast("list[dict[str, object]]", data["running"]):
            lo, hi = cast("int", kept["lo"]), cast("int", kept["hi"])
            attempt = Attempt(
                cast("int", kept["attempt"]),
                number=cast("int", kept["number"]),
                job=self.id,
                lo=lo,
                hi=hi,
                items=self.items(lo, hi),
                server=cast("str", kept["server"]),
                lane=cast("int", kept["lane"]),
                created=cast("float", kept["created"]),
            )
            attempt.started = cast("float | None", kept["started"])
            attempt.pid = cast("int | None", kept["pid"])
            done = _load(cast("list[list[int]]", kept["done"]))
            attempt.done = done or None
            attempt.stopping = cast("str | None", kept["stopping"])
            self.running[attempt.id] = attempt
            self.working[attempt.state] += attempt.left


def _dump(spans: Iterable[Span]) -> list[Json]:
    return [[lo, hi] for lo, hi in spans]


def _load(spans: Iterable[Iterable[int]]) -> Spans:
    return Spans((lo, hi) for lo, hi in spans)
