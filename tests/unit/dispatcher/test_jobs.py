from __future__ import annotations

import asyncio
import time

import pytest

from laneway.dispatcher.jobs import Jobs, Wanted
from laneway.dispatcher.keeper import Keeper
from laneway.dispatcher.memory import MemoryStore
from laneway.errors import ConflictError, NotFoundError, PayloadError, StoreError, UnknownNameError
from laneway.events import Finished, Join, Started
from laneway.model import EngineInfo, ServerInfo


@pytest.fixture
def jobs(keeper: Keeper, engines: dict[str, EngineInfo]) -> Jobs:
    return Jobs(keeper, engines)


def finished(keeper: Keeper, attempt: int, outcome: str = "done") -> Finished:
    at_work = keeper.farm.attempts[attempt]
    done = at_work.items if outcome == "done" else ""
    return Finished(attempt, at_work.server, 1001.0, outcome, reason="broken" if outcome == "failed" else None, done=done)  # type: ignore[arg-type]  # one of the outcomes


async def test_a_submission_makes_a_job_and_says_what_stands_in_its_way(jobs: Jobs, keeper: Keeper, server: ServerInfo) -> None:
    made = await jobs.submit({"engine": "command", "range": "1-10"}, user="ann")
    assert made.job is not None
    assert (made.job.id, made.job.user, made.job.tasks, made.job.state) == (1, "ann", 10, "waiting")
    assert made.warnings == ["no server is online: the job waits until one joins"]
    keeper.do(Join(server))
    assert (await jobs.submit({"engine": "command"})).warnings == []


async def test_the_same_submission_twice_at_once_makes_one_job(keeper: Keeper, engines: dict[str, EngineInfo]) -> None:
    def slowly(path: str) -> bool:
        time.sleep(0.05)
        return True

    jobs = Jobs(keeper, engines, present=slowly)
    payload = {"engine": "command", "input": "/shots/a.nk"}
    one, two = await asyncio.gather(jobs.submit(payload, key="k"), jobs.submit(payload, key="k"))
    assert one.job is not None
    assert two.job is not None
    assert one.job.id == two.job.id


async def test_an_input_that_is_not_there_is_refused_unless_a_job_or_a_sequence_may_bring_it(
    keeper: Keeper, engines: dict[str, EngineInfo]
) -> None:
    jobs = Jobs(keeper, engines, present=lambda path: False)
    with pytest.raises(PayloadError, match="no such file") as caught:
        await jobs.submit({"engine": "command", "input": "/shots/a.nk"})
    assert (caught.value.field, caught.value.value) == ("input", "/shots/a.nk")
    first = await jobs.submit({"engine": "command", "input": "/shots/a.####.exr"})
    assert first.job is not None
    await jobs.submit({"engine": "command", "input": "/shots/a.nk", "depends_on": first.job.id})


async def test_repeating_a_submission_makes_no_second_job(jobs: Jobs) -> None:
    first = await jobs.submit({"engine": "command"}, key="k")
    again = await jobs.submit({"engine": "command"}, key="k")
    other = await jobs.submit({"engine": "command"}, key="another")
    assert first.job is not None
    assert again.job is not None
    assert other.job is not None
    assert [first.job.id, again.job.id, other.job.id] == [1, 1, 2]


async def test_a_dry_run_makes_nothing(jobs: Jobs, keeper: Keeper) -> None:
    assert (await jobs.submit({"engine": "command"}, dry_run=True)).job is None
    assert keeper.farm.jobs == {}
    with pytest.raises(PayloadError, match="no job 99"):
        await jobs.submit({"engine": "command", "depends_on": [99]}, dry_run=True)


async def test_nothing_is_changed_while_nothing_can_be_saved(jobs: Jobs, keeper: Keeper, store: MemoryStore) -> None:
    store.trouble = "disc full"
    with pytest.raises(StoreError, match="disc full"):
        await jobs.submit({"engine": "command"})
    assert keeper.farm.jobs == {}


async def test_jobs_are_found_and_paged(jobs: Jobs) -> None:
    for number in range(1, 8):
        await jobs.submit({"engine": "command", "name": f"Shot {number % 3}", "user": "ann" if number % 2 else "bob"})
    await jobs.pause(2)

    def ids(sort: str = "-id", limit: int = 50, offset: int = 0, **wanted: str) -> tuple[list[int], int]:
        states = frozenset(filter(None, wanted.pop("state", "").split(",")))
        page = jobs.find(Wanted(states, **wanted), sort=sort, limit=limit, offset=offset)
        return [job.id for job in page.jobs], page.total

    assert ids(limit=3) == ([7, 6, 5], 7)
    assert ids(sort="id", limit=3, offset=5) == ([6, 7], 7)
    assert ids(user="bob") == ([6, 4, 2], 3)
    assert ids(name="shot 1", sort="id") == ([1, 4, 7], 3)
    assert ids(state="paused") == ([2], 1)
    assert ids(state="paused,waiting", limit=2, offset=6) == ([1], 7)
    assert ids(sort="-user", limit=3)[0] == [2, 4, 6]
    with pytest.raises(UnknownNameError, match="running"):
        ids(state="runing")
    with pytest.raises(UnknownNameError):
        ids(sort="colour")


