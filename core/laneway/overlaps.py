"""Sets of runs that lie over one another: which frame is in which run, what one set leaves of a run, what they share.

Theory. Runs whose hulls (lowest to highest frame) do not overlap are found by bisection. Where hulls overlap, the runs form a
*cluster*; inside it they are grouped by step and then by residue modulo that step. Disjoint runs of one residue class cannot
overlap in their hulls, so a class is again a sorted list to bisect, and a query visits each step once instead of each run.

What a set takes out of a run is a list of *holes*: runs of places (see `progressions`), disjoint and ascending. What is left
between the holes has an order, the run's own. A hole at every m-th place leaves gaps of m - 1 places, or m - 1 residue classes.
The gaps keep the order and are what an artist expects (2-9, 12-19, …), but a hundred million frames have ten million of them;
the classes (2, 12, 22, …) are few however long the run is. So: **order is exact as long as at most `ORDERED` elements must be
looked at for it; past that the same frames come class by class.**
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise
from math import gcd

from laneway.progressions import MAX_RUNS, Run, clip, embed, meet, too_many

ORDERED = 10_000

# Runs this short (unless consecutive) are kept as single points: a step of their own would only slow every query down.
_SHORT = 4

# A hole of so few elements is not worth being taken out of all others by itself.
_SPARSE = 64


class Budget:
    """Bounds the work of one operation, so that no text, however contrived, keeps a service busy for more than a second or two."""

    __slots__ = ("left",)

    def __init__(self, left: int = 1_000_000) -> None:
        self.left = left

    def spend(self, work: int) -> None:
        """Takes `work` units (about a microsecond each) off; raises RangeError when none are left."""
        self.left -= work
        if self.left < 0:
            raise too_many()


class Cluster:
    """Disjoint runs whose hulls overlap; it grows by `add`. `find` answers with the number that a run was added under."""

    __slots__ = ("_classes", "_owners", "_points")

    def __init__(self) -> None:
        self._points: list[int] = []
        self._owners: dict[int, int] = {}
        self._classes: dict[int, dict[int, list[tuple[int, int, int]]]] = {}

    def add(self, run: Run, number: int = 0) -> None:
        """Adds a run that is disjoint from all others here."""
        start, stop, step = run
        size = run.size
        if size == 1 or (size <= _SHORT and step not in (1, -1)):
            for point in range(start, stop + (1 if step > 0 else -1), step):
                insort(self._points, point)
                self._owners[point] = number
        else:
            step = abs(step)
            insort(self._classes.setdefault(step, {}).setdefault(start % step, []), (run.low, run.high, number))

    def find(self, frame: int) -> int | None:
        """The number of the run that has this frame."""
        owner = self._owners.get(frame)
        if owner is not None:
            return owner
        for step, classes in self._classes.items():
            owner = _owner(classes.get(frame % step), frame)
            if owner is not None:
                return owner
        return None

    def holes(self, run: Run, budget: Budget) -> Iterator[Run]:
        """The places of `run` that are taken by the runs here, in no particular order."""
        yield from self._point_holes(run, budget)
        size = run.size
        budget.spend(1 + len(self._classes))
        for step, classes in self._classes.items():
            shared = gcd(run.step, step)
            every = step // shared
            if size < min(len(classes), every):
                budget.spend(size)
                for place in range(size):
                    frame = run.start + place * run.step
                    if _owner(classes.get(frame % step), frame) is not None:
                        yield Run(place, place, 1)
                continue
            inverse = pow(run.step // shared, -1, every)
            budget.spend(min(len(classes), every))
            for residue in range(run.start % shared, step, shared) if every < len(classes) else list(classes):
                distance, rest = divmod(residue - run.start, shared)
                if not rest and residue in classes:
                    spans = classes[residue]
                    begin = max(bisect_right(spans, run.low, key=_low) - 1, 0)
                    end = bisect_right(spans, run.high, key=_low)
                    budget.spend(end - begin)
                    for span in spans[begin:end]:
                        hole = clip(run, span[:2], every, distance * inverse % every)
                        if hole is not None:
                            yield hole

    def _point_holes(self, run: Run, budget: Budget) -> Iterator[Run]:
        points, size = self._points, run.size
        if not points:
            return
        begin, end = bisect_left(points, run.low), bisect_right(points, run.high)
        budget.spend(min(size, end - begin))
        if size < end - begin:
            places = (place for place in range(size) if run.start + place * run.step in self._owners)
        else:
            inside = (run.place(point) for point in points[begin:end])
            places = (place for place in inside if place is not None)
        for place in places:
            yield Run(place, place, 1)


def _owner(spans: list[tuple[int, int, int]] | None, frame: int) -> int | None:
    if spans is None:
        return None
    at = bisect_right(spans, frame, key=_low) - 1
    return spans[at][2] if at >= 0 and frame <= spans[at][1] else None


def _size(run: Run) -> int:
    return run.size


def _low(span: tuple[int, int, int]) -> int:
    return span[0]


class Lookup:
    """Finds frames among disjoint runs: by bisection over clusters, then inside the cluster."""

    __slots__ = ("_highs", "_lows", "_parts", "_runs")

    def __init__(self, runs: Sequence[Run]) -> None:
        self._runs = runs
        self._lows: list[int] = []
        self._highs: list[int] = []
        self._parts: list[int | Cluster] = []  # the number of a run that stands alone, or a cluster
        for numbers in clusters(runs):
            self._lows.append(runs[numbers[0]].low)
            self._highs.append(max(runs[number].high for number in numbers))
            if len(numbers) == 1:
                self._parts.append(numbers[0])
            else:
                cluster = Cluster()
                for number in numbers:
                    cluster.add(runs[number], number)
                self._parts.append(cluster)

    def find(self, frame: int) -> int | None:
        """The number of the run that has this frame."""
        at = bisect_right(self._lows, frame) - 1
        if at < 0 or frame > self._highs[at]:
            return None
        part = self._parts[at]
        if isinstance(part, Cluster):
            return part.find(frame)
        return part if self._runs[part].place(frame) is not None else None

    def holes(self, run: Run, budget: Budget) -> list[Run]:
        """The places of `run` that the runs here have too, in no particular order."""
        begin, end = bisect_left(self._highs, run.low), bisect_right(self._lows, run.high)
        size = run.size
        budget.spend(1 + min(size, max(end - begin, 0)))
        if size < end - begin:
            return [Run(at, at, 1) for at in range(size) if self.find(run.start + at * run.step) is not None]
        found: list[Run] = []
        for part in self._parts[begin:end]:
            if isinstance(part, Cluster):
                found += part.holes(run, budget)
            else:
                hole = meet(run, self._runs[part])
                if hole is not None:
                    found.append(hole)
        return found


def clusters(runs: Sequence[Run]) -> Iterator[list[int]]:
    """The numbers of the runs, grouped so that hulls overlap only inside a group; groups and members by their lowest frame."""
    group: list[int] = []
    high = 0
    lows = [run.low for run in runs]
    for number in sorted(range(len(runs)), key=lows.__getitem__):
        if group and lows[number] > high:
            yield group
            group = []
        high = runs[number].high if not group else max(high, runs[number].high)
        group.append(number)
    if group:
        yield group


def distinct(runs: Sequence[Run]) -> Sequence[Run]:
    """The same frames in the same order, but each only once, at its first place."""
    groups = [group for group in clusters(runs) if len(group) > 1]
    if not groups:
        return runs
    pieces = [[run] for run in runs]
    budget = Budget()
    for group in groups:
        cluster = Cluster()
        for number in sorted(group):
            run = runs[number]
            pieces[number] = remainder(run, list(cluster.holes(run, budget)), budget)
            for piece in pieces[number]:
                cluster.add(piece)
    return list(chain.from_iterable(pieces))


def remainder(run: Run, holes: list[Run], budget: Budget) -> list[Run]:
    """What is left of a run without the places in `holes`."""
    return [embed(run, places) for places in complement(run.size, holes, budget)] if holes else [run]


def complement(size: int, holes: Iterable[Run], budget: Budget) -> list[Run]:
    """The places below `size` that are in no hole; the order is as the module's text says."""
    free: list[Run] = []
    at = 0
    for block in _blocks(holes):
        low, high = block[0].start, max(hole.stop for hole in block)
        if at < low:
            free.append(Run(at, low - 1, 1))
        free += _around(block[0], budget) if len(block) == 1 else _between(low, high, block, budget)
        at = high + 1
    if at < size:
        free.append(Run(at, size - 1, 1))
    return free


