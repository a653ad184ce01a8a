"""The board: which tasks, attempts and lanes there are, and every elementary change of them, live or replayed.

`laneway.farm` decides what happens; this module carries it out on the positions of jobs, keeps the order and the rings of
`laneway.scheduling` up to date, derives job states, lets dependants go, and writes the rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from heapq import heappush
from typing import cast

from laneway import events as ev
from laneway.errors import RangeError
from laneway.job import RESTING, Attempt, Job
from laneway.model import Depends, JobSpec, Json, ServerInfo
from laneway.scheduling import Need, Order, Ring
from laneway.spans import Span, Spans
from laneway.states import ENDED_JOB, Asked, JobState, TaskEvent, TaskState
from laneway.transitions import task_after, task_follows

LONGEST_DELAY = 86_400.0  # seconds between two tries

_LEASED = task_after(TaskState.QUEUED, TaskEvent.LEASE)
_RUNS = task_after(_LEASED, TaskEvent.START)
_DONE = task_after(_RUNS, TaskEvent.SUCCEED)
_FAILED = task_after(_RUNS, TaskEvent.FAIL)
_BACK = task_after(_RUNS, TaskEvent.GIVE_BACK)


class Server:
    """A computer with lanes, as its agent described it. `free` are the numbers of lanes without a bucket."""

    __slots__ = ("attempts", "free", "info", "lanes", "number", "online", "seen")

    def __init__(self, info: ServerInfo, number: int) -> None:
        self.number = number
        self.online = False
        self.seen = 0.0
        self.attempts: set[int] = set()
        self.describe(info)

    def describe(self, info: ServerInfo) -> None:
        """Take over what a (re)joining agent says; every lane is free until attempts are placed."""
        self.info = info
        self.lanes: dict[int, Attempt | None] = dict.fromkeys(range(1, info.lanes + 1))
        self.free = list(range(info.lanes, 0, -1))


@dataclass(slots=True)
class Outbox:
    """What follows from the events since the last `take`: `grants` and `stops` by server, `jobs` that changed, `forget` by server."""

    rows: list[ev.Row] = field(default_factory=list)
    grants: dict[str, list[Attempt]] = field(default_factory=dict)
    stops: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    jobs: set[int] = field(default_factory=set)
    forget: dict[str, list[int]] = field(default_factory=dict)
    deleted: list[int] = field(default_factory=list)


class Board:
    """Jobs, servers and attempts in memory. See `laneway.farm.Farm`, which is a board that decides."""

    def __init__(self, *, lease: float = 60.0, seq: int = 0, next_job: int = 1, next_attempt: int = 1) -> None:
        self.lease = lease
        self.seq = seq
        self.next_job = next_job
        self.next_attempt = next_attempt
        self.jobs: dict[int, Job] = {}
        self.servers: dict[str, Server] = {}
        self.attempts: dict[int, Attempt] = {}
        self._order = Order()
        self._ring = Ring()
        self._children: dict[int, set[int]] = {}
        self._timers: list[tuple[float, int, Span]] = []
        self._lease_check = 0.0
        self._out = Outbox()
        self._replaying = False

    # -- what changes, live and when replayed --

    def _apply_leased(self, event: ev.Leased, now: float) -> Attempt:
        job = self.jobs[event.job]
        items = job.items(event.lo, event.hi)
        attempt = Attempt(
            event.attempt,
            number=event.number,
            job=job.id,
            lo=event.lo,
            hi=event.hi,
            items=items,
            server=event.server,
            lane=event.lane,
            created=now,
        )
        job.sets[TaskState.QUEUED].remove(event.lo, event.hi)
        job.working[_LEASED] += event.hi - event.lo
        self.next_attempt = max(self.next_attempt, event.attempt + 1)
        self._place(job, attempt)
        job.ran_on.add(event.server)
        if job.started is None:
            job.started = now
        return attempt

    def _apply_started(self, job: Job, attempt: Attempt, event: ev.Started) -> None:
        left = attempt.left
        attempt.started, attempt.pid = event.at, event.pid
        job.working[_LEASED] -= left
        job.working[_RUNS] += left

    def _apply_done(self, job: Job, attempt: Attempt, spans: Iterable[Span]) -> None:
        if attempt.done is None:
            attempt.done = Spans()
        for lo, hi in spans:
            attempt.done.add(lo, hi)
            job.sets[_DONE].add(lo, hi)
            job.working[attempt.state] -= hi - lo

    def _apply_finished(self, job: Job, attempt: Attempt, event: ev.Finished, rest: list[Span], now: float) -> None:
        if rest:
            done = Spans(attempt.rest())
            done.subtract(rest)
            self._apply_done(job, attempt, list(done))
        elif attempt.done is None:
            job.sets[_DONE].add(attempt.lo, attempt.hi)
            job.working[attempt.state] -= attempt.hi - attempt.lo
        else:
            self._apply_done(job, attempt, attempt.rest())
        self._displace(job, attempt, sum(hi - lo for lo, hi in rest))
        for lo, hi in rest:
            job.numbers.raise_by_one(lo, hi)
        if event.outcome == "failed" and job.asked is not Asked.ABORT:
            job.failure = event.reason or "failed"
            job.failed_on[attempt.server] = job.failed_on.get(attempt.server, 0) + 1
            for span in rest:
                self._apply_failure(job, span, event.retry, now)
        else:
            job.sets[_BACK].update(rest)

    def _apply_failure(self, job: Job, span: Span, retry: bool, now: float) -> None:
        lo, end = span
        settings = job.spec.settings
        while lo < end:
            hi = job.tries.edge(lo, end)
            failures = job.tries.at(lo)
            job.tries.raise_by_one(lo, hi)
            if retry and failures < settings.task_max_retries:
                due = now + min(settings.task_retry_delay * 2.0 ** min(failures, 30), LONGEST_DELAY)
                job.delay(due, lo, hi)
                heappush(self._timers, (due, job.id, (lo, hi)))
            else:
                job.sets[_FAILED].add(lo, hi)
            lo = hi

    def _apply_returned(self, job: Job, attempt: Attempt) -> None:
        rest = attempt.rest()
        self._displace(job, attempt, sum(hi - lo for lo, hi in rest))
        for lo, hi in rest:
            job.numbers.raise_by_one(lo, hi)
        job.sets[_BACK].update(rest)

    def _apply_queued(self, job: Job, spans: Iterable[Span]) -> None:
        for lo, hi in spans:
            job.hasten(lo, hi)
            job.sets[TaskState.PENDING].remove(lo, hi)
            job.sets[TaskState.QUEUED].add(lo, hi)

    def _apply_retry(self, job: Job, spans: Iterable[Span], asked: Asked) -> None:
        job.asked = asked
        job.failed_on.clear()
        for lo, hi in spans:
            for state in RESTING:
                follows = task_follows(state, TaskEvent.REQUEUE)
                if follows is None:
                    continue
                for part in job.sets[state].within(lo, hi):
                    job.sets[state].remove(*part)
                    job.sets[follows].add(*part)
                    if state is TaskState.DONE:
                        job.numbers.raise_by_one(*part)
            for part in job.delayed.within(lo, hi):
                job.hasten(*part)
                job.sets[TaskState.QUEUED].add(*part)
            job.tries.clear(lo, hi)

    def _apply_edit(self, job: Job, changes: Mapping[str, Json]) -> None:
        self._order.remove(job)
        fields = dict(cast("Mapping[str, object]", changes))
        settings = cast("Mapping[str, object]", fields.pop("settings", {}))
        if settings:
            fields["settings"] = replace(job.spec.settings, **settings)  # type: ignore[arg-type]  # names checked by parse_edit
        job.spec = replace(job.spec, **fields)  # type: ignore[arg-type]  # names checked by parse_edit

    def _place(self, job: Job, attempt: Attempt) -> None:
        """Put an attempt on its lane."""
        job.running[attempt.id] = attempt
        self.attempts[attempt.id] = attempt
        server = self.servers.get(attempt.server)
        if server is None:
            return
        server.attempts.add(attempt.id)
        if self._replaying:
            return  # jobs are restored one after another, lanes when all of them are there
        server.lanes[attempt.lane] = attempt
        server.free.remove(attempt.lane)
        if server.free:
            self._ring.free(attempt.server)
        else:
            self._ring.busy(attempt.server)

    def _displace(self, job: Job, attempt: Attempt, left: int) -> None:
        """Take an attempt off its lane; `left` of its tasks are not done."""
        job.working[attempt.state] -= left
        del job.running[attempt.id]
        del self.attempts[attempt.id]
        server = self.servers.get(attempt.server)
        if server is None:
            return
        server.attempts.discard(attempt.id)
        if server.lanes.get(attempt.lane) is attempt:
            server.lanes[attempt.lane] = None
            server.free.append(attempt.lane)
            self._ring.free(attempt.server)

    def _occupy(self, server: Server) -> None:
        """Put a server's attempts on its lanes, which are all free."""
        for attempt_id in server.attempts:
            attempt = self.attempts[attempt_id]
            if attempt.lane in server.lanes:
                server.lanes[attempt.lane] = attempt
                server.free.remove(attempt.lane)

    # -- what follows --

    def _settle(self, job: Job, now: float) -> None:
        """Bring a job's derived state, its place in the order and those that depend on it up to date."""
        state = job.derived_state()
        if state is not job.state:
            job.state = state
            job.finished = now if state in ENDED_JOB else None
        self._order.place(job)
        self._out.jobs.add(job.id)
        if not self._replaying:
            for child in sorted(self._children.get(job.id, ())):
                self._release(self.jobs[child], now)

    def _release(self, job: Job, now: float) -> None:
        """Let the tasks go whose dependencies are met."""
        pending = job.sets[TaskState.PENDING]
        if not pending:
            return
        free = pending
        for depends in job.spec.depends_on:
            free = self._freed(job, depends, free)
            if not free:
                return
        event = ev.Released(job.id, tuple(free))
        self._apply_queued(job, event.spans)
        self._record(event, now, job, items=job.text(event.spans), reason="what it depends on is there")
        self._settle(job, now)

    def _freed(self, job: Job, depends: Depends, pending: Spans) -> Spans:
        parent = self.jobs.get(depends.job)
        if parent is None:
            return pending  # deleted after it ended
        if parent.state is JobState.DONE or (depends.when == "finished" and parent.state in ENDED_JOB and not parent.running):
            return pending
        if depends.on == "all":
            return Spans()
        there = parent.sets[TaskState.DONE].copy()
        if depends.when == "finished":
            there.update(parent.sets[TaskState.FAILED])
        try:
            return pending.intersection(job.plan.positions(parent.frames(there))) if there else Spans()
        except RangeError:  # in too many pieces to be told apart: they go when the whole is there
            return Spans()

    def _admit(self, job_id: int, spec: JobSpec, created: float) -> Job:
        job = Job(job_id, spec, created)
        self.jobs[job_id] = job
        self._ring.learn(Need.of(job))
        for depends in spec.depends_on:
            self._children.setdefault(depends.job, set()).add(job_id)
        return job

    def _dismiss(self, job: Job) -> None:
        self._order.remove(job)
        del self.jobs[job.id]
        self._children.pop(job.id, None)
        for depends in job.spec.depends_on:
            self._children.get(depends.job, set()).discard(job.id)

    def _record(
        self,
        event: ev.Event,
        now: float,
        job: Job,
        *,
        attempt: Attempt | None = None,
        items: str = "",
        reason: str = "",
        actor: str = "",
    ) -> None:
        if self._replaying:
            return
        self.seq += 1
        job.rows_since_snapshot += 1
        attempt_id, server = (None, None) if attempt is None else (attempt.id, attempt.server)
        if attempt is not None and not items:
            items = attempt.items
        self._out.rows.append(
            ev.Row(self.seq, now, event.kind, job.id, attempt_id, server, items, reason, actor, ev.data_of(event), replay=True)
        )

    def _note(
        self,
        kind: str,
        now: float,
        *,
        job: int | None = None,
        server: str | None = None,
        reason: str = "",
        data: dict[str, Json],
    ) -> None:
        if self._replaying:
            return
        self.seq += 1
        self._out.rows.append(ev.Row(self.seq, now, kind, job, None, server, "", reason, "", data))


def state_reason(job: Job) -> str:
    """What the history says when a job comes to its state."""
    if job.state is JobState.DONE:
        return f"all {job.total} tasks are done"
    if job.state is JobState.FAILED:
        return f"{len(job.sets[TaskState.FAILED])} of {job.total} tasks failed: {job.failure}"
    return ""
