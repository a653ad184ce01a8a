"""A bad exit in one sentence, from the exit code and the last thing that was printed."""

from __future__ import annotations

import re
import signal

from laneway.engine.process import Ended

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")
_LINE_ENDS = re.compile(r"[\r\n]+")
_LONGEST = 300


def exit_reason(ended: Ended, tail: bytes) -> str:
    """Why a process that ended badly did; `tail` is the end of what it printed, raw."""
    last = last_line(tail)
    said = f": {last}" if last else ", and it printed nothing."
    if ended.exit is not None:
        return f"exit code {ended.exit}{said}"
    number = ended.signal or 0
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    hint = " (perhaps the server ran out of memory)" if name == "SIGKILL" else ""
    return f"ended by {name}{hint}{said}"


def last_line(tail: bytes) -> str:
    """The last line with something in it, without control characters and not too long; "" where there is none."""
    for line in reversed(_LINE_ENDS.split(tail.decode("utf-8", "replace"))):
        text = _ESCAPES.sub("", line).strip()
        if text:
            return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    return ""
