"""What a lane reports of an attempt, in the form in which it travels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from laneway.model import Json


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
        "fraction": round(fraction, 4),
        "done": done,
        "item": item,
        "note": note,
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
            "reason": self.reason,
            "retry": self.retry,
            "done": self.done,
            "cpu_seconds": round(self.cpu_seconds, 4),
            "max_rss": self.max_rss,
            "log_bytes": self.log_bytes,
            "commandline": list(self.commandline),
        }
