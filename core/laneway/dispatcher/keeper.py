"""The one place where the farm changes: let something happen, hand out what fits, keep what follows, then tell.

`Keeper.do` is synchronous, so changes never mix. What it leads to goes to the store as one batch; leases, stops and events leave
when that batch is durable, and whoever has to answer waits on `durable`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import partial

import orjson

from laneway import payload
from laneway.board import Outbox
from laneway.dispatcher.broadcast import Broadcast
from laneway.dispatcher.clock import Clock
from laneway.dispatcher.mailboxes import Mailbox
from laneway.dispatcher.projection import attempt_record, job_record, server_record
from laneway.dispatcher.store import AttemptRecord, Batch, JobRecord, Store
from laneway.errors import StoreError
from laneway.events import Event, Join, Row
from laneway.farm import Farm
from laneway.job import Attempt, Job
from laneway.states import ENDED_JOB

SNAPSHOT_ROWS = 1000  # rows of a job that a restart replays at most (more for a job in very many pieces)
ENDS = frozenset({"finished", "returned"})

log = logging.getLogger("laneway.dispatcher")


class Keeper:
    """Holds the farm and its store. `submissions` are the jobs by the key that their sender chose."""

    def __init__(self, farm: Farm, store: Store, *, clock: Clock, submissions: dict[str, int] | None = None) -> None:
        self.farm = farm
        self.store = store
        self.clock = clock
        self.broadcast = Broadcast()
        self.submissions = submissions or {}
        self._keys = {job: key for key, job in self.submissions.items()}
        self.widest: dict[int, int] = {}
        self._running: dict[int, Attempt] = dict(farm.attempts)
        self._boxes: dict[str, Mailbox] = {}
        self._specs: dict[int, tuple[float, orjson.Fragment]] = {}
        self._next_job = farm.next_job
        self._timer: asyncio.TimerHandle | None = None
        self._due: float | None = None
        self._stopping = False
        for server in farm.servers.values():
            self.mailbox(server.info.server).rejoined(farm.attempts[attempt] for attempt in server.attempts)

    def do(self, *events: Event, actor: str = "", key: str | None = None) -> None:
        """Let events happen, all or (when the first is refused) none; raises what the farm raises."""
        now = self.clock()
        try:
            for event in events:
                self.farm.handle(event, now, actor)
        finally:
            self.settle(now, joined=[event.info.server for event in events if isinstance(event, Join)], key=key)

    def settle(self, now: float, *, joined: Sequence[str] = (), key: str | None = None) -> None:
        """Hand out what fits, and keep and tell what has followed."""
        if not self._stopping:
            self.farm.schedule(now)
        out = self.farm.take(now)
        if out.rows or out.deleted:
            self.store.append(self._batch(out, joined, key), partial(self._tell, out))
        elif out.stops or out.forget:
            self._tell(out)
        self._wind()

    async def durable(self) -> None:
        """Wait until everything that has happened so far is kept; raises `StoreError` when it cannot be."""
        await self.store.durable()

    async def readable(self) -> None:
        """Wait until the store shows what has happened so far: an attempt that has just ended is neither here nor there before.

        While the disc is full readers get what there is.
        """
        if self.store.trouble is None:
            await self.store.durable()

    def willing(self) -> None:
        """Raises `StoreError` while nothing can be kept: then nothing is changed either."""
        if self.store.trouble is not None:
            raise StoreError(
                f"nothing can be saved at the moment: {self.store.trouble}.",
                fix="Make room on the dispatcher's disc; it goes on by itself.",
            )

    def mailbox(self, server: str) -> Mailbox:
        """What waits for a server's agent."""
        box = self._boxes.get(server)
        if box is None:
            box = self._boxes[server] = Mailbox(self.farm.attempts.__contains__, self._spec)
        return box

    def start(self) -> None:
        """After recovery: keep what it released, and let time pass."""
        self.settle(self.clock())

    async def stop(self) -> None:
        """Answer whoever waits, keep a fresh snapshot of every job that has moved, and close the store."""
        self.release()
        if self._timer is not None:
            self._timer.cancel()
        moved = [job.id for job in self.farm.jobs.values() if job.rows_since_snapshot]
        try:
            if moved:
                self.store.append(Batch(jobs=[job_record(self.farm, job) for job in moved]))
        finally:
            await self.store.close()

    def release(self) -> None:
        """Hand out nothing more, and let every waiting poll and stream end now."""
        self._stopping = True
        self.broadcast.close()
        for box in self._boxes.values():
            box.release()

    @property
    def stopping(self) -> bool:
        """Whether the dispatcher is about to end."""
        return self._stopping

    # -- inside --

    def _batch(self, out: Outbox, joined: Sequence[str], key: str | None) -> Batch:
        farm = self.farm
        ended: list[AttemptRecord] = []
        snapshots: set[int] = set()
        submissions: dict[str, int] = {}
        for attempts in out.grants.values():
            self._running.update((attempt.id, attempt) for attempt in attempts)
        for row in out.rows:
            if row.kind in ENDS and row.attempt is not None:
                ended_attempt = self._running.pop(row.attempt, None)
                if ended_attempt is not None:
                    ended.append(attempt_record(farm, ended_attempt, row))
            elif row.job is not None and self._wants_snapshot(row):
                snapshots.add(row.job)
                self._specs.pop(row.job, None)
                if row.kind == "submitted":
                    self.widest[row.job] = 0
                    if key is not None:
                        self.submissions[key] = submissions[key] = row.job
                        self._keys[row.job] = key
        for job_id in out.jobs:
            job = farm.jobs.get(job_id)
            if job is not None and job.rows_since_snapshot >= SNAPSHOT_ROWS and job.rows_since_snapshot >= _pieces(job):
                snapshots.add(job_id)
        for attempts in out.grants.values():
            for attempt in attempts:
                self._widen(attempt)
        jobs: list[JobRecord] = [job_record(farm, job_id) for job_id in sorted(snapshots) if job_id in farm.jobs]
        for job_id in out.deleted:
            self._specs.pop(job_id, None)
            self.widest.pop(job_id, None)
            self.submissions.pop(self._keys.pop(job_id, ""), None)
        return Batch(
            rows=out.rows,
            jobs=jobs,
            ended=ended,
            servers=[server_record(farm.servers[server]) for server in joined],
            deleted=out.deleted,
            meta=self._meta(out),
            submissions=submissions,
        )

    def _wants_snapshot(self, row: Row) -> bool:
        if row.kind == "state":
            return row.data.get("state") in _ENDED
        return row.kind in ("submitted", "edited")

    def _widen(self, attempt: Attempt) -> None:
        width = attempt.hi - attempt.lo
        if width > self.widest.get(attempt.job, width):  # of a job that is not in there it is asked from the store
            self.widest[attempt.job] = width

    def _meta(self, out: Outbox) -> dict[str, int]:
        """The next ids, where the store could not tell them from what it holds."""
        if not out.deleted and self.farm.next_job == self._next_job:
            return {}
        self._next_job = self.farm.next_job
        return {"next_job": self.farm.next_job, "next_attempt": self.farm.next_attempt}

    def _tell(self, out: Outbox) -> None:
        for row in out.rows:
            if row.kind in ENDS and row.attempt is not None and row.server is not None:
                self.mailbox(row.server).over(row.attempt)
        for server, stops in out.stops.items():
            self.mailbox(server).stop(stops)
        for server, jobs in out.forget.items():
            self.mailbox(server).forget(jobs)
        for server, attempts in out.grants.items():
            self.mailbox(server).lease(attempts)
        self.broadcast.rows(out.rows)

    def _spec(self, job_id: int) -> tuple[float, orjson.Fragment]:
        spec = self._specs.get(job_id)
        if spec is None:
            job = self.farm.jobs[job_id]
            text = orjson.dumps(payload.lease_spec(job.id, job.spec, job.created))
            spec = self._specs[job_id] = (job.spec.settings.task_timeout, orjson.Fragment(text))
        return spec

    def _wind(self) -> None:
        """Set the timer for what the farm waits for next. It is never set back, only fires too early now and then."""
        due = self.farm.next_due()
        if due is None or self._stopping or (self._timer is not None and self._due is not None and self._due <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._due = due
        self._timer = asyncio.get_running_loop().call_later(max(0.0, due - self.clock()), self._tick)

    def _tick(self) -> None:
        self._timer = self._due = None
        now = self.clock()
        try:
            self.farm.tick(now)
        finally:
            self.settle(now)


def _pieces(job: Job) -> int:
    """In how many pieces a job lies: what its snapshot costs."""
    return sum(spans.run_count for spans in job.sets.values()) + len(job.running)


_ENDED = frozenset(state.value for state in ENDED_JOB)
