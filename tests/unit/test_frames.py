"""Frame ranges by example: what is read, what is refused and how, what the operations give, and that size costs nothing."""

from __future__ import annotations

import copy
import pickle
from itertools import islice

import pytest

from laneway.errors import RangeError
from laneway.frames import MAX_FRAME, Frames, Run, priority

HUGE = f"1-{MAX_FRAME}"


def frames(text: str) -> Frames:
    """Short for `Frames.parse`, and empty for an empty text."""
    return Frames.parse(text) if text else Frames()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("1-10", range(1, 11), id="range"),
        pytest.param("4", [4], id="single"),
        pytest.param("5-25x5", [5, 10, 15, 20, 25], id="step"),
        pytest.param("5-24X5", [5, 10, 15, 20], id="step that misses the end"),
        pytest.param("1-3x100", [1], id="step longer than the range"),
        pytest.param("3-3", [3], id="range of one"),
        pytest.param("1,2,5", [1, 2, 5], id="commas"),
        pytest.param("1 2\t5\n7", [1, 2, 5, 7], id="white space"),
        pytest.param("  1-3 , 7,9  ", [1, 2, 3, 7, 9], id="both"),
        pytest.param("-10--7", [-10, -9, -8, -7], id="negative"),
        pytest.param("-2-2", [-2, -1, 0, 1, 2], id="across zero"),
        pytest.param("-7--10", [-7, -8, -9, -10], id="negative reversed"),
        pytest.param("10-7", [10, 9, 8, 7], id="reversed"),
        pytest.param("10-1x3", [10, 7, 4, 1], id="reversed step"),
        pytest.param("9-1x3,2", [9, 6, 3, 2], id="reversed step that misses the end"),
        pytest.param("0001-0003", [1, 2, 3], id="padded"),
        pytest.param("-0", [0], id="minus zero"),
        pytest.param("5,1-10", [5, 1, 2, 3, 4, 6, 7, 8, 9, 10], id="a frame counts at its first place"),
        pytest.param("1-10x3,1-10", [1, 4, 7, 10, 2, 3, 5, 6, 8, 9], id="the rest keeps its order"),
        pytest.param("10-1x3,10-1", [10, 7, 4, 1, 9, 8, 6, 5, 3, 2], id="the rest keeps its order, reversed"),
        pytest.param("1-5,4-8,7-10", range(1, 11), id="chained overlaps"),
        pytest.param("3,3,3", [3], id="repeated"),
    ],
)
def test_parse(text: str, expected: list[int]) -> None:
    assert list(frames(text)) == list(expected)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        pytest.param("1 2 3 4", "1-4", id="neighbours join"),
        pytest.param("1,3,5,7", "1-7x2", id="steps join"),
        pytest.param("1,5,10-20", "1,5,10-20", id="two frames are no run"),
        pytest.param("1,2,4,6,8", "1-2,4-8x2", id="neighbours first"),
        pytest.param("9 8", "9-8", id="down"),
        pytest.param("1-10x2", "1-9x2", id="end is a frame"),
        pytest.param("1-5,6-10,11", "1-11", id="touching ranges"),
        pytest.param("1-9x2,2-10x2", "1-9x2,2-10x2", id="interleaved keeps its order"),
        pytest.param("-10--1,5--4x5", "-10--1,5,0", id="negatives"),
    ],
)
def test_canonical_text(text: str, canonical: str) -> None:
    assert str(frames(text)) == canonical
    assert frames(canonical) == frames(text)
    assert repr(frames(text)) == f"Frames({canonical!r})"


