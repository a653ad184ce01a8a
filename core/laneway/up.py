"""`laneway up`: a dispatcher and an agent on this computer, watched by a process that does nothing else.

Both are children whose standard input is a pipe from here: when it ends, whatever the reason, they stop by themselves. One that dies
is started again. Standard library only, since this process is there all day to do nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Literal, TypeAlias

from laneway.agent.folder import Lock
from laneway.errors import ConflictError, UserError
from laneway.locate import data_folder

FIRST_DELAY, LAST_DELAY = 0.2, 10.0  # seconds before a child that died is started again
STEADY = 30.0  # a child that lived this long is started again after the first delay
AGENT_PATIENCE = 30.0  # seconds: renderers have 5 to end, hosts 10 more, the last reports and the goodbye 6
DISPATCHER_PATIENCE = 15.0
LOG_LIMIT = 4 << 20  # bytes; a larger log is put aside at the next start
KILLED = 130


@dataclass(frozen=True, slots=True)
class Programs:
    """How the children are started."""

    dispatcher: Sequence[str] = (sys.executable, "-m", "laneway.dispatcher")
    agent: Sequence[str] = (sys.executable, "-m", "laneway.agent")


def main(
    lanes: int = 2,
    port: int | None = None,
    data: Path | str | None = None,
    lease: float = 60.0,
    host: str | None = None,
    on_ready: Callable[[str], None] | None = None,
    *,
    programs: Programs | None = None,
) -> int:
    """Runs until TERM or Ctrl-C; `on_ready` is called with the address once the lanes have joined.

    Exit codes: 0 stopped as asked, 1 it could not start, 130 after a second Ctrl-C.
    """
    folder = data_folder(data)
    with contextlib.suppress(OSError):  # the lock says what is wrong with it
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = Lock(folder / "up" / "lock")
    try:
        lock.take("`laneway up`")
    except ConflictError as exc:
        where = _announced(folder)
        at = f" at {where}" if where else ""
        sys.stderr.write(f"Laneway already runs{at}. {exc}\n")
        return 1
    except OSError as exc:
        sys.stderr.write(f"{folder} cannot be used: {exc}\n")
        return 1
    try:
        return Farm(lanes, port, folder, lease, host, on_ready, programs or Programs()).run()
    except UserError as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    finally:
        lock.release()


@dataclass(slots=True)
class Child:
    """One of the two processes. `due` is when it is to be started, `ready` whether it has ever said that it is."""

    name: str
    log: Path
    process: subprocess.Popen[bytes] | None = None
    born: float = 0.0
    due: float | None = None
    delay: float = FIRST_DELAY
    ready: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A child wrote a line to its standard output."""

    child: Child
    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A process of a child is gone."""

    child: Child
    process: subprocess.Popen[bytes] = field(repr=False)


News: TypeAlias = "Line | Ended | Literal['stop', 'interrupt', 'look']"


class Farm:
    """The supervisor: everything that happens arrives in one queue."""

    def __init__(
        self,
        lanes: int,
        port: int | None,
        folder: Path,
        lease: float,
        host: str | None,
        on_ready: Callable[[str], None] | None,
        programs: Programs,
    ) -> None:
        self._lanes, self._port, self._folder, self._lease, self._host = lanes, port, folder, lease, host
        self._on_ready = on_ready
        self._programs = programs
        self._news: queue.SimpleQueue[News] = queue.SimpleQueue()
        self._dispatcher = Child("dispatcher", folder / "up" / "dispatcher.log")
        self._agent = Child("agent", folder / "up" / "agent.log")
        self._url = ""
        self._interrupts = 0

    def run(self) -> int:
        """Starts both, keeps them up, stops them; returns the exit code."""
        for child in (self._dispatcher, self._agent):
            _put_aside(child.log)
        with _signals(self._signal):
            self._start(self._dispatcher)
            try:
                code = self._keep_up()
            finally:
                self._dispatcher.due = self._agent.due = None
                killed = not (self._stop(self._agent, AGENT_PATIENCE) and self._stop(self._dispatcher, DISPATCHER_PATIENCE))
        return KILLED if killed and self._interrupts > 1 else code

    def _keep_up(self) -> int:
        while True:
            news = self._next()
            if news in ("stop", "interrupt"):
                _say("Stopping; what runs is ended and given back. Ctrl-C again ends it at once.")
                return 0
            if isinstance(news, Line):
                self._heard(news.child, news.text)
            elif isinstance(news, Ended) and news.child.process is news.process and not self._died(news.child):
                return 1
            for child in (self._dispatcher, self._agent):
                if child.due is not None and child.due <= time.monotonic():
                    self._start(child)

    def _next(self, until: float | None = None) -> News:
        """The next thing that happens, `look` where a child is due or `until` (of the monotonic clock) has come."""
        dues = [due for due in (self._dispatcher.due, self._agent.due, until) if due is not None]
        timeout = max(0.0, min(dues) - time.monotonic()) if dues else None
        if sys.platform == "win32":  # where a wait for ever cannot be interrupted
            timeout = 0.5 if timeout is None else min(timeout, 0.5)
        try:
            return self._news.get(timeout=timeout)
        except queue.Empty:
            return "look"

    def _heard(self, child: Child, text: str) -> None:
        if not text.startswith("ready "):
            return
        first, child.ready = not child.ready, True
        if child is self._dispatcher:
            self._url = text.split()[1]
            if first:
                self._start(self._agent)
        elif first:
            self._welcome()

    def _welcome(self) -> None:
        _say(
            f"Laneway runs at {self._url}\n"
            f"  lanes   {self._lanes}\n"
            f"  data    {self._folder}\n"
            f"  submit  laneway submit FILE      (jobs: laneway jobs)\n"
            f"Ctrl-C stops it; jobs are kept."
        )
        if self._on_ready is not None:
            self._on_ready(self._url)

    def _died(self, child: Child) -> bool:
        """Arranges for a child to be started again; False where it never was ready, for then trying again will not help."""
        how = _how(child.process.returncode if child.process is not None else None)
        child.process = None
        if not child.ready:
            sys.stderr.write(f"The {child.name} did not start ({how}). {child.log} ends with:\n{_tail(child.log)}\n")
            return False
        lived = time.monotonic() - child.born
        child.delay = FIRST_DELAY if lived > STEADY else min(child.delay * 2, LAST_DELAY)
        child.due = time.monotonic() + child.delay
        _say(f"The {child.name} ended ({how}) and is started again; see {child.log}.")
        return True

    def _start(self, child: Child) -> None:
        child.due = None
        child.born = time.monotonic()
        arguments = self._dispatcher_arguments() if child is self._dispatcher else self._agent_arguments()
        env = {
            name: value for name, value in os.environ.items() if name not in ("LANEWAY_URL", "LANEWAY_TOKEN", "LANEWAY_DATA")
        }
        with child.log.open("ab") as log:
            child.process = subprocess.Popen(
                arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=env,
                start_new_session=True,  # a terminal's Ctrl-C is for this process alone; on Windows the flag says the same
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        for work in (self._listen, self._await):
            threading.Thread(target=work, args=(child, child.process), daemon=True).start()

    def _dispatcher_arguments(self) -> list[str]:
        arguments = [*self._programs.dispatcher, "--supervised", "--data", str(self._folder), "--lease", f"{self._lease:g}"]
        # Once it has had a port it keeps it, so that every address that was given out stays good.
        port = self._url.rpartition(":")[2] if self._url else self._port
        if port is not None:
            arguments += ["--port", str(port)]
        return [*arguments, "--host", self._host] if self._host else arguments

    def _agent_arguments(self) -> list[str]:
        return [*self._programs.agent, "--supervised", "--data", str(self._folder), "--lanes", str(self._lanes)]

    def _stop(self, child: Child, patience: float) -> bool:
        """Asks a child to stop, and kills it where it does not, or where a second Ctrl-C comes; returns whether it stopped."""
        process = child.process
        if process is None or process.poll() is not None:
            return True
        if process.stdin is not None:
            process.stdin.close()
        if sys.platform != "win32":
            process.terminate()
        until = time.monotonic() + patience
        while time.monotonic() < until and self._interrupts < 2:
            news = self._next(until)
            if isinstance(news, Ended) and news.process is process:
                return True
        process.kill()
        process.wait()
        if self._interrupts < 2:
            _say(f"The {child.name} did not stop within {patience:.0f} s and was killed.")
        return False

    # these run in threads of their own, or in the middle of anything: all they do is to put news into the queue

    def _listen(self, child: Child, process: subprocess.Popen[bytes]) -> None:
        if process.stdout is None:
            return
        with process.stdout as output, child.log.open("ab", buffering=0) as log:
            for line in output:
                self._news.put(Line(child, line.decode(errors="replace").rstrip()))
                with contextlib.suppress(OSError):  # a full disk costs the log
                    log.write(line)

    def _await(self, child: Child, process: subprocess.Popen[bytes]) -> None:
        process.wait()
        self._news.put(Ended(child, process))

    def _signal(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            self._interrupts += 1
        self._news.put("interrupt" if number == signal.SIGINT else "stop")


@contextlib.contextmanager
def _signals(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]
    before = {name: signal.signal(getattr(signal, name), handler) for name in names}
    try:
        yield
    finally:
        for name, old in before.items():
            signal.signal(getattr(signal, name), old)


def _announced(folder: Path) -> str:
    try:
        return str(json.loads((folder / "dispatcher.json").read_text())["url"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _put_aside(log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_suffix(".log.1"))


def _tail(log: Path, lines: int = 10) -> str:
    return "\n".join(f"  {line}" for line in log.read_text(errors="replace").splitlines()[-lines:])


def _how(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"exit {code}"


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # whoever read along may be gone
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
