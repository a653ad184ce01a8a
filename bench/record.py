"""What a benchmark says: one JSON object a line, and how rounds are taken."""

from __future__ import annotations

import gc
import json
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound that a figure should keep."""

    sense: Literal["<=", ">="]
    bound: float

    def met_by(self, value: float) -> bool:
        """Whether `value` keeps it."""
        return value <= self.bound if self.sense == "<=" else value >= self.bound


def emit(
    bench: str,
    system: str,
    metric: str,
    values: Sequence[float] | float,
    unit: str,
    *,
    goal: Goal | None = None,
    note: str | None = None,
) -> float:
    """Prints a figure and returns it: the median of `values` (one per round), with the rounds beside it."""
    rounds = [float(values)] if isinstance(values, (int, float)) else [float(value) for value in values]
    value = statistics.median(rounds)
    line: dict[str, object] = {"bench": bench, "system": system, "metric": metric, "value": _short(value), "unit": unit}
    if len(rounds) > 1:
        line |= {"median": _short(value), "min": _short(min(rounds)), "max": _short(max(rounds))}
        line |= {"n": len(rounds), "rounds": [_short(one) for one in rounds[:20]]}
    if goal is not None:
        line |= {"goal": f"{goal.sense} {goal.bound:g}", "reached": goal.met_by(value)}
    if note is not None:
        line["note"] = note
    print(json.dumps(line), flush=True)
    return value


def say(text: str) -> None:
    """Something for the person who watches; the figures have standard output for themselves."""
    print(f"# {text}", file=sys.stderr, flush=True)


def interleave(systems: Mapping[str, Callable[[], float]], rounds: int, *, warm_up: int = 1) -> dict[str, list[float]]:
    """What each system's measurement returned, round by round, in turn; the first `warm_up` rounds are thrown away.

    The order turns with every round, so that no system always runs behind the same other one.
    """
    names = list(systems)
    taken: dict[str, list[float]] = {name: [] for name in names}
    for number in range(-warm_up, rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            gc.collect()
            value = systems[name]()
            if number >= 0:
                taken[name].append(value)
    return taken


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Round by round: how many times `below` is in `above`."""
    return [a / b for a, b in zip(above, below, strict=True)]


def _short(value: float) -> float:
    return float(f"{value:.5g}")
