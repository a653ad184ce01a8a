"""Spans and Counts against the obvious: Python's sets and dictionaries."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from laneway.spans import Counts, Spans

Ops = list[tuple[str, int, int]]
ops = st.lists(
    st.tuples(st.sampled_from(["add", "remove"]), st.integers(0, 40), st.integers(0, 12)).map(
        lambda op: (op[0], op[1], op[1] + op[2])
    )
)
span = st.tuples(st.integers(0, 40), st.integers(0, 15)).map(lambda pair: (pair[0], pair[0] + pair[1]))


def built(steps: Ops) -> tuple[Spans, set[int]]:
    spans, model = Spans(), set[int]()
    for name, lo, hi in steps:
        getattr(spans, name)(lo, hi)
        model = model | set(range(lo, hi)) if name == "add" else model - set(range(lo, hi))
    return spans, model


def expanded(spans: Spans) -> set[int]:
    return {position for lo, hi in spans for position in range(lo, hi)}


@given(ops)
def test_agrees_with_a_set(steps: Ops) -> None:
    spans, model = built(steps)
    assert expanded(spans) == model
    assert len(spans) == len(model)
    assert all((position in spans) == (position in model) for position in range(60))


@given(ops)
def test_is_in_normal_form(steps: Ops) -> None:
    runs = list(built(steps)[0])
    assert all(lo < hi for lo, hi in runs)
    assert all(before[1] < after[0] for before, after in pairwise(runs))


@given(ops, span)
def test_within_and_covers(steps: Ops, window: tuple[int, int]) -> None:
    spans, model = built(steps)
    inside = model & set(range(*window))
    assert {position for lo, hi in spans.within(*window) for position in range(lo, hi)} == inside
    assert spans.covers(*window) == (inside == set(range(*window)))


@given(ops, ops)
def test_intersection(one: Ops, two: Ops) -> None:
    (a, model_a), (b, model_b) = built(one), built(two)
    assert expanded(a.intersection(b)) == model_a & model_b


@given(ops, st.integers(0, 9))
def test_take_front_takes_the_lowest(steps: Ops, count: int) -> None:
    spans, model = built(steps)
    if not model:
        return
    lo, hi = spans.take_front(count)
    assert lo == min(model)
    assert hi - lo <= count or count == 0
    assert expanded(spans) == model - set(range(lo, hi))
    assert len(spans) == len(model) - (hi - lo)


@given(ops)
def test_position_is_an_index(steps: Ops) -> None:
    spans, model = built(steps)
    assert [spans.position(index) for index in range(len(model))] == sorted(model)


@given(st.lists(st.tuples(st.booleans(), span)))
def test_counts_agree_with_a_dictionary(steps: list[tuple[bool, tuple[int, int]]]) -> None:
    counts, model = Counts(), dict.fromkeys(range(60), 0)
    for up, (lo, hi) in steps:
        if up:
            counts.raise_by_one(lo, hi)
        else:
            counts.clear(lo, hi)
        for position in range(lo, hi):
            model[position] = model[position] + 1 if up else 0
    assert {position: counts.at(position) for position in model} == model
    assert bool(counts) == any(model.values())
    again = Counts.load(counts.dump())
    assert {position: again.at(position) for position in model} == model
    for lo in range(0, 50, 7):
        edge = counts.edge(lo, 60)
        assert {model[position] for position in range(lo, edge)} == {model[lo]}
        assert edge == 60 or model[edge] != model[lo]
