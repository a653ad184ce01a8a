"""Which items of a bucket are done, and why the others are not."""

from __future__ import annotations

from dataclasses import dataclass

from laneway.engine.bucket import Bucket
from laneway.engine.common import Common, Step
from laneway.engine.outputs import sentence
from laneway.engine.process import Ended
from laneway.engine.progress import Progress, Tracker
from laneway.engine.reasons import exit_reason
from laneway.engine.report import Result
from laneway.errors import EngineError
from laneway.frames import Frames


@dataclass(frozen=True, slots=True)
class Failure:
    """Why some items are not done; `exit` or `signal` where a process ended."""

    items: str
    reason: str
    retry: bool
    exit: int | None = None
    signal: int | None = None


class Verdict:
    """Collects what is said of a bucket's items, and checks it on disk."""

    def __init__(self, bucket: Bucket) -> None:
        self._items = bucket.items
        self._label = bucket.label
        self.tracker = Tracker(len(bucket.items))
        self.failures: list[Failure] = []
        self._before = 0  # items of the steps that are over

    def fail(self, reason: str, *, retry: bool, items: Frames | None = None, ended: Ended | None = None) -> None:
        """Notes why `items` (all, where not given) are not done."""
        code, number = (None, None) if ended is None else (ended.exit, ended.signal)
        self.failures.append(Failure(str(items) if items else self._label, reason, retry, code, number))

    def hear(self, engine: Common, step: Step, said: Progress | float) -> bool:
        """Takes in what a line said of progress; true when something changed. An item said to be done is checked on disk."""
        if not isinstance(said, Progress):
            said = Progress(fraction=float(said))
        changed = self.tracker.advance(said, self._before, len(step.items))
        item = said.done
        if item is None or self.tracker.is_done(item) or item not in self._items or self._faults(engine, item):
            return changed
        self.tracker.finish(item)
        return True

    def judge(self, engine: Common, step: Step, ended: Ended, tail: bytes) -> None:
        """The process of `step` has ended by itself: which of its items are done? `tail` is the end of its output."""
        self._before += len(step.items)
        if ended.exit is None or ended.exit not in engine.get_allowed_exitcodes():
            self._fail_step(engine, step, ended, exit_reason(ended, tail))
            return
        try:
            engine.finish(step)
        except EngineError as exc:
            self.fail(str(exc), retry=exc.retry, items=self._rest(step), ended=ended)
            return
        faults = []
        for item in step.items:
            if not self.tracker.is_done(item):
                found = self._faults(engine, item)
                faults += found
                if not found:
                    self.tracker.finish(item)
        if faults:
            self._fail_step(engine, step, ended, f"the process ended well, but {sentence(faults)}.")

    def _fail_step(self, engine: Common, step: Step, ended: Ended, seen: str) -> None:
        known = engine.explain(ended.exit)
        reason, retry = (seen, True) if known is None else (str(known), known.retry)
        shortage = engine.outputs.shortage()
        if shortage is not None:
            reason = f"{reason.rstrip('.')}. {shortage}"
        self.fail(reason, retry=retry, items=self._rest(step), ended=ended)

    def _rest(self, step: Step) -> Frames:
        """The items of `step` that are not done; all of them where it covers none or all are."""
        return step.items - Frames.of(sorted(self.tracker.finished)) or step.items

    @staticmethod
    def _faults(engine: Common, item: int) -> list[tuple[int, str, str]]:
        found = ((item, path, engine.outputs.fault(path)) for path in engine.expected_outputs(item) or ())
        return [(number, path, fault) for number, path, fault in found if fault is not None]

    def conclude(self, result: Result, ending: str | None) -> None:
        """Fills in outcome, reason and finished items; `ending` says whether it was "stopped" or ran into its "timeout"."""
        complete = len(self.tracker.finished) == len(self._items)
        result.done = self._label if complete else self.tracker.done_text()
        if ending is not None:
            result.outcome = "stopped" if ending == "stopped" else "failed"
        elif self.failures:
            first = self.failures[0]
            result.outcome = "failed"
            result.exit, result.signal = first.exit, first.signal
            result.retry = any(failure.retry for failure in self.failures)
            count = len(self.failures)
            result.reason = first.reason if count == 1 else f"{count} processes failed; item {first.items}: {first.reason}"
        else:
            result.exit = 0
