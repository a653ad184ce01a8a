from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from laneway.dispatcher.mailboxes import REMIND_AFTER, LogRequest, Mailbox
from laneway.job import Attempt


class Fixture:
    def __init__(self) -> None:
        self.running = {7: self.attempt(7), 8: self.attempt(8)}
        self.box = Mailbox(self.running.__contains__, lambda job: (0.0, orjson.Fragment(b'{"id":3}')))

    def attempt(self, number: int) -> Attempt:
        return Attempt(number, number=1, job=3, lo=0, hi=5, items="1-5", server="s", lane=1, created=0.0)

    def answer(self, now: float = 0.0) -> dict[str, Any]:
        answer: dict[str, Any] = orjson.loads(self.box.answer(60.0, now))
        return answer

    def leases(self, now: float = 0.0) -> list[int]:
        return [lease["attempt"] for lease in self.answer(now)["leases"]]


@pytest.fixture
def fixture() -> Fixture:
    return Fixture()


def test_a_lease_goes_out_once_with_its_job(fixture: Fixture) -> None:
    fixture.box.lease([fixture.running[7]])
    answer = fixture.answer()
    assert answer["jobs"] == {"3": {"id": 3}}
    assert answer["leases"] == [{"attempt": 7, "number": 1, "job": 3, "lane": 1, "items": "1-5", "timeout": 0.0}]
    assert fixture.leases() == []


def test_a_lease_that_the_agent_does_not_know_of_goes_out_again(fixture: Fixture) -> None:
    fixture.box.lease(fixture.running.values())
    fixture.answer()
    fixture.box.reconcile([8], fixture.running, 10.0)
    assert fixture.leases(10.0) == [7]
    fixture.box.reconcile([8], fixture.running, 10.0 + REMIND_AFTER / 2)
    assert fixture.leases() == [], "not in a loop"
    fixture.box.reconcile([8], fixture.running, 10.0 + REMIND_AFTER)
    assert fixture.leases() == [7]


def test_a_lease_that_has_ended_does_not_go_out(fixture: Fixture) -> None:
    fixture.box.lease(fixture.running.values())
    fixture.box.over(7)
    fixture.running[8].stopping = "aborted"
    assert fixture.leases() == []


def test_an_attempt_that_is_stopped_before_it_was_sent_is_asked_for_until_the_agent_answers(fixture: Fixture) -> None:
    fixture.box.lease([fixture.running[7]])
    fixture.running[7].stopping = "aborted"
    fixture.box.stop([(7, "aborted")])
    assert [stop["attempt"] for stop in fixture.answer(0.0)["stop"]] == [7]
    fixture.box.reconcile([], fixture.running, REMIND_AFTER / 2)
    assert fixture.answer()["stop"] == []
    fixture.box.reconcile([], fixture.running, REMIND_AFTER)
    assert fixture.answer()["stop"] == [{"attempt": 7, "reason": "aborted"}]


def test_what_is_not_the_agents_any_more_has_to_end(fixture: Fixture) -> None:
    fixture.running[8].stopping = "aborted by ann"
    fixture.box.reconcile([5, 7, 8], fixture.running, 10.0)
    assert sorted(fixture.answer(10.0)["stop"], key=lambda stop: int(stop["attempt"])) == [
        {"attempt": 5, "reason": "it is not this server's any more"},
        {"attempt": 8, "reason": "aborted by ann"},
    ]
    fixture.box.reconcile([5, 7, 8], fixture.running, 10.5)
    assert not fixture.box, "an agent needs a moment to end its processes"


async def test_waiting_ends_when_something_comes(fixture: Fixture) -> None:
    waiting = asyncio.ensure_future(fixture.box.wait(30))
    await asyncio.sleep(0)
    fixture.box.ask(LogRequest("r", 3, 7, 0, 100))
    await asyncio.wait_for(waiting, 1)
    assert fixture.answer()["logs"] == [{"request": "r", "job": 3, "attempt": 7, "offset": 0, "limit": 100}]


async def test_waiting_ends_with_its_time(fixture: Fixture) -> None:
    await asyncio.wait_for(fixture.box.wait(0.01), 1)


async def test_a_newer_poll_takes_the_place_of_an_older_one(fixture: Fixture) -> None:
    first = asyncio.ensure_future(fixture.box.wait(30))
    await asyncio.sleep(0)
    second = asyncio.ensure_future(fixture.box.wait(30))
    await asyncio.wait_for(first, 1)
    assert not second.done()
    fixture.box.stop([(7, "x")])
    await asyncio.wait_for(second, 1)


async def test_a_report_takes_along_what_the_poll_waits_for(fixture: Fixture) -> None:
    waiting = asyncio.ensure_future(fixture.box.wait(30))
    await asyncio.sleep(0)
    fixture.box.begin_report()
    fixture.box.lease([fixture.running[7]])
    await asyncio.sleep(0)
    assert not waiting.done()
    assert fixture.leases() == [7]
    fixture.box.end_report()
    await asyncio.sleep(0)
    assert not waiting.done()
    fixture.box.begin_report()
    fixture.box.lease([fixture.running[8]])
    fixture.box.end_report()
    await asyncio.wait_for(waiting, 1)
