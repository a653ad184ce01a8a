"""What every store promises, asked of both that ship."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from laneway.dispatcher.memory import MemoryStore
from laneway.dispatcher.sqlite import SqliteStore
from laneway.dispatcher.store import AttemptRecord, Batch, JobRecord, ServerRecord, Store
from laneway.events import Row


@pytest.fixture(params=[pytest.param("memory", id="memory"), pytest.param("sqlite", id="sqlite")])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    store: Store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path)
    yield store
    await store.close()


def row(seq: int, job: int | None = 1, kind: str = "leased", *, replay: bool = True) -> Row:
    return Row(seq, 5.5, kind, job, 7, "s", "1-5", "a reason", "ann", {"lo": 1, "list": [1, "é", None, 2.5]}, replay)


def attempt(number: int, job: int = 1, lo: int = 0, hi: int = 5) -> AttemptRecord:
    return AttemptRecord(
        number,
        job,
        1,
        lo,
        hi,
        "1-5",
        "failed",
        "s",
        "render01",
        2,
        1.0,
        2.0,
        3.0,
        0.5,
        None,
        9,
        "killed",
        0.1,
        5,
        6,
        ("a", "é"),
    )


def job(number: int, seq: int = 0, name: str = "x") -> JobRecord:
    return JobRecord(number, 1.5, {"name": name, "range": None}, {"sets": {"done": [[0, 5]]}}, seq)


async def test_an_empty_store_starts_from_nothing(store: Store) -> None:
    saved = store.load()
    assert (list(saved.jobs), list(saved.rows), list(saved.servers), saved.last_seq, saved.last_attempt) == ([], [], [], 0, 0)


async def test_what_was_kept_comes_back(store: Store) -> None:
    server = ServerRecord("s", {"number": 1, "info": {"hostname": "render01"}})
    store.append(Batch([row(1)], [job(1)], [attempt(7)], [server], meta={"next_job": 2}, submissions={"k": 1}))
    await store.durable()
    saved = store.load()
    assert list(saved.jobs) == [job(1)]
    assert list(saved.rows) == [row(1)]
    assert list(saved.servers) == [server]
    assert saved.meta == {"next_job": 2}
    assert saved.submissions == {"k": 1}
    assert (saved.last_seq, saved.last_attempt) == (1, 7)
    assert await store.history() == [row(1)]
    assert await store.attempt(7) == attempt(7)
    assert await store.attempt(8) is None


async def test_thens_are_called_in_order_once_durable(store: Store) -> None:
    called: list[int] = []
    for number in range(50):
        store.append(Batch([row(number + 1)]), lambda number=number: called.append(number))  # type: ignore[misc]  # binds the number
        if number % 7 == 1:
            await asyncio.sleep(0)
    assert called != list(range(50)), "nothing is durable at once"
    await store.durable()
    assert called == list(range(50))
    assert len(await store.history(limit=1000)) == 50


async def test_waiting_for_nothing_returns(store: Store) -> None:
    await asyncio.wait_for(store.durable(), 1)


async def test_one_that_stops_waiting_leaves_the_others_waiting(store: Store) -> None:
    store.append(Batch([row(1)]))
    first, second = asyncio.ensure_future(store.durable()), asyncio.ensure_future(store.durable())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait_for(second, 5)


async def test_only_rows_after_a_snapshot_are_replayed(store: Store) -> None:
    store.append(Batch([row(1), row(2, job=2)], [job(1, 1), job(2, 2)]))
    store.append(Batch([row(3), row(4, job=2), row(5, replay=False), row(6, job=None, kind="server-state", replay=False)]))
    store.append(Batch([row(7)], [job(2, 6, "new")]))
    await store.durable()
    saved = store.load()
    assert [one.seq for one in saved.rows] == [3, 7]
    assert list(saved.jobs) == [job(1, 1), job(2, 6, "new")]
    assert saved.last_seq == 7


async def test_history_is_paged(store: Store) -> None:
    store.append(Batch([row(seq, job=seq % 2) for seq in range(1, 11)]))
    await store.durable()
    assert [one.seq for one in await store.history(after=3, limit=4)] == [4, 5, 6, 7]
    assert [one.seq for one in await store.history(job=1, after=3, limit=2)] == [5, 7]


async def test_attempts_are_paged_newest_first(store: Store) -> None:
    store.append(Batch(ended=[attempt(number, job=1 + number % 2) for number in range(1, 11)]))
    await store.durable()
    assert [one.id for one in await store.attempts(1)] == [10, 8, 6, 4, 2]
    assert [one.id for one in await store.attempts(1, limit=2, offset=1)] == [8, 6]
    assert await store.attempt_count(1) == 5


async def test_attempts_are_found_by_place(store: Store) -> None:
    places = {1: (0, 5), 2: (5, 10), 3: (10, 30), 4: (7, 8), 5: (30, 35)}
    store.append(Batch(ended=[attempt(number, lo=lo, hi=hi) for number, (lo, hi) in places.items()]))
    await store.durable()
    widest = await store.widest(1)
    assert widest == 20
    assert [one.id for one in await store.attempts_at(1, [(7, 8)], widest=widest)] == [4, 2]
    assert [one.id for one in await store.attempts_at(1, [(29, 31)], widest=widest)] == [5, 3]
    assert [one.id for one in await store.attempts_at(1, [(0, 1), (9, 11)], widest=widest)] == [3, 2, 1]
    assert await store.attempts_at(2, [(0, 100)], widest=widest) == []
    assert await store.widest(2) == 0


async def test_a_deleted_job_leaves_only_the_row_that_says_so(store: Store) -> None:
    store.append(
        Batch([row(1), row(2, job=2)], [job(1), job(2)], [attempt(7), attempt(8, job=2)], submissions={"k": 1, "l": 2})
    )
    store.append(Batch([row(3, kind="deleted")], deleted=[1]))
    await store.durable()
    saved = store.load()
    assert [one.id for one in saved.jobs] == [2]
    assert saved.submissions == {"l": 2}
    for _ in range(200):  # the rest goes a little at a time
        left = await store.history()
        if len(left) == 2 and await store.attempt(7) is None:
            break
        await asyncio.sleep(0.01)
    assert [one.seq for one in await store.history()] == [2, 3]
    assert [one.id for one in await store.attempts(2)] == [8]
    assert await store.attempts(1) == []
