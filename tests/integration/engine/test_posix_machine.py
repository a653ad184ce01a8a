"""The ways of a POSIX machine that a Linux host does not take by itself: SIGCHLD instead of pidfd, no adopted orphans."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.lanes import gone, read_pid

PROGRAM = """
import os, sys, time
from laneway.engine.process import Launch
from laneway.engine.process.posix import PosixMachine
read, write = os.pipe()
machine = PosixMachine(read, use_pidfd=False, adopt=False)
def run(script, stop=False):
    marks = {"LANEWAY_SERVER": "mark", "LANEWAY_ATTEMPT": str(os.getpid())}
    machine.launch(Launch("/bin/sh", ["sh", "-c", script], {**os.environ, **marks}))
    output, ended = b"", None
    deadline = time.monotonic() + 20
    while ended is None:
        assert time.monotonic() < deadline
        happening = machine.wait(5.0)
        output += happening.output
        ended = happening.ended
        if stop and b"ready" in output:
            machine.ask_to_stop()
    return output, ended
"""


def run(body: str) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM + body], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_ends_are_heard_without_pidfd() -> None:
    run(
        """
for number in range(20):
    output, ended = run(f"echo out {number}; exit {number}")
    assert output == b"out %d\\n" % number, output
    assert (ended.exit, ended.signal) == (number, None)
output, ended = run("exec >&- 2>&-; sleep 0.3; kill -9 $$")
assert ended.signal == 9
"""
    )


def test_who_left_the_group_is_found_by_its_environment(tmp_path: Path) -> None:
    away = f"setsid sh -c 'echo $$ > {tmp_path}/pid; exec sleep 60' &"
    script = f"{away} while [ ! -s {tmp_path}/pid ]; do sleep 0.01; done; echo ready; sleep 60"
    run(f"assert run({script!r}, stop=True)[1].strays == 1")
    assert gone(read_pid(tmp_path / "pid"), 1)


def test_the_working_folder_is_each_launchs_own(tmp_path: Path) -> None:
    run(
        f"""
for folder in ({str(tmp_path)!r}, None, "/"):
    machine.launch(Launch("/bin/pwd", ["pwd"], dict(os.environ), folder))
    output = b""
    while (happening := machine.wait(5.0)).ended is None:
        output += happening.output
    output += happening.output
    assert output.decode().strip() == (folder or {os.getcwd()!r}), output
"""
    )
