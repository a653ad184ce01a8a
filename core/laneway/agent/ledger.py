"""What an agent knows of its attempts and what follows from each event. No I/O and no clock: times arrive as arguments.

An attempt is *known* from its lease until the dispatcher has its last report for certain. In between it waits for its lane, runs on
it, or is over with its report unacknowledged. A lane runs one attempt; a lease for a busy lane waits (the dispatcher may have given up
an attempt whose renderer has yet to end here). An id is started once: a known one that is leased again is an answer that was repeated,
and one that is *past* (its last report was acknowledged) is reported as stopped. Mostly the dispatcher refuses that as old news;
where its numbers have started again, because its data was restored, it learns that this lane runs nothing.

Reports are kept by attempt and kind, the newest wins: a last report makes those before it superfluous, so a dispatcher that was away
for an hour gets one report an attempt. A report is dropped when the very object that was sent is still the newest.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, islice

from laneway.agent.wire import Lease, Outcome, Report, ended

PAST_LIMIT = 10_000
BATCH_LIMIT = 1_000


@dataclass(slots=True)
class Held:
    """A known attempt. `lease` is None where only its last report came back from the spool."""

    attempt: int
    lease: Lease | None = None
    started: float | None = None
    done: str = ""
    stopping: str | None = None  # the reason why it was told to stop
    over: bool = False


class Ledger:
    """The attempts of `lanes` lanes, numbered from 1."""

    def __init__(self, lanes: int) -> None:
        self._known: dict[int, Held] = {}
        self._current: dict[int, Held | None] = dict.fromkeys(range(1, lanes + 1))
        self._waiting: dict[int, deque[Held]] = {lane: deque() for lane in self._current}
        self._past: dict[int, None] = {}  # never holds a known one, so that those cannot be forgotten
        self._started: dict[int, Report] = {}
        self._progress: dict[int, Report] = {}
        self._finals: dict[int, Report] = {}

    # what is asked of it

    def known(self) -> list[int]:
        """The attempts that the dispatcher must not send again or give away."""
        return list(self._known)

    def running(self) -> list[Held]:
        """The attempts that are with an engine host."""
        return [held for held in self._current.values() if held is not None]

    def current(self, lane: int) -> Held | None:
        """What a lane runs."""
        return self._current[lane]

    def jobs(self) -> set[int]:
        """The jobs of the attempts that run or wait."""
        return {held.lease["job"] for held in self._known.values() if held.lease is not None and not held.over}

    def finals(self) -> list[Report]:
        """The last reports that nobody has acknowledged."""
        return list(self._finals.values())

    def batch(self, limit: int = BATCH_LIMIT) -> list[Report]:
        """The reports to send next; they stay until they are acknowledged."""
        return list(islice(chain(self._finals.values(), self._started.values(), self._progress.values()), limit))

    # what happens

    def accept(self, leases: Iterable[Lease], now: float) -> list[Held]:
        """Takes leases in; returns those that start at once, because their lane is free."""
        starting = []
        for lease in leases:
            attempt = lease["attempt"]
            if attempt in self._known:
                continue
            held = self._known[attempt] = Held(attempt, lease)
            lane = lease["lane"]
            if attempt in self._past:
                self._close(held, "stopped", "this attempt was over here already", now)
            elif lane not in self._current:
                self._close(held, "stopped", f"this server has no lane {lane} any more, only {len(self._current)}", now)
            elif self._current[lane] is None:
                self._current[lane] = held
                starting.append(held)
            else:
                self._waiting[lane].append(held)
        return starting

    def heard(self, lane: int, report: Report) -> Held | None:
        """Takes a report of a lane's engine host; returns the attempt that starts now, where one waited for the lane.

        A report of an attempt that the lane does not run is old news and changes nothing.
        """
        held = self._current[lane]
        attempt = report["attempt"]
        if held is None or held.attempt != attempt:
            return None
        kind = report["kind"]
        if kind == "finished":
            self._keep(held, report)
            return self._next(lane)
        if kind == "progress":
            held.done = report["done"]
            self._progress[attempt] = report
        elif kind == "started":
            held.started = report["at"]
            self._started[attempt] = report
        return None

    def stop(self, attempt: int, reason: str, now: float) -> int | None:
        """Marks an attempt as to be stopped; returns the lane whose engine host must be told, once.

        One that still waits for its lane ends here, and one that was never known is reported as stopped before it began: its lease
        was still under way. One that is over needs nothing.
        """
        held = self._known.get(attempt)
        if held is None:
            if attempt not in self._past:
                held = self._known[attempt] = Held(attempt)
                self._close(held, "stopped", reason, now)
            return None
        if held.over or held.lease is None or held.stopping is not None:
            return None
        held.stopping = reason
        lane = held.lease["lane"]
        if self._current[lane] is held:
            return lane
        self._waiting[lane].remove(held)
        self._close(held, "stopped", reason, now)
        return None

    def drop(self, lane: int, outcome: Outcome, reason: str, now: float, *, retry: bool = True) -> Held | None:
        """Ends what a lane runs without a word from its engine host; returns what starts now in its place."""
        held = self._current[lane]
        if held is None:
            return None
        self._close(held, outcome, reason, now, retry=retry)
        return self._next(lane)

    def acknowledge(self, sent: Iterable[Report], refused: Iterable[int] = ()) -> list[int]:
        """The dispatcher has these reports for good; returns the running attempts that it refuses to hear of."""
        for report in sent:
            attempt, kind = report["attempt"], report["kind"]
            if kind == "finished":
                if self._finals.get(attempt) is report:
                    del self._finals[attempt]
                    self._known.pop(attempt, None)
                    self._remember(attempt)
                continue
            kept = self._started if kind == "started" else self._progress
            if kept.get(attempt) is report:
                del kept[attempt]
        return [attempt for attempt in refused if (held := self._known.get(attempt)) is not None and not held.over]

    def restore(self, reports: Iterable[Report]) -> None:
        """Takes back last reports that an earlier run of this agent could not deliver."""
        for report in reports:
            attempt = report["attempt"]
            if report["kind"] == "finished" and attempt not in self._known:
                self._known[attempt] = Held(attempt, over=True)
                self._finals[attempt] = report

    # within

    def _next(self, lane: int) -> Held | None:
        waiting = self._waiting[lane]
        held = self._current[lane] = waiting.popleft() if waiting else None
        return held

    def _close(self, held: Held, outcome: Outcome, reason: str, now: float, *, retry: bool = True) -> None:
        self._keep(held, ended(held.attempt, outcome, reason, at=now, started=held.started, done=held.done, retry=retry))

    def _keep(self, held: Held, final: Report) -> None:
        held.over = True
        attempt = held.attempt
        self._finals[attempt] = final
        self._started.pop(attempt, None)
        self._progress.pop(attempt, None)

    def _remember(self, attempt: int) -> None:
        past = self._past
        past.pop(attempt, None)  # so that it goes to the end
        past[attempt] = None
        if len(past) > PAST_LIMIT:
            del past[next(iter(past))]
