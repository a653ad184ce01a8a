"""What the Windows machine does with its threads and its queue, on a kernel that starts real processes of this system."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from laneway.engine.process import Ended, Launch
from laneway.engine.process.windows import Child, WindowsMachine


@dataclass
class Started:
    pid: int
    output: int
    process: subprocess.Popen[bytes]

    def wait(self) -> int:
        return self.process.wait()


@dataclass
class PosixKernel:
    """Stands in for job objects with process groups."""

    closed: list[int] = field(default_factory=list)

    def start(self, launch: Launch) -> Child:
        read, write = os.pipe()
        process = subprocess.Popen(launch.argv, env=launch.env, stdout=write, stderr=write, start_new_session=True)
        os.close(write)
        return Started(process.pid, read, process)

    def ask(self, child: Child) -> None:
        os.killpg(child.pid, signal.SIGTERM)

    def end(self, child: Child) -> None:
        os.killpg(child.pid, signal.SIGKILL)

    def close(self, child: Child) -> tuple[float, int, int]:
        self.closed.append(child.pid)
        return 1.5, 4096, 0


@dataclass
class Rig:
    machine: WindowsMachine
    orders: int
    left: list[int]

    def launch(self, program: str) -> int:
        return self.machine.launch(Launch(sys.executable, [sys.executable, "-c", program], dict(os.environ)))

    def finish(self) -> tuple[bytes, Ended]:
        output = b""
        for _ in range(200):
            happening = self.machine.wait(5.0)
            output += happening.output
            if happening.ended is not None:
                return output, happening.ended
        raise AssertionError("it does not end")


@pytest.fixture
def rig() -> Iterator[Rig]:
    read, write = os.pipe()
    left: list[int] = []
    yield Rig(WindowsMachine(read, PosixKernel(), left.append), write, left)
    os.close(write)


def test_output_and_end_of_one_after_another(rig: Rig) -> None:
    for number in (3, 4):
        rig.launch(f"print('x' * 200000); raise SystemExit({number})")
        output, ended = rig.finish()
        assert len(output) == 200001
        assert ended == Ended(number, None, 1.5, 4096)


def test_orders_arrive_while_a_process_runs(rig: Rig) -> None:
    rig.launch("import time; time.sleep(60)")
    os.write(rig.orders, b"stop\n")
    assert rig.machine.wait(5.0).orders == b"stop\n"
    rig.machine.ask_to_stop()
    _, ended = rig.finish()
    assert ended.exit == -signal.SIGTERM


def test_waiting_has_an_end(rig: Rig) -> None:
    before = time.monotonic()
    happening = rig.machine.wait(0.05)
    assert time.monotonic() - before < 2
    assert (happening.output, happening.orders, happening.ended) == (b"", None, None)


def test_killing_ends_what_does_not_listen(rig: Rig) -> None:
    rig.launch("import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)")
    output = b""
    while not output.endswith(b"\n"):
        output += rig.machine.wait(5.0).output
    rig.machine.ask_to_stop()
    assert rig.machine.wait(0.1).ended is None
    rig.machine.kill()
    _, ended = rig.finish()
    assert ended.exit == -signal.SIGKILL


def test_nothing_runs_nothing_is_asked(rig: Rig) -> None:
    rig.machine.ask_to_stop()
    rig.machine.kill()


def test_the_end_of_orders_is_heard_by_who_waits() -> None:
    read, write = os.pipe()
    left: list[int] = []
    machine = WindowsMachine(read, PosixKernel(), left.append)
    machine.guard()
    os.close(write)
    assert machine.wait(5.0).orders == b""
    machine.wait(1.5)
    assert left == []


def test_who_does_not_listen_is_ended_with_its_process() -> None:
    read, write = os.pipe()
    left: list[int] = []
    machine = WindowsMachine(read, PosixKernel(), left.append)
    machine.guard()
    pid = machine.launch(Launch(sys.executable, [sys.executable, "-c", "import time; time.sleep(60)"], dict(os.environ)))
    os.close(write)
    time.sleep(2.0)  # longer than the guard waits
    assert left == [70]
    assert machine.wait(5.0).orders == b""
    assert machine.wait(5.0).ended is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
