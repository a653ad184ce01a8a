"""The agents' protocol over a real socket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.integration.dispatcher.conftest import Agent, Running

Start = Callable[[], "Awaitable[Running]"]


async def test_a_bucket_goes_out_and_comes_back(dispatcher: Running, agent: Agent) -> None:
    joined = await agent.joined()
    assert joined["lease"] == 60.0
    assert joined["dispatcher"]["id"] == "id"
    number = await dispatcher.submit("1-6", settings={"task_bucketsize": 3})
    answer = await agent.poll()
    assert [(one["items"], one["lane"], one["number"]) for one in answer["leases"]] == [("1-3", 1, 1), ("4-6", 2, 1)]
    assert answer["jobs"][str(number)]["engine"] == "command"
    first, second = answer["leases"]
    assert (await agent.report({"attempt": first["attempt"], "kind": "started", "at": 4.0, "pid": 44}))["refused"] == []
    assert (await dispatcher.get(f"/jobs/{number}"))["counts"]["executing"] == 3
    await agent.report({"attempt": first["attempt"], "kind": "progress", "at": 4.5, "fraction": 0.5, "done": "1"})
    assert (await dispatcher.get(f"/jobs/{number}"))["counts"]["done"] == 1
    await agent.report(agent.done(first), agent.done(second))
    job = await dispatcher.get(f"/jobs/{number}")
    assert (job["state"], job["progress"], job["running"]) == ("done", 1.0, 0)
    history = await dispatcher.get(f"/jobs/{number}/history")
    kinds = [row["kind"] for row in history["history"]]
    assert kinds[0] == "submitted"
    assert kinds.count("leased") == kinds.count("finished") == 2
    assert history["history"][-1]["data"]["state"] == "done"


async def test_a_waiting_poll_is_answered_when_a_job_comes(dispatcher: Running, agent: Agent) -> None:
    await agent.joined()
    waiting = asyncio.ensure_future(agent.poll(wait=20))
    await asyncio.sleep(0.05)
    began = time.perf_counter()
    await dispatcher.submit("1")
    leases = (await asyncio.wait_for(waiting, 2))["leases"]
    assert [one["items"] for one in leases] == ["1"]
    assert time.perf_counter() - began < 0.5


async def test_a_reports_answer_takes_the_next_bucket_along(dispatcher: Running, agent: Agent) -> None:
    await agent.joined(lanes=1)
    await dispatcher.submit("1-3")
    (lease,) = (await agent.poll())["leases"]
    waiting = asyncio.ensure_future(agent.poll([lease["attempt"]], wait=20))
    await asyncio.sleep(0.05)
    (following,) = (await agent.report(agent.done(lease)))["leases"]
    assert following["items"] == "2"
    await asyncio.sleep(0.05)
    assert not waiting.done()
    waiting.cancel()


async def test_repeating_a_report_changes_nothing(dispatcher: Running, agent: Agent) -> None:
    await agent.joined(lanes=1)
    number = await dispatcher.submit("1-3")
    (lease,) = (await agent.poll())["leases"]
    await agent.report(agent.done(lease))
    again = await agent.report(agent.done(lease), agent.done(lease, outcome="failed", done=""))
    assert [one["attempt"] for one in again["refused"]] == [lease["attempt"]] * 2
    assert (await dispatcher.get(f"/jobs/{number}"))["counts"]["done"] == 1


async def test_a_lost_answer_is_sent_again(dispatcher: Running, agent: Agent) -> None:
    await agent.joined(lanes=1)
    await dispatcher.submit("1-3")
    (lease,) = (await agent.poll())["leases"]
    assert (await agent.poll([]))["leases"] == [lease]
    assert (await agent.poll([lease["attempt"]]))["leases"] == []


async def test_what_the_dispatcher_does_not_know_has_to_end(dispatcher: Running, agent: Agent) -> None:
    await agent.joined()
    assert [one["attempt"] for one in (await agent.poll([77]))["stop"]] == [77]
    assert [one["attempt"] for one in (await agent.joined(held=[78]))["stop"]] == [78]


async def test_aborting_a_job_ends_its_processes(dispatcher: Running, agent: Agent) -> None:
    await agent.joined(lanes=1)
    number = await dispatcher.submit("1-3")
    (lease,) = (await agent.poll())["leases"]
    waiting = asyncio.ensure_future(agent.poll([lease["attempt"]], wait=20))
    await asyncio.sleep(0.05)
    aborted = await dispatcher.post(f"/jobs/{number}/abort", {"reason": "wrong shot"}, headers={"X-Laneway-User": "ann"})
    assert aborted["state"] == "aborted"
    (stop,) = (await asyncio.wait_for(waiting, 2))["stop"]
    assert stop["attempt"] == lease["attempt"]
    assert "ann" in stop["reason"]
    assert "wrong shot" in stop["reason"]
    await agent.report(agent.done(lease, outcome="stopped", done="", reason="aborted"))
    job = await dispatcher.get(f"/jobs/{number}")
    assert (job["state"], job["running"], job["counts"]["queued"]) == ("aborted", 0, 3)


async def test_an_agent_started_anew_gives_back_what_it_held(dispatcher: Running, agent: Agent) -> None:
    await agent.joined(lanes=1)
    number = await dispatcher.submit("1-3")
    (lease,) = (await agent.poll())["leases"]
    agent.boot = "b2"
    await agent.joined(lanes=1, boot="b2")
    attempts = (await dispatcher.get(f"/jobs/{number}/attempts"))["attempts"]
    assert [(one["state"], one["items"]) for one in attempts] == [("leased", "1"), ("lost", "1")]
    assert (await agent.report(agent.done(lease)))["refused"][0]["attempt"] == lease["attempt"]


async def test_leaving_gives_back_what_was_held(dispatcher: Running, agent: Agent) -> None:
    await agent.joined(lanes=1)
    number = await dispatcher.submit("1-3")
    await agent.poll()
    await dispatcher.post("/agents/s1/leave", {"boot": "b1"})
    assert (await dispatcher.get(f"/jobs/{number}"))["counts"]["queued"] == 3
    assert [one["online"] for one in (await dispatcher.get("/servers"))["servers"]] == [False]


@pytest.mark.parametrize(
    "verb", [pytest.param("poll", id="poll"), pytest.param("report", id="report"), pytest.param("leave", id="leave")]
)
async def test_who_is_unknown_joins_and_who_is_superseded_stops(dispatcher: Running, agent: Agent, verb: str) -> None:
    body: dict[str, Any] = {"boot": "b1", "reports": []}
    answer = await dispatcher.client.post(f"/api/v1/agents/s1/{verb}", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "unknown_server")
    await agent.joined(boot="b2")
    answer = await dispatcher.client.post(f"/api/v1/agents/s1/{verb}", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "superseded")


async def test_a_restart_changes_nothing_for_an_agent(start: Start, agent_of: type[Agent]) -> None:
    running = await start()
    agent = agent_of(running, lanes=2)
    await agent.joined()
    number = await running.submit("1-100", settings={"task_bucketsize": 2})
    leases = (await agent.poll())["leases"]
    for _ in range(10):
        leases = (await agent.report(*map(agent.done, leases)))["leases"]
    before = await running.get(f"/jobs/{number}")
    await running.stop()

    running = await start()
    agent = agent_of(running)
    after = await running.get(f"/jobs/{number}")
    volatile = {"reason"}
    assert {key: value for key, value in after.items() if key not in volatile} == {
        key: value for key, value in before.items() if key not in volatile
    }
    assert (await agent.poll([one["attempt"] for one in leases]))["leases"] == [], "it still has its leases"
    assert [one["online"] for one in (await running.get("/servers"))["servers"]] == [True]
    while leases:
        leases = (await agent.report(*map(agent.done, leases)))["leases"]
    job = await running.get(f"/jobs/{number}")
    assert (job["state"], job["counts"]["done"]) == ("done", 100)
    ids = [one["id"] for one in (await running.get(f"/jobs/{number}/attempts?limit=1000"))["attempts"]]
    assert sorted(ids) == list(range(1, 51))
    assert await running.submit("1") == number + 1


async def test_a_poll_is_answered_when_the_dispatcher_stops(start: Start, agent_of: type[Agent]) -> None:
    running = await start()
    agent = agent_of(running)
    await agent.joined()
    waiting = asyncio.ensure_future(agent.poll(wait=30))
    await asyncio.sleep(0.05)
    began = time.perf_counter()
    await running.stop()
    assert (await waiting)["leases"] == []
    assert time.perf_counter() - began < 2


async def test_a_poll_of_an_agent_that_was_replaced_meanwhile_gets_nothing(dispatcher: Running, agent: Agent) -> None:
    await agent.joined()
    url = f"/api/v1/agents/{agent.server}/poll"
    old = asyncio.ensure_future(dispatcher.client.post(url, json={"boot": agent.boot, "known": [], "wait": 20}))
    await asyncio.sleep(0.05)
    await agent.joined(boot="b2")
    agent.boot = "b2"
    await dispatcher.submit("1")
    refused = await asyncio.wait_for(old, 2)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "superseded")
    assert [one["items"] for one in (await agent.poll())["leases"]] == ["1"]


async def test_a_last_report_that_cannot_be_read_ends_its_attempt(dispatcher: Running, agent: Agent) -> None:
    await agent.joined(lanes=1)
    number = await dispatcher.submit("1", settings={"task_max_retries": 0})
    (lease,) = (await agent.poll())["leases"]
    broken = agent.done(lease, max_rss=-5)
    assert (await agent.report(broken))["refused"] == []
    job = await dispatcher.get(f"/jobs/{number}")
    assert (job["state"], job["running"]) == ("failed", 0)
    assert "max_rss" in job["reason"]


async def test_progress_that_cannot_be_read_is_refused_and_changes_nothing(dispatcher: Running, agent: Agent) -> None:
    await agent.joined(lanes=1)
    number = await dispatcher.submit("1")
    (lease,) = (await agent.poll())["leases"]
    report = {"attempt": lease["attempt"], "kind": "progress", "at": 4.5, "fraction": "half", "done": ""}
    (refused,) = (await agent.report(report))["refused"]
    assert (refused["attempt"], refused["stale"]) == (lease["attempt"], False)
    assert (await dispatcher.get(f"/jobs/{number}"))["running"] == 1
