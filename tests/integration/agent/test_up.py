"""`laneway up` with real processes: the supervisor and the agent are real, the dispatcher and the engine hosts are fakes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[3]


class UpProcess:
    __slots__ = ("_output", "data", "process")

    def __init__(self, data: Path, output: Path, *options: str, env: dict[str, str] | None = None) -> None:
        self.data, self._output = data, output
        with output.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.fakes.up_programs", "up", "--data", str(data), *options],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                cwd=ROOT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
            )

    @property
    def output(self) -> str:
        return self._output.read_text()

    @property
    def url(self) -> str:
        return str(json.loads((self.data / "dispatcher.json").read_text())["url"])

    def child(self, name: str) -> psutil.Process | None:
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.Error):
                if name in child.cmdline():
                    return child
        return None

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def until(self, condition: Callable[[], object], timeout: float = 15.0) -> None:
        give_up = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < give_up, f"not within {timeout} s: {self.output}"
            time.sleep(0.02)


StartUp = Callable[..., UpProcess]


@pytest.fixture
def start_up(tmp_path: Path) -> Iterator[StartUp]:
    started: list[UpProcess] = []

    def start(*options: str, env: dict[str, str] | None = None) -> UpProcess:
        up = UpProcess(tmp_path / "data", tmp_path / f"up{len(started)}.out", *options, env=env)
        started.append(up)
        return up

    yield start
    for up in started:
        family = []
        with contextlib.suppress(psutil.Error):
            family = up.family()
        up.process.kill()
        up.process.wait()
        for child in family:
            with contextlib.suppress(psutil.Error):
                child.kill()


def _all_gone(family: list[psutil.Process]) -> bool:
    return not [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def test_it_says_where_it_runs_and_stops_cleanly(start_up: StartUp) -> None:
    up = start_up("--lanes", "3")
    up.until(lambda: "called" in up.output)
    for text in (f"Laneway runs at {up.url}", "lanes   3", f"data    {up.data}", "laneway submit FILE", f"called {up.url}"):
        assert text in up.output
    family = up.family()
    assert len(family) == 5  # a dispatcher, an agent, three hosts
    assert psutil.Process(up.process.pid).memory_info().rss < 20 << 20
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(10) == 0
    assert _all_gone(family)
    assert not (up.data / "dispatcher.json").exists()
    assert (up.data / "up" / "dispatcher.log").read_text().startswith("ready http://")


def test_a_full_disk_costs_the_log(start_up: StartUp, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "up"
    folder.mkdir(parents=True)
    for name in ("dispatcher", "agent"):
        (folder / f"{name}.log").symlink_to("/dev/full")
    up = start_up()
    up.until(lambda: "called" in up.output)
    assert "Traceback" not in up.output
    up.process.terminate()
    assert up.process.wait(10) == 0


@pytest.mark.parametrize("name", [pytest.param("dispatcher", id="dispatcher"), pytest.param("agent", id="agent")])
def test_what_dies_is_started_again_and_the_address_stays(start_up: StartUp, name: str) -> None:
    up = start_up()
    up.until(lambda: "called" in up.output)
    url, before = up.url, up.child(name)
    assert before is not None
    before.kill()
    up.until(lambda: f"The {name} ended (signal 9) and is started again" in up.output)
    log = up.data / "up" / f"{name}.log"
    up.until(lambda: log.read_text().count("ready ") == 2)
    assert up.child(name) not in (None, before)
    assert up.url == url
    assert up.output.count("called") == 1
    up.process.terminate()
    assert up.process.wait(10) == 0


def test_a_second_one_is_told_where_the_first_runs(start_up: StartUp) -> None:
    up = start_up()
    up.until(lambda: "called" in up.output)
    second = start_up()
    assert second.process.wait(10) == 1
    assert f"Laneway already runs at {up.url}" in second.output
    assert f"(pid {up.process.pid})" in second.output


def test_a_dispatcher_that_cannot_start_is_the_end_with_its_words(start_up: StartUp) -> None:
    up = start_up(env={"FAKE_DISPATCHER_FAILS": "port 7450 is taken."})
    assert up.process.wait(10) == 1
    assert "The dispatcher did not start (exit 1)." in up.output
    assert "port 7450 is taken." in up.output


def test_children_end_with_a_supervisor_that_was_killed(start_up: StartUp) -> None:
    up = start_up()
    up.until(lambda: "called" in up.output)
    family = up.family()
    up.process.kill()
    up.process.wait()
    up.until(lambda: _all_gone(family), timeout=5.0)
