"""The operating system's side of one lane: one renderer at a time, its output, its end, and the pipe on which orders come."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Launch:
    """A process to start: `path` is the program's file, `argv` what it sees of itself and its arguments; no shell is involved."""

    path: str
    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str | None = None
    stdin: bytes | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended: `exit` or `signal` is set. Memory is the peak in bytes; CPU time covers its children that it waited for.

    `strays` counts the processes that it left behind and that were ended, `stuck` those that could not be.
    """

    exit: int | None
    signal: int | None
    cpu_seconds: float = 0.0
    max_rss: int = 0
    strays: int = 0
    stuck: int = 0


@dataclass(slots=True)
class Happening:
    """What `Machine.wait` saw. `orders` is b"" once nobody is left to give orders; `output` may come along with `ended`."""

    output: bytes = b""
    orders: bytes | None = None
    ended: Ended | None = None


class Machine(Protocol):
    """One lane's processes on one operating system. One renderer at a time; a renderer is a group of processes."""

    def launch(self, launch: Launch) -> int:
        """Starts a renderer in a group of its own and returns its process id. Raises OSError where it cannot be started."""

    def wait(self, timeout: float | None) -> Happening:
        """Waits up to `timeout` seconds (None: for ever) for output, orders, or the end of the renderer and of all its kin."""

    def ask_to_stop(self) -> None:
        """Asks the renderer's group to end; does nothing where none runs."""

    def kill(self) -> None:
        """Ends the renderer's group at once; does nothing where none runs."""

    def guard(self) -> None:
        """From now on: when orders can no longer come and `wait` is not called, the renderer is killed and this process exits."""


def machine(orders: int) -> Machine:
    """The machine for this operating system; `orders` is the file descriptor on which orders come."""
    if sys.platform == "win32":
        from laneway.engine.process.windows import WindowsMachine
        from laneway.engine.process.windows_kernel import WindowsKernel

        return WindowsMachine(orders, WindowsKernel())
    from laneway.engine.process.posix import PosixMachine

    return PosixMachine(orders)
