"""What this computer is: the facts that a server tells the dispatcher when it joins."""

from __future__ import annotations

import os
import socket
import sys
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Machine:
    """`cores` are those that this process may use; `ram` is in bytes; `addresses` leave out loopback and link-local ones."""

    hostname: str
    os: str
    cores: int
    ram: int
    addresses: tuple[str, ...]


def describe(name: str | None = None) -> Machine:
    """This computer, under its own name or the one it was given. Asks no name server, which could hang for seconds."""
    import psutil

    return Machine(
        hostname=name or socket.gethostname() or "localhost",
        os=system(),
        cores=usable_cores(),
        ram=int(psutil.virtual_memory().total),
        addresses=_addresses(),
    )


def system(platform: str = sys.platform) -> str:
    """`linux`, `windows` or `mac`."""
    return "windows" if platform in ("win32", "cygwin") else "mac" if platform == "darwin" else "linux"


def usable_cores() -> int:
    """The cores of this process's affinity mask where the system has one, else all."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux has it
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def clock() -> float:
    """Seconds that count while the computer sleeps too, as a dispatcher elsewhere counts them."""
    return time.monotonic() if _CLOCK is None else time.clock_gettime(_CLOCK)


# Linux has a clock of that kind beside the monotonic one, on macOS CLOCK_MONOTONIC is it (though time.monotonic is not).
_CLOCK: int | None = getattr(time, "CLOCK_MONOTONIC" if sys.platform == "darwin" else "CLOCK_BOOTTIME", None)


def _addresses() -> tuple[str, ...]:
    import psutil

    found = [
        address.address.partition("%")[0]
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family in (socket.AF_INET, socket.AF_INET6)
    ]
    return tuple(dict.fromkeys(a for a in found if not a.startswith(("127.", "169.254.", "fe80:")) and a != "::1"))
