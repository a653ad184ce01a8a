"""A farm of real processes: a dispatcher and agents, started and killed as a person would."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from laneway.client import Session

RENDERER = Path(__file__).with_name("renderer.py")


def wait_until(holds: Callable[[], Any], what: str, timeout: float = 60.0) -> Any:
    """The first true value of `holds`; fails the test with `what` when there is none in time."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        value = holds()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"not within {timeout} s: {what}")


class Program:
    """A Laneway process that can be killed and started again with the same arguments."""

    def __init__(self, site: Site, name: str, *args: str) -> None:
        self.site, self.name, self.args = site, name, args
        self.log = (site.folder / f"{name}.out").open("ab")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Program:
        command = [sys.executable, "-m", *self.args]
        self.process = subprocess.Popen(command, env=self.site.env, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        return self

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def kill(self) -> None:
        """kill -9, and nothing else."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> int:
        """TERM, as a service manager does; the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def said(self) -> str:
        return (self.site.folder / f"{self.name}.out").read_text(errors="replace")


class Site:
    """A dispatcher, its data folder and its agents."""

    def __init__(self, folder: Path, *, lease: float = 60.0) -> None:
        self.folder, self.data = folder, folder / "data"
        self.work = folder / "work"
        self.work.mkdir(parents=True)
        self.env = {
            key: value for key, value in os.environ.items() if not key.startswith("LANEWAY_") or key == "LANEWAY_BPY_PYTHON"
        }
        self.env["LANEWAY_DATA"] = str(self.data)
        self.programs: list[Program] = []
        port = self.free_port()
        self.dispatcher = self.program(
            "dispatcher", "laneway.dispatcher", "--port", str(port), "--data", str(self.data), "--lease", str(lease)
        )
        self.url = f"http://127.0.0.1:{port}"
        self.dispatcher.start()
        wait_until(self.answers, "the dispatcher answers")
        self.client = Session(data=self.data)

    @staticmethod
    def free_port() -> int:
        import socket

        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    def program(self, name: str, *args: str) -> Program:
        program = Program(self, name, *args)
        self.programs.append(program)
        return program

    def answers(self) -> bool:
        import requests

        if not (self.data / "dispatcher.json").exists():
            return False
        try:
            return requests.get(f"{self.url}/api/v1/health", timeout=2).status_code == 200
        except requests.RequestException:
            return False

    def agent(self, name: str = "agent", *, lanes: int = 2, data: Path | None = None) -> Program:
        folder = data or self.folder / name
        token = (self.data / "token").read_text().strip()
        program = self.program(name, "laneway.agent", "--dispatcher", self.url, "--data", str(folder), "--lanes", str(lanes))
        self.env["LANEWAY_TOKEN"] = token
        program.start()
        return program

    def ready(self, lanes: int) -> None:
        wait_until(lambda: self.lanes_online() == lanes, f"{lanes} lanes are online", 30)

    def lanes_online(self) -> int:
        return sum(server.lanes for server in self.client.servers() if server.online)

    def renderer(self, *args: str, range_: str, bucket: int = 1, retries: int = 0, **more: Any) -> dict[str, Any]:
        """A payload that runs tests/acceptance/renderer.py once per item, and writes down each run in `runs`."""
        settings = {"task_bucketsize": bucket, "task_max_retries": retries, "task_retry_delay": 0.1, **more.pop("settings", {})}
        command = [sys.executable, "-S", "-E", str(RENDERER), str(self.runs), "${ITEM}", *args]
        return {"engine": "command", "range": range_, "parameters": {"command": command}, "settings": settings, **more}

    @property
    def runs(self) -> Path:
        return self.work / "runs"

    def run_lines(self) -> list[dict[str, Any]]:
        if not self.runs.exists():
            return []
        return [json.loads(line) for line in self.runs.read_text().splitlines()]

    def wait_state(self, job: int, *states: str, timeout: float = 60.0) -> Any:
        def there() -> Any:
            view = self.client.job(job)
            return view if view.state in states else None

        return wait_until(there, f"job {job} is {' or '.join(states)}", timeout)

    def renderers(self) -> list[psutil.Process]:
        """The processes of this site's renderers."""
        every = psutil.process_iter(["cmdline"])
        return [process for process in every if str(self.runs) in (process.info["cmdline"] or [])]

    def close(self) -> None:
        for program in reversed(self.programs):
            if program.process is not None and program.process.poll() is None:
                program.stop()
            program.log.close()
        left = self.renderers()
        for process in left:
            process.kill()
        assert not left, f"renderers were left behind: {left}"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A dispatcher with a lease of a minute, no agent yet."""
    made = Site(tmp_path)
    yield made
    made.close()


@pytest.fixture
def hasty_site(tmp_path: Path) -> Iterator[Site]:
    """A dispatcher whose leases last five seconds."""
    made = Site(tmp_path, lease=5.0)
    yield made
    made.close()
