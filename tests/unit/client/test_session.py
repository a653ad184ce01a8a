from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from laneway.client import JobView, Session
from laneway.client.wire import current_user
from laneway.errors import AccessError, ConflictError, NotFoundError, PayloadError, StoreError, UnreachableError
from tests.fakes.job_api import FakeDispatcher, Log

PAYLOAD = {"engine": "command", "name": "count", "range": "1-3"}


def test_submit_makes_a_job(session: Session, fake: FakeDispatcher) -> None:
    made = session.submit(PAYLOAD)
    assert made.job is not None
    assert (made.id, made.job.name, made.warnings) == (41, "count", ())
    assert fake.calls[-1].body == PAYLOAD


def test_a_dry_run_makes_none(session: Session, fake: FakeDispatcher) -> None:
    made = session.submit(PAYLOAD, dry_run=True)
    assert made.job is None
    assert made.warnings == ("only looked at",)
    assert not fake.state.jobs
    with pytest.raises(AttributeError):
        _ = made.id


@pytest.mark.parametrize("lost", [["before"], ["after"], ["after", "before", "after"], ["busy"]], ids="-".join)
def test_a_lost_submission_is_repeated_and_makes_one_job(session: Session, fake: FakeDispatcher, lost: list[str]) -> None:
    fake.lose = lost
    assert session.submit(PAYLOAD).id == 41
    assert len(fake.state.jobs) == 1
    assert len({call.headers["Idempotency-Key"] for call in fake.calls}) == 1


def test_two_submissions_are_two_jobs(session: Session, fake: FakeDispatcher) -> None:
    assert session.submit(PAYLOAD).id != session.submit(PAYLOAD).id


def test_what_is_no_json_is_refused_before_it_is_sent(session: Session, fake: FakeDispatcher) -> None:
    with pytest.raises(PayloadError):
        session.submit({"engine": "command", "priority": float("nan")})
    with pytest.raises(PayloadError):
        session.submit({"engine": object()})  # type: ignore[dict-item]  # the fault under test
    assert not fake.calls


def test_faults_keep_field_value_and_fix(session: Session, fake: FakeDispatcher) -> None:
    first = {
        "code": "unknown_name",
        "message": "unknown engine 'blendr'.",
        "field": "engine",
        "value": "blendr",
        "fix": "'blender'?",
    }
    second = {"code": "bad_range", "message": "no range.", "field": "range", "value": "x", "fix": None}
    fake.state.refusal = (422, {"error": first, "errors": [first, second]})
    with pytest.raises(PayloadError) as caught:
        session.submit(PAYLOAD)
    problems = caught.value.problems
    assert [(p.code, p.field, p.value, p.fix) for p in problems] == [
        ("unknown_name", "engine", "blendr", "'blender'?"),
        ("bad_range", "range", "x", None),
    ]
    assert caught.value.code == "unknown_name"


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda s: s.job(7), NotFoundError),
        (lambda s: s.attempt(7), NotFoundError),
        (lambda s: s.log(7), NotFoundError),
        (lambda s: s.delete(7), NotFoundError),
        (lambda s: s.tasks(7), NotFoundError),
    ],
    ids=["job", "attempt", "log", "delete", "tasks"],
)
def test_what_is_not_there_is_not_found(session: Session, call: Callable[[Session], object], error: type[Exception]) -> None:
    with pytest.raises(error):
        call(session)


def test_a_refusal_is_a_conflict_with_its_code(session: Session, fake: FakeDispatcher) -> None:
    job = fake.add_job(running=2)
    with pytest.raises(ConflictError) as caught:
        session.delete(job)
    assert caught.value.code == "illegal_transition"


def test_a_wrong_token_is_told_at_once(fake: FakeDispatcher) -> None:
    with Session(fake.url, "wrong") as session, pytest.raises(AccessError):
        session.jobs()
    assert len(fake.calls) == 1


def test_nobody_listening_is_told_after_patience(fake: FakeDispatcher) -> None:
    url = fake.url
    fake.stop()
    said: list[str] = []
    with Session(url, "x", patience=0.3, on_trouble=said.append) as session, pytest.raises(UnreachableError) as caught:
        session.jobs()
    assert "laneway up" in str(caught.value)
    assert "Connection refused" in str(caught.value)
    assert len(said) == 1


