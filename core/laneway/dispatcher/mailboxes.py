"""What waits for each agent: leases, attempts to end, logs to send or forget. Agents call in; nothing can be pushed to them.

An answer may be lost on its way, so what was sent counts as arrived only when the agent says that it knows of it: each poll names
the attempts that the agent knows, and what is missing there is sent again. An agent ignores what it has seen.

While a report is being answered the waiting poll is not woken: the report's answer takes the leases along, which saves a
round trip per bucket.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import orjson

from laneway.job import Attempt

REMIND_AFTER = 2.0  # seconds before the same thing is sent again to an agent that seems not to have heard


@dataclass(frozen=True)
class LogRequest:
    """A piece of a log that an agent is asked for; a negative offset counts from the end."""

    request: str
    job: int
    attempt: int
    offset: int
    limit: int


class Mailbox:
    """What waits for one agent. `current` tells whether an attempt is still at work, `spec` gives a job's description as JSON."""

    def __init__(self, current: Callable[[int], bool], spec: Callable[[int], tuple[float, orjson.Fragment]]) -> None:
        self._current = current
        self._spec = spec
        self._leases: dict[int, Attempt] = {}
        self._stops: dict[int, str] = {}
        self._forget: set[int] = set()
        self._logs: list[LogRequest] = []
        self._sent: dict[int, tuple[Attempt, float]] = {}  # leases that went out, and when they were last repeated
        self._stopped: dict[int, float] = {}
        self._waiter: asyncio.Future[None] | None = None
        self._reports = 0

    def __bool__(self) -> bool:
        return bool(self._leases or self._stops or self._forget or self._logs)

    # -- filling --

    def lease(self, attempts: Iterable[Attempt]) -> None:
        """Buckets for its lanes."""
        self._leases.update((attempt.id, attempt) for attempt in attempts)
        self.wake()

    def stop(self, attempts: Iterable[tuple[int, str]]) -> None:
        """Attempts that must end, and why."""
        self._stops.update(attempts)
        self.wake()

    def forget(self, jobs: Iterable[int]) -> None:
        """Jobs that are gone, with their logs."""
        self._forget.update(jobs)
        self.wake()

    def ask(self, request: LogRequest) -> None:
        """Somebody reads a log."""
        self._logs.append(request)
        self.wake()

    def over(self, attempt: int) -> None:
        """An attempt has ended: nothing about it needs to be said any more."""
        self._leases.pop(attempt, None)
        self._sent.pop(attempt, None)
        self._stopped.pop(attempt, None)

    def rejoined(self, attempts: Iterable[Attempt]) -> None:
        """The agent has joined and holds exactly these."""
        self._sent = {attempt.id: (attempt, 0.0) for attempt in attempts}
        self._leases.clear()
        self._stopped.clear()

    # -- emptying --

    def reconcile(self, known: Sequence[int], owned: Mapping[int, Attempt], now: float) -> None:
        """Put back what the agent does not know of, and what it should long have ended."""
        heard = set(known)
        for attempt_id, (attempt, repeated) in self._sent.items():
            if attempt_id not in heard and repeated + REMIND_AFTER <= now and self._current(attempt_id):
                self._leases[attempt_id] = attempt
                self._sent[attempt_id] = (attempt, now)
        unheard = {attempt_id for attempt_id, attempt in owned.items() if attempt.stopping is not None}
        for attempt_id in heard | unheard:
            mine = owned.get(attempt_id)
            reason = "it is not this server's any more" if mine is None else mine.stopping
            if reason is not None and self._stopped.get(attempt_id, 0.0) + REMIND_AFTER <= now:
                self._stops[attempt_id] = reason
                self._stopped[attempt_id] = now
        self._stopped = {attempt_id: at for attempt_id, at in self._stopped.items() if attempt_id in heard | unheard}

    def answer(self, lease: float, now: float, more: Mapping[str, object] | None = None) -> bytes:
        """Everything that waits, as the agent gets it."""
        leases, jobs = [], {}
        for attempt in self._leases.values():
            if attempt.stopping is not None or not self._current(attempt.id):
                continue
            timeout, spec = self._spec(attempt.job)
            jobs[str(attempt.job)] = spec
            leases.append(
                {
                    "attempt": attempt.id,
                    "number": attempt.number,
                    "job": attempt.job,
                    "lane": attempt.lane,
                    "items": attempt.items,
                    "timeout": timeout,
                }
            )
            if attempt.id not in self._sent:
                self._sent[attempt.id] = (attempt, 0.0)
        stops = [{"attempt": attempt_id, "reason": reason} for attempt_id, reason in self._stops.items()]
        self._stopped.update(dict.fromkeys(self._stops, now))
        body = {
            "leases": leases,
            "jobs": jobs,
            "stop": stops,
            "forget": list(self._forget),
            "logs": self._logs,
            "lease": lease,
            **(more or {}),
        }
        answer = orjson.dumps(body)
        self._leases.clear()
        self._stops.clear()
        self._forget.clear()
        self._logs = []
        return answer

    # -- waiting --

    async def wait(self, seconds: float) -> None:
        """Until there is something, another poll takes this one's place, or time is up."""
        self.release()
        waiter = self._waiter = asyncio.get_running_loop().create_future()
        timer = asyncio.get_running_loop().call_later(seconds, _finish, waiter)
        try:
            await waiter
        finally:
            timer.cancel()
            if self._waiter is waiter:
                self._waiter = None

    def wake(self) -> None:
        """Let the waiting poll answer, unless a report's answer is about to."""
        if self._reports == 0 and self._waiter is not None and self:
            _finish(self._waiter)

    def release(self) -> None:
        """Let the waiting poll answer with whatever there is."""
        if self._waiter is not None:
            _finish(self._waiter)
            self._waiter = None

    def begin_report(self) -> None:
        """A report has come in; its answer takes along what it leads to."""
        self._reports += 1

    def end_report(self) -> None:
        """It is answered, or could not be."""
        self._reports -= 1
        self.wake()


def _finish(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
