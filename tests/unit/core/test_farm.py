"""The farm by example: a page of a day's work, without a clock, a process or a database."""

from __future__ import annotations

import pytest

from laneway import events as ev
from laneway.errors import ConflictError, IllegalTransitionError, NotFoundError, RangeError, StaleAttemptError
from laneway.farm import Farm
from laneway.job import Attempt
from laneway.model import Depends, EngineOffer, JobSpec, ServerInfo, Settings
from laneway.states import JobState, TaskState

S = TaskState


def server(
    name: str = "ren01", lanes: int = 2, *, boot: str = "b1", held: tuple[int, ...] = (), engine: str = "nuke"
) -> ServerInfo:
    return ServerInfo(name, boot, name, lanes, engines={engine: EngineOffer(available=True, version="15.1")}, held=held)


def spec(range_: str = "1-10", *, bucket: int = 1, retries: int = 0, delay: float = 5.0, **more: object) -> JobSpec:
    settings = Settings(
        task_bucketsize=bucket, task_max_retries=retries, task_retry_delay=delay, max_lanes=int(str(more.pop("max_lanes", 0)))
    )
    return JobSpec(name="shot", engine="nuke", range=range_, settings=settings, **more)  # type: ignore[arg-type]  # fields of JobSpec


class World:
    """A farm and what it said, with a clock that the test turns."""

    def __init__(self, *servers: ServerInfo, lease: float = 60.0) -> None:
        self.farm, self.now = Farm(lease=lease), 1000.0
        self.rows: list[ev.Row] = []
        self.stops: list[tuple[int, str]] = []
        for info in servers:
            self(ev.Join(info))

    def __call__(self, event: ev.Event, actor: str = "") -> list[Attempt]:
        self.farm.handle(event, self.now, actor)
        return self.settle()

    def settle(self) -> list[Attempt]:
        self.farm.schedule(self.now)
        out = self.farm.take(self.now)
        self.rows += out.rows
        self.stops += [stop for stops in out.stops.values() for stop in stops]
        return sorted((attempt for grants in out.grants.values() for attempt in grants), key=lambda attempt: attempt.id)

    def submit(self, job: JobSpec) -> list[Attempt]:
        return self(ev.Submit(self.farm.next_job, job))

    def done(self, attempt: Attempt) -> list[Attempt]:
        return self(ev.Finished(attempt.id, attempt.server, self.now, "done", done=attempt.items))

    def failed(self, attempt: Attempt, reason: str = "crashed", done: str = "", retry: bool = True) -> list[Attempt]:
        return self(ev.Finished(attempt.id, attempt.server, self.now, "failed", exit=1, reason=reason, done=done, retry=retry))

    def wait(self, seconds: float) -> list[Attempt]:
        self.now += seconds
        self.farm.tick(self.now)
        return self.settle()

    def awake(self, seconds: float) -> list[Attempt]:
        """As `wait`, while the agent of ren01 is heard of."""
        self.farm.touch("ren01", "b1", self.now + seconds)
        return self.wait(seconds)

    def state(self, job: int = 1) -> JobState:
        return self.farm.jobs[job].state

    def counts(self, job: int = 1) -> dict[str, int]:
        return {state.value: count for state, count in self.farm.jobs[job].counts().items() if count}


def test_a_job_fills_the_lanes_in_order_and_ends_done() -> None:
    world = World(server())
    running = world.submit(spec("1-3"))
    assert [(one.items, one.lane, one.number) for one in running] == [("1", 1, 1), ("2", 2, 1)]
    assert world.state(1) is JobState.RUNNING
    third = world.done(running[0])
    assert [(one.items, one.lane) for one in third] == [("3", 1)]
    assert world.done(running[1]) == []
    assert world.done(third[0]) == []
    assert world.state(1) is JobState.DONE
    assert world.counts() == {"done": 3}
    assert world.rows[-1].reason == "all 3 tasks are done"


def test_priority_range_goes_first_and_never_shares_a_bucket() -> None:
    world = World(server(lanes=4))
    running = world.submit(spec("1-10", bucket=4, priority_range="fml:3"))
    assert [one.items for one in running] == ["1,5,10", "2-4,6", "7-9"]


