"""What a renderer leaves behind: on Linux this process adopts all orphans below it, so that none can get away."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterable, Mapping

_PR_SET_CHILD_SUBREAPER = 36
_PATIENCE = 2.0  # seconds for killed processes to disappear; more means that the kernel holds them (a dead file server)


def adopt_orphans() -> bool:
    """Makes this process the parent of every orphan among its descendants. False where the system cannot (only Linux can)."""
    if not sys.platform.startswith("linux"):
        return False
    import ctypes

    try:
        return bool(ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)
    except (OSError, AttributeError):
        return False


def reap() -> tuple[bool, float]:
    """Collects every dead child: whether living ones remain, and the CPU seconds of those collected."""
    seconds = 0.0
    while True:
        try:
            pid, _, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return False, seconds
        if pid == 0:
            return True, seconds
        seconds += usage.ru_utime + usage.ru_stime


def end_children(patience: float = _PATIENCE) -> tuple[int, int, float]:
    """Ends all children of this process, and theirs as they become ours: how many, how many would not die, their CPU seconds."""
    ended: set[int] = set()
    deadline = time.monotonic() + patience
    pause = 0.0005
    alive, seconds = reap()
    while alive and time.monotonic() < deadline:
        for pid in _children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                ended.add(pid)
        time.sleep(pause)
        pause = min(pause * 2, 0.05)
        alive, more = reap()
        seconds += more
    return len(ended), len(_children()) if alive else 0, seconds


def _children() -> list[int]:
    """The process ids of the children of this process; one that has died and was not waited for is among them."""
    found: list[int] = []
    try:
        for task in os.listdir("/proc/self/task"):
            with open(f"/proc/self/task/{task}/children", encoding="ascii") as listing:
                found += [int(word) for word in listing.read().split()]
    except (FileNotFoundError, ProcessLookupError):  # a kernel without CONFIG_PROC_CHILDREN, or no /proc at all
        import psutil

        found = [child.pid for child in psutil.Process().children()]
    return found


def end_marked(marks: Mapping[str, str]) -> int:
    """Ends every process whose environment holds all of `marks`: for systems on which orphans are adopted by another. Slow."""
    import psutil

    own = os.getpid()
    victims = [each for each in psutil.process_iter() if each.pid != own and _holds(each, marks.items())]
    for victim in victims:
        with contextlib.suppress(psutil.Error):
            victim.kill()
    gone, _ = psutil.wait_procs(victims, timeout=_PATIENCE)
    return len(gone)


def _holds(process: object, marks: Iterable[tuple[str, str]]) -> bool:
    import psutil

    assert isinstance(process, psutil.Process)
    try:
        environ = process.environ()
    except (psutil.Error, OSError):
        return False
    return all(environ.get(name) == value for name, value in marks)
