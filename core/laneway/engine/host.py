"""The resident process of one lane: takes buckets as JSON lines on its standard input, runs them, reports on its standard output.

It keeps both for itself: engine code and renderers find /dev/null as their input, and what they print goes to this process's
standard error. An engine is imported once. When the agent goes away, whatever runs here is killed, and the process exits.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType

from laneway.engine import environment, report
from laneway.engine.bucket import Bucket, Spec
from laneway.engine.common import Common, Context
from laneway.engine.discovery import load
from laneway.engine.inbox import Inbox
from laneway.engine.probe import probe_all
from laneway.engine.process import Machine, machine
from laneway.engine.runner import HungUp, Runner
from laneway.errors import UserError
from laneway.model import Json

_encode = json.JSONEncoder(separators=(",", ":")).encode


class Host:
    """Follows orders until they end. `write` takes one encoded line."""

    def __init__(self, lane: Machine, write: Callable[[bytes], None], environ: dict[str, str]) -> None:
        self._machine = lane
        self._write = write
        self._environ = environ
        self._inbox = Inbox()
        self._engines: dict[str, type[Common]] = {}
        self._job: tuple[Json, Spec] | None = None  # buckets of one job come in a row: what its JSON became is kept
        self._cores = _cores(environ)

    def serve(self) -> None:
        """Runs until nobody gives orders any more."""
        self.send({"type": "ready", "pid": os.getpid()})
        inbox = self._inbox
        try:
            while not inbox.closed:
                if inbox.messages:
                    self._follow(inbox.messages.popleft())
                    continue
                inbox.forget_stops()
                happening = self._machine.wait(None)
                if happening.orders is not None:
                    inbox.feed(happening.orders)
        except (HungUp, BrokenPipeError):
            self._machine.kill()

    def send(self, message: dict[str, Json]) -> None:
        """Hands a message to the agent."""
        self._write(_encode(message).encode("ascii") + b"\n")

    def _follow(self, message: dict[str, Json]) -> None:
        if message.get("type") == "run":
            self.send(self._run(message).message(time.time()))
        elif message.get("type") == "probe":
            offers = probe_all(self._environ)
            self.send({"type": "probed", "engines": report.clean(offers)})

    def _run(self, message: dict[str, Json]) -> report.Result:
        try:
            bucket = Bucket.from_wire(message, self._spec(message.get("spec")))
        except UserError as exc:
            attempt = message.get("attempt")
            result = report.Result(attempt if isinstance(attempt, int) else 0, time.time())
            result.outcome, result.reason, result.retry = "failed", str(exc), False
            return result
        stop = self._inbox.stop_for(bucket.attempt)
        if stop is not None:
            return report.Result(bucket.attempt, time.time(), outcome="stopped", reason=stop.reason)
        runner = Runner(bucket, self._machine, self._inbox, self.send)
        return runner.run(lambda: self._engine(bucket), self._environ)

    def _spec(self, data: Json) -> Spec:
        if self._job is None or self._job[0] != data:
            self._job = (data, Spec.from_wire(data if isinstance(data, dict) else {}))
        return self._job[1]

    def _engine(self, bucket: Bucket) -> Common:
        name = bucket.spec.engine
        kind = self._engines.get(name)
        if kind is None:
            kind = self._engines[name] = load(name)
        context = Context(
            attempt=bucket.attempt,
            number=bucket.number,
            lane=bucket.lane,
            server=bucket.server,
            hostname=bucket.hostname,
            cores=self._cores,
            environ=self._environ,
        )
        return kind(bucket.spec, bucket.items, context)


def _cores(environ: dict[str, str]) -> int:
    """The lane's share of the server's cores: LANEWAY_CORES, which the agent sets, otherwise all of them."""
    text = environ.get("LANEWAY_CORES", "")
    return int(text) if text.isdigit() and int(text) > 0 else os.cpu_count() or 1


def _take_streams() -> tuple[int, int]:
    """Keeps the real standard input and output: their descriptors, which no child inherits. 0 and 1 become harmless."""
    orders, reports = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return orders, reports


def _writer(descriptor: int) -> Callable[[bytes], None]:
    def write(line: bytes) -> None:
        while line:
            line = line[os.write(descriptor, line) :]

    return write


def _hang_up_on(orders: int) -> Callable[[int, FrameType | None], None]:
    """A signal handler after which the orders read as ended: raising from a handler could lose a process between two steps."""

    def hang_up(number: int, frame: FrameType | None) -> None:
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, orders, inheritable=False)
        os.close(null)

    return hang_up


def main() -> None:
    """The entry point: `python -m laneway.engine.host`."""
    orders, reports = _take_streams()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the agent's terminal is the agent's to answer
    signal.signal(signal.SIGTERM, _hang_up_on(orders))
    lane = machine(orders)
    lane.guard()
    Host(lane, _writer(reports), environment.clean(os.environ)).serve()
    sys.stderr.flush()


if __name__ == "__main__":
    main()