@pytest.mark.parametrize(
    ("text", "position", "message", "fix"),
    [
        pytest.param("", 0, "the range is empty", "1-10", id="empty"),
        pytest.param(" \n", 0, "the range is empty", "1-10", id="blank"),
        pytest.param(
            "5-250x0", 6, "'5-250x0', character 7: a step must be at least 1, not 0.", "Write 5-250 for", id="step zero"
        ),
        pytest.param("1-10x-2", 5, "a step must be at least 1, not -2", "Write 10-1x2 to count down.", id="negative step"),
        pytest.param("1-10x", 5, "the step is missing", "1-10x2", id="no step"),
        pytest.param("5x2", 1, "a step belongs to a range", "1-100x5", id="step of one frame"),
        pytest.param("1-10 x2", 5, "a step stands alone", "1-100x5", id="step apart"),
        pytest.param("1-", 2, "a frame is missing", "Write 1-10", id="no end"),
        pytest.param("1 - 10", 2, "a dash stands alone", "1-10", id="spaces in a range"),
        pytest.param("1,1–10", 3, "'–' is not used in ranges", "Write 1-10.", id="typographic dash"),
        pytest.param("1..10", 1, "not used in ranges", "Write 1-10.", id="dots"),
        pytest.param("1-10:2", 4, "not used in ranges", "Write 1-10x2.", id="another program's step"),
        pytest.param("1-10;20", 4, "not used in ranges", "Write 1-10,20.", id="semicolon"),
        pytest.param("1.5-3", 1, "whole numbers", "whole", id="fraction"),
        pytest.param("1-10x1.5", 6, "whole numbers", "whole", id="fractional step"),
        pytest.param("1-2 4 banana,8", 6, "'banana', character 7: 'b' is not expected here", "1-10", id="word"),
        pytest.param("1-5-9", 3, "'-' is not expected here", "1-10", id="three ends"),
        pytest.param("--5", 1, "'-' is not expected here", "1-10", id="two signs"),
        pytest.param("1,,2", 2, "nothing between two commas", "Remove", id="two commas"),
        pytest.param(",1", 0, "nothing between two commas, or before the first", "Remove", id="leading comma"),
        pytest.param("1-10,", 4, "nothing follows the last comma", "Remove", id="trailing comma"),
        pytest.param("1-9007199254740993", 2, "too large", str(MAX_FRAME), id="too large"),
        pytest.param("-99999999999999999999", 0, "too large", str(MAX_FRAME), id="too low"),
        pytest.param("1-" + "9" * 10_000, 2, "too large", str(MAX_FRAME), id="ten thousand digits"),
        pytest.param("1-5x" + "9" * 10_000, 4, "too large", str(MAX_FRAME), id="ten thousand digits of step"),
        pytest.param("٣", 0, "not expected", "1-10", id="digits of another script"),
        pytest.param("1-10\x00", 4, "not expected", "1-10", id="control character"),
    ],
)
def test_refused(text: str, position: int, message: str, fix: str) -> None:
    with pytest.raises(RangeError) as caught:
        Frames.parse(text)
    error = caught.value
    assert (error.position, error.text) == (position, text)
    assert message in error.message
    assert error.fix is not None
    assert fix in error.fix
    assert len(str(error)) < 300


