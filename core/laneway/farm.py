"""The farm: jobs, servers and lanes, and everything that changes them. Events in, history rows and instructions out.

`Farm` is deterministic. It reads no clock, does no I/O and makes no random choice: time comes with every call, ids are counters. The
dispatcher calls `handle` with what happened, `schedule` to hand out what fits, and `take` to collect what follows: rows to
save, buckets to send, attempts to end. An event that is refused raises before anything is changed.

Rows marked `replay` are the events of a job, in order. Feeding them to a fresh farm with `replay` gives the same job, which is how a
dispatcher that was killed finds its state again. What `handle` derives (a retry that is due, tasks that are released) becomes an event
and a row of its own, so replaying never has to derive anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from heapq import heappop
from typing import cast

from laneway import events as ev
from laneway.board import Board, Outbox, Server, state_reason
from laneway.errors import ConflictError, NotFoundError, RangeError, StaleAttemptError
from laneway.frames import Frames
from laneway.job import Attempt, Job
from laneway.model import JobSpec, Json, ServerInfo
from laneway.scheduling import Need, best
from laneway.spans import Span, Spans
from laneway.states import ENDED_JOB, Asked, JobEvent, JobState, TaskEvent, TaskState
from laneway.transitions import asked_after, task_after

_ASKS: Mapping[type, JobEvent] = {ev.Pause: JobEvent.PAUSE, ev.Resume: JobEvent.RESUME, ev.Abort: JobEvent.ABORT}


class Farm(Board):
    """The state of a farm, and what happens to it. `lease` is how many seconds a silent server keeps its attempts."""

    # -- in --

    def handle(self, event: ev.Event, now: float, actor: str = "") -> None:
        """Let something happen. Raises a `UserError` (or `StaleAttemptError`) for what is refused, and then nothing has changed."""
        match event:
            case ev.Finished():
                self._finished(event, now)
            case ev.Started():
                self._started(event, now)
            case ev.Progress():
                self._progress(event, now)
            case ev.Join():
                self._join(event.info, now)
            case ev.Leave():
                self._leave(event.server, event.boot, now, "has stopped")
            case ev.Lost():
                self._leave(event.server, event.boot, now, "was not heard of for the time of its lease")
            case ev.Submit():
                self._submit(event, now, actor)
            case ev.Pause() | ev.Resume() | ev.Abort():
                self._ask(event, now, actor)
            case ev.Retry():
                self._retry(event, now, actor)
            case ev.Edit():
                self._edit(event, now, actor)
            case ev.Delete():
                self._delete(event, now, actor)
            case _:
                raise ValueError(f"{type(event).__name__} is made by the farm itself")

    def schedule(self, now: float) -> None:
        """Hand out buckets to free lanes until nothing fits any more."""
        while self._order:
            choice = best(self._order, self._ring, self.jobs.__getitem__)
            if choice is None:
                return
            job, server_id = choice
            server = self.servers[server_id]
            lo, hi = job.next_bucket()
            event = ev.Leased(
                self.next_attempt, job.numbers.at(lo) + 1 if job.numbers else 1, job.id, lo, hi, server_id, server.free[-1]
            )
            attempt = self._apply_leased(event, now)
            self._out.grants.setdefault(server_id, []).append(attempt)
            self._record(event, now, job, attempt=attempt)
            self._settle(job, now)

    def touch(self, server: str, boot: str, now: float) -> None:
        """A sign of life. Raises `NotFoundError` for a server that must join first, `ConflictError` for a boot that is over."""
        known = self.servers.get(server)
        if known is None:
            raise NotFoundError("this server is not known here.", field="server", value=server, fix="Join first.")
        if known.info.boot != boot:
            raise ConflictError(
                "another agent has joined as this server.", field="boot", value=boot, fix="Stop one of the two."
            )
        known.seen = now
        if not known.online:
            self._online(known, now)

    def tick(self, now: float) -> None:
        """Let time pass: retries that are due, leases that are over."""
        while self._timers and self._timers[0][0] <= now:
            _, job_id, span = heappop(self._timers)
            job = self.jobs.get(job_id)
            due = job.overdue(*span, now) if job else []
            if job and due:
                event = ev.RetryDue(job_id, tuple(due))
                self._apply_queued(job, event.spans)
                self._record(event, now, job, items=job.text(due))
                self._settle(job, now)
        if now >= self._lease_check:
            for server in list(self.servers.values()):
                if (server.online or server.attempts) and server.seen + self.lease <= now:
                    self.handle(ev.Lost(server.info.server, server.info.boot), now)
            alive = [server.seen for server in self.servers.values() if server.online or server.attempts]
            self._lease_check = min(alive, default=now) + self.lease

    def next_due(self) -> float | None:
        """When `tick` has something to do; None when nothing waits for time."""
        due = [self._timers[0][0]] if self._timers else []
        if any(server.online or server.attempts for server in self.servers.values()):
            due.append(self._lease_check)
        return min(due, default=None)

    def take(self, now: float) -> Outbox:
        """What has followed since the last call. Changes of job states are noted here, so one that lasted no time is not."""
        for job_id in sorted(self._out.jobs):
            job = self.jobs.get(job_id)
            if job is not None and job.state is not job.noted:
                data: dict[str, Json] = {"state": job.state.value, "before": job.noted.value}
                job.noted = job.state
                self._note("state", now, job=job.id, reason=state_reason(job), data=data)
        out, self._out = self._out, Outbox()
        return out

    # -- people --

    def _submit(self, event: ev.Submit, now: float, actor: str) -> None:
        if event.job in self.jobs or event.job < self.next_job:
            raise ConflictError("this job id is taken.", field="job", value=event.job)
        for depends in event.spec.depends_on:
            if depends.job not in self.jobs:
                raise NotFoundError(
                    f"there is no job {depends.job}.",
                    field="depends_on",
                    value=depends.job,
                    fix="Name a job that exists (`laneway jobs` lists them).",
                )
        self.next_job = event.job + 1
        job = self._admit(event.job, event.spec, now)
        waits = bool(event.spec.depends_on)
        job.sets[TaskState.PENDING if waits else TaskState.QUEUED].add(0, job.total)
        self._record(event, now, job, actor=actor, reason=f"submitted by {actor}" if actor else "submitted")
        if waits:
            self._release(job, now)
        self._settle(job, now)

    def _ask(self, event: ev.Pause | ev.Resume | ev.Abort, now: float, actor: str) -> None:
        job = self.job(event.job)
        asked = asked_after(job.state, job.asked, _ASKS[type(event)], f"job {job.id}")
        if asked is job.asked:
            return
        job.asked = asked
        reason = f"{event.kind} by {actor}" if actor else event.kind
        self._record(event, now, job, actor=actor, reason=reason)
        if asked is Asked.ABORT:
            for attempt in job.running.values():
                self._stop(attempt, reason)
        self._settle(job, now)

    def _retry(self, event: ev.Retry, now: float, actor: str) -> None:
        job = self.job(event.job)
        asked = asked_after(job.state, job.asked, JobEvent.RETRY, f"job {job.id}")
        spans = self._retry_spans(job, event.items)
        if not spans and job.state is not JobState.ABORTED:
            raise ConflictError(
                f"job {job.id} has no failed task to retry.",
                field="job",
                value=job.id,
                fix="Name the items with a range to render them again.",
            )
        self._apply_retry(job, spans, asked)
        reason = f"retried by {actor}" if actor else "retried"
        self._record(event, now, job, actor=actor, reason=reason, items=job.text(spans) if spans else "")
        self._settle(job, now)

    def _retry_spans(self, job: Job, items: str | None) -> list[Span]:
        if items is None:
            both = job.sets[TaskState.FAILED].copy()
            both.update(job.delayed)
            return list(both)
        frames = Frames.parse(items)
        spans = job.plan.positions(frames)
        if sum(hi - lo for lo, hi in spans) != len(frames):
            outside = frames - job.plan
            raise RangeError(
                f"job {job.id} has no item {outside.slice(0, min(len(outside), 20))}.",
                text=items,
                field="range",
                fix=f"Its range is {job.plan}."[:200],
            )
        for attempt in job.running.values():
            if any(lo < attempt.hi and attempt.lo < hi for lo, hi in spans):
                task_after(attempt.state, TaskEvent.REQUEUE, f"item {attempt.items} of job {job.id}")
        return spans

    def _edit(self, event: ev.Edit, now: float, actor: str) -> None:
        job = self.job(event.job)
        asked_after(job.state, job.asked, JobEvent.EDIT, f"job {job.id}")
        self._apply_edit(job, event.changes)
        names = ", ".join(event.changes)
        self._record(event, now, job, actor=actor, reason=f"{names} changed by {actor}" if actor else f"{names} changed")
        self._settle(job, now)

    def _delete(self, event: ev.Delete, now: float, actor: str) -> None:
        job = self.job(event.job)
        asked_after(job.state, job.asked, JobEvent.DELETE, f"job {job.id}")
        if job.running:
            raise ConflictError(
                f"job {job.id} still has {len(job.running)} processes to end.",
                field="job",
                value=job.id,
                fix="Try again when they are gone.",
            )
        children = (self.jobs[child] for child in sorted(self._children.get(job.id, ())))
        waiting = [child.id for child in children if child.state not in ENDED_JOB or child.sets[TaskState.PENDING]]
        if waiting:
            raise ConflictError(
                f"job {waiting[0]} depends on job {job.id}.",
                field="job",
                value=job.id,
                fix=f"Abort or delete job {waiting[0]} first.",
            )
        self._record(event, now, job, actor=actor, reason=f"deleted by {actor}" if actor else "deleted")
        self._dismiss(job)
        for server in job.ran_on:
            self._out.forget.setdefault(server, []).append(job.id)
        self._out.deleted.append(job.id)

    # -- agents --

    def _join(self, info: ServerInfo, now: float) -> None:
        server = self.servers.get(info.server)
        if server is None:
            server = self.servers[info.server] = Server(info, 1 + max((s.number for s in self.servers.values()), default=0))
        for attempt_id in sorted(server.attempts - set(info.held)):
            self._return(self.attempts[attempt_id], now, f"the agent on {info.hostname} was started anew")
        server.describe(info)
        self._occupy(server)
        for attempt_id in info.held:
            known = self.attempts.get(attempt_id)
            if known is None or known.server != info.server:
                self._out.stops.setdefault(info.server, []).append((attempt_id, "it is not this server's any more"))
        server.seen = now
        self._online(server, now, f"{info.hostname} joined with {info.lanes} lanes")

    def _online(self, server: Server, now: float, reason: str = "is back") -> None:
        server.online = True
        self._ring.join(server.info)
        if server.free:
            self._ring.free(server.info.server)
        if not self._lease_check:
            self._lease_check = now + self.lease
        self._note("server-state", now, server=server.info.server, reason=reason, data={"state": "online"})

    def _leave(self, server_id: str, boot: str, now: float, why: str) -> None:
        server = self.servers.get(server_id)
        if server is None or server.info.boot != boot:
            return
        server.online = False
        self._ring.leave(server_id)
        reason = f"{server.info.hostname} {why}"
        for attempt_id in sorted(server.attempts):
            self._return(self.attempts[attempt_id], now, reason)
        self._note("server-state", now, server=server_id, reason=reason, data={"state": "offline"})

    def _started(self, event: ev.Started, now: float) -> None:
        attempt = self._own(event.attempt, event.server)
        if attempt.started is not None:
            return
        job = self.jobs[attempt.job]
        self._apply_started(job, attempt, event)
        self._record(event, now, job, attempt=attempt)
        self._out.jobs.add(job.id)

    def _progress(self, event: ev.Progress, now: float) -> None:
        attempt = self._own(event.attempt, event.server)
        job = self.jobs[attempt.job]
        attempt.fraction = min(max(event.fraction, 0.0), 1.0)
        attempt.item, attempt.note = event.item, event.note
        self._out.jobs.add(job.id)
        if not event.done:
            return
        fresh = self._fresh(job, attempt, event.done)
        if fresh:
            self._apply_done(job, attempt, fresh)
            self._record(event, now, job, attempt=attempt, items=job.text(fresh))
            self._settle(job, now)

    def _finished(self, event: ev.Finished, now: float) -> None:
        attempt = self._own(event.attempt, event.server)
        job = self.jobs[attempt.job]
        if event.outcome == "done" and event.done == attempt.items:
            rest: list[Span] = []  # the usual case: every task of the bucket, and nothing to work out
        else:
            rest = self._rest(job, attempt, event)
            if event.outcome == "done" and rest:
                missing = job.text(rest)
                event = replace(
                    event, outcome="failed", reason=event.reason or f"the process ended well, but not with item {missing}"
                )
        self._apply_finished(job, attempt, event, rest, now)
        self._record(event, now, job, attempt=attempt, reason=event.reason or "")
        self._settle(job, now)

    def _rest(self, job: Job, attempt: Attempt, event: ev.Finished) -> list[Span]:
        left = Spans(attempt.rest())
        if event.done:
            left.subtract(self._fresh(job, attempt, event.done))
        return list(left)

    def _fresh(self, job: Job, attempt: Attempt, items: str) -> list[Span]:
        """The positions of finished items, as far as they belong to the attempt and are not known to be done."""
        try:
            said = Spans(job.positions(items))
        except RangeError:  # unreadable, or in too many pieces: it counts as not done, and the attempt goes its way
            return []
        return list(said.intersection(attempt.rest()))

    def _own(self, attempt_id: int, server: str) -> Attempt:
        attempt = self.attempts.get(attempt_id)
        if attempt is None:
            raise StaleAttemptError(attempt_id, "it is over; its tasks may be at work elsewhere")
        if attempt.server != server:
            raise StaleAttemptError(attempt_id, "it belongs to another server")
        return attempt

    def _return(self, attempt: Attempt, now: float, reason: str) -> None:
        event = ev.Returned(attempt.id)
        job = self.jobs[attempt.job]
        self._apply_returned(job, attempt)
        self._record(event, now, job, attempt=attempt, reason=reason)
        self._settle(job, now)

    def _stop(self, attempt: Attempt, reason: str) -> None:
        attempt.stopping = reason
        self._out.stops.setdefault(attempt.server, []).append((attempt.id, reason))

    # -- why --

    def reason(self, job: Job) -> str:
        """Why the job is where it is, in one sentence; empty when there is nothing to say."""
        counts = job.counts()
        if job.state is JobState.FAILED:
            return job.failure
        if job.state is not JobState.WAITING:
            return ""
        if counts[TaskState.PENDING]:
            for depends in job.spec.depends_on:
                parent = self.jobs.get(depends.job)
                if parent is not None and parent.state is not JobState.DONE:
                    return f"waits for job {parent.id}, which is {parent.state.value}"
        if counts[TaskState.QUEUED] and len(job.delayed) == counts[TaskState.QUEUED]:
            return f"waits before it tries again: {job.failure}"
        if counts[TaskState.QUEUED]:
            need = Need.of(job)
            if not any(server.online for server in self.servers.values()):
                return "no server is online"
            if not self._ring.able(need):
                version = f" {need.version}" if need.version else ""
                return f"no server that is online can run {need.engine}{version}"
            return "every lane that could take it is busy"
        return "the rest is on hold"

    # -- keeping --

    def job(self, job_id: int) -> Job:
        """A job by its id, or `NotFoundError`."""
        job = self.jobs.get(job_id)
        if job is None:
            raise NotFoundError(f"there is no job {job_id}.", field="job", value=job_id, fix="`laneway jobs` lists the jobs.")
        return job

    def snapshot(self, job_id: int) -> dict[str, Json]:
        """A job without its payload, for the store; rows up to `seq` need not be replayed on top of it."""
        job = self.jobs[job_id]
        job.rows_since_snapshot = 0
        return job.dump()

    def restore(self, job_id: int, spec: JobSpec, snapshot: Mapping[str, Json] | None, created: float) -> None:
        """Put a job back as the store has it; `snapshot` None is a job as it was submitted. Newer rows are replayed after it."""
        job = self._admit(job_id, spec, created)
        self.next_job = max(self.next_job, job_id + 1)
        if snapshot is None:
            job.sets[TaskState.PENDING if spec.depends_on else TaskState.QUEUED].add(0, job.total)
        else:
            job.load(snapshot)
        job.state = job.noted = job.derived_state()
        self._replaying = True
        for attempt in list(job.running.values()):
            self._place(job, attempt)
            self.next_attempt = max(self.next_attempt, attempt.id + 1)
        self._replaying = False

    def restore_server(self, info: ServerInfo, number: int) -> None:
        """Put a server back as the store has it: offline until its agent is heard of."""
        self.servers[info.server] = Server(info, number)

    def replay(self, row: ev.Row) -> None:
        """Let a row with `replay` happen again. Rows must come in order; servers and jobs must have been restored before."""
        self.seq = max(self.seq, row.seq)
        if not row.replay or row.kind == ev.Submit.kind:
            return
        self._replaying = True
        try:
            self._replay(ev.event_of(row), row)
        finally:
            self._replaying = False

    def _replay(self, event: ev.Event, row: ev.Row) -> None:
        job = self.jobs[cast("int", row.job)]
        match event:
            case ev.Leased():
                self._apply_leased(event, row.at)
            case ev.Returned():
                self._apply_returned(job, self.attempts[event.attempt])
            case ev.RetryDue() | ev.Released():
                self._apply_queued(job, event.spans)
            case ev.Retry():
                asked = asked_after(job.state, job.asked, JobEvent.RETRY)
                self._apply_retry(job, self._retry_spans(job, event.items), asked)
            case ev.Edit():
                self._apply_edit(job, event.changes)
            case ev.Delete():
                self._dismiss(job)
                return
            case ev.Pause() | ev.Resume() | ev.Abort():
                job.asked = asked_after(job.state, job.asked, _ASKS[type(event)])
                if job.asked is Asked.ABORT:
                    for attempt in job.running.values():
                        attempt.stopping = row.reason
            case _:
                self.handle(event, row.at)
                return
        self._settle(job, row.at)

    def recovered(self, now: float) -> None:
        """After the last row: derived states are worked out, and every server has a whole lease, from now, to be heard of."""
        self._timers = sorted((due, job.id, (lo, hi)) for job in self.jobs.values() for lo, (due, hi) in job.due.items())
        for job in self.jobs.values():
            job.noted = job.state
            self._order.place(job)
        for server in self.servers.values():
            server.seen = now
            server.describe(server.info)
            self._occupy(server)
        self._lease_check = now + self.lease
        self._out = Outbox()
        for job in list(self.jobs.values()):
            self._release(job, now)
