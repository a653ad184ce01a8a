"""Finding and ending processes that an engine host left behind, so that no renderer outlives its attempt.

Two ways to find them, because each has a hole: the marks in a renderer's environment (`LANEWAY_SERVER`, `LANEWAY_BOOT`,
`LANEWAY_ATTEMPT`) miss what was started with an environment of its own; being the sub-reaper that inherits orphans is known to
Linux only.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

SERVER, BOOT, ATTEMPT = "LANEWAY_SERVER", "LANEWAY_BOOT", "LANEWAY_ATTEMPT"


def become_subreaper() -> bool:
    """Makes orphans of this process's children its own children; False where the system has no such thing."""
    if sys.platform != "linux":
        return False
    import ctypes

    set_child_subreaper = 36  # PR_SET_CHILD_SUBREAPER of <linux/prctl.h>
    return bool(ctypes.CDLL(None, use_errno=True).prctl(set_child_subreaper, 1, 0, 0, 0) == 0)


def left_by_other_boots(server: str, boot: str) -> list[psutil.Process]:
    """Processes of this server that an earlier run of its agent started."""
    return _marked(lambda env: env.get(SERVER) == server and env.get(BOOT, boot) != boot)


def of_attempt(server: str, attempt: int) -> list[psutil.Process]:
    """Processes of one attempt."""
    return _marked(lambda env: env.get(ATTEMPT) == str(attempt) and env.get(SERVER) == server)


def of_boot(server: str, boot: str) -> list[psutil.Process]:
    """Everything that this run of the agent started and that still carries its marks."""
    return _marked(lambda env: env.get(SERVER) == server and env.get(BOOT) == boot)


def inherited(hosts: Collection[int]) -> list[psutil.Process]:
    """Children of this process that are none of its engine `hosts` (pids): an agent starts nothing else, so a host left them."""
    import psutil

    if sys.platform != "linux":
        return []
    return [child for child in psutil.Process().children() if child.pid not in hosts]


def end(processes: Iterable[psutil.Process], *, spare: Collection[int] = ()) -> None:
    """Kills processes and their process groups, and reaps those that are children of this one.

    Groups in `spare` (the engine hosts lead groups of their own) and this process's own group are left alone.
    """
    import psutil

    for process in processes:
        with contextlib.suppress(psutil.Error, OSError):
            if sys.platform != "win32" and process.is_running():
                group = os.getpgid(process.pid)
                if group != os.getpgrp() and group not in spare:
                    os.killpg(group, signal.SIGKILL)
            process.kill()
        if sys.platform != "win32":
            with contextlib.suppress(OSError):  # not a child, or reaped already
                os.waitpid(process.pid, os.WNOHANG)


def kill_group(pid: int) -> None:
    """Ends an engine host at once, with what shares its process group."""
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            os.kill(pid, signal.SIGTERM)  # TerminateProcess
        else:
            os.killpg(pid, signal.SIGKILL)


def _marked(wanted: Callable[[Mapping[str, str]], bool]) -> list[psutil.Process]:
    import psutil

    found = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        with contextlib.suppress(psutil.Error, OSError):  # it is gone, it is a zombie, or it is somebody else's
            if wanted(process.environ()) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found
