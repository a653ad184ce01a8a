from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import orjson
import pytest

from laneway.dispatcher import broadcast as module
from laneway.dispatcher.broadcast import PAGE, QUEUE, Broadcast
from laneway.events import Row
from laneway.job import Attempt


def row(seq: int, job: int = 1, kind: str = "leased") -> Row:
    return Row(seq, 5.0, kind, job, attempt=seq, server="s", items="1", replay=True)


class Past:
    """A history to catch up from."""

    def __init__(self, rows: Sequence[Row] = ()) -> None:
        self.rows = list(rows)

    async def __call__(self, after: int) -> Sequence[Row]:
        await asyncio.sleep(0)
        return [one for one in self.rows if one.seq > after][:PAGE]


async def read(stream: AsyncIterator[bytes], wanted: int) -> list[int]:
    """The ids of the next events."""
    ids: list[int] = []
    while len(ids) < wanted:
        chunk = await asyncio.wait_for(stream.__anext__(), 5)
        ids += [int(line[4:]) for line in chunk.decode().splitlines() if line.startswith("id: ")]
    return ids


async def opened(
    broadcast: Broadcast, past: Past | None = None, *, job: int | None = None, after: int | None = None
) -> AsyncIterator[bytes]:
    stream = broadcast.stream(job=job, after=after, past=past or Past())
    assert (await stream.__anext__()).startswith(b":")
    return stream


async def test_listeners_get_what_happens() -> None:
    broadcast = Broadcast()
    stream = await opened(broadcast)
    broadcast.rows([row(1), row(2)])
    chunk = (await stream.__anext__()).decode()
    name, data, number = chunk.split("\n\n")[0].splitlines()
    assert (name, number) == ("event: attempt", "id: 1")
    assert orjson.loads(data.removeprefix("data: ")) == {
        "seq": 1, "at": 5.0, "kind": "leased", "job": 1, "attempt": 1, "server": "s", "items": "1", "reason": "", "actor": "",
        "state": "leased",
    }  # fmt: skip


async def test_a_job_can_be_followed_alone() -> None:
    broadcast = Broadcast()
    stream = await opened(broadcast, job=2)
    broadcast.rows([row(1, job=1), row(2, job=2), row(3, job=1), row(4, job=2)])
    assert await read(stream, 2) == [2, 4]


async def test_one_kind_of_event_can_be_followed_alone_also_when_catching_up() -> None:
    broadcast = Broadcast()
    job = Row(3, 5.0, "state", 1, data={"state": "done"})
    stream = broadcast.stream(job=None, after=0, past=Past([row(1), row(2), job]), names=frozenset({"job"}))
    await stream.__anext__()
    assert await read(stream, 1) == [3]
    broadcast.rows([row(4), Row(5, 5.0, "state", 1, data={"state": "waiting"})])
    assert await read(stream, 1) == [5]


async def test_catching_up_and_going_on_misses_and_repeats_nothing() -> None:
    past = Past([row(seq) for seq in range(1, 2 * PAGE + 4)])
    broadcast = Broadcast()
    stream = await opened(broadcast, past, after=2)
    ids = await read(stream, 1)
    for seq in range(2 * PAGE + 4, 2 * PAGE + 10):  # while it reads the history
        past.rows.append(row(seq))
        broadcast.rows([past.rows[-1]])
        ids += await read(stream, 1) if seq % 3 == 0 else []
    broadcast.rows([row(2 * PAGE + 10)])
    while ids[-1] < 2 * PAGE + 10:
        ids += await read(stream, 1)
    assert ids == list(range(3, 2 * PAGE + 11))


async def test_who_does_not_keep_up_is_told_and_dropped() -> None:
    broadcast = Broadcast()
    stream = await opened(broadcast)
    broadcast.rows([row(seq) for seq in range(1, QUEUE + 2)])
    broadcast.rows([row(QUEUE + 2)])
    assert b"event: resync" in await stream.__anext__()
    with pytest.raises(StopAsyncIteration):
        await stream.__anext__()


async def test_silence_is_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEARTBEAT", 0.01)
    stream = await opened(Broadcast())
    assert (await stream.__anext__()).startswith(b": ")


async def test_progress_is_told_seldom_and_the_newest_wins() -> None:
    broadcast = Broadcast()
    stream = await opened(broadcast)
    attempt = Attempt(7, number=1, job=3, lo=0, hi=5, items="1-5", server="s", lane=1, created=0.0)
    for fraction in (0.1, 0.2, 0.3):
        attempt.fraction = fraction
        broadcast.progress(attempt, 5.0)
    chunk = await asyncio.wait_for(stream.__anext__(), 2)
    events = [orjson.loads(line[6:]) for line in chunk.decode().splitlines() if line.startswith("data: ")]
    assert [(event["attempt"], event["fraction"], event["seq"]) for event in events] == [(7, 0.3, None)]
    assert b"id:" not in chunk


async def test_closing_ends_every_stream() -> None:
    broadcast = Broadcast()
    stream = await opened(broadcast)
    reading = asyncio.ensure_future(stream.__anext__())
    await asyncio.sleep(0)
    broadcast.close()
    with pytest.raises(StopAsyncIteration):
        await asyncio.wait_for(reading, 1)