def shared(holes: Iterable[Run], few: int = 0) -> list[Run]:
    """The places in the holes themselves, ascending where at most `few` (or `ORDERED`) elements interleave."""
    found: list[Run] = []
    for block in _blocks(holes):
        if len(block) == 1:
            found += block
        elif sum(hole.size for hole in block) <= max(few, ORDERED):
            found += [Run(place, place, 1) for place in _elements(block)]
        else:
            found += _weave(block)
    return found


def _blocks(holes: Iterable[Run]) -> Iterator[list[Run]]:
    """The holes in ascending order, those that lie inside one another's hull together."""
    block: list[Run] = []
    high = -1
    for hole in sorted(holes):
        if block and hole.start > high:
            yield block
            block = []
        block.append(hole)
        high = max(high, hole.stop)
    if block:
        yield block


def _around(hole: Run, budget: Budget) -> list[Run]:
    """The places between those of one hole."""
    start, stop, every = hole
    gaps, classes = hole.size - 1, every - 1
    if not gaps or not classes:
        return []
    if classes == 1:
        return [Run(start + 1, stop - 1, every)]
    if min(gaps, classes) > MAX_RUNS:
        raise too_many()
    if gaps <= max(ORDERED, classes):
        budget.spend(gaps)
        return [Run(place + 1, place + classes, 1) for place in range(start, stop, every)]
    budget.spend(classes)
    return [Run(start + offset, stop - every + offset, every) for offset in range(1, every)]