def test_queue_then_priority_then_age() -> None:
    world = World()
    world.submit(spec("1", priority=900))
    world.submit(spec("1", priority=900))
    world.submit(spec("1", priority=100, queue="high", queue_priority=999))
    running = world(ev.Join(server(lanes=1)))
    order = []
    while running:
        order.append(running[0].job)
        running = world.done(running[0])
    assert order == [3, 1, 2]


def test_equal_jobs_share_the_lanes() -> None:
    world = World()
    world.submit(spec("1-100"))
    world.submit(spec("1-100"))
    running = world(ev.Join(server(lanes=8)))
    assert [one.job for one in running] == [1, 2] * 4


def test_work_spreads_over_servers_before_it_fills_one() -> None:
    world = World(server("ren01"), server("ren02"))
    assert [one.server for one in world.submit(spec("1-4"))] == ["ren01", "ren02", "ren01", "ren02"]


def test_max_lanes_is_kept() -> None:
    world = World(server(lanes=8))
    running = world.submit(spec("1-100", max_lanes=3))
    assert len(running) == 3
    assert len(world.done(running[0])) == 1


def test_a_lane_gets_only_engines_that_its_server_offers() -> None:
    world = World(server(engine="blender"))
    assert world.submit(spec("1-3")) == []
    assert world.farm.reason(world.farm.jobs[1]) == "no server that is online can run nuke"
    assert len(world(ev.Join(server("ren02")))) == 2


@pytest.mark.parametrize(
    ("version", "runs"),
    [("15", True), ("15.1", True), ("15.10", False), ("1", False), ("16", False)],
    ids=["15", "15.1", "15.10", "1", "16"],
)
def test_a_version_is_met_by_whole_components(version: str, runs: bool) -> None:
    world = World(server())
    assert bool(world.submit(spec("1", version=version))) is runs


def test_a_failed_bucket_keeps_its_finished_tasks_and_retries_the_rest_later_in_smaller_buckets() -> None:
    world = World(server(lanes=1))
    [bucket] = world.submit(spec("1-8", bucket=8, retries=2, delay=10))
    assert world.failed(bucket, done="1-3") == []
    assert world.counts() == {"done": 3, "queued": 5}
    assert "tries again" in world.farm.reason(world.farm.jobs[1])
    assert world.wait(9.9) == []
    [second] = world.wait(0.2)
    assert (second.items, second.number) == ("4-5", 2)
    [third] = world.failed(second)
    assert third.items == "6-7"
    [eighth] = world.done(third)
    assert eighth.items == "8"
    world.done(eighth)
    [last] = world.wait(20)
    assert (last.items, last.number) == ("4", 3)  # the last try is a task on its own


def test_the_delay_doubles_and_then_the_task_has_failed() -> None:
    world = World(server(lanes=1))
    [one] = world.submit(spec("1", retries=2, delay=10))
    world.failed(one)
    [two] = world.wait(10)
    world.failed(two)
    assert world.wait(19) == []
    [three] = world.wait(1)
    assert three.number == 3
    world.failed(three, "out of memory")
    assert world.state(1) is JobState.FAILED
    assert world.farm.reason(world.farm.jobs[1]) == "out of memory"
    assert world.rows[-1].reason == "1 of 1 tasks failed: out of memory"


def test_a_failure_that_retrying_cannot_help_is_final_at_once() -> None:
    world = World(server(lanes=1))
    [one] = world.submit(spec("1", retries=5))
    world.failed(one, "there is no scene 'Shot'", retry=False)
    assert world.counts() == {"failed": 1}


def test_a_retry_goes_to_another_server_if_there_is_one() -> None:
    world = World(server("ren01", lanes=1), server("ren02", lanes=1))
    first, _ = world.submit(spec("1-2", retries=1, delay=1))
    assert first.server == "ren01"
    world.failed(first)
    assert world.wait(2) == []  # ren01 is free, but it failed this bucket
    alone = World(server("ren01", lanes=1))
    [bucket] = alone.submit(spec("1", retries=1, delay=1))
    alone.failed(bucket)
    assert [one.server for one in alone.wait(2)] == ["ren01"]


