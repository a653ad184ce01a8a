"""The log file of one attempt: a header, the renderer's raw bytes, a footer, and a bound on its size.

The first `head` bytes are written as they come, so that a log can be followed by offset while it grows. What comes after goes into a
ring in memory, and its last `tail` bytes follow at the end: the start and the end of a log that got out of hand are what tells why.
A log that cannot be written (disk full) never stops the renderer: bytes are counted as lost, and writing is tried again from time
to time. `trouble` says what happened, for the attempt's reason.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

HEAD = 64 * 1024 * 1024
TAIL = 16 * 1024 * 1024
_RETRY_AFTER = 1.0  # seconds between two tries to write to a full disk


class Log:
    """One log file; it is created at the first `flush` or write. Never raises an OSError: see `trouble`."""

    def __init__(self, path: str, *, head: int = HEAD, tail: int = TAIL, clock: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self.size = 0  # bytes in the file
        self.lost = 0  # bytes that could not be written
        self.trouble: str | None = None
        self._head, self._tail = head, tail
        self._clock = clock
        self._fd = -1
        self._pending: list[bytes] = []
        self._worth = False
        self._ring: _Ring | None = None
        self._retry_at = 0.0

    def head(self, text: str) -> None:
        """As `say`, for what is known from elsewhere too: by itself it is not worth a file."""
        self._say(text)

    def say(self, text: str) -> None:
        """Adds lines of Laneway's own, marked as such; they reach the file with the next output or `flush`."""
        self._worth = True
        self._say(text)

    def _say(self, text: str) -> None:
        self._pending.append("".join(f"[laneway] {line}\n" for line in text.splitlines()).encode("utf-8", "surrogateescape"))

    def output(self, data: bytes) -> None:
        """Adds raw output of the renderer."""
        self._pending.append(data)
        self.flush()

    def flush(self) -> None:
        """Hands everything so far to the file."""
        if not self._pending:
            return
        data = self._pending[0] if len(self._pending) == 1 else b"".join(self._pending)
        self._pending.clear()
        if self._ring is not None:
            self._ring.add(data)
        elif self.size + len(data) <= self._head:
            self._write(data)
        else:
            room = self._head - self.size
            self._write(data[:room])
            self._write(
                b"\n[laneway] the log is too long: from here on only its end is kept, it follows when the process ends\n"
            )
            self._ring = _Ring(self._tail)
            self._ring.add(data[room:])

    @property
    def worthless(self) -> bool:
        """Whether there is no file yet, and nothing but `head` to write into one."""
        return self._fd < 0 and self.trouble is None and not self._worth

    def discard(self) -> None:
        """Forgets what has not reached the file."""
        self._pending.clear()

    def close(self) -> None:
        """Writes the kept end of an overlong log and closes the file."""
        self.flush()
        ring, self._ring = self._ring, None
        self._retry_at = 0.0  # the last chance
        if ring is not None:
            if ring.dropped:
                self._write(f"[laneway] {ring.dropped} bytes are left out here\n".encode())
            for piece in ring.pieces():
                self._write(piece)
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _write(self, data: bytes | memoryview) -> None:
        if self.trouble is not None and self._clock() < self._retry_at:
            self.lost += len(data)
            return
        try:
            if self._fd < 0:
                self._fd = self._open()
            while data:
                count = os.write(self._fd, data)
                self.size += count
                data = data[count:]
        except OSError as exc:
            self.lost += len(data)
            self.trouble = f"the log {self.path} could not be written: {exc.strerror or exc}"
            self._retry_at = self._clock() + _RETRY_AFTER

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
        try:
            return os.open(self.path, flags, 0o644)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(self.path), exist_ok=True)
            return os.open(self.path, flags, 0o644)


class _Ring:
    """The last `size` bytes of what is added; the rest is counted in `dropped`."""

    def __init__(self, size: int) -> None:
        self._buffer = bytearray(size)
        self._at = 0
        self._total = 0

    @property
    def dropped(self) -> int:
        return max(0, self._total - len(self._buffer))

    def add(self, data: bytes) -> None:
        size = len(self._buffer)
        self._total += len(data)
        if size == 0:
            return
        data = data[-size:]
        room = size - self._at
        self._buffer[self._at : self._at + len(data[:room])] = data[:room]
        self._buffer[: len(data[room:])] = data[room:]
        self._at = (self._at + len(data)) % size

    def pieces(self) -> list[memoryview]:
        view = memoryview(self._buffer)
        return [view[: self._total]] if self._total < len(self._buffer) else [view[self._at :], view[: self._at]]
