"""Frame ranges: ordered sequences of distinct integers, held as runs and never expanded.

A range of a hundred million frames is one run, and costs what one of ten does. What the parts of this hold:

- `progressions` has the run, the arithmetic of two runs (Chinese remainder theorem) and the one true form of a sequence;
- `overlaps` has the operations of a set of runs on one run, and says when the order of a result is exact;
- `range_text` reads and writes "1-10,4,5-250x5".

A frame counts once, at its first place: "5,1-10" has ten frames and begins with 5. The order is kept, "10-1" is 10, 9, … 1.
Every operation takes time and memory by its runs, not by its frames; one whose result would need more than 100,000 runs (what
x7 leaves of what x5 leaves of what x3 leaves …) raises `errors.RangeError` in bounded time.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import pairwise

from laneway import range_text
from laneway.errors import RangeError
from laneway.overlaps import Budget, Lookup, distinct, remainder, shared
from laneway.progressions import MAX_RUNS, Compactor, Run, embed, run_of, too_many
from laneway.range_text import MAX_FRAME

__all__ = ["MAX_FRAME", "MAX_RUNS", "Frames", "Run", "priority"]

_KEYWORD = re.compile(r"(auto|fml)\s*(?::\s*(.*))?", re.IGNORECASE | re.DOTALL)


class Frames:
    """An immutable, ordered sequence of distinct integers. `Frames()` is empty; see the class methods for everything else.

    Equal means the same frames in the same order. Positions count from 0.
    """

    __slots__ = ("_length", "_lookup", "_offsets", "_runs")

    def __init__(self) -> None:
        self._set(())

    @classmethod
    def parse(cls, text: str) -> Frames:
        """Reads "1-10", "4", "5-250x5", "-10--1", "10-1x3", and lists of them with commas or spaces.

        Raises RangeError, with the position of the offending character and what to do, also for an empty text.
        """
        return cls._from(range_text.read(text))

    @classmethod
    def of(cls, frames: Iterable[int]) -> Frames:
        """The frames of any iterable in its order, each at its first place."""
        together = Compactor()
        if isinstance(frames, range):
            together.push(frames.start, frames.step, len(frames))
        else:
            for frame in frames:
                together.push(frame, 1, 1)
        runs = together.finish()
        for run in runs:
            if max(-run.low, run.high) > MAX_FRAME:
                raise RangeError(f"frames go from -{MAX_FRAME} to {MAX_FRAME}.", text=range_text.write([run]))
        single = distinct(runs)
        return cls._from(runs) if single is runs else cls._joined(single)

    @classmethod
    def span(cls, first: int, last: int) -> Frames:
        """Every frame from `first` to `last`, both included; counts down if `last` is lower."""
        return cls.of(range(first, last + 1) if first <= last else range(first, last - 1, -1))

    @classmethod
    def _from(cls, runs: tuple[Run, ...]) -> Frames:
        """Trusts that `runs` are disjoint and as `Compactor` makes them."""
        self = cls.__new__(cls)
        self._set(runs)
        return self

    @classmethod
    def _joined(cls, runs: Iterable[Run]) -> Frames:
        """Trusts that `runs` are disjoint."""
        together = Compactor()
        for run in runs:
            together.push_run(run)
        return cls._from(together.finish())

    def _set(self, runs: tuple[Run, ...]) -> None:
        self._runs = runs
        self._lookup: Lookup | None = None
        self._offsets = [0]
        total = 0
        for run in runs:
            total += (run[1] - run[0]) // run[2] + 1
            self._offsets.append(total)
        self._length = total

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs in order: `(start, stop, step)`, `stop` included, `step` negative where it counts down."""
        return self._runs

    @property
    def first(self) -> int:
        """The frame at the first position. Raises IndexError when empty."""
        return self[0]

    @property
    def last(self) -> int:
        """The frame at the last position. Raises IndexError when empty."""
        return self[-1]

    @property
    def min(self) -> int:
        """The lowest frame. Raises ValueError when empty."""
        return min(run.low for run in self._runs)

    @property
    def max(self) -> int:
        """The highest frame. Raises ValueError when empty."""
        return max(run.high for run in self._runs)

    def __str__(self) -> str:
        return range_text.write(self._runs)

    def __repr__(self) -> str:
        return f"Frames({str(self)!r})"

    def __len__(self) -> int:
        return self._length

    def __eq__(self, other: object) -> bool:
        return self._runs == other._runs if isinstance(other, Frames) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._runs)

    def __iter__(self) -> Iterator[int]:
        for start, stop, step in self._runs:
            yield from range(start, stop + (1 if step > 0 else -1), step)

    def __reversed__(self) -> Iterator[int]:
        for start, stop, step in reversed(self._runs):
            yield from range(stop, start - (1 if step > 0 else -1), -step)

    def __contains__(self, frame: object) -> bool:
        return isinstance(frame, int) and self._index().find(frame) is not None

    def __getitem__(self, position: int) -> int:
        at = position + self._length if position < 0 else position
        if not 0 <= at < self._length:
            raise IndexError(f"position {position} of {self._length} frames")
        number = bisect_right(self._offsets, at) - 1
        start, _, step = self._runs[number]
        return start + (at - self._offsets[number]) * step

    def index(self, frame: int) -> int:
        """The position of a frame. Raises ValueError when it is not in the range."""
        position = self._position(frame)
        if position is None:
            raise ValueError(f"frame {frame} is not in {_short(self)}")
        return position

    def slice(self, lo: int, hi: int) -> Frames:
        """The frames at the positions from `lo` (0 or more) up to, not including, `hi`; what lies outside is left out."""
        if lo <= 0 and hi >= self._length:
            return self
        return self._joined(self._cut(lo, hi))

    def pick(self, spans: Iterable[tuple[int, int]]) -> Frames:
        """The frames at the positions of all half-open spans, in the order of the spans. Raises ValueError if spans overlap."""
        wanted = list(spans)
        end = 0
        for lo, hi in sorted(wanted):
            if lo < end and lo < hi:
                raise ValueError(f"spans of positions overlap at {lo}")
            end = max(end, hi)
        return self._joined(run for lo, hi in wanted for run in self._cut(lo, hi))

    @classmethod
    def from_positions(cls, frames: Frames, spans: Iterable[tuple[int, int]]) -> Frames:
        """The same as `frames.pick(spans)`."""
        return frames.pick(spans)

    def positions(self, other: Frames) -> list[tuple[int, int]]:
        """Where the frames of `other` stand in here: half-open spans of positions, sorted and merged; others are left out.

        Raises RangeError when that takes more than 100,000 spans (every second frame of a million).
        """
        if self._runs == other._runs:
            return [(0, self._length)] if self._runs else []
        spans: list[tuple[int, int]] = []
        if len(other) <= 4 * len(self._runs):  # what a bucket reports, in a range of many runs
            spans = [(at, at + 1) for at in map(self._position, other) if at is not None]
            return _merged(spans)
        budget = Budget()
        for offset, run in zip(self._offsets, self._runs, strict=False):  # one offset more than runs: the end
            for places in shared(other._index().holes(run, budget)):
                start, stop, step = places
                if step == 1:
                    spans.append((offset + start, offset + stop + 1))
                else:
                    if len(spans) + places.size > MAX_RUNS:
                        raise too_many()
                    spans += [(offset + place, offset + place + 1) for place in range(start, stop + 1, step)]
        return _merged(spans)

    def __sub__(self, other: Frames) -> Frames:
        """What is not in `other`, in this order; past 10,000 interleaved frames residue class by residue class."""
        if not isinstance(other, Frames):
            return NotImplemented
        budget = Budget()
        lookup = other._index()
        return self._joined(piece for run in self._runs for piece in remainder(run, lookup.holes(run, budget), budget))

    def __and__(self, other: Frames) -> Frames:
        """What is also in `other`, in this order; past 10,000 interleaved frames residue class by residue class."""
        if not isinstance(other, Frames):
            return NotImplemented
        budget = Budget()
        lookup = other._index()
        return self._joined(embed(run, places) for run in self._runs for places in shared(lookup.holes(run, budget)))

    def __or__(self, other: Frames) -> Frames:
        """These frames, then what `other` adds to them."""
        if not isinstance(other, Frames):
            return NotImplemented
        return self._joined((*self._runs, *(other - self)._runs))

    def sorted(self) -> Frames:
        """The same frames in ascending order.

        Raises RangeError when more than 100,000 frames of several runs lie in between one another and do not simply alternate.
        """
        if not self._runs:
            return self
        low = self.min
        whole = Run(low, self.max, 1)
        places = shared(self._index().holes(whole, Budget()), few=MAX_RUNS)
        if any(after.start < before.stop for before, after in pairwise(places)):
            raise too_many()
        return self._joined(embed(whole, part) for part in places)

    def buckets(self, size: int) -> Iterator[Frames]:
        """The frames in order, `size` at a time; size 0 is one bucket with everything. No frames, no bucket."""
        step = self._bucket(size)
        for lo in range(0, self._length, step):
            yield self.slice(lo, lo + step)

    def bucket_count(self, size: int) -> int:
        """How many buckets `buckets(size)` gives."""
        return -(-self._length // self._bucket(size))

    def _bucket(self, size: int) -> int:
        if size < 0:
            raise ValueError(f"a bucket size of {size}")
        return size or max(self._length, 1)

    def _cut(self, lo: int, hi: int) -> Iterator[Run]:
        lo, hi = max(lo, 0), min(hi, self._length)
        number = bisect_right(self._offsets, lo) - 1
        while lo < hi:
            start, _, step = self._runs[number]
            offset, end = self._offsets[number], min(self._offsets[number + 1], hi)
            yield run_of(start + (lo - offset) * step, step, end - lo)
            lo, number = end, number + 1

    def _position(self, frame: int) -> int | None:
        number = self._index().find(frame)
        if number is None:
            return None
        start, _, step = self._runs[number]
        return self._offsets[number] + (frame - start) // step

    def _index(self) -> Lookup:
        if self._lookup is None:
            self._lookup = Lookup(self._runs)
        return self._lookup


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same disjoint spans sorted, those that touch as one."""
    merged: list[tuple[int, int]] = []
    for lo, hi in sorted(spans):
        if merged and merged[-1][1] == lo:
            merged[-1] = (merged[-1][0], hi)
        else:
            merged.append((lo, hi))
    return merged


def priority(text: str, frames: Frames) -> Frames:
    """What a priority range means for `frames`, in the order in which it is rendered.

    `auto:N` is N frames evenly spread from the first to the last, `fml` (or `fml:N`) the first, the middle and the last (then
    the middles of what is in between, until there are N). Anything else is a range, which must lie inside `frames`. Raises
    RangeError.
    """
    keyword = _KEYWORD.fullmatch(text.strip())
    if keyword is None:
        return _inside(text, frames)
    name, number = keyword[1].lower(), keyword[2]
    count = 3 if name == "fml" and number is None else _count(text, name, number)
    total = len(frames)
    if name == "auto" and count >= total:
        return frames
    count = min(count, total)
    if count > MAX_RUNS:
        raise RangeError(f"{name} gives at most {MAX_RUNS:,} frames.", text=text, position=text.index(":") + 1)
    return frames.pick((place, place + 1) for place in (_halves if name == "fml" else _evenly)(total, count))


def _count(text: str, name: str, number: str | None) -> int:
    if number is not None and re.fullmatch(r"0*[1-9][0-9]{0,15}", number):
        return int(number)
    position = len(text.rstrip()) if not number else text.index(":") + 1
    raise RangeError(f"{name} needs a number of frames, 1 or more.", text=text, position=position, fix=f"Write {name}:3, say.")


def _evenly(total: int, count: int) -> Iterator[int]:
    """`count` (at most `total`) positions from the first to the last, as even as whole numbers can be; one is the first."""
    gaps = max(count - 1, 1)
    for at in range(count):
        yield (2 * at * (total - 1) + gaps) // (2 * gaps)


def _halves(total: int, count: int) -> Iterator[int]:
    """`count` (at most `total`) positions: first, middle, last, then the middles of the halves, then of the quarters."""
    seen: set[int] = set()
    spans = deque([(0, total - 1)])
    ends = [0, (total - 1) // 2, total - 1]
    while len(seen) < count:
        if ends:
            middle = ends.pop(0)
        else:
            lo, hi = spans.popleft()
            middle = (lo + hi) // 2
            if hi - lo > 1:
                spans += [(lo, middle), (middle, hi)]
        if middle not in seen:
            seen.add(middle)
            yield middle


def _inside(text: str, frames: Frames) -> Frames:
    wanted = Frames.parse(text)
    outside = wanted - frames
    if outside:
        position = next(at for at, run in range_text.terms(text) if run.place(outside.first) is not None)
        what = "frame" if len(outside) == 1 else "frames"
        raise RangeError(
            f"{what} {_short(outside)} of the priority range {'is' if len(outside) == 1 else 'are'} not in the range.",
            text=text,
            position=position,
            fix=f"Choose among {_short(frames)}.",
        )
    return wanted


def _short(frames: Frames, limit: int = 60) -> str:
    text = range_text.write(frames.runs[:limit])
    return text if len(text) <= limit and len(frames.runs) <= limit else f"{text[: limit - 1]}…"
