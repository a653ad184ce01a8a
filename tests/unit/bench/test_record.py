"""How the benchmarks take rounds and what they print."""

from __future__ import annotations

import json

import pytest

from bench.record import Goal, emit, interleave, ratios


def test_a_figure_is_the_median_of_its_rounds(capsys: pytest.CaptureFixture[str]) -> None:
    assert emit("dispatch", "laneway", "tasks_per_second", [3.0, 1.0, 2.0], "1/s", goal=Goal(">=", 1.5)) == 2.0
    line = json.loads(capsys.readouterr().out)
    assert line == {
        "bench": "dispatch",
        "system": "laneway",
        "metric": "tasks_per_second",
        "value": 2.0,
        "unit": "1/s",
        "median": 2.0,
        "min": 1.0,
        "max": 3.0,
        "n": 3,
        "rounds": [3.0, 1.0, 2.0],
        "goal": ">= 1.5",
        "reached": True,
    }


@pytest.mark.parametrize(
    ("goal", "value", "reached"),
    [
        pytest.param(Goal("<=", 10), 10.0, True, id="at-most-equal"),
        pytest.param(Goal("<=", 10), 10.1, False, id="at-most-above"),
        pytest.param(Goal(">=", 2), 1.99, False, id="at-least-below"),
    ],
)
def test_a_missed_goal_is_said(goal: Goal, value: float, reached: bool, capsys: pytest.CaptureFixture[str]) -> None:
    emit("submit", "laneway", "submit_to_process", value, "ms", goal=goal)
    assert json.loads(capsys.readouterr().out)["reached"] is reached


def test_rounds_are_interleaved_and_take_turns_in_going_first() -> None:
    order: list[str] = []

    def one(name: str) -> float:
        order.append(name)
        return float(len(order))

    taken = interleave({"a": lambda: one("a"), "b": lambda: one("b")}, 2)
    assert order == ["b", "a", "a", "b", "b", "a"]  # the first pair warms up
    assert taken == {"a": [3.0, 6.0], "b": [4.0, 5.0]}


def test_ratios_compare_within_a_round() -> None:
    assert ratios([2.0, 9.0], [1.0, 3.0]) == [2.0, 3.0]
