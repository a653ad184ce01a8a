"""Frame ranges against a slow and obvious reference: a list of integers without repetitions."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laneway import overlaps
from laneway.errors import RangeError
from laneway.frames import MAX_FRAME, Frames, priority

Term = tuple[int, int, int]


def terms(reach: int) -> st.SearchStrategy[list[Term]]:
    """Ranges as (start, stop, step): reversed, negative, overlapping, with and without steps."""
    ends = st.integers(-reach, reach)
    return st.lists(st.tuples(ends, ends, st.integers(1, 7) | st.integers(1, reach)), min_size=1, max_size=7)


def text_of(given_terms: list[Term]) -> str:
    return ", ".join(f"{start}-{stop}x{step}" for start, stop, step in given_terms)


def expand(given_terms: list[Term]) -> list[int]:
    frames: list[int] = []
    for start, stop, step in given_terms:
        frames += range(start, stop + 1, step) if start <= stop else range(start, stop - 1, -step)
    return unique(frames)


def read(text: str) -> Frames | RangeError:
    try:
        return Frames.parse(text)
    except RangeError as error:
        return error


def unique(frames: list[int]) -> list[int]:
    return list(dict.fromkeys(frames))


small = terms(12) | terms(60)
any_frame = st.integers(-MAX_FRAME, MAX_FRAME)
huge = st.lists(st.tuples(any_frame, any_frame, st.integers(1, 40)), min_size=1, max_size=4)
frame_lists = st.lists(st.integers(-20, 20), max_size=30)


@given(small)
def test_reads_what_the_reference_reads(given_terms: list[Term]) -> None:
    frames, reference = Frames.parse(text_of(given_terms)), expand(given_terms)
    assert list(frames) == reference
    assert len(frames) == len(reference)
    assert list(reversed(frames)) == reference[::-1]
    assert [frames[at] for at in range(len(reference))] == reference
    assert [frames.index(frame) for frame in reference] == list(range(len(reference)))
    assert [frame for frame in range(-70, 71) if frame in frames] == sorted(reference)
    assert (frames.first, frames.last, frames.min, frames.max) == (reference[0], reference[-1], min(reference), max(reference))
    assert list(frames.sorted()) == sorted(reference)


@given(small)
def test_the_text_of_a_range_reads_back_as_the_same_range(given_terms: list[Term]) -> None:
    frames = Frames.parse(text_of(given_terms))
    assert Frames.parse(str(frames)) == frames
    assert str(Frames.parse(str(frames))) == str(frames)


@given(frame_lists)
def test_equal_sequences_have_equal_runs(frame_list: list[int]) -> None:
    frames = Frames.of(frame_list)
    assert list(frames) == unique(frame_list)
    apart = [Frames.of([frame]) for frame in frame_list]
    together = Frames()
    for one in apart:
        together |= one
    assert together == frames
    assert hash(together) == hash(frames)
    assert together.runs == frames.runs
    assert frames.sorted() == Frames.of(sorted(frame_list))


@given(small, small)
def test_operations_on_two(left: list[Term], right: list[Term]) -> None:
    a, b = Frames.parse(text_of(left)), Frames.parse(text_of(right))
    in_a, in_b = expand(left), expand(right)
    assert a - b == Frames.of(frame for frame in in_a if frame not in in_b)
    assert a & b == Frames.of(frame for frame in in_a if frame in in_b)
    assert a | b == Frames.of(in_a + in_b)
    assert (a == b) == (in_a == in_b)


@given(small, small)
def test_positions_and_pick_are_inverse(left: list[Term], right: list[Term]) -> None:
    a, b = Frames.parse(text_of(left)), Frames.parse(text_of(right))
    spans = a.positions(b)
    assert [at for lo, hi in spans for at in range(lo, hi)] == [at for at, frame in enumerate(a) if frame in b]
    assert all(before[1] < after[0] for before, after in pairwise(spans))
    assert a.pick(spans) == a & b
    assert a.positions(a.pick(spans)) == spans


@given(small, st.integers(-3, 130), st.integers(-3, 130))
def test_slices(given_terms: list[Term], lo: int, hi: int) -> None:
    reference = expand(given_terms)
    assert Frames.parse(text_of(given_terms)).slice(lo, hi) == Frames.of(reference[max(lo, 0) : max(hi, 0)])


@given(small, st.integers(0, 20))
def test_buckets_partition(given_terms: list[Term], size: int) -> None:
    frames = Frames.parse(text_of(given_terms))
    buckets = list(frames.buckets(size))
    assert [frame for bucket in buckets for frame in bucket] == list(frames)
    assert len(buckets) == frames.bucket_count(size)
    assert all(len(bucket) == (size or len(frames)) for bucket in buckets[:-1])
    assert 1 <= len(buckets[-1]) <= (size or len(frames))


@given(small, st.integers(1, 150))
def test_priority_forms(given_terms: list[Term], count: int) -> None:
    frames = Frames.parse(text_of(given_terms))
    total = len(frames)
    even = [frames.index(frame) for frame in priority(f"auto:{count}", frames)]
    assert len(even) == min(count, total)
    assert even[0] == 0
    gaps = [after - before for before, after in pairwise(even)]
    if gaps:
        assert even[-1] == total - 1
        assert max(gaps) - min(gaps) <= 1
    halves = [frames.index(frame) for frame in priority(f"fml:{count}", frames)]
    assert len(halves) == len(set(halves)) == min(count, total)
    assert halves[:3] == unique([0, (total - 1) // 2, total - 1])[:count]
    assert list(priority(text_of(given_terms), frames.sorted())) == list(frames)


@pytest.fixture(scope="module", params=[pytest.param(0, id="always"), pytest.param(20, id="past 20 frames")])
def class_by_class(request: pytest.FixtureRequest) -> Iterator[None]:
    """What happens to long runs happens to short ones, so that the reference can follow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(overlaps, "ORDERED", request.param)
        patch.setattr(overlaps, "_SPARSE", 3)
        yield


