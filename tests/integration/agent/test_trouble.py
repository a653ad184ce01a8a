"""An agent when things die, hang or say no."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import time

import psutil
import pytest

from tests.fakes.dispatcher import FakeDispatcher
from tests.integration.agent.conftest import StartAgent, gone

SLEEP = {"command": ["sleep", "30"]}


async def test_a_killed_agent_leaves_nothing_behind(dispatcher: FakeDispatcher, start_agent: StartAgent) -> None:
    dispatcher.add(SLEEP, count=2)
    agent = start_agent()
    await dispatcher.until(lambda: len(dispatcher.reports) == 2)
    family = [child.pid for child in agent.children()]
    assert len(family) == 4
    agent.process.kill()
    await gone(*family, within=2.0)


async def test_a_restarted_agent_ends_leftovers_before_it_joins(dispatcher: FakeDispatcher, start_agent: StartAgent) -> None:
    (attempt,) = dispatcher.add(SLEEP)
    agent = start_agent("--lanes", "1")
    await dispatcher.until(lambda: dispatcher.reports)
    renderer, host = dispatcher.reports[0]["pid"], agent.host()
    host.suspend()  # so that it cannot do what hosts do when their agent dies
    agent.process.kill()
    host.kill()
    await gone(host.pid, within=1.0)
    assert psutil.pid_exists(renderer)
    start_agent("--lanes", "1")
    await dispatcher.until(lambda: len(dispatcher.joins) == 2)
    assert not _alive(renderer)
    first, second = dispatcher.joins
    assert first["server"] == second["server"]
    assert first["boot"] != second["boot"]
    assert second["held"] == []
    await dispatcher.until(lambda: len(dispatcher.reports) == 2)
    assert dispatcher.reports[1]["attempt"] == attempt + 1


async def test_a_killed_host_fails_its_bucket_once_its_renderer_is_gone(
    dispatcher: FakeDispatcher, start_agent: StartAgent
) -> None:
    unmarked = "31.415926"
    (attempt,) = dispatcher.add({**SLEEP, "scratch": ["sleep", unmarked]})
    agent = start_agent("--lanes", "1")
    await dispatcher.until(lambda: dispatcher.reports)
    renderer = dispatcher.reports[0]["pid"]
    agent.host().kill()
    await dispatcher.until(dispatcher.finals)
    assert not _alive(renderer)
    assert not [p for p in psutil.process_iter(["cmdline"]) if unmarked in (p.info["cmdline"] or [])]
    final = dispatcher.final(attempt)
    assert final["outcome"] == "failed"
    assert final["retry"] is True
    assert final["reason"] == "the lane's engine host ended (signal 9); its renderer was ended too"
    dispatcher.add({"command": ["true"]})
    await dispatcher.until(lambda: len(dispatcher.finals()) == 2)
    assert dispatcher.finals()[1]["outcome"] == "done"
    assert not [child for child in agent.children() if child.status() == psutil.STATUS_ZOMBIE]


async def test_a_host_that_never_starts_fails_its_buckets_with_its_own_words(
    dispatcher: FakeDispatcher, start_agent: StartAgent
) -> None:
    dispatcher.add(SLEEP)
    start_agent("--lanes", "1", env={"FAKE_HOST_FAILS": "No module named 'numpy'"})
    await dispatcher.until(dispatcher.finals, timeout=10.0)
    assert dispatcher.finals()[0]["reason"] == "the lane's engine host does not start (exit 1: No module named 'numpy')"


async def test_reports_made_while_the_dispatcher_was_away_arrive_once(
    dispatcher: FakeDispatcher, start_agent: StartAgent
) -> None:
    attempts = dispatcher.add({"command": ["sleep", "0.5"]}, count=2)
    agent = start_agent()
    await dispatcher.until(lambda: len(dispatcher.reports) == 2)
    await dispatcher.vanish()
    spool = agent.data / "agent" / "spool" / "reports.jsonl"
    await dispatcher.until(lambda: spool.exists() and spool.read_bytes().count(b"\n") == 2)
    await dispatcher.listen()
    await dispatcher.until(lambda: len(dispatcher.finals()) >= 2)
    await dispatcher.until(lambda: not spool.exists())
    assert sorted(report["attempt"] for report in dispatcher.finals()) == attempts
    assert all(report["outcome"] == "done" for report in dispatcher.finals())
    assert agent.output.count("Rendering goes on") == 1
    assert agent.output.count("is back") == 1


async def test_a_dispatcher_that_does_not_run_ends_no_renderer(
    dispatcher: FakeDispatcher, start_agent: StartAgent, sleeper: subprocess.Popen[bytes]
) -> None:
    dispatcher.lease = 1.0
    dispatcher.process = sleeper
    dispatcher.add({"command": ["sleep", "2.5"]})
    start_agent()
    await dispatcher.until(lambda: dispatcher.reports)
    await dispatcher.vanish()
    sleeper.kill()
    sleeper.wait()
    await asyncio.sleep(2.0)
    await dispatcher.listen()
    await dispatcher.until(dispatcher.finals)
    assert dispatcher.finals()[0]["outcome"] == "done"


@pytest.mark.parametrize("known", [pytest.param(False, id="no-pid"), pytest.param(True, id="pid-is-there")])
async def test_a_refused_connection_to_a_dispatcher_that_may_run_is_silence(
    dispatcher: FakeDispatcher, start_agent: StartAgent, sleeper: subprocess.Popen[bytes], known: bool
) -> None:
    dispatcher.lease = 2.0
    dispatcher.process = sleeper if known else None
    (attempt,) = dispatcher.add(SLEEP)
    agent = start_agent()
    await dispatcher.until(lambda: dispatcher.reports)
    await dispatcher.vanish()
    await gone(dispatcher.reports[0]["pid"], within=2.0)
    await dispatcher.listen()
    await dispatcher.until(dispatcher.finals)
    assert dispatcher.final(attempt)["outcome"] == "stopped"
    assert re.search(r"Rendering goes on for \d s; trying again", agent.output)


async def test_another_dispatcher_at_the_same_address_is_met_with_empty_hands(
    dispatcher: FakeDispatcher, start_agent: StartAgent
) -> None:
    dispatcher.lease = 3.0
    dispatcher.add(SLEEP)
    agent = start_agent("--lanes", "1")
    await dispatcher.until(lambda: dispatcher.reports)
    renderer = dispatcher.reports[0]["pid"]
    dispatcher.wipe()
    (again,) = dispatcher.add({"command": ["sleep", "0.1"]})  # the same number
    await dispatcher.until(dispatcher.finals)
    assert not _alive(renderer)
    assert [report["outcome"] for report in dispatcher.finals()] == ["done"]
    assert dispatcher.final(again)["at"] > dispatcher.reports[0]["at"]
    assert "is not the dispatcher that it was" in agent.output


async def test_reports_for_a_dispatcher_that_is_no_more_are_not_delivered_to_the_next(
    dispatcher: FakeDispatcher, start_agent: StartAgent
) -> None:
    dispatcher.add({"command": ["sleep", "0.3"]})
    agent = start_agent("--lanes", "1")
    await dispatcher.until(lambda: dispatcher.reports)
    await dispatcher.vanish()
    spool = agent.data / "agent" / "spool" / "reports.jsonl"
    await dispatcher.until(spool.exists)
    agent.process.kill()
    await agent.wait()
    dispatcher.wipe()
    dispatcher.add({"command": ["sh", "-c", "exit 3"]})
    start_agent("--lanes", "1")
    await dispatcher.listen()
    await dispatcher.until(dispatcher.finals)
    assert [report["outcome"] for report in dispatcher.finals()] == ["failed"]
    assert not spool.exists()


@pytest.mark.parametrize("deaf", [pytest.param(False, id="host-obeys"), pytest.param(True, id="host-hangs")])
async def test_silence_ends_the_renderers_before_the_lease_is_over(
    dispatcher: FakeDispatcher, start_agent: StartAgent, deaf: bool
) -> None:
    dispatcher.lease = 2.0
    (attempt,) = dispatcher.add({**SLEEP, "deaf": deaf})
    start_agent()
    await dispatcher.until(lambda: dispatcher.reports)
    renderer = dispatcher.reports[0]["pid"]
    dispatcher.hanging = True
    cut = time.monotonic()
    await gone(renderer, within=2.0)
    assert time.monotonic() - cut > 0.5
    dispatcher.hanging = False
    await dispatcher.until(dispatcher.finals)
    assert dispatcher.final(attempt)["outcome"] == "stopped"
    assert dispatcher.final(attempt)["reason"].startswith("the agent could not reach the dispatcher for 2 s")


async def test_silence_leaves_less_time_to_what_was_told_to_stop_before(
    dispatcher: FakeDispatcher, start_agent: StartAgent
) -> None:
    dispatcher.lease = 2.0
    (attempt,) = dispatcher.add({**SLEEP, "deaf": True})
    start_agent()
    await dispatcher.until(lambda: dispatcher.reports)
    dispatcher.ask("stop", {"attempt": attempt, "reason": "aborted by ann"})  # its host has 15 s to do so
    await dispatcher.until(lambda: len(dispatcher.polls) > 2)
    dispatcher.hanging = True
    await gone(dispatcher.reports[0]["pid"], within=2.0)


async def test_undelivered_reports_survive_a_restart(dispatcher: FakeDispatcher, start_agent: StartAgent) -> None:
    (attempt,) = dispatcher.add({"command": ["sleep", "0.3"]})
    agent = start_agent("--lanes", "1")
    await dispatcher.until(lambda: dispatcher.reports)
    await dispatcher.vanish()
    spool = agent.data / "agent" / "spool" / "reports.jsonl"
    await dispatcher.until(spool.exists)
    agent.process.kill()
    await agent.wait()
    start_agent("--lanes", "1")
    await dispatcher.listen()
    await dispatcher.until(dispatcher.finals)
    assert dispatcher.joins[-1]["held"] == [attempt]
    assert dispatcher.final(attempt)["outcome"] == "done"
    await dispatcher.until(lambda: not spool.exists())


async def test_a_dispatcher_that_forgot_this_server_is_joined_again(
    dispatcher: FakeDispatcher, start_agent: StartAgent
) -> None:
    dispatcher.lease = 3.0
    (attempt,) = dispatcher.add({"command": ["sleep", "1.5"]})
    start_agent("--lanes", "1")
    await dispatcher.until(lambda: dispatcher.reports)
    dispatcher.forgetful = True
    await dispatcher.until(lambda: len(dispatcher.joins) == 2)
    first, second = dispatcher.joins
    assert second["boot"] == first["boot"]
    assert second["held"] == [attempt]
    await dispatcher.until(dispatcher.finals)
    assert dispatcher.final(attempt)["outcome"] == "done"


async def test_an_agent_that_was_superseded_ends_its_renderers_and_itself(
    dispatcher: FakeDispatcher, start_agent: StartAgent
) -> None:
    dispatcher.add(SLEEP)
    dispatcher.lease = 3.0
    agent = start_agent()
    await dispatcher.until(lambda: dispatcher.reports)
    dispatcher.superseding = True
    assert await agent.wait() == 1
    assert "another agent has joined as this server" in agent.output
    await gone(dispatcher.reports[0]["pid"], within=0.5)


async def test_a_wrong_token_is_one_line_and_the_end(dispatcher: FakeDispatcher, start_agent: StartAgent) -> None:
    agent = start_agent(token="wrong")
    assert await agent.wait() == 1
    assert agent.output.splitlines() == [
        f"agent: token: {dispatcher.url} refuses this agent's token. Pass the dispatcher's with --token."
    ]


async def test_another_protocol_is_one_line_and_the_end(dispatcher: FakeDispatcher, start_agent: StartAgent) -> None:
    error = {"code": "protocol", "message": "this dispatcher speaks protocol 2, the agent 1.", "fix": "Update the agent."}
    dispatcher.join_error = (409, {"error": error})
    agent = start_agent()
    assert await agent.wait() == 1
    assert agent.output.splitlines() == ["agent: this dispatcher speaks protocol 2, the agent 1. Update the agent."]


async def test_a_dispatcher_that_is_not_there_yet_is_waited_for(dispatcher: FakeDispatcher, start_agent: StartAgent) -> None:
    await dispatcher.vanish()
    agent = start_agent()
    await dispatcher.until(lambda: "Trying until it answers" in agent.output)
    await asyncio.sleep(0.5)
    await dispatcher.listen()
    await dispatcher.until(lambda: dispatcher.joins)
    await dispatcher.until(lambda: "ready" in agent.output)
    assert agent.output.count("nobody listens") == 1


async def test_a_second_agent_on_one_folder_names_the_first(dispatcher: FakeDispatcher, start_agent: StartAgent) -> None:
    first = start_agent()
    await dispatcher.until(lambda: dispatcher.joins)
    second = start_agent()
    assert await second.wait() == 1
    assert f"an agent already runs on {first.data / 'agent'} (pid {first.process.pid})" in second.output
    assert len(dispatcher.joins) == 1


async def test_an_agent_that_was_frozen_past_its_lease_stops_at_once(
    dispatcher: FakeDispatcher, start_agent: StartAgent
) -> None:
    dispatcher.lease = 1.0
    dispatcher.add(SLEEP)
    agent = start_agent()
    await dispatcher.until(lambda: dispatcher.reports)
    os.kill(agent.process.pid, signal.SIGSTOP)
    await asyncio.sleep(1.2)
    dispatcher.hanging = True
    os.kill(agent.process.pid, signal.SIGCONT)
    await gone(dispatcher.reports[0]["pid"], within=1.0)


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
