from __future__ import annotations

import threading
import time
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laneway.client import EventView, Session
from laneway.client.events import Decoder
from laneway.errors import NotFoundError, UnreachableError
from tests.fakes.job_api import FakeDispatcher

STREAM = b': hello\n\nid: 7\nevent: job\ndata: {"a":\ndata: 1}\n\nid: 8\n\ndata:x\r\n\r\n'


def test_fields_are_read_and_comments_are_not() -> None:
    decoder = Decoder()
    assert list(decoder.feed(STREAM)) == [("7", "job", '{"a":\n1}'), ("8", "message", "x")]


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_pieces_may_end_anywhere(cuts: list[int]) -> None:
    decoder, found = Decoder(), []
    places = [0, *sorted(cuts), len(STREAM)]
    for start, end in pairwise(places):
        found += list(decoder.feed(STREAM[start:end]))
    assert found == list(Decoder().feed(STREAM))


def test_events_start_after_the_row_that_was_asked_for(session: Session, fake: FakeDispatcher) -> None:
    for number in range(4):
        fake.publish(kind="state", job=number)
    with session.events(after=1) as stream:
        assert [event.seq for event in islice(stream, 3)] == [2, 3, 4]


def test_a_lost_connection_loses_no_event(session: Session, fake: FakeDispatcher) -> None:
    fake.publish(kind="state", job=1)
    with session.events(after=0) as stream:
        assert next(stream).seq == 1
        fake.stop()
        fake.publish(kind="state", job=2)
        fake.publish(kind="state", job=3)
        fake.start()
        assert [event.seq for event in islice(stream, 2)] == [2, 3]


def test_a_lost_connection_loses_no_event_even_before_the_first(session: Session, fake: FakeDispatcher) -> None:
    stream = session.events()
    found: list[EventView] = []
    thread = threading.Thread(target=lambda: found.append(next(stream)))
    thread.start()
    while not fake.paths("GET"):
        time.sleep(0.01)
    time.sleep(0.1)
    fake.stop()
    fake.publish(name="attempt", kind="failed", job=5)
    fake.start()
    thread.join(5)
    stream.close()
    assert [(event.name, event.job) for event in found] == [("attempt", 5)]


def test_a_reader_is_woken_by_close(session: Session, fake: FakeDispatcher) -> None:
    stream = session.events()
    left: list[EventView] = []
    thread = threading.Thread(target=lambda: left.extend(stream))
    thread.start()
    time.sleep(0.2)
    start = time.monotonic()
    stream.close()
    thread.join(5)
    assert not thread.is_alive()
    assert time.monotonic() - start < 1
    assert left == []


def test_a_dispatcher_that_stays_away_ends_the_stream(session: Session, fake: FakeDispatcher) -> None:
    fake.publish(kind="state", job=1)
    with session.events(after=0, patience=0.3) as stream:
        next(stream)
        fake.stop()
        with pytest.raises(UnreachableError):
            next(stream)


def test_wait_ends_when_the_job_does(session: Session, fake: FakeDispatcher) -> None:
    job = fake.add_job()
    seen: list[tuple[str, int]] = []

    def finish() -> None:
        for done in range(1, 4):
            time.sleep(0.15)
            fake.set(job, state="running", counts={"done": done, "queued": 10 - done})
        fake.set(job, state="done", counts={"done": 10})

    thread = threading.Thread(target=finish)
    thread.start()
    start = time.monotonic()
    (view,) = session.wait([job], timeout=10, on_update=lambda view: seen.append((view.state, view.done)))
    assert time.monotonic() - start < 1.5
    thread.join()
    assert (view.state, view.done) == ("done", 10)
    assert seen[0] == ("waiting", 0)
    assert seen[-1] == ("done", 10)
    assert ("running", 1) in seen


def test_wait_hears_the_events_of_its_jobs_only(session: Session, fake: FakeDispatcher) -> None:
    mine, also, other = fake.add_job(), fake.add_job(), fake.add_job()
    heard: list[int | None] = []

    def act() -> None:
        time.sleep(0.2)
        fake.publish(name="attempt", kind="finished", job=other)
        fake.publish(name="attempt", kind="finished", job=mine)
        fake.set(also, state="failed")
        fake.set(mine, state="done")

    thread = threading.Thread(target=act)
    thread.start()
    views = session.wait([also, mine, also], timeout=10, on_event=lambda event: heard.append(event.job))
    thread.join()
    assert [(view.id, view.state) for view in views] == [(also, "failed"), (mine, "done")]
    assert other not in heard
    assert mine in heard


def test_wait_outlives_a_restart(session: Session, fake: FakeDispatcher) -> None:
    job = fake.add_job()

    def act() -> None:
        time.sleep(0.2)
        fake.stop()
        time.sleep(0.4)
        fake.state.jobs[job]["state"] = "done"
        fake.start()

    thread = threading.Thread(target=act)
    thread.start()
    (view,) = session.wait([job], timeout=10)
    thread.join()
    assert view.state == "done"


def test_a_job_deleted_meanwhile_is_over(session: Session, fake: FakeDispatcher) -> None:
    job = fake.add_job()

    def act() -> None:
        time.sleep(0.2)
        del fake.state.jobs[job]
        fake.publish(kind="delete", job=job)

    thread = threading.Thread(target=act)
    thread.start()
    (view,) = session.wait([job], timeout=10)
    thread.join()
    assert view.state == "deleted"


def test_wait_gives_up_at_its_timeout(session: Session, fake: FakeDispatcher) -> None:
    job = fake.add_job()
    start = time.monotonic()
    with pytest.raises(TimeoutError, match=str(job)):
        session.wait([job], timeout=0.3)
    assert 0.25 < time.monotonic() - start < 2


def test_waiting_for_what_never_was_is_not_found(session: Session, fake: FakeDispatcher) -> None:
    with pytest.raises(NotFoundError):
        session.wait([99], timeout=1)


def test_a_busy_job_is_not_asked_for_more_than_ten_times_a_second(session: Session, fake: FakeDispatcher) -> None:
    job = fake.add_job()

    def act() -> None:
        for _ in range(300):
            fake.publish(name="attempt", kind="finished", job=job)
            time.sleep(0.002)
        fake.set(job, state="done")

    thread = threading.Thread(target=act)
    thread.start()
    session.wait([job], timeout=10)
    thread.join()
    assert fake.paths("GET").count(f"/jobs/{job}") < 15


def test_without_an_event_stream_jobs_are_asked_for(
    session: Session, fake: FakeDispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("laneway.client.waiting.POLL", 0.2)
    fake.streams = False
    job = fake.add_job()
    thread = threading.Timer(0.3, lambda: fake.set(job, state="done"))
    thread.start()
    (view,) = session.wait([job], timeout=10)
    thread.join()
    assert view.state == "done"