async def test_ten_thousand_jobs_are_listed_at_once(jobs: Jobs, keeper: Keeper) -> None:
    for number in range(10_000):
        await jobs.submit({"engine": "command", "name": f"shot {number}"})
    began = time.perf_counter()
    page = jobs.find(Wanted(), limit=50, offset=2000)
    plain = time.perf_counter() - began
    began = time.perf_counter()
    found = jobs.find(Wanted(name="shot 99"), sort="-created", limit=50)
    searched = time.perf_counter() - began
    assert (len(page.jobs), page.total, found.total) == (50, 10_000, 111)
    assert plain < 0.05, "a page costs a page"
    assert searched < 0.2


async def test_tasks_say_where_each_item_is(jobs: Jobs, keeper: Keeper, server: ServerInfo) -> None:
    keeper.do(Join(server))
    await jobs.submit({"engine": "command", "range": "1-10", "priority_range": "10", "settings": {"task_bucketsize": 3}})
    first, second = sorted(keeper.farm.attempts)
    assert keeper.farm.attempts[first].items == "10"
    keeper.do(finished(keeper, first))
    keeper.do(Started(second, "s1", 1001.0, 44))
    listed = await jobs.tasks(1, limit=5)
    assert listed.total == 10
    assert [(task.item, task.state, task.attempt, task.tries) for task in listed.tasks] == [
        (10, "done", first, 1),
        (1, "executing", second, 1),
        (2, "executing", second, 1),
        (3, "executing", second, 1),
        (4, "booting", 3, 1),
    ]
    assert [(run.items, run.state) for run in listed.runs] == [
        ("10", "done"),
        ("1-3", "executing"),
        ("4-6", "booting"),
        ("7-9", "queued"),
    ]
    queued = await jobs.tasks(1, state="queued", offset=1)
    assert ([task.item for task in queued.tasks], queued.total) == ([8, 9], 3)
    ranged = await jobs.tasks(1, items="9-10,77")
    assert [task.item for task in ranged.tasks] == [10, 9]


async def test_a_failed_task_says_why(jobs: Jobs, keeper: Keeper, server: ServerInfo) -> None:
    keeper.do(Join(server))
    await jobs.submit({"engine": "command", "range": "1", "settings": {"task_max_retries": 0}})
    keeper.do(finished(keeper, 1, "failed"))
    listed = await jobs.tasks(1)
    assert [(task.state, task.attempt, task.tries, task.reason) for task in listed.tasks] == [("failed", 1, 1, "broken")]
    assert jobs.show(1).reason == "broken"


async def test_a_million_tasks_cost_a_page(jobs: Jobs) -> None:
    await jobs.submit({"engine": "command", "range": "1-1000000"})
    began = time.perf_counter()
    listed = await jobs.tasks(1, offset=999_900, limit=100)
    assert time.perf_counter() - began < 0.1
    assert (listed.tasks[-1].item, listed.total, len(listed.runs)) == (1_000_000, 1_000_000, 1)


async def test_attempts_at_work_come_before_those_that_are_over(jobs: Jobs, keeper: Keeper, server: ServerInfo) -> None:
    keeper.do(Join(server))
    await jobs.submit({"engine": "command", "range": "1-8", "settings": {"task_bucketsize": 2}})
    keeper.do(finished(keeper, 1))
    keeper.do(finished(keeper, 2))
    listed = await jobs.attempts(1)
    assert [(one.id, one.state, one.items) for one in listed.attempts] == [
        (4, "leased", "7-8"),
        (3, "leased", "5-6"),
        (2, "done", "3-4"),
        (1, "done", "1-2"),
    ]
    assert [one.id for one in (await jobs.attempts(1, limit=2, offset=1)).attempts] == [3, 2]
    assert [one.id for one in (await jobs.attempts(1, limit=2, offset=3)).attempts] == [1]
    assert listed.total == 4
    assert [one.id for one in (await jobs.attempts(1, item=3)).attempts] == [2]
    assert (await jobs.attempt(1)).hostname == "render01"
    assert await jobs.newest_attempt(1, None) == 4
    with pytest.raises(NotFoundError):
        await jobs.attempts(1, item=9)
    with pytest.raises(NotFoundError):
        await jobs.attempt(99)


async def test_a_job_with_processes_cannot_be_deleted(jobs: Jobs, keeper: Keeper, server: ServerInfo) -> None:
    keeper.do(Join(server))
    await jobs.submit({"engine": "command"})
    with pytest.raises(ConflictError, match="abort it first"):
        await jobs.delete(1)
    keeper.do(finished(keeper, 1))
    await jobs.delete(1)
    with pytest.raises(NotFoundError):
        jobs.show(1)
    with pytest.raises(NotFoundError):
        await jobs.attempt(1)
