"""Sets of positions, held as half-open spans `[lo, hi)`: how a job of a million tasks keeps their states in a few integers.

Two sorted lists hold the lower and the upper bounds, disjoint and never touching, so membership is a bisection and a job that
renders in order has one span per state. All positions are integers from 0 upwards.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

Span = tuple[int, int]


class Spans:
    """A mutable set of positions. `len()` is the number of positions, iteration yields the spans in order."""

    __slots__ = ("_his", "_los", "_size")

    def __init__(self, spans: Iterable[Span] = ()) -> None:
        self._los: list[int] = []
        self._his: list[int] = []
        self._size = 0
        for lo, hi in spans:
            self.add(lo, hi)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Span]:
        return iter(zip(self._los, self._his, strict=True))

    def __contains__(self, position: object) -> bool:
        if not isinstance(position, int):
            return False
        at = bisect_right(self._los, position) - 1
        return at >= 0 and position < self._his[at]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spans) and self._los == other._los and self._his == other._his

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"Spans({list(self)})"

    def copy(self) -> Spans:
        """An independent copy."""
        twin = Spans()
        twin._los, twin._his, twin._size = self._los[:], self._his[:], self._size
        return twin

    @property
    def run_count(self) -> int:
        """How many spans the set is made of."""
        return len(self._los)

    @property
    def first(self) -> Span | None:
        """The lowest span, or None when empty."""
        return (self._los[0], self._his[0]) if self._los else None

    def add(self, lo: int, hi: int) -> None:
        """Add `[lo, hi)`; what is there already stays."""
        if lo >= hi:
            return
        los, his = self._los, self._his
        if los and his[-1] == lo:  # rendering in order: the usual case
            his[-1] = hi
            self._size += hi - lo
            return
        left = bisect_left(his, lo)  # the first span that touches or follows [lo
        right = bisect_right(los, hi)  # past the last span that touches or precedes hi)
        if left == right:
            los.insert(left, lo)
            his.insert(left, hi)
            self._size += hi - lo
            return
        covered = sum(his[at] - los[at] for at in range(left, right))
        lo, hi = min(lo, los[left]), max(hi, his[right - 1])
        los[left:right] = [lo]
        his[left:right] = [hi]
        self._size += hi - lo - covered

    def remove(self, lo: int, hi: int) -> None:
        """Take `[lo, hi)` out; what is not there does not matter."""
        los, his = self._los, self._his
        if lo >= hi or not los:
            return
        left = bisect_right(his, lo)  # the first span that ends past lo
        right = bisect_left(los, hi)  # past the last span that begins before hi
        if left >= right:
            return
        keep_lo: list[int] = []
        keep_hi: list[int] = []
        if los[left] < lo:
            keep_lo.append(los[left])
            keep_hi.append(lo)
        if his[right - 1] > hi:
            keep_lo.append(hi)
            keep_hi.append(his[right - 1])
        covered = sum(his[at] - los[at] for at in range(left, right))
        kept = sum(keep_hi) - sum(keep_lo)
        los[left:right] = keep_lo
        his[left:right] = keep_hi
        self._size -= covered - kept

    def within(self, lo: int, hi: int) -> list[Span]:
        """The parts of this set that lie in `[lo, hi)`."""
        los, his = self._los, self._his
        at = bisect_right(his, lo)
        found: list[Span] = []
        while at < len(los) and los[at] < hi:
            found.append((max(los[at], lo), min(his[at], hi)))
            at += 1
        return found

    def covers(self, lo: int, hi: int) -> bool:
        """Whether all of `[lo, hi)` is in the set."""
        at = bisect_right(self._los, lo) - 1
        return lo >= hi or (at >= 0 and self._his[at] >= hi)

    def update(self, spans: Iterable[Span]) -> None:
        """Add every span."""
        for lo, hi in spans:
            self.add(lo, hi)

    def subtract(self, spans: Iterable[Span]) -> None:
        """Remove every span."""
        for lo, hi in spans:
            self.remove(lo, hi)

    def intersection(self, spans: Iterable[Span]) -> Spans:
        """What this set shares with the given spans."""
        shared = Spans()
        for lo, hi in spans:
            shared.update(self.within(lo, hi))
        return shared

    def take_front(self, count: int) -> Span:
        """Remove and return up to `count` positions from the lowest span (0: all of it). The set must not be empty."""
        lo, hi = self._los[0], self._his[0]
        if count and hi - lo > count:
            self._los[0] = lo + count
            self._size -= count
            return lo, lo + count
        del self._los[0], self._his[0]
        self._size -= hi - lo
        return lo, hi

    def position(self, index: int) -> int:
        """The position that has `index` smaller ones in the set; IndexError past the end."""
        for lo, hi in zip(self._los, self._his, strict=True):
            if index < hi - lo:
                return lo + index
            index -= hi - lo
        raise IndexError("past the end of the set")


class Counts:
    """A number per position, 0 where nothing was said: sparse, as spans of equal numbers."""

    __slots__ = ("_levels",)

    def __init__(self) -> None:
        self._levels: list[Spans] = []  # level n holds the positions whose number is above n

    def __bool__(self) -> bool:
        return any(self._levels)

    def at(self, position: int) -> int:
        """The number at a position."""
        return sum(1 for level in self._levels if position in level)

    def edge(self, lo: int, hi: int) -> int:
        """The end of the leading part of `[lo, hi)` in which every position has the number of `lo`."""
        for level in self._levels:
            inside = level.within(lo, hi)
            if inside:
                first_lo, first_hi = inside[0]
                hi = min(hi, first_hi if first_lo == lo else first_lo)
        return hi

    def raise_by_one(self, lo: int, hi: int) -> None:
        """Add one to every position of `[lo, hi)`."""
        rising: list[Span] = [(lo, hi)]
        for level in self._levels:
            there = [part for span in rising for part in level.within(*span)]
            for span in rising:
                level.add(*span)
            rising = there
            if not rising:
                return
        if rising:
            self._levels.append(Spans(rising))

    def clear(self, lo: int, hi: int) -> None:
        """Set every position of `[lo, hi)` back to 0."""
        for level in self._levels:
            level.remove(lo, hi)

    def dump(self) -> list[list[Span]]:
        """Levels of spans, for a snapshot."""
        return [list(level) for level in self._levels if level]

    @classmethod
    def load(cls, levels: Iterable[Iterable[Span]]) -> Counts:
        """The counterpart of `dump`."""
        counts = cls()
        counts._levels = [Spans((lo, hi) for lo, hi in level) for level in levels]
        return counts
