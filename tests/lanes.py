"""One lane without an agent: an engine host as a process, spoken to over its pipes as the agent does."""

from __future__ import annotations

import itertools
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

Report = dict[str, Any]


class Lane:
    """An engine host. `run` and `finish` use attempt numbers of their own; every report is kept in `reports`."""

    def __init__(self, folder: Path, environ: dict[str, str] | None = None, before: Callable[[], None] | None = None) -> None:
        self.folder = folder
        self.reports: list[Report] = []
        self._attempts = itertools.count(1)
        self._rest = b""
        self._errors = (folder / "host.err").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "laneway.engine.host"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, "LANEWAY_SERVER": "test-server", "LANEWAY_BOOT": "test-boot", **(environ or {})},
            preexec_fn=before,  # noqa: PLW1509  # sets a limit; the tests start no threads of their own
        )
        assert self.message()["type"] == "ready"

    # -- orders ------------------------------------------------------------------------------------------------------------------

    def order(self, **message: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def start(self, engine: str, items: str = "1", *, timeout: float = 0, log: str | None = None, **spec: object) -> int:
        """Leases a bucket; its attempt number."""
        attempt = next(self._attempts)
        whole = {"id": 7, "name": "test", "engine": engine, "input": [], "parameters": {}, "envs": {}, **spec}
        self.order(
            type="run",
            attempt=attempt,
            number=1,
            job=7,
            lane=1,
            items=items,
            timeout=timeout,
            log=log or str(self.log(attempt)),
            server="test-server",
            hostname="here",
            spec=whole,
        )
        return attempt

    def command(self, command: str | list[str], items: str = "1", **spec: Any) -> Report:
        """Runs the command engine to its end: the final report."""
        parameters = {"command": command, **spec.pop("parameters", {})}
        return self.finish(self.start("command", items, parameters=parameters, **spec))

    def shell(self, script: str, items: str = "1", **spec: Any) -> Report:
        """As `command`, with a shell script whose braces are its own."""
        return self.command(["sh", "-c", script.replace("${", "$${")], items, **spec)

    def stop(self, attempt: int, grace: float = 5.0, reason: str = "aborted by ann") -> None:
        self.order(type="stop", attempt=attempt, grace=grace, reason=reason)

    # -- answers -----------------------------------------------------------------------------------------------------------------

    def message(self, timeout: float = 60.0) -> Report:
        """The next message of the host."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + timeout
        while b"\n" not in self._rest:
            ready, _, _ = select.select([self.process.stdout], [], [], max(deadline - time.monotonic(), 0))
            if not ready:
                raise TimeoutError("the host says nothing")
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                raise EOFError("the host is gone: " + (self.folder / "host.err").read_text("utf-8", "replace"))
            self._rest += data
        line, self._rest = self._rest.split(b"\n", 1)
        message: Report = json.loads(line)
        self.reports.append(message)
        return message

    def until(self, kind: str, attempt: int, timeout: float = 60.0) -> Report:
        """The next report of this kind about this attempt."""
        while True:
            message = self.message(timeout)
            if message.get("kind") == kind and message["attempt"] == attempt:
                return message

    def finish(self, attempt: int, timeout: float = 60.0) -> Report:
        return self.until("finished", attempt, timeout)

    def log(self, attempt: int) -> Path:
        return self.folder / "logs" / "7" / f"{attempt}.log"

    def text(self, report: Report) -> str:
        """The log of the attempt that a report is about."""
        return self.log(report["attempt"]).read_text("utf-8", "replace")

    # -- the end -----------------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        if self.process.poll() is None:
            assert self.process.stdin is not None
            self.process.stdin.close()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self._errors):
            if stream is not None:
                stream.close()


def alive(pid: int) -> bool:
    """Whether a process is there and not merely waiting to be collected."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def gone(pid: int, timeout: float = 5.0) -> bool:
    """Waits for a process to disappear."""
    deadline = time.monotonic() + timeout
    while alive(pid):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            return False
        time.sleep(0.01)
    return True


def read_pid(path: Path, timeout: float = 10.0) -> int:
    """The number that a process writes into a file."""
    deadline = time.monotonic() + timeout
    while not (path.exists() and path.read_text().endswith("\n")):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{path} does not appear")
        time.sleep(0.01)
    return int(path.read_text())
