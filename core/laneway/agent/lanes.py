"""The lanes of a server: what the ledger decides is done here, by engine hosts that are kept alive."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from laneway.agent import processes
from laneway.agent.hosts import EngineHost
from laneway.agent.ledger import Held, Ledger
from laneway.agent.wire import Lease, Report

log = logging.getLogger(__name__)

GRACE = 5.0  # seconds between TERM and KILL
PATIENCE = 10.0  # seconds past the grace until a host that does not answer is ended itself
FIRST_DELAY, LAST_DELAY = 0.2, 10.0  # seconds before a host that ended is started again
STEADY = 10.0  # a host that lived this long is started again after the first delay
HOPELESS = 3  # starts that fail before a bucket is told so
PROBE_PATIENCE = 60.0
SPECS = 64  # specifications of jobs that are kept, if nothing needs more
EXIT_PATIENCE = 3.0  # seconds that hosts have to exit after their input ended


@dataclass(frozen=True, slots=True)
class Setting:
    """What the lanes are run with. `command` starts an engine host; `folder` is the agent's data folder."""

    server: str
    boot: str
    hostname: str
    folder: Path
    command: Sequence[str]
    environment: Mapping[str, str]

    def log_folder(self, job: int) -> Path:
        """Where the logs of a job are: one file an attempt."""
        return self.folder / "logs" / str(job)


@dataclass(slots=True)
class Slot:
    """A lane as processes see it. `given` is the attempt that its host was told to run; the host may be gone, its renderer not."""

    number: int
    host: EngineHost | None = None
    given: int | None = None
    delay: float = FIRST_DELAY
    failures: int = 0
    born: float = 0.0


