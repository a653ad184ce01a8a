"""The dispatcher's process, where it can be seen from here: the only way to know that a dispatcher which refuses connections is down.

A refused connection proves little: the address may be that of a proxy, a tunnel or a container, with the dispatcher alive behind it and
free to lease again. A process of this very computer that has ended is certain.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from laneway.agent.wire import Identity

if TYPE_CHECKING:
    import psutil


def sighted(identity: Identity) -> psutil.Process | None:
    """The process that a dispatcher says it is, asked while it answers; None unless it runs on this computer for all to see."""
    import psutil

    pid = identity.get("pid")
    if not isinstance(pid, int) or pid <= 0 or identity.get("hostname") != socket.gethostname():
        return None
    try:
        process = psutil.Process(pid)
    except psutil.Error:  # the same hostname, but a container has process ids of its own
        return None
    return None if has_ended(process) else process


def has_ended(process: psutil.Process) -> bool:
    """Whether it is certainly gone; a process that got the same id later is another one."""
    import psutil

    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False
