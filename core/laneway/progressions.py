"""Arithmetic progressions of integers: the runs that frame ranges are made of, where two of them meet, and their one true form.

Theory. A run holds `start, start + step, … stop`. Inside a run it is easier to speak of *places* 0, 1, 2 … than of frames: the
frames that a run shares with another run (step t, gcd g of both steps) lie at every (t / g)-th place of it, from a first place
that the Chinese remainder theorem gives. So both what two runs share and what one leaves of the other are runs again, whatever
their length, and no element is ever visited.

One sequence of integers can be cut into runs in many ways. `Compactor` makes the cut that everything else relies on, from left
to right: neighbours that differ by one make a run, otherwise it takes three elements with the same difference. Two sequences
are equal exactly when their runs are, and "1,5,10-20" is not turned into "1-5x4,10-20".
"""

from __future__ import annotations

from math import gcd
from typing import NamedTuple

from laneway.errors import RangeError

# More runs than this in one range are refused: their text alone would be a megabyte, and no artist has typed them.
MAX_RUNS = 100_000


class Run(NamedTuple):
    """`start, start + step, … stop`: never empty; `stop` is an element; `step` is negative where the run counts down."""

    start: int
    stop: int
    step: int

    @property
    def size(self) -> int:
        """How many elements the run has."""
        return (self.stop - self.start) // self.step + 1

    @property
    def low(self) -> int:
        """The smallest element."""
        return self.start if self.step > 0 else self.stop

    @property
    def high(self) -> int:
        """The largest element."""
        return self.stop if self.step > 0 else self.start

    def place(self, element: int) -> int | None:
        """The place of an element, or None when it is not in the run."""
        place, rest = divmod(element - self.start, self.step)
        return place if not rest and 0 <= place <= (self.stop - self.start) // self.step else None


def run_of(start: int, step: int, size: int) -> Run:
    """The run of `size` (at least 1) elements from `start`."""
    return Run(start, start + (size - 1) * step, step) if size > 1 else Run(start, start, 1)


def embed(run: Run, places: Run) -> Run:
    """The elements that stand at `places` of `run`, in the order of `places`."""
    start, _, step = run
    return Run(start + places.start * step, start + places.stop * step, step * places.step)


def clip(run: Run, bounds: tuple[int, int], every: int, first: int) -> Run | None:
    """The places of `run` that are `first` modulo `every` and hold an element within `bounds` (inclusive), if there are any."""
    start, _, step = run
    low, high = max(bounds[0], run.low), min(bounds[1], run.high)
    if low > high:
        return None
    if step < 0:
        low, high = high, low
    begin = -((start - low) // step)  # rounded up
    end = (high - start) // step
    begin += (first - begin) % every
    return Run(begin, end - (end - begin) % every, every) if begin <= end else None


def meet(run: Run, other: Run) -> Run | None:
    """The places of `run`, ascending, whose elements are in `other` too; None if they share nothing."""
    shared = gcd(run.step, other.step)
    distance, rest = divmod(other.start - run.start, shared)
    if rest:
        return None
    every = abs(other.step) // shared
    first = distance * pow(run.step // shared, -1, every) % every
    return clip(run, (other.low, other.high), every, first)


class Compactor:
    """Takes a sequence piece by piece and cuts it into its one true list of runs; see the module's text.

    An element that repeats the one before it is dropped. Raises RangeError when more than `limit` runs come out.
    """

    __slots__ = ("_last", "_limit", "_size", "_start", "_step", "runs")

    def __init__(self, limit: int = MAX_RUNS) -> None:
        self.runs: list[Run] = []
        self._limit = limit
        self._start = self._step = self._last = self._size = 0

    def push(self, start: int, step: int, size: int) -> None:
        """Adds `size` elements from `start`."""
        while size:
            have, gap = self._size, start - self._last
            if not have:
                self._take(start, step, size)
                return
            if not gap:
                start, size = start + step, size - 1
                continue
            if have == 1:
                if gap in (1, -1) or size == 1 or gap == step:
                    self._step = gap
                else:
                    self._give(1)
                    continue
            elif gap != self._step:
                # Two elements that are not neighbours are no run: the second may begin one.
                self._give(1 if have == 2 and self._step not in (1, -1) else have)
                continue
            taken = size if size == 1 or step == gap else 1
            self._size += taken
            self._last += taken * gap
            start, size = start + taken * step, size - taken

    def push_run(self, run: Run) -> None:
        """Adds all elements of a run."""
        self.push(run.start, run.step, run.size)

    def finish(self) -> tuple[Run, ...]:
        """The runs of everything that was pushed."""
        if self._size == 2 and self._step not in (1, -1):
            self._give(1)
        if self._size:
            self._give(self._size)
        return tuple(self.runs)

    def _take(self, start: int, step: int, size: int) -> None:
        self._start, self._step, self._size, self._last = start, step, size, start + (size - 1) * step

    def _give(self, count: int) -> None:
        """Moves the first `count` elements in hand (all of them, or one of two) to the finished runs."""
        if len(self.runs) >= self._limit:
            raise too_many()
        self.runs.append(run_of(self._start, self._step, count))
        self._start, self._size = self._last, self._size - count


def too_many() -> RangeError:
    """What is raised when a range, or what an operation leaves of it, cannot be written down in a reasonable number of runs."""
    return RangeError(
        f"the range comes to more than {MAX_RUNS:,} separate runs of frames, or its parts overlap in too many ways.",
        text="",
        fix="Use fewer overlapping steps, or split it over several jobs.",
    )