class Lanes:
    """Runs and stops attempts; `wake` is called when there is something to report."""

    def __init__(self, count: int, ledger: Ledger, setting: Setting, wake: Callable[[], None]) -> None:
        self._ledger = ledger
        self._setting = setting
        self._wake = wake
        self._slots = {number: Slot(number) for number in range(1, count + 1)}
        self._specs: dict[int, dict[str, Any]] = {}
        self._log_folders: dict[int, str] = {}
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._spawning = asyncio.Lock()  # a sweep must not take a host that is being started for an orphan
        self._probed: asyncio.Future[dict[str, Any]] | None = None
        self._probe_failures = 0
        self._ending = False  # everything is to end, and nothing is accepted
        self._closing = False  # as above, for good: hosts are not started again either
        self._idle = asyncio.Event()  # nothing runs, and nothing will
        self._hostless = asyncio.Event()

    # what the service asks for

    async def start(self) -> None:
        """Starts every engine host."""
        await asyncio.gather(*(self._start(slot) for slot in self._slots.values()))

    async def probe(self) -> dict[str, Any]:
        """Asks the first host which engines can run here; none, where it gives no answer."""
        self._probed = asyncio.get_running_loop().create_future()
        self._probe_failures = 0
        host = self._slots[1].host
        if host is not None:
            host.send({"type": "probe"})
        try:
            engines = await asyncio.wait_for(self._probed, PROBE_PATIENCE)
        except asyncio.TimeoutError:
            engines = {}
        if not engines:
            log.warning("the engine hosts do not say which engines can run here")
        return engines

    def accept(self, leases: Iterable[Lease], jobs: Mapping[str, dict[str, Any]]) -> None:
        """Starts what was leased."""
        if self._ending:
            return  # leaving gives it back; to one who starts over it is sent again
        for job, spec in jobs.items():
            self._specs.pop(int(job), None)  # so that it goes to the end
            self._specs[int(job)] = spec
        starting = self._ledger.accept(leases, time.time())
        self._forget_old_specs()
        for held in starting:
            self._run(held)

    def stop(self, attempt: int, reason: str, *, grace: float = GRACE, patience: float = PATIENCE) -> None:
        """Ends an attempt: its host is told, and is ended itself when it does not answer."""
        lane = self._ledger.stop(attempt, reason, time.time())
        if lane is None:
            self._hasten(attempt, grace + patience)
            self._changed()
            return
        slot = self._slots[lane]
        if slot.given != attempt:
            self._follow(self._ledger.drop(lane, "stopped", reason, time.time()))
            self._changed()
        elif slot.host is not None:
            slot.host.send({"type": "stop", "attempt": attempt, "grace": grace, "reason": reason})
            self._timers[attempt] = asyncio.get_running_loop().call_later(grace + patience, self._overdue, slot, attempt)

    def stop_all(self, reason: str, *, grace: float = GRACE, patience: float = PATIENCE) -> None:
        """Ends every attempt that is not over, the waiting ones first so that none of them starts."""
        running = [held.attempt for held in self._ledger.running()]
        for attempt in [*(a for a in self._ledger.known() if a not in running), *running]:
            self.stop(attempt, reason, grace=grace, patience=patience)

    def forget(self, job: int) -> None:
        """A job's logs are gone: their folder is made again when needed."""
        self._log_folders.pop(job, None)
        self._specs.pop(job, None)

    async def finish(self, reason: str) -> None:
        """Ends everything and waits until it is over; no lease is taken any more."""
        self._closing = True
        await self._end_all(reason)

    async def start_over(self, reason: str) -> Ledger:
        """Ends everything, waits until it is over, and returns the fresh ledger with which it goes on."""
        await self._end_all(reason)
        self._ledger = Ledger(len(self._slots))
        self._specs.clear()
        self._ending = False
        return self._ledger

    async def close(self) -> None:
        """Ends the hosts."""
        self._closing = True
        hosts = [slot.host for slot in self._slots.values() if slot.host is not None]
        for host in hosts:
            host.close()
        with contextlib.suppress(asyncio.TimeoutError):
            if hosts:
                await asyncio.wait_for(self._hostless.wait(), EXIT_PATIENCE)
        self.kill()
        for task in self._tasks:
            task.cancel()

    def kill(self) -> None:
        """Ends renderers and hosts at once."""
        self._closing = True
        hosts = [slot.host for slot in self._slots.values() if slot.host is not None]
        if not hosts:
            return
        pids = {host.pid for host in hosts}
        processes.end((p for p in processes.of_boot(self._setting.server, self._setting.boot) if p.pid not in pids), spare=pids)
        for host in hosts:
            host.kill()
        processes.end(processes.of_boot(self._setting.server, self._setting.boot))

    # what the hosts say

    def heard(self, host: EngineHost, message: dict[str, Any]) -> None:
        """A message of a lane's host; a report goes on as it is."""
        kind = message.pop("type", None)
        if kind == "report":
            report = cast("Report", message)  # the host's word: it is passed on, not examined
            following = self._ledger.heard(host.lane, report)
            if report["kind"] == "finished":
                timer = self._timers.pop(report["attempt"], None) if self._timers else None
                if timer is not None:
                    timer.cancel()
                self._slots[host.lane].given = None
                self._follow(following)
            self._changed()
        elif kind == "ready":
            host.ready = True
            self._slots[host.lane].failures = 0
        elif kind == "probed" and self._probed is not None and not self._probed.done():
            self._probed.set_result(message.get("engines") or {})

    def ended(self, host: EngineHost, how: str) -> None:
        """A host is gone."""
        slot = self._slots[host.lane]
        if slot.host is host:
            slot.host = None
            if all(slot.host is None for slot in self._slots.values()):
                self._hostless.set()
            self._spawn(self._replace(slot, host, how))

    # within

    def _run(self, held: Held) -> None:
        lease = held.lease
        if lease is None:  # only a report that came back from the spool has none, and that never runs
            return
        slot = self._slots[lease["lane"]]
        if held.over or slot.host is None:
            return  # where the host is missing, the next one runs it: see _start
        spec = self._specs.get(lease["job"])
        if spec is None:
            self._refuse(slot, f"the dispatcher sent no specification of job {lease['job']}")
            return
        try:
            folder = self._log_folder(lease["job"])
        except OSError as exc:
            self._refuse(slot, f"no log can be written to {self._setting.log_folder(lease['job'])}: {exc.strerror}")
            return
        slot.given = held.attempt
        slot.host.send(
            {
                "type": "run",
                **lease,
                "spec": spec,
                "log": f"{folder}/{held.attempt}.log",
                "server": self._setting.server,
                "hostname": self._setting.hostname,
            }
        )

    def _follow(self, held: Held | None) -> None:
        if held is not None:
            self._run(held)

    def _refuse(self, slot: Slot, reason: str) -> None:
        # Not at once: a lane full of waiting leases would recurse through all of them.
        following = self._ledger.drop(slot.number, "failed", reason, time.time())
        self._changed()
        if following is not None:
            asyncio.get_running_loop().call_soon(self._run, following)

    async def _end_all(self, reason: str) -> None:
        self._ending = True
        self._idle.clear()
        self.stop_all(reason)
        self._changed()
        await self._idle.wait()

    def _forget_old_specs(self) -> None:
        spare = len(self._specs) - max(SPECS, 4 * len(self._slots))
        if spare > 0:
            needed = self._ledger.jobs()
            for job in [job for job in self._specs if job not in needed][:spare]:
                del self._specs[job]

    def _log_folder(self, job: int) -> str:
        folder = self._log_folders.get(job)
        if folder is None:
            path = self._setting.log_folder(job)
            path.mkdir(parents=True, exist_ok=True)
            if len(self._log_folders) > 1000:
                self._log_folders.clear()
            folder = self._log_folders[job] = str(path)
        return folder

    def _hasten(self, attempt: int, delay: float) -> None:
        """What was told to stop before has less time now, if that is less than it had."""
        timer = self._timers.get(attempt)
        loop = asyncio.get_running_loop()
        if timer is not None and timer.when() > loop.time() + delay:
            timer.cancel()
            slot = next(slot for slot in self._slots.values() if slot.given == attempt)
            self._timers[attempt] = loop.call_later(delay, self._overdue, slot, attempt)

    def _overdue(self, slot: Slot, attempt: int) -> None:
        self._timers.pop(attempt, None)
        if slot.given == attempt and slot.host is not None:
            log.warning("lane %d: its engine host did not stop attempt %d in time and is ended", slot.number, attempt)
            slot.host.kill()

    async def _start(self, slot: Slot) -> None:
        host = EngineHost(slot.number, self, self._setting.folder / "hosts" / f"lane-{slot.number}.log")
        slot.born = time.monotonic()
        try:
            async with self._spawning:
                if self._closing:
                    return
                await host.start(self._setting.command, self._setting.environment)
                slot.host = host
        except OSError as exc:
            self._spawn(self._replace(slot, host, f"cannot be started: {exc}"))
            return
        if slot.number == 1 and self._probed is not None and not self._probed.done():
            host.send({"type": "probe"})
        self._follow(self._ledger.current(slot.number))

    async def _replace(self, slot: Slot, host: EngineHost, how: str) -> None:
        if not self._closing or slot.given is not None:
            log.warning("lane %d: its engine host ended (%s) %s", slot.number, how, host.last_words())
        await self._end_orphans(slot.number, slot.given)
        given, slot.given = slot.given, None  # until now it counted as running: its renderer might have been
        held = self._ledger.current(slot.number)
        # A host that never was ready has not begun: its bucket stays for the next one, unless it is to stop anyway.
        if held is not None and held.attempt == given and (host.ready or held.stopping is not None):
            self._close_attempt(slot, held, f"the lane's engine host ended ({how})")
        if slot.number == 1 and self._probed is not None and not self._probed.done():
            self._probe_failures += 1  # an engine's probe may take the host down with it, again and again
            if self._probe_failures >= HOPELESS:
                self._probed.set_result({})
        if not host.ready:
            slot.failures += 1
            if slot.failures >= HOPELESS and self._ledger.current(slot.number) is not None:
                words = host.last_words()
                reason = f"the lane's engine host does not start ({how}{': ' + words if words else ''})"
                self._ledger.drop(slot.number, "failed", reason, time.time())
                self._changed()
        if time.monotonic() - slot.born > STEADY:
            slot.delay = FIRST_DELAY
        delay, slot.delay = slot.delay, min(slot.delay * 2, LAST_DELAY)
        if not self._closing:
            await asyncio.sleep(delay)
            await self._start(slot)

    def _close_attempt(self, slot: Slot, held: Held, reason: str) -> None:
        timer = self._timers.pop(held.attempt, None)
        if timer is not None:
            timer.cancel()
        if held.stopping is not None:
            self._ledger.drop(slot.number, "stopped", f"{held.stopping} ({reason})", time.time())
        else:
            self._ledger.drop(slot.number, "failed", f"{reason}; its renderer was ended too", time.time())
        self._changed()

    async def _end_orphans(self, lane: int, attempt: int | None) -> None:
        """Ends what a dead host left, and returns only when it is gone: then the attempt can be given to somebody else."""
        began = time.monotonic()
        pause = 0.01
        while True:
            async with self._spawning:
                hosts = {slot.host.pid for slot in self._slots.values() if slot.host is not None}
                found = processes.inherited(hosts)
                if attempt is not None:
                    found += processes.of_attempt(self._setting.server, attempt)
                processes.end(found, spare=hosts)
            if not found:
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, 1.0)
            if pause == 1.0 and time.monotonic() - began < 5.0:
                log.warning("lane %d: processes do not end: %s", lane, ", ".join(str(p.pid) for p in found))

    def _changed(self) -> None:
        self._wake()
        if self._ending and not self._ledger.running():
            self._idle.set()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (exc := task.exception()) is not None:
            log.error("a lane could not be kept up", exc_info=exc)
