"""Live events for whoever listens: history rows as they become durable, and passing progress in between.

Every event is formatted once, and only when somebody listens to it. What happens within `PACE` goes out together, but the first thing
after a silence goes out at once. A listener has a bounded queue; one that does not keep up loses it
and gets a single `resync` event, after which its connection ends: its client comes back with the last id it has seen and catches up
from the history. Progress is sent a few times a second at most, the newest of each attempt.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence

import orjson
from fastapi.sse import format_sse_event

from laneway.events import Row
from laneway.job import Attempt

QUEUE = 5000  # events that may wait for one listener
PAGE = 500  # rows of history read at a time
HEARTBEAT = 15.0  # seconds of silence before a comment is sent
PROGRESS_EVERY = 0.25  # seconds
PACE = 0.05  # seconds between two writes to one listener
NAMES = frozenset({"attempt", "job", "server"})
_BEAT = b": still here\n\n"
_RESYNC = format_sse_event(
    event="resync", data_str='{"reason":"this listener did not keep up; read the history from its last id"}'
)

_STATE_OF = {"leased": "leased", "started": "executing", "returned": "lost"}
_STATES = frozenset({"state", "server-state", "finished"}) | _STATE_OF.keys()

Past = Callable[[int], Awaitable[Sequence[Row]]]


def event_data(row: Row) -> dict[str, object]:
    """A row as listeners get it: its columns, and the state that it led to where it led to one."""
    state = row.data.get("outcome" if row.kind == "finished" else "state") if row.kind in _STATES else None
    return {
        "seq": row.seq,
        "at": row.at,
        "kind": row.kind,
        "job": row.job,
        "attempt": row.attempt,
        "server": row.server,
        "items": row.items,
        "reason": row.reason,
        "actor": row.actor,
        "state": state or _STATE_OF.get(row.kind, ""),
    }


def event_name(row: Row) -> str:
    """`attempt`, `job` or `server`: what the row is about."""
    return "attempt" if row.attempt is not None else "job" if row.job is not None else "server"


def format_row(row: Row) -> bytes:
    """A row in the stream's format."""
    return format_sse_event(event=event_name(row), data_str=orjson.dumps(event_data(row)).decode(), id=str(row.seq))


class _Listener:
    """One open stream. `sent` is the last row that went out or is covered by the history already sent."""

    __slots__ = ("events", "job", "lagging", "names", "sent", "wake")

    def __init__(self, job: int | None, names: frozenset[str]) -> None:
        self.job = job
        self.names = names
        self.events: list[tuple[int, bytes]] = []
        self.wake = asyncio.Event()
        self.lagging = False
        self.sent = 0

    def wants(self, name: str, job: int | None) -> bool:
        return name in self.names and (self.job is None or self.job == job)

    def put(self, seq: int, event: bytes) -> None:
        if len(self.events) >= QUEUE:
            self.lagging = True
            self.events.clear()
        if not self.lagging:
            self.events.append((seq, event))
        self.wake.set()


class Broadcast:
    """All open streams. It is used from the event loop only."""

    def __init__(self) -> None:
        self._listeners: set[_Listener] = set()
        self._moving: dict[int, tuple[Attempt, float]] = {}
        self._flush: asyncio.TimerHandle | None = None
        self._closed = False

    def rows(self, rows: Iterable[Row]) -> None:
        """Send rows that are durable."""
        if not self._listeners:
            return
        for row in rows:
            if row.attempt is not None and row.kind in ("finished", "returned"):
                self._moving.pop(row.attempt, None)
            name = event_name(row)
            wanting = [listener for listener in self._listeners if listener.wants(name, row.job)]
            if wanting:
                event = format_row(row)
                for listener in wanting:
                    listener.put(row.seq, event)

    def progress(self, attempt: Attempt, at: float) -> None:
        """Note that an attempt has moved on; it is told at the next turn."""
        if not self._listeners:
            return
        self._moving[attempt.id] = (attempt, at)
        if self._flush is None:
            self._flush = asyncio.get_running_loop().call_later(PROGRESS_EVERY, self._send_progress)

    async def stream(
        self, *, job: int | None, after: int | None, past: Past, names: frozenset[str] = NAMES
    ) -> AsyncIterator[bytes]:
        """The events of one listener without end: first what `past` holds after `after`, then what happens."""
        listener = _Listener(job, names)
        self._listeners.add(listener)
        try:
            yield b": welcome\n\n"
            if after is not None:
                async for event in self._caught_up(listener, after, past):
                    yield event
            while not self._closed:
                events, listener.events = listener.events, []
                fresh = [event for seq, event in events if seq == 0 or seq > listener.sent]
                if fresh:
                    yield b"".join(fresh)
                    await asyncio.sleep(PACE)
                elif listener.lagging:
                    yield _RESYNC
                    return
                elif not await self._something(listener):
                    yield _BEAT
        finally:
            self._listeners.discard(listener)

    def close(self) -> None:
        """End every stream."""
        self._closed = True
        for listener in self._listeners:
            listener.wake.set()
        if self._flush is not None:
            self._flush.cancel()

    async def _caught_up(self, listener: _Listener, after: int, past: Past) -> AsyncIterator[bytes]:
        """Everything in the history; rows that become durable meanwhile are in the queue and in the history, and go out once."""
        listener.sent = after
        while rows := await past(listener.sent):
            listener.sent = rows[-1].seq
            if events := b"".join(format_row(row) for row in rows if event_name(row) in listener.names):
                yield events
            if self._closed or len(rows) < PAGE:
                return

    async def _something(self, listener: _Listener) -> bool:
        listener.wake.clear()
        try:
            await asyncio.wait_for(listener.wake.wait(), HEARTBEAT)
        except asyncio.TimeoutError:
            return False
        return True

    def _send_progress(self) -> None:
        self._flush = None
        moving, self._moving = self._moving, {}
        for attempt, at in moving.values():
            data = {
                "seq": None,
                "at": at,
                "kind": "progress",
                "job": attempt.job,
                "attempt": attempt.id,
                "server": attempt.server,
                "items": attempt.items,
                "reason": "",
                "actor": "",
                "state": "executing",
                "fraction": attempt.fraction,
                "item": attempt.item,
                "note": attempt.note,
            }
            event = format_sse_event(event="attempt", data_str=orjson.dumps(data).decode())
            for listener in self._listeners:
                if listener.wants("attempt", attempt.job):
                    listener.put(0, event)
