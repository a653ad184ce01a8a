"""One resident engine host process: started once, spoken to in JSON lines through its stdin and stdout."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import orjson

from laneway.agent import processes

log = logging.getLogger(__name__)

PIPE_PATIENCE = 1.0  # seconds for the last lines of a host that has ended; something else may hold its pipe open
STDERR_LIMIT = 1 << 20


class Listener(Protocol):
    """Who hears of a host: every message in order, then its end, once."""

    def heard(self, host: EngineHost, message: dict[str, Any]) -> None:
        """A message that the host wrote."""

    def ended(self, host: EngineHost, how: str) -> None:
        """The process is gone and everything that it wrote was heard; `how` reads `signal 9` or `exit 1`."""


class EngineHost(asyncio.SubprocessProtocol):
    """The engine host of `lane`; it leads a process group, so that a terminal's Ctrl-C reaches the agent only."""

    def __init__(self, lane: int, listener: Listener, stderr: Path) -> None:
        self.lane = lane
        self.pid = 0
        self.ready = False
        self.stderr = stderr
        self._listener = listener
        self._stdin: asyncio.WriteTransport | None = None
        self._transport: asyncio.SubprocessTransport | None = None
        self._partial = b""
        self._how: str | None = None
        self._drained = False
        self._told = False

    async def start(self, command: Sequence[str], env: Mapping[str, str]) -> None:
        """Starts the process; raises OSError where the system cannot."""
        self.stderr.parent.mkdir(parents=True, exist_ok=True)
        large = self.stderr.exists() and self.stderr.stat().st_size > STDERR_LIMIT
        options: dict[str, Any] = {"start_new_session": True}
        if sys.platform == "win32":
            options = {"creationflags": 0x200}  # CREATE_NEW_PROCESS_GROUP: as above, no Ctrl-C
        with self.stderr.open("wb" if large else "ab") as stderr:
            await asyncio.get_running_loop().subprocess_exec(
                lambda: self, *command, stdin=-1, stdout=-1, stderr=stderr, env=dict(env), **options
            )

    def send(self, message: Mapping[str, Any]) -> None:
        """Writes a message; to a host that is gone it is lost, and its end is on the way."""
        if self._stdin is not None:
            self._stdin.write(orjson.dumps(message) + b"\n")

    def close(self) -> None:
        """Ends its input: it kills what runs and exits."""
        if self._stdin is not None:
            self._stdin.close()
            self._stdin = None

    def kill(self) -> None:
        """Ends it at once; its renderer is left to be found."""
        if self._how is None and self.pid:
            processes.kill_group(self.pid)

    def last_words(self) -> str:
        """The last line of its error output, for a person to read."""
        with contextlib.suppress(OSError), self.stderr.open("rb") as file:
            file.seek(max(0, self.stderr.stat().st_size - 2000))
            lines = [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
            return lines[-1][:300] if lines else ""
        return ""

    # asyncio calls these

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The process runs."""
        self._transport = cast("asyncio.SubprocessTransport", transport)
        self.pid = self._transport.get_pid()
        self._stdin = cast("asyncio.WriteTransport", self._transport.get_pipe_transport(0))

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Some of its output: usually a line, sometimes several or the half of one."""
        if self._partial:
            data = self._partial + data
        lines = data.split(b"\n")
        self._partial = lines.pop()
        for line in lines:
            try:
                message = orjson.loads(line)
            except ValueError:
                log.warning("lane %d: its engine host wrote what is not JSON: %.200r", self.lane, line)
                continue
            self._listener.heard(self, message)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """One of its pipes was closed."""
        if fd == 1:
            self._drained = True
            self._tell()

    def process_exited(self) -> None:
        """The process is gone, though its last words may still be in the pipe."""
        code = self._transport.get_returncode() if self._transport else None
        self._how = f"signal {-code}" if code is not None and code < 0 else f"exit {code}"
        self._stdin = None
        self._tell()
        if not self._drained:
            asyncio.get_running_loop().call_later(PIPE_PATIENCE, self._tell, True)

    def _tell(self, impatient: bool = False) -> None:
        if self._how is not None and (self._drained or impatient) and not self._told:
            self._told = True
            self._listener.ended(self, self._how)
            if self._transport is not None:
                self._transport.close()
