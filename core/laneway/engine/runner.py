"""Runs one bucket: its processes one after another, their output into the log, and at the end the judgement.

One object serves one attempt. It waits in `Machine.wait` only, so that output, orders, timers and the end of the process are met
in one place and in order. Whatever goes wrong ends in a `Result` with a reason; only the loss of the agent (`HungUp`) escapes.
"""

from __future__ import annotations

import re
import shlex
import time
import traceback
from collections.abc import Callable, Mapping

from laneway.engine import environment, report
from laneway.engine.bucket import Bucket
from laneway.engine.common import Common, Step
from laneway.engine.executable import launch_fault, resolve
from laneway.engine.inbox import Inbox
from laneway.engine.lines import Lines
from laneway.engine.log import Log
from laneway.engine.process import Ended, Launch, Machine
from laneway.engine.verdict import Verdict
from laneway.errors import EngineError, UserError
from laneway.model import Json

STARTED_AFTER = 0.05  # seconds; what ends sooner is reported once, at its end
PROGRESS_EVERY = 0.25
TIMEOUT_GRACE = 5.0
_TAIL = 4096  # bytes of output kept for the reason
# Halves of a character; those in between stand for bytes that are not UTF-8, which a log keeps as they are.
_LONE = re.compile(r"[\ud800-\udc7f\udd00-\udfff]")


class HungUp(Exception):  # noqa: N818  # an ending, not an error
    """Nobody gives orders any more: the agent is gone."""


