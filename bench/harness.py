"""A real farm for a benchmark: `laneway up`, or a dispatcher alone, in a temporary folder and on a free port, reliably stopped."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import psutil

from laneway.client import Session
from laneway.errors import LanewayError
from laneway.model import Json

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "bench" / "out"


class Farm:
    """Started on entering, ended on leaving. With `lanes=0` there is a dispatcher and no agent.

    `data` is kept by the caller where it is given (a farm can be started on it again), else made and removed here.
    """

    def __init__(self, lanes: int, *, data: Path | None = None) -> None:
        self.lanes = lanes
        self._own = data is None
        self.data = data or scratch("farm")
        self._process: subprocess.Popen[bytes] | None = None
        self.ready_seconds = 0.0

    def __enter__(self) -> Farm:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LANEWAY_")}
        if "LANEWAY_BPY_PYTHON" in os.environ:
            environment["LANEWAY_BPY_PYTHON"] = os.environ["LANEWAY_BPY_PYTHON"]
        log = (self.data / "bench.log").open("ab")
        began = time.perf_counter()
        with log:
            self._process = subprocess.Popen(
                self._command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        self.ready_seconds = time.perf_counter() - began
        self.session = Session(data=self.data)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.session.close()
        self.stop()
        if self._own:
            shutil.rmtree(self.data, ignore_errors=True)

    def _command(self) -> list[str]:
        if self.lanes:
            return [*laneway(), "up", "--lanes", str(self.lanes), "--port", "0", "--data", str(self.data)]
        return [sys.executable, "-m", "laneway.dispatcher", "--port", "0", "--data", str(self.data)]

    def _wait_until_ready(self) -> None:
        """Until the dispatcher answers and every lane has joined with its engines looked at."""

        def ready() -> bool:
            if self._process is None or self._process.poll() is not None:
                raise RuntimeError(f"the farm ended by itself:\n{(self.data / 'bench.log').read_text()[-4000:]}")
            try:  # a new session each time, since a dispatcher that was killed has left its old address behind
                with Session(data=self.data, patience=0.0) as session:
                    session.health()
                    return not self.lanes or (len(session.lanes()) >= self.lanes and all(s.online for s in session.servers()))
            except LanewayError:
                return False

        until(ready, 60, "the farm is ready", every=0.005)

    def stop(self, *, hard: bool = False) -> None:
        """Ends the farm and waits for every process of it; `hard` kills it."""
        if self._process is None:
            return
        family = self.processes()
        self._process.send_signal(signal.SIGKILL if hard else signal.SIGTERM)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for left in psutil.wait_procs(family, timeout=5)[1]:
            left.kill()
        self._process = None

    def processes(self) -> list[psutil.Process]:
        """Every process of the farm that lives now."""
        if self._process is None:
            return []
        try:
            top = psutil.Process(self._process.pid)
            return [top, *top.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def dispatcher(self) -> psutil.Process:
        """The dispatcher's process."""
        return psutil.Process(json.loads((self.data / "dispatcher.json").read_text())["pid"])

    def run(self, payload: Mapping[str, Json], timeout: float = 300) -> float:
        """Seconds from the call of submit until the client has seen the job done. Raises RuntimeError for any other end."""
        began = time.perf_counter()
        job = self.session.submit(payload).id
        (view,) = self.session.wait([job], timeout=timeout)
        took = time.perf_counter() - began
        if view.state != "done" or view.done != view.tasks:
            raise RuntimeError(f"job {job} ended {view.state}: {view.reason} {dict(view.counts)}")
        return took


def laneway() -> list[str]:
    """The command line tool of this environment."""
    return [str(Path(sys.executable).with_name("laneway"))]


def command_job(command: Sequence[str], items: str, **more: Json) -> dict[str, Json]:
    """A job of one process per item, one item a bucket."""
    settings: Json = {"task_bucketsize": 1}
    return {
        "name": f"bench {command[0]}",
        "engine": "command",
        "range": items,
        "parameters": {"command": list(command)},
        "settings": settings,
        **more,
    }


def scratch(name: str) -> Path:
    """A new folder on the project's own disk: what is durable must really be written there, which /tmp need not do."""
    OUT.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=OUT))


def until(happened: Callable[[], bool], timeout: float, what: str, *, every: float = 0.02) -> None:
    """Waits; raises TimeoutError naming `what` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not happened():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout:g} s in vain: {what}")
        time.sleep(every)