def test_done_without_an_item_is_a_failure_that_names_it() -> None:
    world = World(server(lanes=1))
    [bucket] = world.submit(spec("1-5", bucket=5))
    world(ev.Finished(bucket.id, bucket.server, world.now, "done", done="1-3,5"))
    assert world.counts() == {"done": 4, "failed": 1}
    assert "item 4" in world.farm.jobs[1].failure


def test_a_report_of_an_attempt_that_is_over_changes_nothing() -> None:
    world = World(server(), lease=30)
    first = world.submit(spec("1-2"))[0]
    world.wait(31)
    assert world.counts() == {"queued": 2}
    world(ev.Join(server(boot="b2")))
    with pytest.raises(StaleAttemptError, match="over"):
        world.done(first)
    assert world.counts() == {"booting": 2}


def test_a_report_from_another_server_is_refused() -> None:
    world = World(server("ren01", lanes=1), server("ren02", lanes=1))
    one = world.submit(spec("1-2"))[0]
    with pytest.raises(StaleAttemptError, match="another server"):
        world(ev.Finished(one.id, "ren02", world.now, "done", done="1"))


def test_a_silent_server_keeps_its_attempts_for_its_lease_and_no_longer() -> None:
    world = World(server(), lease=30)
    world.submit(spec("1-2"))
    world.wait(20)
    world.farm.touch("ren01", "b1", world.now)
    world.wait(20)
    assert world.counts() == {"booting": 2}
    world.wait(11)
    assert world.counts() == {"queued": 2}
    assert world.farm.jobs[1].running == {}


def test_an_agent_that_was_started_anew_gives_back_what_it_does_not_hold() -> None:
    world = World(server())
    _, two = world.submit(spec("1-2"))
    again = world(ev.Join(server(boot="b2", held=(two.id, 99))))
    assert [(attempt.items, attempt.number) for attempt in again] == [("1", 2)]
    assert set(world.farm.attempts) == {two.id, again[0].id}
    assert world.stops == [(99, "it is not this server's any more")]
    with pytest.raises(ConflictError, match="another agent"):
        world.farm.touch("ren01", "b1", world.now)


def test_abort_stops_what_runs_and_leaves_other_jobs_alone() -> None:
    world = World(server(lanes=2))
    world.submit(spec("1-10", max_lanes=1))
    world.submit(spec("1-10", max_lanes=1))
    world(ev.Abort(1), "ann")
    assert [reason for _, reason in world.stops] == ["aborted by ann"]
    mine = next(iter(world.farm.jobs[1].running.values()))
    world(ev.Finished(mine.id, mine.server, world.now, "stopped", reason="aborted by ann"))
    assert world.state(1) is JobState.ABORTED
    assert world.counts(1) == {"queued": 10}
    assert world.state(2) is JobState.RUNNING
    world(ev.Resume(1))
    assert world.state(1) is JobState.RUNNING


def test_pause_lets_what_runs_finish() -> None:
    world = World(server(lanes=1))
    [one] = world.submit(spec("1-3"))
    world(ev.Pause(1))
    assert world.done(one) == []
    assert world.state(1) is JobState.PAUSED
    assert [attempt.items for attempt in world(ev.Resume(1))] == ["2"]


def test_a_job_on_hold_waits_for_resume() -> None:
    world = World(server())
    assert world.submit(spec("1-2", hold=True)) == []
    assert world.state(1) is JobState.PAUSED
    assert len(world(ev.Resume(1))) == 2


def test_retry_renders_what_failed_or_the_range_that_is_named() -> None:
    world = World(server(lanes=1))
    [one] = world.submit(spec("1-3", bucket=3))
    world.failed(one, done="1")
    assert world.state(1) is JobState.FAILED
    [again] = world(ev.Retry(1))
    assert (again.items, again.number) == ("2-3", 2)
    world.done(again)
    with pytest.raises(ConflictError, match="no failed task"):
        world(ev.Retry(1))
    [third] = world(ev.Retry(1, "1"))
    assert (third.items, third.number) == ("1", 2)
    with pytest.raises(RangeError, match="7-8"):
        world(ev.Retry(1, "2,7-8"))
    with pytest.raises(IllegalTransitionError, match="at work"):
        world(ev.Retry(1, "1"))
    assert world.counts() == {"done": 2, "booting": 1}