def _between(low: int, high: int, block: list[Run], budget: Budget) -> list[Run]:
    """The places between `low` and `high` that are in none of several interleaved holes.

    Where they have many elements, the largest hole that spans at least half of the width goes first, and each piece that it
    leaves is asked what the other holes take of it; without such a hole the width is cut in two. A piece has at most half of
    the places that it came from, which bounds the depth.
    """
    taken = sum(hole.size for hole in block)
    if taken <= ORDERED:
        budget.spend(taken)
        return [Run(left + 1, right - 1, 1) for left, right in pairwise(_elements(block)) if right - left > 1]
    budget.spend(len(block))
    wide = [hole for hole in block if hole.size > _SPARSE and 2 * (hole.stop - hole.start) >= high - low]
    largest = max(wide, key=_size, default=None)
    others = Cluster()
    for hole in block:
        if hole is not largest:
            others.add(hole)
    if largest is None:
        middle = (low + high) // 2
        pieces = [Run(low, middle, 1), Run(middle + 1, high, 1)]
    else:
        before, after = Run(low, largest.start - 1, 1), Run(largest.stop + 1, high, 1)
        pieces = [piece for piece in (before, *_around(largest, budget), after) if piece.start <= piece.stop]
    free: list[Run] = []
    for piece in pieces:
        free += remainder(piece, list(others.holes(piece, budget)), budget)
        if len(free) > MAX_RUNS:
            raise too_many()
    if sum(run.size for run in free) <= ORDERED:
        return [Run(place, place, 1) for place in _elements(free)]
    return sorted(free)


def _elements(runs: Iterable[Run]) -> list[int]:
    return sorted(chain.from_iterable(range(run.start, run.stop + 1, run.step) for run in runs))


def _weave(block: list[Run]) -> list[Run]:
    """Interleaved holes as one where they alternate evenly (1-9x2 and 2-10x2 are 1-10), else as they are."""
    count, size, (start, _, every) = len(block), sum(hole.size for hole in block), block[0]
    step, rest = divmod(every, count)
    even = not rest and all(
        hole.step == every and hole.start == start + turn * step and hole.size == (size - turn + count - 1) // count
        for turn, hole in enumerate(block)
    )
    return [Run(start, start + (size - 1) * step, step)] if even else block
