"""Adding up what lines say about progress."""

from __future__ import annotations

from laneway.engine.progress import Progress, Tracker


def test_a_fraction_of_an_item_counts_on_top_of_finished_ones() -> None:
    tracker = Tracker(4)
    tracker.finish(10)
    assert tracker.advance(Progress(item=11, fraction=0.5), 0, 4)
    assert tracker.fraction == 0.375
    assert tracker.item == 11
    assert tracker.done_text() == "10"


def test_a_fraction_without_an_item_is_of_the_process() -> None:
    tracker = Tracker(4)
    tracker.advance(Progress(fraction=0.5), 2, 1)
    assert tracker.fraction == 0.625


def test_progress_never_goes_back_nor_past_the_end() -> None:
    tracker = Tracker(2)
    tracker.advance(Progress(item=1, fraction=0.8), 0, 2)
    assert not tracker.advance(Progress(item=1, fraction=0.2), 0, 2)
    assert tracker.fraction == 0.4
    tracker.advance(Progress(fraction=7.0), 0, 2)
    assert tracker.fraction == 1.0


def test_a_finished_item_says_no_more() -> None:
    tracker = Tracker(4)
    tracker.finish(1)
    tracker.advance(Progress(item=1, fraction=1.0), 0, 4)
    assert tracker.fraction == 0.25


def test_finished_items_are_a_range() -> None:
    tracker = Tracker(10)
    for item in (5, 3, 4, 9):
        tracker.finish(item)
    assert tracker.done_text() == "3-5,9"
    assert list(tracker.finished) == [5, 3, 4, 9]
