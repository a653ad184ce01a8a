"""What a lane reports of an attempt, in the form in which it travels.

Much of it was said by renderers and engines, and a report that cannot be read would be lost: text is cut and made valid UTF-8, numbers
are finite and within what the other side takes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from laneway.model import Json

NOTE_LIMIT, REASON_LIMIT, ARGUMENT_LIMIT, DONE_LIMIT = 500, 10_000, 4_000, 1_000_000  # characters
ARGUMENTS_LIMIT = 200
_LARGEST_ITEM = 2**53
_LONE = re.compile(r"[\ud800-\udfff]")  # halves of a character, and bytes of file names that are not UTF-8: no JSON holds them


def legible(text: str, limit: int | None = None) -> str:
    """`text` as valid UTF-8 of at most `limit` characters, the last an ellipsis where something was cut off."""
    if limit is not None and len(text) > limit:
        text = text[: limit - 1] + "…"
    return text if text.isascii() else _LONE.sub("\ufffd", text)


def clean(value: Json) -> Json:
    """`value` as JSON that everybody reads: text is legible, a number that is not finite becomes null."""
    if isinstance(value, str):
        return legible(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {legible(str(key)): clean(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(each) for each in value]
    return value


def _finite(value: float, digits: int = 4) -> float:
    return round(value, digits) if math.isfinite(value) else 0.0


def _done(text: str) -> str:
    """Too many finished items lose the last ones, which are rendered again; half a number would be another one."""
    return text if len(text) <= DONE_LIMIT else text[: text.rindex(",", 0, DONE_LIMIT)]


def _arguments(commandline: Sequence[str]) -> list[Json]:
    kept = commandline if len(commandline) <= ARGUMENTS_LIMIT else [*commandline[: ARGUMENTS_LIMIT - 1], "…"]
    return [legible(each, ARGUMENT_LIMIT) for each in kept]


def started(attempt: int, at: float, pid: int) -> dict[str, Json]:
    """The first process of the attempt runs."""
    return {"type": "report", "kind": "started", "attempt": attempt, "at": at, "pid": pid}


def progress(attempt: int, at: float, fraction: float, done: str, item: int | None, note: str | None) -> dict[str, Json]:
    """`done` holds every finished item so far."""
    return {
        "type": "report",
        "kind": "progress",
        "attempt": attempt,
        "at": at,
        "fraction": _finite(fraction),
        "done": _done(done),
        "item": item if isinstance(item, int) and abs(item) <= _LARGEST_ITEM else None,
        "note": None if note is None else legible(str(note), NOTE_LIMIT),
    }


@dataclass(slots=True)
class Result:
    """How an attempt ended; filled in as it goes."""

    attempt: int
    started: float
    outcome: str = "done"
    exit: int | None = None
    signal: int | None = None
    reason: str | None = None
    retry: bool = True
    done: str = ""
    cpu_seconds: float = 0.0
    max_rss: int = 0
    log_bytes: int = 0
    commandline: Sequence[str] = ()

    def message(self, at: float) -> dict[str, Json]:
        """The final report."""
        return {
            "type": "report",
            "kind": "finished",
            "attempt": self.attempt,
            "at": at,
            "started": self.started,
            "outcome": self.outcome,
            "exit": self.exit,
            "signal": self.signal,
            "reason": None if self.reason is None else legible(self.reason, REASON_LIMIT),
            "retry": bool(self.retry),
            "done": _done(self.done),
            "cpu_seconds": max(_finite(self.cpu_seconds), 0.0),
            "max_rss": self.max_rss,
            "log_bytes": self.log_bytes,
            "commandline": _arguments(self.commandline),
        }