def test_a_busy_dispatcher_is_told_after_patience(fake: FakeDispatcher) -> None:
    fake.lose = ["busy"] * 50
    with Session(data=fake.data, patience=0.2) as session, pytest.raises(StoreError) as caught:
        session.jobs()
    assert caught.value.fix == "Make room."


def test_a_dispatcher_that_moved_is_found_again(session: Session, fake: FakeDispatcher) -> None:
    job = fake.add_job()
    before = session.job(job)
    fake.restart()
    assert session.job(job) == before


def test_a_deletion_whose_answer_was_lost_has_happened(session: Session, fake: FakeDispatcher) -> None:
    job = fake.add_job()
    fake.lose = ["after"]
    session.delete(job)
    assert not fake.state.jobs


def test_a_retry_is_not_repeated_once_it_may_have_been_carried_out(session: Session, fake: FakeDispatcher) -> None:
    job = fake.add_job(state="failed")
    fake.lose = ["after"]
    with pytest.raises(UnreachableError):
        session.retry(job)
    assert fake.paths("POST") == [f"/jobs/{job}/retry"]


@pytest.mark.parametrize("verb", ["pause", "resume", "abort"])
def test_actions_carry_their_reason(session: Session, fake: FakeDispatcher, verb: str) -> None:
    job = fake.add_job()
    changed: JobView = getattr(session, verb)(job, "lunch")
    assert changed.reason == "lunch"
    assert fake.calls[-1].body == {"reason": "lunch"}


def test_retry_and_edit_send_what_was_asked(session: Session, fake: FakeDispatcher) -> None:
    job = fake.add_job(state="done")
    session.retry(job, "3-5")
    assert fake.calls[-1].body == {"range": "3-5"}
    assert session.edit(job, {"priority": 900}).priority == 900


def test_lists_have_their_total(session: Session, fake: FakeDispatcher) -> None:
    for number in range(5):
        fake.add_job(state="done" if number % 2 else "running")
    page = session.jobs(state=["running"], limit=2)
    assert (len(page), page.total) == (2, 3)
    assert [job.id for job in page] == [45, 43]
    assert page[0].state == "running"


def test_views_keep_what_they_do_not_know_and_default_what_is_missing() -> None:
    view = JobView.from_data({"id": 1, "brand_new": True, "reason": None, "input": ["a", "b"]})
    assert view.data["brand_new"] is True
    assert (view.reason, view.state, view.input) == ("", "init", ("a", "b"))


def test_a_log_is_read_in_pieces_and_from_its_end(session: Session, fake: FakeDispatcher) -> None:
    job = fake.add_job()
    fake.state.logs[9] = Log(job, 1, b"0123456789", complete=True)
    piece = session.log(job, limit=4)
    assert (piece.data, piece.offset, piece.next, piece.size, piece.complete, piece.attempt) == (b"0123", 0, 4, 10, False, 9)
    assert session.log(attempt=9, offset=-3).data == b"789"
    assert session.log(job, item=1, offset=4).complete


def test_a_log_is_followed_to_its_end(session: Session, fake: FakeDispatcher) -> None:
    job = fake.add_job()
    fake.state.logs[9] = Log(job, 1, b"one ")
    told = b""
    for piece in session.follow_log(job):
        told += piece.data
        if told == b"one ":
            fake.append_log(9, b"two ")
        elif told == b"one two ":
            fake.append_log(9, b"three", complete=True)
    assert told == b"one two three"


@pytest.mark.parametrize(
    ("user", "sent"), [(None, None), ("", ""), ("zoë 李", "zoë 李")], ids=["the system's", "none", "any letters"]
)
def test_who_asks_is_said(fake: FakeDispatcher, user: str | None, sent: str | None) -> None:
    with Session(data=fake.data, user=user) as session:
        session.jobs()
    assert fake.calls[-1].headers["X-Laneway-User"].encode("latin-1").decode() == (current_user() if sent is None else sent)


def test_a_stranger_at_the_address_is_named(session: Session, fake: FakeDispatcher) -> None:
    with Session(f"{fake.url}/elsewhere", "x") as lost, pytest.raises(AccessError):
        lost.jobs()


def test_importing_the_client_is_quick_and_loads_no_requests() -> None:
    heavy = ("requests", "urllib3", "asyncio", "pydantic", "rich")
    script = f"import sys, laneway.client; print([name for name in {heavy} if name in sys.modules])"
    took = []
    for _ in range(3):
        start = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        took.append(time.perf_counter() - start)
        assert done.stdout.strip() == "[]"
    assert min(took) < 0.15
