"""Wait until jobs are over.

A thread listens to the events and only says which jobs have changed; those are then asked for, at most ten times a second
however fast the farm is. Unless somebody wants every event, it listens to the jobs' own and asks for running jobs now and then, so
that a client costs the same whether a job has ten tasks or ten thousand. Where no event stream can be had, every job is asked for
every two seconds instead. The dispatcher may be restarted meanwhile.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol

from laneway.client.events import EventStream
from laneway.client.views import OVER, EventView, JobView
from laneway.client.wire import Wire
from laneway.errors import LanewayError, NotFoundError

INTERVAL = 0.1  # seconds between two looks at a busy job
UPDATE = 0.25  # seconds between two looks at a job whose progress is shown
POLL, POLL_CONNECTED = 2.0, 15.0  # seconds between two looks at a quiet one, without and with events
OUTAGE = 600.0  # seconds that a dispatcher may stay away


class Source(Protocol):
    """Where jobs are looked up."""

    def job(self, job: int, *, patience: float | None = None) -> JobView:
        """The job as it is now; raises NotFoundError once it is deleted."""


class _Listener(threading.Thread):
    """Puts events into a queue until closed; None stands for a change of the connection."""

    def __init__(self, wire: Wire, job: int | None, names: str | None) -> None:
        super().__init__(name="laneway-events", daemon=True)
        self.events: queue.SimpleQueue[EventView | None] = queue.SimpleQueue()
        self.connected = False
        self._wire = wire
        self._stream = EventStream(wire, job=job, patience=OUTAGE, opened=self._opened, names=names)

    def run(self) -> None:
        try:
            for event in self._stream:
                self.events.put(event)
        except LanewayError:
            self._opened(False)  # the waiting itself goes on by asking, and meets the same trouble if it lasts
        finally:
            self._wire.release()

    def close(self) -> None:
        self._stream.close()
        self.join(1.0)  # at worst it sits in the making of a connection; as a daemon it holds up nobody

    def _opened(self, connected: bool) -> None:
        self.connected = connected
        self.events.put(None)


def wait(
    source: Source,
    wire: Wire,
    ids: Iterable[int],
    *,
    timeout: float | None = None,
    on_update: Callable[[JobView], None] | None = None,
    on_event: Callable[[EventView], None] | None = None,
) -> list[JobView]:
    """The jobs, in the order of `ids`, once all are over; one that is deleted meanwhile has the state `deleted`.

    `on_update` gets each job first and whenever it has changed, `on_event` every event of these jobs. Raises TimeoutError after
    `timeout` seconds and NotFoundError for a job that is not there from the start.
    """
    wanted = list(dict.fromkeys(ids))
    deadline = None if timeout is None else time.monotonic() + timeout
    views: dict[int, JobView] = {}
    stale = set(wanted)
    listener = _Listener(wire, wanted[0] if len(wanted) == 1 else None, "job" if on_event is None else None)
    pace = UPDATE if on_update is not None else POLL_CONNECTED
    listener.start()
    try:
        while True:
            looked = time.monotonic()
            for number in sorted(stale):
                view = _look(source, number, views.get(number), _left(deadline, OUTAGE))
                if view != views.get(number) and on_update is not None:
                    on_update(view)
                views[number] = view
            if all(view.over for view in views.values()):
                return [views[number] for number in wanted]
            stale = _changed(listener, {n for n, v in views.items() if not v.over}, looked, deadline, on_event, pace)
            if not stale and deadline is not None and time.monotonic() >= deadline:
                left = ", ".join(str(n) for n, v in views.items() if not v.over)
                raise TimeoutError(f"not over after {timeout:g} s: job {left}")
    finally:
        listener.close()


def _look(source: Source, number: int, before: JobView | None, patience: float) -> JobView:
    try:
        return source.job(number, patience=patience)
    except NotFoundError:
        if before is None:
            raise
        return replace(before, state="deleted", reason="deleted")


def _changed(
    listener: _Listener,
    open_jobs: set[int],
    looked: float,
    deadline: float | None,
    on_event: Callable[[EventView], None] | None,
    pace: float,
) -> set[int]:
    """The jobs to look at again; empty when `deadline` came first."""
    changed: set[int] = set()
    while True:
        now = time.monotonic()
        due = looked + (INTERVAL if changed else pace if listener.connected else POLL)
        until = due if deadline is None else min(due, deadline)
        if now >= until:
            return (changed or open_jobs) if now >= due else set()
        try:
            event = listener.events.get(timeout=until - now)
        except queue.Empty:
            continue
        if event is None:
            changed |= open_jobs  # connected anew, or no more: whatever happened in between was not heard
        elif event.job in open_jobs:
            if on_event is not None:
                on_event(event)
            changed.add(event.job)
            if event.name == "job" and event.state in OVER:
                return changed


def _left(deadline: float | None, most: float) -> float:
    return most if deadline is None else max(0.0, min(most, deadline - time.monotonic()))
