"""Windows: a job object per renderer, and threads, since Windows has no `poll` for pipes and processes.

The logic is here and is tested everywhere; what it asks of Windows is the `Kernel` protocol, which `windows_kernel` fulfils. Threads
put what they see into one queue, marked with the number of the renderer, so that what comes late from an earlier one is not mistaken.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable
from typing import Protocol

from laneway.engine.process import Ended, Happening, Launch

_CHUNK = 64 * 1024
_REST = 1.0  # seconds for the last output to arrive after the end
_GUARD_DELAY = 1.0


class Child(Protocol):
    """A started process in its job object."""

    pid: int
    output: int  # the descriptor of the pipe with its output

    def wait(self) -> int:
        """Waits for the end of the process: its exit code."""


class Kernel(Protocol):
    """What is asked of Windows."""

    def start(self, launch: Launch) -> Child:
        """Starts a process in a job object of its own. Raises OSError."""

    def ask(self, child: Child) -> None:
        """Sends Ctrl-Break to the process group."""

    def end(self, child: Child) -> None:
        """Ends every process of the job object."""

    def close(self, child: Child) -> tuple[float, int, int]:
        """Ends what is left and closes the job object: CPU seconds, peak memory in bytes, processes that were left."""


class WindowsMachine:
    """`laneway.engine.process.Machine` on a `Kernel`."""

    def __init__(self, orders: int, kernel: Kernel, leave: Callable[[int], None] = os._exit) -> None:
        self._kernel = kernel
        self._leave = leave
        self._queue: queue.SimpleQueue[tuple[str, int, bytes | int]] = queue.SimpleQueue()
        self._child: Child | None = None
        self._number = 0
        self._drained = threading.Event()
        self._waiting = False
        self._guarded = False
        threading.Thread(target=self._read_orders, args=(orders,), name="orders", daemon=True).start()

    def launch(self, launch: Launch) -> int:
        child = self._kernel.start(launch)
        self._child = child
        self._number += 1
        self._drained = threading.Event()
        for target, name in ((self._read_output, "output"), (self._await_end, "end")):
            threading.Thread(target=target, args=(child, self._number, self._drained), name=name, daemon=True).start()
        return child.pid

    def wait(self, timeout: float | None) -> Happening:
        happening = Happening()
        self._waiting = True
        try:
            event = self._queue.get(timeout=timeout)
        except queue.Empty:
            return happening
        finally:
            self._waiting = False
        self._note(happening, event)
        if happening.ended is None:
            return happening
        self._drained.wait(_REST)  # the reader ends with the last writer; what is left of those was ended above
        orders = happening.orders
        while True:
            try:
                self._note(happening, self._queue.get_nowait())
            except queue.Empty:
                break
        if orders is not None and happening.orders:
            happening.orders = orders + happening.orders
        return happening

    def _note(self, happening: Happening, event: tuple[str, int, bytes | int]) -> None:
        kind, number, value = event
        if kind == "orders" and isinstance(value, bytes):
            happening.orders = (happening.orders or b"") + value
        elif number != self._number or (self._child is None and kind == "end"):
            return
        elif isinstance(value, bytes):
            happening.output += value
        elif self._child is not None:
            seconds, memory, strays = self._kernel.close(self._child)
            happening.ended = Ended(exit=value, signal=None, cpu_seconds=seconds, max_rss=memory, strays=strays)
            self._child = None

    def ask_to_stop(self) -> None:
        if self._child is not None:
            self._kernel.ask(self._child)

    def kill(self) -> None:
        if self._child is not None:
            self._kernel.end(self._child)

    def guard(self) -> None:
        self._guarded = True

    # -- threads -----------------------------------------------------------------------------------------------------------------

    def _read_orders(self, orders: int) -> None:
        data = b"."
        while data:
            data = b""
            with contextlib.suppress(OSError):  # a pipe whose other end was killed
                data = os.read(orders, _CHUNK)
            self._queue.put(("orders", 0, data))
        deadline = time.monotonic() + _GUARD_DELAY
        while time.monotonic() < deadline:
            time.sleep(0.05)
            if self._waiting:  # the main thread is where it hears of it
                return
        if self._guarded:
            self.kill()
            self._leave(70)

    def _read_output(self, child: Child, number: int, drained: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := os.read(child.output, _CHUNK):
                self._queue.put(("output", number, data))
        drained.set()
        with contextlib.suppress(OSError):
            os.close(child.output)

    def _await_end(self, child: Child, number: int, drained: threading.Event) -> None:
        self._queue.put(("end", number, child.wait()))
