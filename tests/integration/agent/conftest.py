"""A fake dispatcher in this process and real agents beside it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from tests.fakes.dispatcher import TOKEN, FakeDispatcher

FAKE_HOSTS = (str(Path(__file__).parents[2] / "fakes" / "agent_program.py"),)
REAL_HOSTS = ("-m", "laneway.agent")


class AgentProcess:
    """An agent with fake engine hosts or real ones, run as people run it."""

    __slots__ = ("_output", "data", "process")

    def __init__(
        self, program: Sequence[str], data: Path, url: str, *options: str, token: str, env: dict[str, str] | None
    ) -> None:
        self.data = data
        self._output = data.with_suffix(".out")
        with self._output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, *program, "--dispatcher", url, "--token", token, "--data", str(data), *options],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env={**os.environ, **(env or {})},
            )

    @property
    def output(self) -> str:
        return self._output.read_text()

    def children(self) -> list[psutil.Process]:
        """Its hosts and their renderers."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def host(self, lane: int = 1) -> psutil.Process:
        """The host that runs a renderer, or the first."""
        hosts = psutil.Process(self.process.pid).children()
        busy = [host for host in hosts if host.children()]
        return (busy or hosts)[lane - 1]

    async def wait(self, timeout: float = 10.0) -> int:
        """Its exit code."""
        give_up = time.monotonic() + timeout
        while (code := self.process.poll()) is None:
            assert time.monotonic() < give_up, f"the agent does not end: {self.output}"
            await asyncio.sleep(0.01)
        return code

    def end(self) -> None:
        """Whatever happened, nothing of it stays."""
        family = [self.process.pid]
        with contextlib.suppress(psutil.Error):
            family += [child.pid for child in self.children()]
        for pid in family:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        assert self.process.stdin is not None
        self.process.stdin.close()


StartAgent = Callable[..., AgentProcess]


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that a fake dispatcher can say it is, and that a test can end."""
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


@pytest_asyncio.fixture
async def dispatcher() -> AsyncIterator[FakeDispatcher]:
    fake = FakeDispatcher()
    await fake.listen()
    yield fake
    await fake.vanish()


@pytest.fixture
def start_agent(tmp_path: Path, dispatcher: FakeDispatcher) -> Iterator[StartAgent]:
    started: list[AgentProcess] = []

    def start(
        *options: str, program: Sequence[str] = FAKE_HOSTS, token: str = TOKEN, env: dict[str, str] | None = None
    ) -> AgentProcess:
        agent = AgentProcess(program, tmp_path / "data", dispatcher.url, *options, token=token, env=env)
        started.append(agent)
        return agent

    yield start
    for agent in started:
        agent.end()


async def gone(*pids: int, within: float) -> None:
    """Waits until processes are gone; zombies count as gone, since somebody else's parent may be slow to reap."""

    def left() -> list[int]:
        alive = []
        for pid in pids:
            with contextlib.suppress(psutil.Error):
                if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                    alive.append(pid)
        return alive

    give_up = time.monotonic() + within
    while left():
        assert time.monotonic() < give_up, f"still there after {within} s: {left()}"
        await asyncio.sleep(0.01)