CONTRIVED = {
    "steps 2 to 97": ",".join(f"{HUGE}x{step}" for step in range(2, 98)),
    "steps 97 to 2": ",".join(f"{HUGE}x{step}" for step in range(97, 1, -1)),
    "more classes than runs allowed": f"{HUGE}x1000003,{HUGE}",
    "classes of classes": f"{HUGE}x10007,{HUGE}x10009,{HUGE}",
    "squares": ",".join(str(n * n) for n in range(110_000)),
    "repeated for ever": "1-2," * 1_000_000 + "4",
    "every step its own": ",".join(f"{n}-{n + 9 * (10**6 + n)}x{10**6 + n}" for n in range(3000)),
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in CONTRIVED.items()])
def test_contrived_ranges_are_refused_in_bounded_time(text: str) -> None:
    with pytest.raises(RangeError, match="more than 100,000 separate runs") as caught:
        Frames.parse(text)
    assert caught.value.text == text
    assert caught.value.fix


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("text", "runs", "length"),
    [
        pytest.param("1-100000000x2", 1, 50_000_000, id="one run"),
        pytest.param(f"-{MAX_FRAME}-{MAX_FRAME}", 1, 2 * MAX_FRAME + 1, id="everything"),
        pytest.param(",".join(f"{n * 20_000}-{n * 20_000 + 9_999}" for n in range(100)), 100, 1_000_000, id="100 x 10,000"),
        pytest.param(",".join(map(str, range(0, 400_000, 2))), 1, 200_000, id="many frames that are one run"),
        pytest.param(HUGE + "," + ",".join(f"{HUGE}x{n}" for n in range(2, 98)), 1, MAX_FRAME, id="covered from the start"),
        pytest.param("1-100000000x10,1-100000000", 11, 100_000_000, id="many gaps go class by class"),
        pytest.param(",".join(f"{n}-{20_000 - n}" for n in range(10_000)), 1, 20_001, id="nested"),
    ],
)
def test_large_ranges_are_few_runs(text: str, runs: int, length: int) -> None:
    parsed = Frames.parse(text)
    assert len(parsed.runs) <= runs
    assert len(parsed) == length
    for position in (0, 1, length // 3, length // 2, length - 1):
        assert parsed.index(parsed[position]) == position


def test_sequence() -> None:
    given = frames("10-1x3,20-22")
    assert given.runs == (Run(10, 1, -3), Run(20, 22, 1))
    assert (len(given), given.first, given.last, given.min, given.max) == (7, 10, 22, 1, 22)
    assert [given[0], given[3], given[4], given[-1], given[-7]] == [10, 1, 20, 22, 10]
    assert list(reversed(given)) == [22, 21, 20, 1, 4, 7, 10]
    assert given.index(20) == 4
    assert 7 in given
    assert 8 not in given
    assert "7" not in given
    assert given == Frames.of([10, 7, 4, 1, 20, 21, 22])
    assert given != frames("20-22,10-1x3")
    assert given != "10-1x3,20-22"
    assert len({given, Frames.of(given), frames("20-22,10-1x3")}) == 2
    assert list(islice(frames(HUGE), 3)) == [1, 2, 3]


@pytest.mark.parametrize("position", [pytest.param(3, id="past the end"), pytest.param(-4, id="before the start")])
def test_no_such_position(position: int) -> None:
    with pytest.raises(IndexError, match="of 3 frames"):
        frames("1-3")[position]


def test_no_such_frame() -> None:
    with pytest.raises(ValueError, match=r"frame 4 is not in 1-3$"):
        frames("1-3").index(4)


def test_empty() -> None:
    empty = Frames()
    assert not empty
    assert str(empty) == ""
    assert list(empty) == list(reversed(empty)) == list(empty.buckets(5)) == []
    assert empty == frames("1-5") - frames("1-9") == Frames.of([]) == frames("1-5").slice(3, 3) == empty.sorted()
    assert empty | frames("2") == frames("2") == frames("2") | empty
    assert empty.bucket_count(0) == 0
    assert empty.positions(frames("1-5")) == frames("1-5").positions(empty) == []
    with pytest.raises(IndexError):
        _ = empty.first
    with pytest.raises(ValueError, match="empty"):
        _ = empty.min


def test_copies_are_equal() -> None:
    given = frames("1-10x3,1-10")
    assert 5 in given
    assert pickle.loads(pickle.dumps(given)) == copy.deepcopy(given) == given


@pytest.mark.parametrize(
    ("left", "right", "minus", "both", "either"),
    [
        pytest.param("1-10", "3-5", "1-2,6-10", "3-5", "1-10", id="inside"),
        pytest.param("10-1", "3-5", "10-6,2-1", "5-3", "10-1", id="order of the left"),
        pytest.param("1-5", "4-8", "1-3", "4-5", "1-8", id="overlap"),
        pytest.param("1-5", "8-4", "1-3", "4-5", "1-5,8-6", id="what the right adds in its order"),
        pytest.param("1-3", "7-9", "1-3", "", "1-3,7-9", id="apart"),
        pytest.param("1-9x2", "2-10x2", "1-9x2", "", "1-9x2,2-10x2", id="interleaved apart"),
        pytest.param("1-12x2", "1-12x3", "3,5,9,11", "1,7", "1-11x2,4,10", id="steps"),
        pytest.param("1-8", "1-8x2,2-8x2", "", "1-8", "1-8", id="the right interleaves"),
        pytest.param("1-100000000x6", "1-100000000x10", "7-99999967x30,13-99999973x30,19-99999979x30,25-99999985x30,99999997",
                     "1-99999991x30", None, id="large"),
    ],
)  # fmt: skip
def test_operations(left: str, right: str, minus: str, both: str, either: str | None) -> None:
    a, b = frames(left), frames(right)
    assert str(a - b) == minus
    assert str(a & b) == both
    if either is not None:
        assert str(a | b) == either


def test_sorted() -> None:
    assert str(frames("10-1,20,15").sorted()) == "1-10,15,20"
    assert str(frames("1-9x2,2-10x2").sorted()) == "1-10"
    assert str(frames("2-100000000x2,1-100000000x2").sorted()) == "1-100000000"
    with pytest.raises(RangeError):
        frames("1-100000000x3,2-100000000x3").sorted()


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        pytest.param(0, ["1-5,10-20x5"], id="all in one"),
        pytest.param(1, ["1", "2", "3", "4", "5", "10", "15", "20"], id="one each"),
        pytest.param(3, ["1-3", "4-5,10", "15,20"], id="across runs"),
        pytest.param(8, ["1-5,10-20x5"], id="exactly all"),
        pytest.param(100, ["1-5,10-20x5"], id="more than all"),
    ],
)
def test_buckets(size: int, expected: list[str]) -> None:
    given = frames("1-5,10-20x5")
    assert [str(bucket) for bucket in given.buckets(size)] == expected
    assert given.bucket_count(size) == len(expected)


