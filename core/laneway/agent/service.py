"""The agent at work: one poll that is always outstanding, one loop that reports, one watch over the lease."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from laneway.agent import logs, machine, peer
from laneway.agent.connection import RefusedError, SupersededError, UnknownServerError
from laneway.agent.contact import Contact
from laneway.agent.lanes import PATIENCE, Lanes, Setting
from laneway.agent.ledger import Ledger
from laneway.agent.spool import Spool
from laneway.agent.wire import Answer, LogRequest, Report
from laneway.errors import AccessError, UnreachableError, UserError
from laneway.locate import is_loopback

if TYPE_CHECKING:
    import psutil

log = logging.getLogger(__name__)

FIRST_PAUSE, LAST_PAUSE = 0.1, 2.0  # seconds between tries to reach a dispatcher that is away
GOODBYE = 3.0  # seconds that the last reports and the leave may take
LOG_LIMIT = 65536
WATCH_EVERY = 2.0  # seconds: timers do not run while the computer sleeps, so the lease is looked at again soon after it wakes
PROBE_PAUSE = 60.0  # seconds until engine hosts that knew no engine are asked again


class Dispatcher(Protocol):
    """What the agent needs of its connection; the errors are those of `laneway.agent.connection`."""

    @property
    def url(self) -> str:
        """Where it is."""

    async def join(self, body: Mapping[str, Any], *, patience: float) -> Answer:
        """Says who this server is."""

    async def poll(self, known: Sequence[int], *, wait: float, patience: float) -> Answer:
        """Asks for work."""

    async def report(self, reports: Sequence[Report], *, patience: float) -> Answer:
        """Delivers reports."""

    async def leave(self, *, patience: float) -> None:
        """Says that this server stops."""

    async def send_log(self, request: str, data: bytes, *, offset: int, size: int, complete: bool) -> None:
        """Answers a request for a part of a log."""


class Agent:
    """`facts` is the body of the join without `held`; `joined` is called with the dispatcher's address once, at the first join."""

    def __init__(
        self,
        *,
        facts: Mapping[str, Any],
        setting: Setting,
        dispatcher: Dispatcher,
        spool: Spool,
        joined: Callable[[str], None],
        clock: Callable[[], float] = machine.clock,
    ) -> None:
        self._facts = dict(facts)
        self._setting = setting
        self._dispatcher = dispatcher
        self._spool = spool
        self._joined = joined
        self._clock = clock
        self._ledger = Ledger(facts["lanes"])
        self._due = asyncio.Event()
        self._stopping = asyncio.Event()
        self._lease_changed = asyncio.Event()
        self.lanes = Lanes(facts["lanes"], self._ledger, setting, self._due.set)
        self._contact = Contact(clock())
        self._peer: psutil.Process | None = None  # the dispatcher, where it runs on this computer
        self._away = True  # until the first join; reports wait meanwhile
        self._known_there = False
        self._ever_joined = False
        self._complained = False
        self._leaving = False
        self._asking: asyncio.Future[Answer] | None = None
        self._errands: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """Ends what runs, gives it back and leaves; `run` returns then."""
        self._stopping.set()

    async def run(self) -> None:
        """Serves until `stop`. Raises AccessError or UserError where the dispatcher refuses the first join, SupersededError."""
        self._ledger.restore(self._spool.load())
        await self.lanes.start()
        loops = [asyncio.create_task(work) for work in (self._poll(), self._report(), self._watch())]
        stop = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait([stop, *loops], return_when=asyncio.FIRST_COMPLETED)
            failed = next((task for task in loops if task.done()), None)
            loops[0].cancel()
            loops[2].cancel()
            if not isinstance(failed.exception() if failed else None, SupersededError):
                await self._leave(reporting=loops[1])
            else:
                await self.lanes.finish("another agent has taken this server over")
            if failed is not None:
                failed.result()
        finally:
            for task in (stop, *loops, *self._errands):
                task.cancel()
            await self.lanes.close()

    # the three loops

    async def _poll(self) -> None:
        self._facts["engines"] = await self.lanes.probe()
        if not self._facts["engines"]:
            self._errand(self._probe_again())
        pause = FIRST_PAUSE
        while True:
            sent = self._clock()
            try:
                if not self._known_there:
                    await self._join()
                    continue
                answer = await self._next_answer()
                if answer is None:
                    continue
            except UnknownServerError:
                self._away, self._known_there = True, False  # its data may be gone, and then no report is meant for it
            except UnreachableError as exc:
                self._lost(exc)
            except UserError as exc:
                if not self._ever_joined or isinstance(exc, SupersededError):
                    raise
                self._lost(exc)  # a renewed token, a proxy's page: what runs is worth waiting for better times
            else:
                pause = FIRST_PAUSE
                self._back(sent, answer)
                self._take(answer)
                continue
            await asyncio.sleep(pause)
            pause = min(pause * 2, LAST_PAUSE, self._contact.lease / 6)

    async def _next_answer(self) -> Answer | None:
        """A poll's answer; None where a report has failed meanwhile, and a poll that just waits would hide that."""
        wait = 0.0 if self._away else self._contact.wait
        poll = self._dispatcher.poll(self._ledger.known(), wait=wait, patience=self._contact.patience)
        self._asking = asyncio.ensure_future(poll)
        try:
            await asyncio.wait([self._asking])
            return None if self._asking.cancelled() else self._asking.result()
        finally:
            self._asking.cancel()

    async def _report(self) -> None:
        while not self._leaving:
            await self._due.wait()
            self._due.clear()
            if self._away:
                self._spool.keep(self._ledger.finals())
                continue
            await asyncio.sleep(0)  # what other hosts have written by now goes along
            while (batch := self._ledger.batch()) and await self._deliver(batch):
                pass

    async def _deliver(self, batch: list[Report]) -> bool:
        """Whether the dispatcher is there to take more."""
        if self._away:
            return False
        sent, ledger = self._clock(), self._ledger
        try:
            answer = await self._dispatcher.report(batch, patience=self._contact.patience)
        except UnknownServerError:
            self._away, self._known_there = True, False
            self._ask_anew()
        except (UnreachableError, AccessError) as exc:
            self._lost(exc)
            self._due.set()  # to spool them
            self._ask_anew()
        except SupersededError:
            raise
        except UserError as exc:
            if len(batch) > 1:
                for report in batch:
                    if not await self._deliver([report]):
                        return False
            else:
                log.error("the dispatcher takes no such report, so it is dropped: %s (%.500s)", exc, batch[0])
                ledger.acknowledge(batch)
            return True
        else:
            self._delivered(batch, ledger, sent, answer)
            return True
        return False

    def _delivered(self, batch: list[Report], ledger: Ledger, sent: float, answer: Answer) -> None:
        if ledger is not self._ledger:
            return  # it was about the attempts of another dispatcher, which had the same numbers
        stale = {}
        for refusal in answer.get("refused", ()):
            attempt, reason = refusal["attempt"], refusal["reason"]
            if refusal.get("stale", True):
                stale[attempt] = reason
            else:
                log.error("the dispatcher cannot read a report of attempt %s, so it is dropped: %s", attempt, reason)
        for attempt in ledger.acknowledge(batch, stale):
            self.lanes.stop(attempt, stale[attempt])
        self._heard(sent, answer)
        if not self._ledger.finals():
            self._spool.clear()
        self._take(answer)

    def _ask_anew(self) -> None:
        if self._asking is not None:
            self._asking.cancel()

    async def _watch(self) -> None:
        while True:
            now, deadline = self._clock(), self._contact.deadline
            if now < deadline:
                self._lease_changed.clear()
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._lease_changed.wait(), min(deadline - now, WATCH_EVERY))
            elif self._ledger.running():
                silence = now - self._contact.last
                log.warning(
                    "no word from %s for %.1f s: its leases may be over, so what runs is ended", self._dispatcher.url, silence
                )
                grace = self._contact.grace
                reason = f"the agent could not reach the dispatcher for {silence:.0f} s"
                self.lanes.stop_all(reason, grace=grace, patience=min(PATIENCE, grace / 2))
                await asyncio.sleep(max(grace, 1.0))
            else:
                await asyncio.sleep(max(self._contact.lease / 10, 1.0))

    # contact

    async def _probe_again(self) -> None:
        """A server without engines is of no use: asks until there is one, and joins with it."""
        while not self._facts["engines"]:
            await asyncio.sleep(PROBE_PAUSE)
            self._facts["engines"] = await self.lanes.probe()
        self._known_there = False

    async def _join(self) -> None:
        sent = self._clock()
        body = {**self._facts, "held": self._ledger.known()}
        answer = await self._dispatcher.join(body, patience=self._contact.patience)
        self._heard(sent, answer)
        identity = answer.get("dispatcher") or {}
        self._peer = peer.sighted(identity)
        await self._recognise(identity.get("id"))
        self._known_there = True
        self._back(sent, answer)
        self._take(answer)
        if not self._ever_joined:
            self._ever_joined = True
            self._joined(self._dispatcher.url)

    async def _recognise(self, dispatcher: str | None) -> None:
        """Starts over where the dispatcher is another one: its attempts and jobs have the numbers of others that are known here."""
        before = self._spool.dispatcher
        if dispatcher is not None and before not in (None, dispatcher):
            log.warning("%s is not the dispatcher that it was: what it gave out is ended and forgotten", self._dispatcher.url)
            self._away = True
            self._ledger = await self.lanes.start_over("another dispatcher has taken over, which knows nothing of this attempt")
            self._spool.clear()
        self._spool.dispatcher = dispatcher or before

    def _lost(self, exc: UserError) -> None:
        self._away = True
        now = self._clock()
        down = (
            isinstance(exc, RefusedError)
            and self._peer is not None
            and is_loopback(self._dispatcher.url)
            and peer.has_ended(self._peer)
        )
        if down:
            self._contact.down(now)
        if not self._complained:
            self._complained = True
            left = "" if down else f" for {max(self._contact.deadline - now, 0.0):.0f} s"
            onward = f"Rendering goes on{left}; trying again." if self._ever_joined else "Trying until it answers."
            log.warning("%s %s", exc, onward)

    def _heard(self, sent: float, answer: Answer) -> None:
        if self._contact.heard(sent, answer.get("lease")):
            self._lease_changed.set()

    def _back(self, sent: float, answer: Answer) -> None:
        self._heard(sent, answer)
        if self._complained:
            self._complained = False
            log.warning("%s is back.", self._dispatcher.url)
        if self._away:
            self._away = False
            self._due.set()

    def _take(self, answer: Answer) -> None:
        """Does what an answer asks for; stops come first, since a lease may be for a lane that they free."""
        for stop in answer.get("stop", ()):
            self.lanes.stop(stop["attempt"], stop["reason"])
        leases = answer.get("leases")
        if leases:
            self.lanes.accept(leases, answer.get("jobs") or {})
        for request in answer.get("logs", ()):
            self._errand(self._send_log(request))
        for job in answer.get("forget", ()):
            self.lanes.forget(job)
            self._errand(asyncio.to_thread(logs.forget, self._setting.log_folder(job)))

    async def _send_log(self, request: LogRequest) -> None:
        attempt = request["attempt"]
        over = attempt not in {held.attempt for held in self._ledger.running()}  # asked before reading: then nothing more comes
        path = self._setting.log_folder(request["job"]) / f"{attempt}.log"
        part = await asyncio.to_thread(logs.read, path, request.get("offset", 0), request.get("limit", LOG_LIMIT))
        await self._dispatcher.send_log(request["request"], part.data, offset=part.offset, size=part.size, complete=over)

    async def _leave(self, *, reporting: asyncio.Task[None]) -> None:
        await self.lanes.finish("the agent was stopped")
        self._leaving = True
        self._due.set()
        await asyncio.wait([reporting], timeout=GOODBYE)
        try:
            if not self._away:
                await self._dispatcher.leave(patience=GOODBYE)
        except UserError as exc:
            log.warning("%s", exc)
        self._spool.keep(self._ledger.finals())

    def _errand(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._errands.add(task)
        task.add_done_callback(self._errand_done)

    def _errand_done(self, task: asyncio.Task[None]) -> None:
        self._errands.discard(task)
        if not task.cancelled() and (exc := task.exception()) is not None:
            log.warning("something on the side failed: %s", exc)
