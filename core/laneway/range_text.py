"""The text of frame ranges, such as "1-10, 4, 5-250x5, -10--1 100-1": reading it, writing it, saying what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NoReturn

from laneway.errors import RangeError
from laneway.overlaps import distinct
from laneway.progressions import Compactor, Run, run_of

# Beyond this a frame number is not exact in JavaScript, in JSON of most languages, or in anybody's intention.
MAX_FRAME = 2**53

EXAMPLES = "Ranges look like 1-10, 4, 5-250x5 or 10-1, with commas or spaces in between."

_TERM = re.compile(r"(-?[0-9]+)(?:-(-?[0-9]+)(?:[xX](-?[0-9]+))?)?(?=[\s,]|$)")
_GAP = re.compile(r"\s*(,?)\s*")
_WORD = re.compile(r"[^\s,]+")
_RIGHT_SO_FAR = re.compile(r"-?(?:[0-9]+(?:--?(?:[0-9]+(?:[xX](?:[0-9]+)?)?)?)?)?")
# What people write where this grammar has another sign: dashes from text processors, steps of other programs, semicolons.
_MEANT = str.maketrans({**dict.fromkeys("‐‑‒–—―−", "-"), **dict.fromkeys("/:@*×", "x"), ";": ","})


def read(text: str) -> tuple[Run, ...]:
    """The runs of a range's text in its order, each frame once, at its first place.

    Raises RangeError for what is not a range, for frames beyond ±2**53 and for more than 100,000 runs.
    """
    together = Compactor()
    try:
        for _, run in terms(text):
            together.push_run(run)
        runs = together.finish()
        single = distinct(runs)
        if single is runs:
            return runs
        together = Compactor()
        for run in single:
            together.push_run(run)
        return together.finish()
    except RangeError as exc:
        if exc.text:
            raise
        raise RangeError(exc.message, text=text, fix=exc.fix) from exc


def terms(text: str) -> Iterator[tuple[int, Run]]:
    """The terms of a range's text, each with its position, as they stand there."""
    at = len(text) - len(text.lstrip())
    if at == len(text):
        raise RangeError("the range is empty.", text=text, fix=EXAMPLES)
    while True:
        match = _TERM.match(text, at)
        if match is None:
            _refuse(text, at)
        start = _number(text, at, match[1])
        if match[2] is None:
            yield at, Run(start, start, 1)
        else:
            yield at, _run(text, match, start)
        gap = _GAP.match(text, match.end())
        at = len(text) if gap is None else gap.end()
        if at == len(text):
            if gap is not None and gap[1]:
                _fail(text, gap.start(1), "nothing follows the last comma.", "Remove the comma.")
            return


def write(runs: Iterable[Run]) -> str:
    """The canonical text of some runs; `read` gives the same runs back."""
    return ",".join(
        str(start) if start == stop else f"{start}-{stop}" if step in (1, -1) else f"{start}-{stop}x{abs(step)}"
        for start, stop, step in runs
    )


def _run(text: str, match: re.Match[str], start: int) -> Run:
    stop = _number(text, match.start(2), match[2])
    step = 1 if match[3] is None else _number(text, match.start(3), match[3])
    if step < 1:
        down = f"{max(start, stop)}-{min(start, stop)}x{-step}"
        fix = f"Write {down} to count down." if step < 0 else f"Write {start}-{stop} for every frame."
        _fail(text, match.start(3), f"a step must be at least 1, not {step}.", fix)
    return run_of(start, step if stop >= start else -step, abs(stop - start) // step + 1)


def _number(text: str, at: int, digits: str) -> int:
    # The length first: Python takes quadratic time for very long numbers, and refuses them with an error of its own.
    number = int(digits) if len(digits) <= 17 or len(digits.lstrip("-0")) <= 16 else 2 * MAX_FRAME
    if not -MAX_FRAME <= number <= MAX_FRAME:
        _fail(text, at, "the number is too large.", f"Frames and steps go from -{MAX_FRAME} to {MAX_FRAME}.")
    return number


def _refuse(text: str, at: int) -> NoReturn:
    """Says what is wrong with the term at `at`, which is not one."""
    word = _WORD.match(text, at)
    if word is None:
        _fail(text, at, "there is nothing between two commas, or before the first.", "Remove the comma.")
    term = word[0]
    so_far = _RIGHT_SO_FAR.match(term)
    good = 0 if so_far is None else so_far.end()
    meant = term.replace("..", "-").translate(_MEANT)
    if all(_TERM.fullmatch(part) for part in meant.split(",")):
        _fail(text, at + good, f"{term[good : good + 1]!r} is not used in ranges.", f"Write {_short(meant)}.")
    if good == len(term):
        if term == "-":
            _fail(text, at, "a dash stands alone.", "Write a range without spaces: 1-10.")
        if term[-1] == "-":
            _fail(text, at + good, f"a frame is missing after {_short(term)!r}.", f"Write {_short(term)}10, without spaces.")
        _fail(
            text, at + good, f"the step is missing after {_short(term)!r}.", f"Write {_short(term)}2, for every second frame."
        )
    sign = term[good]
    if sign in ".,":
        _fail(text, at + good, "frames must be whole numbers.", "Use whole frame numbers, such as 1-10.")
    if sign in "xX" and good and term[good - 1].isdigit():
        _fail(text, at + good, "a step belongs to a range of two ends.", "Write both ends, such as 1-100x5.")
    if sign in "xX" and not good:
        _fail(text, at, "a step stands alone.", "Write it right behind its range: 1-100x5.")
    if sign == "-" and term[good - 1 : good] in ("x", "X"):
        _fail(text, at + good, "a step must be at least 1.", "To count down, put the higher frame first: 10-1x3.")
    _fail(text, at + good, f"{sign!r} is not expected here.", EXAMPLES)


def _fail(text: str, at: int, why: str, fix: str) -> NoReturn:
    # The term around the position, so that the message makes sense in a long range.
    begin = at
    while begin and not (text[begin - 1] == "," or text[begin - 1].isspace()):
        begin -= 1
    word = _WORD.match(text, begin)
    where = f"{_short(word[0])!r}, character {at + 1}" if word is not None else f"character {at + 1}"
    raise RangeError(f"{where}: {why}", text=text, position=at, fix=fix)


def _short(text: str, limit: int = 40) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