class Runner:
    """Runs one bucket on a machine; `send` takes the reports."""

    def __init__(
        self,
        bucket: Bucket,
        machine: Machine,
        inbox: Inbox,
        send: Callable[[dict[str, Json]], None],
        *,
        log: Log | None = None,
    ) -> None:
        self._bucket = bucket
        self._machine = machine
        self._inbox = inbox
        self._send = send
        self._log = log or Log(bucket.log)
        self._verdict = Verdict(bucket)
        self._result = report.Result(bucket.attempt, time.time())
        now = time.monotonic()
        self._deadline = now + bucket.timeout if bucket.timeout > 0 else None
        self._announce_at: float | None = now + STARTED_AFTER
        self._kill_at: float | None = None
        self._progress_at = 0.0
        self._dirty = False  # there is progress to report
        self._ending: str | None = None  # why it is being ended: "stopped" or "timeout"
        self._lines: Lines | None = None
        self._tail = b""
        self._running = False

    def run(self, make: Callable[[], Common], environ: Mapping[str, str]) -> report.Result:
        """Runs the bucket with the engine that `make` makes, in `environ` plus what engine, job and lease add. Raises HungUp only."""
        bucket = self._bucket
        self._log.head(
            f"{time.strftime('%Y-%m-%d %H:%M:%S %z')} · attempt {bucket.attempt} (try {bucket.number}) of job {bucket.spec.id} "
            f"{bucket.spec.name!r} · items {bucket.label} · lane {bucket.lane} on {bucket.hostname}"
        )
        try:
            self._execute(make(), environ)
        except HungUp:
            self._say("the agent is gone: ended")
            self._log.close()
            raise
        except Exception as exc:  # noqa: BLE001  # whatever an engine does, the lane goes on
            self._fail(exc)
        return self._conclude()

    def _execute(self, engine: Common, environ: Mapping[str, str]) -> None:
        engine.prepare()
        engine.pre()
        self._take_notes(engine)
        if type(engine).progress is not Common.progress or type(engine).process_output is not Common.process_output:
            self._lines = Lines()
        code = -1
        try:
            own = self._bucket.environment()
            env = environment.merge(environ, engine.get_envs(), environment.job_envs(self._bucket.spec.envs), own)
            broken = False  # a process has failed that the next one builds upon
            for step in engine.get_steps():
                if broken:
                    broken = not step.items
                    continue
                before = len(self._verdict.failures)
                ended = self._step(engine, step, env)
                if self._ending is not None:
                    break
                broken = not step.items and len(self._verdict.failures) > before
                code = -1 if ended.exit is None or self._verdict.failures else ended.exit
        except HungUp:
            raise
        except Exception as exc:  # noqa: BLE001  # as above; `post` runs all the same
            self._fail(exc)
        finally:
            engine.post(-1 if self._ending or self._verdict.failures else code)
            self._take_notes(engine)

    def _fail(self, exc: Exception) -> None:
        """An engine raised `exc`; the first thing that went wrong is the reason, what follows from it is only logged."""
        if isinstance(exc, UserError):
            self._say(str(exc))
            reason, retry = str(exc), isinstance(exc, EngineError) and exc.retry
        else:
            self._say("".join(traceback.format_exception(exc)))
            reason, retry = "".join(traceback.format_exception_only(exc)).strip().splitlines()[-1], True
        if not self._verdict.failures:
            self._verdict.fail(reason, retry=retry)

    def _step(self, engine: Common, step: Step, env: Mapping[str, str]) -> Ended:
        """Runs one process to its end and judges it, unless it was made to end."""
        items = str(step.items)
        argv = [str(each) for each in (step.commandline or engine.get_commandline(items))]
        cwd = engine.get_working_path()
        stdin = step.stdin or engine.get_stdin(items)
        if isinstance(stdin, str):
            stdin = stdin.encode("utf-8", "surrogateescape")
        self._log.head(f"$ {shlex.join(argv)}")
        if not self._result.commandline:
            self._result.commandline = argv
        try:
            pid = self._machine.launch(Launch(resolve(argv[0], env.get("PATH")), argv, env, cwd, stdin))
        except OSError as exc:
            raise launch_fault(argv[0], cwd, exc) from exc
        self._running = True
        try:
            ended = self._attend(engine, step, pid)
        finally:
            if self._running:
                self._end_now()
        if self._inbox.closed:
            raise HungUp
        if self._ending is None:
            self._verdict.judge(engine, step, ended, self._tail)
            self._dirty = self._dirty or len(step.items) > 0
        return ended

    # -- while it runs -----------------------------------------------------------------------------------------------------------

    def _attend(self, engine: Common, step: Step, pid: int) -> Ended:
        while True:
            now = time.monotonic()
            self._keep_time(now, pid)
            happening = self._machine.wait(self._patience(now))
            if happening.orders is not None:
                self._inbox.feed(happening.orders)
            if happening.ended is not None:
                self._account(happening.ended)
            if happening.output:
                self._hear(engine, step, happening.output)
            if happening.ended is not None:
                if self._lines is not None:
                    self._read(engine, step, self._lines.finish())
                return happening.ended
            if self._inbox.closed:
                raise HungUp

    def _patience(self, now: float) -> float | None:
        """Seconds until the next timer; None where there is none."""
        due = [each for each in (self._announce_at, self._kill_at) if each is not None]
        if self._deadline is not None and self._ending is None:
            due.append(self._deadline)
        if self._dirty:
            due.append(self._progress_at)
        return max(min(due) - now, 0.0) if due else None

    def _keep_time(self, now: float, pid: int) -> None:
        """Does what the clock says is due."""
        if self._announce_at is not None and now >= self._announce_at:
            self._announce_at = None
            self._log.flush()
            self._send(report.started(self._bucket.attempt, self._result.started, pid))
        if self._ending is None:
            stop = self._inbox.stop_for(self._bucket.attempt)
            if stop is not None:
                self._begin_to_end("stopped", now + stop.grace, stop.reason)
            elif self._deadline is not None and now >= self._deadline:
                text = f"it took longer than the {self._bucket.timeout:g} s that it may take, and was ended."
                self._begin_to_end("timeout", now + TIMEOUT_GRACE, text)
        if self._kill_at is not None and now >= self._kill_at:
            self._kill_at = None
            self._say("it did not end when asked to: killed")
            self._machine.kill()
        if self._dirty and self._announce_at is None and now >= self._progress_at:
            self._dirty = False
            self._progress_at = now + PROGRESS_EVERY
            it = self._verdict.tracker
            self._send(report.progress(self._bucket.attempt, time.time(), it.fraction, it.done_text(), it.item, it.note))

    def _begin_to_end(self, why: str, kill_at: float, reason: str) -> None:
        self._ending, self._kill_at, self._result.reason = why, kill_at, reason
        self._say(reason)
        self._log.flush()
        self._machine.ask_to_stop()

    def _hear(self, engine: Common, step: Step, data: bytes) -> None:
        self._log.output(data)
        self._tail = data[-_TAIL:] if len(data) >= _TAIL else (self._tail + data)[-_TAIL:]
        if self._lines is not None:
            self._read(engine, step, self._lines.feed(data))

    def _read(self, engine: Common, step: Step, lines: list[str]) -> None:
        for line in lines:
            engine.process_output(line, None)
            said = engine.progress(line)
            if said is not None and self._verdict.hear(engine, step, said):
                self._dirty = True
        self._take_notes(engine)

    def _end_now(self) -> None:
        """Kills what runs and waits until it is gone; its output is kept."""
        self._machine.kill()
        while self._running:
            happening = self._machine.wait(None)
            if happening.output:
                self._log.output(happening.output)
            if happening.orders is not None:
                self._inbox.feed(happening.orders)
            if happening.ended is not None:
                self._account(happening.ended)

    # -- when it has ended -------------------------------------------------------------------------------------------------------

    def _account(self, ended: Ended) -> None:
        self._running = False
        self._result.cpu_seconds += ended.cpu_seconds
        self._result.max_rss = max(self._result.max_rss, ended.max_rss)
        if ended.strays:
            self._say(f"processes that it left behind and that were ended: {ended.strays}")
        if ended.stuck:
            self._say(f"processes that it left behind and that cannot be ended: {ended.stuck}")

    def _say(self, text: str) -> None:
        """Adds a line of Laneway's own to the log, whatever an engine or a renderer put into it."""
        self._log.say(text if text.isascii() else _LONE.sub("\ufffd", text))

    def _take_notes(self, engine: Common) -> None:
        for note in engine.take_notes():
            self._say(note)

    def _conclude(self) -> report.Result:
        result, log = self._result, self._log
        self._verdict.conclude(result, self._ending)
        if result.outcome == "done" and log.worthless:
            log.discard()  # quick, silent and well: all there is to say is in the report, and a file costs as much as half a process
        else:
            self._say(
                f"{result.outcome} after {time.time() - result.started:.3f} s" + (f": {result.reason}" if result.reason else "")
            )
        log.close()
        result.log_bytes = log.size
        if log.trouble is not None:
            result.reason = " ".join(filter(None, (result.reason, f"{log.trouble} ({log.lost} bytes of it are lost).")))
        return result
