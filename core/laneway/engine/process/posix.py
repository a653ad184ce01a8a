"""Linux and macOS: a session per renderer, one `poll` for everything, no thread and few system calls per bucket.

The renderer leads a session and thereby a process group. When it ends, its group is killed *before* it is waited for: until then
its process id, which is also the group's, cannot belong to anybody else. On Linux its end arrives as a readable pidfd; elsewhere
SIGCHLD writes to a pipe. `posix_spawn` costs about half of `subprocess.Popen`; it has no working folder, so this process changes into
it, which is seldom: buckets of one job share theirs.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from types import FrameType

from laneway.engine.process import Ended, Happening, Launch, reaper

_CHUNK = 64 * 1024
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024
_GUARD_DELAY = 1.0  # seconds in which the main thread may notice the end of the orders by itself


class PosixMachine:
    """`laneway.engine.process.Machine` for Linux and macOS. Use it from the main thread; `guard` starts the only other one."""

    def __init__(self, orders: int, *, use_pidfd: bool = hasattr(os, "pidfd_open"), adopt: bool = True) -> None:
        self._orders = orders
        self._use_pidfd = use_pidfd
        self.adopts = adopt and reaper.adopt_orphans()
        self._null = os.open(os.devnull, os.O_RDWR)
        self._poll = select.poll()
        self._poll.register(orders, select.POLLIN)
        self._pid = 0
        self._pipe = -1
        self._ends = -1 if use_pidfd else _child_ends()
        self._marks: dict[str, str] = {}
        self._stopped = False
        self._home = os.getcwd()
        self._cwd = self._home

    def launch(self, launch: Launch) -> int:
        cwd = launch.cwd or self._home
        if cwd != self._cwd:
            os.chdir(cwd)
            self._cwd = cwd
        read, write = os.pipe()
        stdin = self._null if launch.stdin is None else _as_file(launch.stdin)
        try:
            self._pid = os.posix_spawn(
                launch.path,
                list(launch.argv),
                launch.env,
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, stdin, 0),
                    (os.POSIX_SPAWN_DUP2, write, 1),
                    (os.POSIX_SPAWN_DUP2, write, 2),
                ],
                setsid=True,
                setsigmask=(),
                setsigdef=(signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGHUP, signal.SIGTERM),
            )
        except BaseException:
            os.close(read)
            raise
        finally:
            os.close(write)
            if stdin != self._null:
                os.close(stdin)
        self._stopped = False
        self._marks = {name: launch.env[name] for name in ("LANEWAY_SERVER", "LANEWAY_ATTEMPT") if name in launch.env}
        self._pipe = read
        self._poll.register(read, select.POLLIN)
        if self._use_pidfd:
            self._ends = os.pidfd_open(self._pid)
        self._poll.register(self._ends, select.POLLIN)
        return self._pid

    def wait(self, timeout: float | None) -> Happening:
        happening = Happening()
        over = False
        for descriptor, _ in self._poll.poll(None if timeout is None else max(timeout, 0.0) * 1000):
            if descriptor == self._orders:
                happening.orders = os.read(descriptor, _CHUNK)
                if not happening.orders:
                    self._poll.unregister(descriptor)
            elif descriptor == self._pipe:
                happening.output = os.read(descriptor, _CHUNK)
                if not happening.output:
                    self._close_pipe()
            else:
                over = self._use_pidfd or _drain(descriptor)
        if over and self._pid and os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            happening.ended = self._finish()
            happening.output += self._rest()
        return happening

    def _finish(self) -> Ended:
        """The renderer is dead but not yet waited for: ends its group, collects it and whatever else it left."""
        pid = self._pid
        self.kill()
        _, status, usage = os.wait4(pid, 0)
        self._pid = 0
        self._poll.unregister(self._ends)
        if self._use_pidfd:
            os.close(self._ends)
        code = os.waitstatus_to_exitcode(status)
        seconds = usage.ru_utime + usage.ru_stime
        strays = stuck = 0
        if self.adopts:
            alive, more = reaper.reap()
            seconds += more
            if alive:
                strays, stuck, more = reaper.end_children()
                seconds += more
        elif self._stopped and self._marks:
            strays = reaper.end_marked(self._marks)
        return Ended(
            exit=code if code >= 0 else None,
            signal=-code if code < 0 else None,
            cpu_seconds=seconds,
            max_rss=usage.ru_maxrss * _RSS_UNIT,
            strays=strays,
            stuck=stuck,
        )

    def _rest(self) -> bytes:
        """What is still in the pipe after the end; a process that got away may hold it open, so never waits."""
        if self._pipe < 0:
            return b""
        pieces: list[bytes] = []
        ready = select.poll()
        ready.register(self._pipe, select.POLLIN)
        while len(pieces) < 64 and ready.poll(0):
            piece = os.read(self._pipe, _CHUNK)
            if not piece:
                break
            pieces.append(piece)
        self._close_pipe()
        return b"".join(pieces)

    def _close_pipe(self) -> None:
        self._poll.unregister(self._pipe)
        os.close(self._pipe)
        self._pipe = -1

    def ask_to_stop(self) -> None:
        self._stopped = True
        self._signal(signal.SIGTERM)
        self._signal(signal.SIGCONT)  # a suspended process would not hear of it

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if self._pid:
            # macOS refuses (EPERM) to signal a group of which only the dead leader is left.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._pid, number)

    def guard(self) -> None:
        import threading

        threading.Thread(target=self._watch, name="guard", daemon=True).start()

    def _watch(self) -> None:
        """Sleeps in the kernel until the other end of the orders is closed: costs nothing while all is well."""
        gone = select.poll()
        gone.register(self._orders, getattr(select, "POLLRDHUP", 0))  # POLLHUP is reported without being asked for
        gone.poll()
        time.sleep(_GUARD_DELAY)
        self.kill()
        if self.adopts:
            reaper.end_children()
        os._exit(70)


def _as_file(data: bytes) -> int:
    """A file descriptor from which `data` can be read: unlike a pipe it takes any size without a writer."""
    import tempfile  # costs a megabyte and is seldom needed

    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        file.seek(0)
        return os.dup(file.fileno())


def _child_ends() -> int:
    """A file descriptor that becomes readable when a child ends, for systems without pidfd. Takes over SIGCHLD."""

    def ignore(number: int, frame: FrameType | None) -> None:
        """Only a signal that has a handler reaches the wakeup file descriptor."""

    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, ignore)
    return read


def _drain(descriptor: int) -> bool:
    with contextlib.suppress(BlockingIOError):
        while os.read(descriptor, 1024):
            pass
    return True