def test_a_dependent_job_starts_when_the_other_is_done() -> None:
    world = World(server(lanes=2))
    [one] = world.submit(spec("1"))
    assert world.submit(spec("1", depends_on=(Depends(1),))) == []
    assert world.farm.reason(world.farm.jobs[2]) == "waits for job 1, which is running"
    assert [attempt.job for attempt in world.done(one)] == [2]


def test_a_dependent_job_waits_for_one_that_failed_unless_finished_is_enough() -> None:
    world = World(server(lanes=1))
    [one] = world.submit(spec("1"))
    world.submit(spec("1", depends_on=(Depends(1),)))
    world.submit(spec("1", depends_on=(Depends(1, when="finished"),)))
    assert [attempt.job for attempt in world.failed(one)] == [3]
    assert world.farm.reason(world.farm.jobs[2]) == "waits for job 1, which is failed"


def test_items_are_released_one_by_one() -> None:
    world = World(server(lanes=1))
    [one] = world.submit(spec("1-4"))
    world.submit(spec("1-4x2,9", priority=900, depends_on=(Depends(1, on="item"),)))
    [mine] = world.done(one)
    assert (mine.job, mine.items) == (2, "1")
    [two] = world.done(mine)
    [three] = world.done(two)
    [mine] = world.done(three)
    assert (mine.job, mine.items) == (2, "3")
    [four] = world.done(mine)
    assert [(attempt.job, attempt.items) for attempt in world.done(four)] == [(2, "9")]


def test_a_dependency_that_does_not_exist_is_refused() -> None:
    world = World(server())
    with pytest.raises(NotFoundError, match="no job 7"):
        world.submit(spec("1", depends_on=(Depends(7),)))
    assert world.farm.jobs == {}


def test_delete_is_refused_while_something_runs_or_depends() -> None:
    world = World(server(lanes=1))
    [one] = world.submit(spec("1"))
    world.submit(spec("1", depends_on=(Depends(1),)))
    with pytest.raises(IllegalTransitionError, match="abort it first"):
        world(ev.Delete(1))
    world.failed(one)
    with pytest.raises(ConflictError, match="job 2 depends on job 1"):
        world(ev.Delete(1))
    world(ev.Delete(2))
    world(ev.Delete(1))
    assert world.farm.jobs == {}


def test_progress_makes_items_done_before_their_bucket_ends() -> None:
    world = World(server(lanes=1))
    [one] = world.submit(spec("1-4", bucket=4))
    world(ev.Started(one.id, one.server, 1001.0, 42))
    world(ev.Progress(one.id, one.server, 1002.0, 0.5, done="1-2", item=3))
    assert world.counts() == {"done": 2, "executing": 2}
    world(ev.Progress(one.id, one.server, 1003.0, 0.6, done="1-2", item=3))
    assert sum(row.kind == "progress" for row in world.rows) == 1
    world.farm.handle(ev.Leave("ren01", "b1"), world.now)
    assert world.counts() == {"done": 2, "queued": 2}


def test_an_edit_moves_a_job_and_changes_its_next_buckets() -> None:
    world = World()
    world.submit(spec("1-4"))
    world.submit(spec("1-4"))
    world(ev.Edit(2, {"priority": 900, "settings": {"task_bucketsize": 2}}))
    running = world(ev.Join(server(lanes=2)))
    assert [(one.job, one.items) for one in running] == [(2, "1-2"), (2, "3-4")]


def test_a_million_items_are_one_span() -> None:
    world = World(server(lanes=1))
    world.submit(spec("1-100000000"))
    assert world.farm.jobs[1].spans(S.QUEUED) == [(1, 100_000_000)]


