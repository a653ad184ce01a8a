"""The farm under any sequence of events: what must always hold, after every step; and replaying the rows gives the same farm."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from laneway import events as ev
from laneway import payload
from laneway.errors import StaleAttemptError, UserError
from laneway.farm import Farm
from laneway.frames import Frames
from laneway.job import Attempt
from laneway.model import Depends, EngineOffer, JobSpec, ServerInfo, Settings
from laneway.spans import Spans
from laneway.states import ENDED_JOB, Asked, JobState, TaskState

LEASE = 30.0
ENGINES = ("nuke", "blender")


class FarmMachine(RuleBasedStateMachine):
    """Submits, leases, finishes, loses and restores, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.farm = Farm(lease=LEASE)
        self.now = 1000.0
        self.rows: list[ev.Row] = []
        self.specs: dict[int, tuple[JobSpec, float]] = {}
        self.snapshots: dict[int, tuple[dict[str, Any], int]] = {}
        self.over: list[tuple[int, str]] = []
        self.aborted: set[int] = set()
        self.done: dict[int, set[int]] = {}  # what was ever reported done, and not asked for again

    def settle(self) -> None:
        self.farm.schedule(self.now)
        out = self.farm.take(self.now)
        self.rows += out.rows
        for attempt in (one for grants in out.grants.values() for one in grants):
            job = self.farm.jobs[attempt.job]
            assert job.asked is Asked.RUN
            assert len(job.running) <= (job.spec.settings.max_lanes or len(job.running))
        for deleted in out.deleted:
            self.specs.pop(deleted, None)
            self.snapshots.pop(deleted, None)
            self.done.pop(deleted, None)

    def attempt(self, data: st.DataObject) -> Attempt | None:
        running = [one for one in self.farm.attempts.values() if self.farm.servers[one.server].online]
        return data.draw(st.sampled_from(sorted(running, key=lambda one: one.id))) if running else None

    @initialize()
    def begin(self) -> None:
        self.join("s1", "b1", 2, [])
        self.join("s2", "b1", 1, [])

    def join(self, server: str, boot: str, lanes: int, held: list[int]) -> None:
        engines = {engine: EngineOffer(available=engine == "nuke" or server != "s1", version="15.1") for engine in ENGINES}
        self.farm.handle(ev.Join(ServerInfo(server, boot, server, lanes, engines=engines, held=tuple(held))), self.now)
        self.settle()

    @rule(
        server=st.sampled_from(["s1", "s2", "s3"]),
        boot=st.sampled_from(["b1", "b2"]),
        lanes=st.integers(1, 3),
        keep=st.booleans(),
    )
    def rejoin(self, server: str, boot: str, lanes: int, keep: bool) -> None:
        known = self.farm.servers.get(server)
        held = sorted(known.attempts) if known and keep else []
        gone = set(known.attempts) - set(held) if known else set()
        if known and any(self.farm.attempts[one].lane > lanes for one in held):
            return  # an agent does not lose lanes that are at work
        self.over += [(one, server) for one in gone]
        self.join(server, boot, lanes, held)

    @rule(
        first=st.integers(-3, 3),
        count=st.integers(1, 12),
        step=st.integers(1, 3),
        bucket=st.integers(0, 4),
        retries=st.integers(0, 2),
        priority=st.sampled_from([100, 500]),
        engine=st.sampled_from(ENGINES),
        ahead=st.sampled_from([None, "fml:3", "auto:2"]),
        limit=st.integers(0, 2),
        hold=st.booleans(),
        on=st.sampled_from(["all", "item"]),
        when=st.sampled_from(["done", "finished"]),
        data=st.data(),
    )
    def submit(self, data: st.DataObject, **draw: Any) -> None:
        last = draw["first"] + draw["count"] * draw["step"]
        parents = (
            data.draw(st.lists(st.sampled_from(sorted(self.farm.jobs)), max_size=2, unique=True)) if self.farm.jobs else []
        )
        spec = JobSpec(
            name="j",
            engine=draw["engine"],
            range=f"{draw['first']}-{last}x{draw['step']}",
            priority_range=draw["ahead"],
            priority=draw["priority"],
            hold=draw["hold"],
            settings=Settings(draw["bucket"], draw["retries"], 5.0, 0.0, draw["limit"]),
            depends_on=tuple(Depends(parent, draw["on"], draw["when"]) for parent in parents),
        )
        job = self.farm.next_job
        self.farm.handle(ev.Submit(job, spec), self.now)
        self.specs[job] = (spec, self.now)
        self.done[job] = set()
        self.settle()

    @rule(data=st.data())
    def start(self, data: st.DataObject) -> None:
        attempt = self.attempt(data)
        if attempt:
            self.farm.handle(ev.Started(attempt.id, attempt.server, self.now, 1), self.now)
            self.settle()

    @rule(
        data=st.data(),
        outcome=st.sampled_from(["done", "failed", "stopped"]),
        retry=st.booleans(),
        final=st.booleans(),
        whole=st.booleans(),
    )
    def report(self, data: st.DataObject, outcome: Any, retry: bool, final: bool, whole: bool) -> None:
        attempt = self.attempt(data)
        if attempt is None:
            return
        frames = Frames.parse(attempt.items)
        some = frames if whole else frames.slice(0, data.draw(st.integers(0, len(frames))))
        done = str(some) if len(some) else ""
        self.done[attempt.job] |= {self.farm.jobs[attempt.job].plan.index(frame) for frame in some}
        event: ev.Event = ev.Progress(attempt.id, attempt.server, self.now, 0.5, done)
        if final:
            event = ev.Finished(attempt.id, attempt.server, self.now, outcome, reason="so", retry=retry, done=done)
            self.over.append((attempt.id, attempt.server))
        self.farm.handle(event, self.now)
        self.settle()

    @precondition(lambda self: self.over)
    @rule(data=st.data())
    def late_report(self, data: st.DataObject) -> None:
        attempt, server = data.draw(st.sampled_from(self.over))
        before = self.picture(self.farm)
        try:
            self.farm.handle(ev.Finished(attempt, server, self.now, "done", done="1"), self.now)
        except StaleAttemptError:
            assert self.picture(self.farm) == before
        else:
            raise AssertionError("a report of an attempt that is over was taken")

    @precondition(lambda self: self.farm.jobs)
    @rule(data=st.data(), kind=st.sampled_from(["pause", "resume", "abort", "retry", "retry-range", "edit", "delete"]))
    def ask(self, data: st.DataObject, kind: str) -> None:
        job = self.farm.jobs[data.draw(st.sampled_from(sorted(self.farm.jobs)))]
        again: set[int] = set()
        event: ev.Event
        match kind:
            case "pause":
                event = ev.Pause(job.id)
            case "resume":
                event = ev.Resume(job.id)
            case "abort":
                event = ev.Abort(job.id)
                self.aborted.add(job.id)
            case "retry":
                event = ev.Retry(job.id)
            case "edit":
                event = ev.Edit(job.id, {"priority": 700, "settings": {"task_bucketsize": 3, "max_lanes": 1}})
            case "delete":
                event = ev.Delete(job.id)
            case _:
                position = data.draw(st.integers(0, job.total - 1))
                event, again = ev.Retry(job.id, str(job.plan[position])), {position}
        before = self.picture(self.farm)
        try:
            self.farm.handle(event, self.now)
        except UserError:
            assert self.picture(self.farm) == before
        else:
            if job.id in self.done:
                self.done[job.id] -= again
            self.settle()

    @rule(seconds=st.sampled_from([1.0, 6.0, 31.0]), alive=st.sets(st.sampled_from(["s1", "s2", "s3"])))
    def wait(self, seconds: float, alive: set[str]) -> None:
        self.now += seconds
        for name in sorted(alive & self.farm.servers.keys()):
            self.farm.touch(name, self.farm.servers[name].info.boot, self.now)
        for server in self.farm.servers.values():
            if server.seen + LEASE <= self.now:
                self.over += [(one, server.info.server) for one in sorted(server.attempts)]
        self.farm.tick(self.now)
        self.settle()

    @precondition(lambda self: self.farm.jobs)
    @rule(data=st.data())
    def snapshot(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(sorted(self.farm.jobs)))
        self.snapshots[job] = (self.farm.snapshot(job), self.farm.seq)

    @rule()
    def crash_and_recover(self) -> None:
        """The dispatcher is killed; what the store has makes the same farm, and the agents that live go on."""
        fresh = Farm(lease=LEASE, seq=self.farm.seq, next_job=self.farm.next_job, next_attempt=self.farm.next_attempt)
        for server in self.farm.servers.values():
            fresh.restore_server(server.info, server.number)
        for job, (spec, created) in self.specs.items():
            snapshot, _ = self.snapshots.get(job, (None, 0))
            fresh.restore(job, payload.load(payload.render(self.farm.jobs[job].spec if snapshot else spec)), snapshot, created)
        for row in self.rows:
            if row.replay and row.job in fresh.jobs and row.seq > self.snapshots.get(row.job or 0, ({}, 0))[1]:
                fresh.replay(row)
        was_online = [name for name, server in self.farm.servers.items() if server.online]
        before = self.picture(self.farm)
        fresh.recovered(self.now)
        assert self.picture(fresh) == before
        self.farm = fresh
        for name in was_online:
            self.farm.touch(name, self.farm.servers[name].info.boot, self.now)
        self.settle()

    def picture(self, farm: Farm) -> dict[int, object]:
        """Everything that matters of every job."""
        return {
            job.id: (job.state, job.asked, {state: tuple(job.spans(state)) for state in TaskState}, job.dump(), job.spec)
            for job in farm.jobs.values()
        }

    @invariant()
    def every_task_is_in_one_place(self) -> None:
        for job in self.farm.jobs.values():
            places = [*job.sets.values(), job.delayed, *(Spans(attempt.rest()) for attempt in job.running.values())]
            assert sum(map(len, places)) == job.total
            together = Spans(span for place in places for span in place)
            assert list(together) == [(0, job.total)]
            assert sum(job.counts().values()) == job.total

    @invariant()
    def job_states_agree_with_tasks(self) -> None:
        for job in self.farm.jobs.values():
            assert job.state is job.derived_state()
            assert (job.finished is not None) == (job.state in ENDED_JOB)
            assert job.working == {
                state: sum(one.left for one in job.running.values() if one.state is state)
                for state in (TaskState.BOOTING, TaskState.EXECUTING)
            }

    @invariant()
    def no_lane_holds_two_buckets(self) -> None:
        lanes = [(one.server, one.lane) for one in self.farm.attempts.values()]
        assert len(lanes) == len(set(lanes))
        for server in self.farm.servers.values():
            busy = {lane for lane, attempt in server.lanes.items() if attempt is not None}
            assert busy == {self.farm.attempts[one].lane for one in server.attempts}
            assert sorted(busy | set(server.free)) == sorted(server.lanes)
            assert len(server.free) == len(server.lanes) - len(busy)

    @invariant()
    def done_is_never_undone_silently(self) -> None:
        for job, positions in self.done.items():
            done = self.farm.jobs[job].sets[TaskState.DONE]
            assert all(position in done for position in positions)

    @invariant()
    def nothing_runs_that_must_not(self) -> None:
        for job in self.farm.jobs.values():
            for attempt in job.running.values():
                assert self.farm.servers[attempt.server].info.engines[job.spec.engine].available
            assert job.asked is not Asked.ABORT or all(attempt.stopping for attempt in job.running.values())

    @invariant()
    def no_lane_idles_while_something_fits(self) -> None:
        for job in self.farm.jobs.values():
            if not job.ready:
                continue
            for server in self.farm.servers.values():
                able = server.online and server.info.engines[job.spec.engine].available
                assert not (able and server.free) or job.failed_on, (job.id, server.info.server)

    @invariant()
    def nothing_runs_before_its_dependencies(self) -> None:
        for job in self.farm.jobs.values():
            for depends in job.spec.depends_on:
                parent = self.farm.jobs.get(depends.job)
                if depends.when == "finished" and depends.job in self.aborted:
                    continue  # it was released then; that the other was resumed later does not call it back
                if parent and parent.started is None and parent.state in (JobState.WAITING, JobState.PAUSED):
                    assert not job.running


FarmMachine.TestCase.settings = settings(max_examples=300, stateful_step_count=50, deadline=None)
TestFarmMachine = FarmMachine.TestCase
