"""`python -m laneway.dispatcher` as a process."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    children: list[subprocess.Popen[str]] = []

    def begin(*options: str, folder: str = "data") -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "laneway.dispatcher", "--data", str(tmp_path / folder), *options]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        children.append(child)
        return child

    yield begin
    for child in children:
        if child.poll() is None:
            child.kill()
        child.communicate()


def ready(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    word, _, url = child.stdout.readline().strip().partition(" ")
    assert word == "ready", child.communicate()[1]
    return url


def health(url: str) -> dict[str, object]:
    with urllib.request.urlopen(f"{url}/api/v1/health", timeout=5) as answer:
        data: dict[str, object] = json.load(answer)
        return data


def test_it_says_where_it_is_and_tidies_up(run: Run, tmp_path: Path) -> None:
    child = run("--port", "0")
    url = ready(child)
    announced = tmp_path / "data" / "dispatcher.json"
    note = json.loads(announced.read_text())
    assert (note["url"], note["pid"]) == (url, child.pid)
    assert stat.S_IMODE(announced.stat().st_mode) == stat.S_IMODE((tmp_path / "data" / "token").stat().st_mode) == 0o600
    assert health(url)["boot"] == note["boot"]
    child.send_signal(signal.SIGTERM)
    _, said = child.communicate(timeout=10)
    assert (child.returncode, announced.exists()) == (0, False), said
    assert "Traceback" not in said


def test_it_ends_with_its_standard_input_when_supervised(run: Run) -> None:
    child = run("--port", "0", "--supervised")
    ready(child)
    assert child.stdin is not None
    child.stdin.close()
    child.stdin = None
    assert child.wait(10) == 0


def test_killed_and_started_again_it_is_the_same(run: Run) -> None:
    child = run("--port", "0")
    first = health(ready(child))
    child.kill()
    child.wait()
    second = health(ready(run("--port", "0")))
    assert second["id"] == first["id"]
    assert second["boot"] != first["boot"]


def test_a_second_one_on_the_same_folder_is_refused(run: Run) -> None:
    first = run("--port", "0")
    ready(first)
    second = run("--port", "0")
    _, said = second.communicate(timeout=10)
    assert second.returncode == 2
    assert f"another dispatcher (process {first.pid})" in said
    assert "Traceback" not in said


def test_a_port_that_was_named_and_is_taken_is_an_error(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        child = run("--port", str(taken.getsockname()[1]))
        _, said = child.communicate(timeout=10)
    assert child.returncode == 2
    assert "--port" in said
    assert "Traceback" not in said


def test_idle_it_needs_little_memory(run: Run) -> None:
    if not Path("/proc/self/status").exists():
        return
    child = run("--port", "0")
    health(ready(child))
    status = Path(f"/proc/{child.pid}/status").read_text()
    resident = int(status.split("VmRSS:")[1].split()[0]) // 1024
    assert resident < 90, f"{resident} MB"
    assert os.getpid() != child.pid