def test_a_dependency_in_too_many_pieces_is_met_by_the_whole() -> None:
    world = World(server(lanes=1))
    [first] = world.submit(spec("1-400000x2", bucket=110_000))
    world.submit(spec("1-400000", depends_on=(Depends(1, on="item"),)))
    [second] = world.done(first)
    assert world.counts(2) == {"pending": 400_000}
    [child] = world.done(second)
    assert (child.job, world.counts(1)) == (2, {"done": 200_000})


def test_a_frame_may_fail_a_thousand_times() -> None:
    world = World(server(lanes=1))
    [attempt] = world.submit(spec("1", retries=1000, delay=0))
    for _ in range(1000):
        assert world.failed(attempt) == []
        [attempt] = world.wait(0)
    world.failed(attempt)
    assert world.counts() == {"failed": 1}


def test_the_delay_never_passes_a_day() -> None:
    world = World(server(lanes=1))
    [attempt] = world.submit(spec("1", retries=100, delay=3600))
    for _ in range(50):
        world.failed(attempt)
        [attempt] = world.awake(86_401)


def test_a_report_whose_items_cannot_be_told_apart_ends_the_attempt_all_the_same() -> None:
    world = World(server(lanes=1))
    [attempt] = world.submit(spec("1-300000", bucket=0))
    world(ev.Finished(attempt.id, attempt.server, world.now, "failed", reason="crashed", done="1-300000x2", retry=False))
    assert world.counts() == {"failed": 300_000}


def test_a_job_has_not_ended_before_its_last_process_has() -> None:
    world = World(server(lanes=1))
    [attempt] = world.submit(spec("1-2", bucket=2))
    child = spec("1", depends_on=(Depends(1, when="finished"),))
    assert world.submit(child) == []
    assert world(ev.Progress(attempt.id, attempt.server, world.now, 1.0, done="1-2")) == []
    assert (world.state(1), world.counts(1)) == (JobState.RUNNING, {"done": 2})
    world(ev.Abort(1), "ann")
    assert world.state(1) is JobState.ABORTED
    assert world.stops == [(attempt.id, "aborted by ann")]
    [next_one] = world(ev.Finished(attempt.id, attempt.server, world.now, "stopped", reason="aborted by ann"))
    assert (world.state(1), next_one.job) == (JobState.DONE, 2)


def test_a_child_that_waits_when_finished_waits_for_the_last_process_of_an_aborted_job() -> None:
    world = World(server(lanes=2))
    attempt = world.submit(spec("1-2", bucket=2))[0]
    world.submit(spec("1", depends_on=(Depends(1, when="finished"),)))
    world(ev.Abort(1))
    assert world.counts(2) == {"pending": 1}
    [child] = world(ev.Finished(attempt.id, attempt.server, world.now, "stopped", reason="aborted"))
    assert child.job == 2


def test_a_job_cannot_be_deleted_while_an_aborted_child_still_waits_for_it() -> None:
    world = World(server(lanes=1))
    world.submit(spec("1", hold=True))
    world.submit(spec("1", depends_on=(Depends(1),)))
    world(ev.Abort(2))
    with pytest.raises(ConflictError, match="job 2 depends on job 1"):
        world(ev.Delete(1))


def test_a_retry_by_hand_starts_the_delay_anew() -> None:
    world = World(server(lanes=1))
    [first] = world.submit(spec("1", retries=5, delay=50))
    world.failed(first)
    world.awake(40)
    [second] = world(ev.Retry(1))
    world.wait(5)
    world.failed(second)
    assert world.awake(10) == []
    assert len(world.awake(40)) == 1


def test_a_part_of_what_waits_for_its_retry_can_be_retried_at_once() -> None:
    world = World(server(lanes=1))
    [first] = world.submit(spec("1-10", bucket=10, retries=1, delay=50))
    world.failed(first)
    [part] = world(ev.Retry(1, "3-4"))
    assert part.items == "3-4"
    world.done(part)
    assert world.counts() == {"queued": 8, "done": 2}
    world.awake(30)
    assert [one.items for one in world.awake(21)] == ["1"]
    assert world.farm.jobs[1].due == {}
