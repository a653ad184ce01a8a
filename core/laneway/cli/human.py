"""How times, sizes, counts and states are said to people. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

# One colour for a state wherever it is shown: of a job, a task, an attempt or a lane.
COLOURS: Mapping[str, str] = {
    "init": "white",
    "waiting": "yellow",
    "queued": "yellow",
    "pending": "yellow",
    "running": "cyan",
    "booting": "cyan",
    "leased": "cyan",
    "executing": "cyan",
    "online": "green",
    "idle": "white",
    "done": "green",
    "failed": "red",
    "lost": "magenta",
    "stopped": "magenta",
    "aborted": "magenta",
    "deleted": "magenta",
    "paused": "blue",
    "onhold": "blue",
    "excluded": "white",
    "offline": "red",
}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def clean(text: object) -> str:
    """One line of text that cannot steer a terminal: a job's name or a renderer's message may hold anything."""
    return _CONTROL.sub(lambda match: " " if match[0] in "\n\t\r" else "\N{REPLACEMENT CHARACTER}", str(text))


def duration(seconds: float) -> str:
    """`0.4 s`, `7 s`, `3 min 20 s`, `2 h 05 min`, `4 d 3 h`."""
    if seconds < 0.95:
        return f"{max(seconds, 0):.1f} s"
    whole = int(seconds + 0.5)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest and minutes < 10 else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02d} min"
    return f"{hours // 24} d {hours % 24} h"


def age(then: float | None, now: float) -> str:
    """How long ago, in at most four characters: `7s`, `12m`, `3h`, `8d`; `-` for never."""
    if then is None:
        return "-"
    seconds = max(0, int(now - then))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def ago(then: float | None, now: float) -> str:
    """How long ago, as part of a sentence."""
    if then is None:
        return "never"
    return "just now" if now - then < 2 else f"{duration(now - then)} ago"


def size(count: float | None) -> str:
    """Bytes: `512 B`, `3.2 MB`; `-` where they are not known."""
    if count is None:
        return "-"
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def number(count: int) -> str:
    """A count in at most five characters: `99999`, `312k`, `1.5M`."""
    if count < 100_000:
        return str(count)
    for unit, step in (("k", 1_000), ("M", 1_000_000), ("G", 1_000_000_000)):
        if count < step * 1000 or unit == "G":
            tenths = count * 10 // step  # rounded down: 999,999 of a million are not all
            return f"{tenths // 10}{unit}" if tenths >= 1000 else f"{tenths / 10:.1f}{unit}"
    raise AssertionError(count)


def width(text: str) -> int:
    """Terminal columns that a text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def shorten(text: str, columns: int, *, middle: bool = False) -> str:
    """A text cut down to some columns; in its middle where its end tells most, as with paths."""
    if width(text) <= columns:
        return text
    if columns < 2:
        return "…"[:columns]
    if middle and columns > 8:
        tail = (columns - 1) * 2 // 3
        end = text[-tail:]
        while width(end) > tail:
            end = end[1:]
        return f"{_head(text, columns - 1 - width(end))}…{end}"
    return f"{_head(text, columns - 1)}…"


def _head(text: str, columns: int) -> str:
    taken = 0
    for at, char in enumerate(text):
        taken += width(char)
        if taken > columns:
            return text[:at]
    return text


def bar(parts: Mapping[str, int], columns: int, *, unicode: bool = True) -> list[tuple[str, str]]:
    """A bar of `columns` characters as (state, characters): every state that has tasks has at least one of them."""
    total = sum(parts.values())
    shown = {state: count for state, count in parts.items() if count > 0}
    if not total or not shown:
        return [("", " " * columns)]
    cells = {state: max(1, count * columns // total) for state, count in shown.items()}
    most = max(cells, key=lambda state: cells[state])
    cells[most] = max(1, cells[most] + columns - sum(cells.values()))
    full = {"done": "█", "executing": "▓", "booting": "▓", "failed": "█"} if unicode else {"done": "#", "failed": "!"}
    thin = "░" if unicode else "."
    return [
        (state, (full.get(state) or ("=" if not unicode and state in ("executing", "booting") else thin)) * n)
        for state, n in cells.items()
    ]