@pytest.mark.usefixtures("class_by_class")
@given(small, small)
def test_class_by_class_the_same_frames_in_another_order(left: list[Term], right: list[Term]) -> None:
    a, b = Frames.parse(text_of(left)), Frames.parse(text_of(right))
    in_a, in_b = set(expand(left)), set(expand(right))
    for result, expected in ((a, in_a), (a - b, in_a - in_b), (a & b, in_a & in_b), (a | b, in_a | in_b)):
        assert sorted(result) == sorted(expected)
        assert result == Frames.of(result)
        assert {frame: result.index(frame) for frame in result} == {frame: at for at, frame in enumerate(result)}
    assert a.pick(a.positions(b)) == Frames.of(frame for frame in a if frame in in_b)


@settings(deadline=5000, max_examples=60)
@given(huge, st.integers(0, 2**60))
def test_huge_ranges(given_terms: list[Term], seed: int) -> None:
    frames = read(text_of(given_terms))
    if isinstance(frames, RangeError):
        assert "more than 100,000" in frames.message
        return
    position = seed % len(frames)
    frame = frames[position]
    assert frames.index(frame) == position
    assert any(
        (frame - start) % step == 0 and min(start, stop) <= frame <= max(start, stop) for start, stop, step in given_terms
    )
    assert Frames.parse(str(frames)) == frames
    assert not frames - frames
    some = frames.slice(position, position + 10**6)
    assert len(frames - some) + len(some) == len(frames)
    assert len(frames & some) == len(some)
    assert frames.positions(some) == [(position, position + len(some))]


@settings(deadline=5000)
@given(st.text() | st.text(alphabet="0123456789-x, ", max_size=40))
def test_any_text_is_a_range_or_a_range_error(text: str) -> None:
    frames = read(text)
    if isinstance(frames, RangeError):
        assert frames.text == text
        assert 0 <= frames.position <= len(text)
        assert frames.fix
    else:
        assert len(frames) > 0
        assert Frames.parse(str(frames)) == frames