def test_buckets_of_a_large_range_come_one_by_one() -> None:
    given = frames("1-100000000")
    assert [str(bucket) for bucket in islice(given.buckets(7), 2)] == ["1-7", "8-14"]
    assert given.bucket_count(7) == 14_285_715
    with pytest.raises(ValueError, match="-1"):
        given.bucket_count(-1)


def test_positions() -> None:
    plan = frames("5,1-10")
    assert plan.positions(frames("1-5,99")) == [(0, 5)]
    assert plan.positions(frames("10,1")) == [(1, 2), (9, 10)]
    assert plan.positions(plan) == [(0, 10)]
    assert str(plan.pick([(0, 2), (9, 10)])) == "5,1,10"
    assert Frames.from_positions(plan, [(9, 99), (0, 1)]) == frames("10,5")
    assert frames("1-100000000").positions(frames("99-100000x3,5000000-6000000"))[-1] == (4_999_999, 6_000_000)
    with pytest.raises(ValueError, match="overlap at 3"):
        plan.pick([(3, 5), (1, 4)])
    with pytest.raises(RangeError):
        frames("1-100000000").positions(frames("1-100000000x2"))


def test_of_and_span() -> None:
    assert str(Frames.of([3, 1, 2, 3, 1])) == "3,1-2"
    assert Frames.of(range(10, 0, -1)) == Frames.span(10, 1) == frames("10-1")
    assert Frames.span(4, 4) == frames("4")
    assert len(Frames.of(range(10**12))) == 10**12
    with pytest.raises(RangeError, match="frames go from"):
        Frames.of([MAX_FRAME + 1])


@pytest.mark.parametrize(
    ("text", "range_", "expected"),
    [
        pytest.param("auto:5", "1-100", "1-51x25,75,100", id="auto"),
        pytest.param("auto:2", "1-100", "1,100", id="auto two"),
        pytest.param("auto:1", "1-100", "1", id="auto one"),
        pytest.param(" AUTO: 3 ", "10-1", "10,5,1", id="auto reversed"),
        pytest.param("auto:200", "1-100", "1-100", id="auto more than there are"),
        pytest.param("auto:3", "1-100000000", "1,50000001,100000000", id="auto large"),
        pytest.param("fml", "1-100", "1,50,100", id="fml"),
        pytest.param("fml:3", "101-109", "101-109x4", id="fml three"),
        pytest.param("fml:1", "1-100", "1", id="fml one"),
        pytest.param("fml:5", "1-9", "1-9x4,3,7", id="fml halves"),
        pytest.param("fml:99999999", "1-5", "1-5x2,2,4", id="fml all"),
        pytest.param("fml", "1-2", "1-2", id="fml of two"),
        pytest.param("fml", "7", "7", id="fml of one"),
        pytest.param("fml:4", "1-100000000", "1,50000000,100000000,25000000", id="fml large"),
        pytest.param("50,10-12", "1-100", "50,10-12", id="a range in its own order"),
    ],
)
def test_priority(text: str, range_: str, expected: str) -> None:
    assert str(priority(text, frames(range_))) == expected


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        pytest.param("auto", 4, "auto needs a number", id="auto without a number"),
        pytest.param("auto:", 5, "auto needs a number", id="auto with nothing"),
        pytest.param("auto:0", 5, "auto needs a number", id="auto zero"),
        pytest.param("fml:x", 4, "fml needs a number", id="fml of a word"),
        pytest.param("auto:" + "9" * 5000, 5, "auto needs a number", id="auto of thousands of digits"),
        pytest.param("auto:1000000", 5, "at most 100,000", id="auto of too many"),
        pytest.param(
            "1-5, 2000000000-2000000010,3", 5, "frames 2000000000-2000000010 of the priority range are not", id="outside"
        ),
        pytest.param("0", 0, "frame 0 of the priority range is not", id="one outside"),
        pytest.param("1-x", 2, "character 3", id="not a range"),
        pytest.param("", 0, "empty", id="empty"),
    ],
)
def test_priority_refused(text: str, position: int, message: str) -> None:
    with pytest.raises(RangeError) as caught:
        priority(text, frames("1-1000000000"))
    assert (caught.value.position, caught.value.text) == (position, text)
    assert message in caught.value.message


def test_priority_of_nothing() -> None:
    assert priority("auto:3", Frames()) == priority("fml", Frames()) == Frames()


def test_plan_of_a_large_range_stays_small() -> None:
    whole = frames("1-100000000")
    plan = priority("1-100000000x1000", whole) | whole
    assert len(plan) == len(whole)
    assert len(plan.runs) == 1001
    assert plan.positions(whole) == [(0, len(whole))]
    small = frames("1-10000")
    assert str((priority("1-10000x10", small) | small).slice(1000, 1018)) == "2-10,12-20"
