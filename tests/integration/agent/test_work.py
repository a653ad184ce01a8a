"""An agent at work with a dispatcher that behaves."""

from __future__ import annotations

import signal

import pytest

from laneway import __version__
from tests.fakes.dispatcher import FakeDispatcher
from tests.integration.agent.conftest import StartAgent, gone

SLEEP = {"command": ["sleep", "30"]}


async def test_it_joins_with_what_the_server_is(dispatcher: FakeDispatcher, start_agent: StartAgent) -> None:
    agent = start_agent("--lanes", "3", "--name", "ren01")
    await dispatcher.until(lambda: dispatcher.joins)
    (join,) = dispatcher.joins
    assert (join["protocol"], join["hostname"], join["lanes"], join["held"]) == (1, "ren01", 3, [])
    assert (join["version"], join["site"]) == (__version__, "main")
    assert join["engines"]["command"]["available"] is True
    assert join["data_folder"] == str(agent.data / "agent")
    await dispatcher.until(lambda: dispatcher.polls)
    assert f"ready {dispatcher.url} as ren01 with 3 lanes" in agent.output


async def test_a_bucket_is_started_reported_and_forgotten(dispatcher: FakeDispatcher, start_agent: StartAgent) -> None:
    (attempt,) = dispatcher.add({"command": ["sleep", "0.2"]}, items="1-5")
    start_agent()
    await dispatcher.until(dispatcher.finals)
    assert [report["kind"] for report in dispatcher.reports] == ["started", "finished"]
    final = dispatcher.final(attempt)
    assert (final["outcome"], final["done"]) == ("done", "1-5")
    assert "type" not in final
    dispatcher.ask("forget", 99)
    await dispatcher.until(lambda: dispatcher.polls[-1]["known"] == [])


async def test_many_buckets_run_once_each(dispatcher: FakeDispatcher, start_agent: StartAgent) -> None:
    attempts = dispatcher.add({"seconds": 0.001}, count=400)
    start_agent("--lanes", "4")
    await dispatcher.until(lambda: len(dispatcher.finals()) >= len(attempts))
    assert sorted(report["attempt"] for report in dispatcher.finals()) == attempts


async def test_leases_that_are_sent_again_are_not_run_again(dispatcher: FakeDispatcher, start_agent: StartAgent) -> None:
    dispatcher.resend = True
    attempts = dispatcher.add({"seconds": 0.001}, count=100)
    start_agent("--lanes", "2")
    await dispatcher.until(lambda: len(dispatcher.finals()) >= len(attempts))
    assert sorted(report["attempt"] for report in dispatcher.finals()) == attempts


async def test_a_lease_for_a_busy_lane_waits(dispatcher: FakeDispatcher, start_agent: StartAgent) -> None:
    dispatcher.add({"command": ["sleep", "0.3"]}, lane=1, count=2)
    start_agent("--lanes", "2")
    await dispatcher.until(lambda: len(dispatcher.finals()) == 2)
    first, second = dispatcher.finals()
    assert second["started"] >= first["at"]


async def test_stop_ends_the_renderer(dispatcher: FakeDispatcher, start_agent: StartAgent) -> None:
    (attempt,) = dispatcher.add(SLEEP)
    start_agent()
    await dispatcher.until(lambda: dispatcher.reports)
    dispatcher.ask("stop", {"attempt": attempt, "reason": "aborted by ann"})
    await dispatcher.until(dispatcher.finals)
    assert (dispatcher.final(attempt)["outcome"], dispatcher.final(attempt)["reason"]) == ("stopped", "aborted by ann")
    await gone(dispatcher.reports[0]["pid"], within=1.0)


async def test_a_refused_report_ends_the_renderer(dispatcher: FakeDispatcher, start_agent: StartAgent) -> None:
    (attempt,) = dispatcher.add(SLEEP)
    dispatcher.refusing.add(attempt)
    dispatcher.lease = 3.0  # polls are short
    agent = start_agent()
    await dispatcher.until(lambda: dispatcher.requests >= 3)
    await dispatcher.until(lambda: not any(host.children() for host in agent.children()))
    dispatcher.ask("forget", 99)
    await dispatcher.until(lambda: dispatcher.polls[-1]["known"] == [])


async def test_an_unreadable_report_does_not_end_the_renderer(dispatcher: FakeDispatcher, start_agent: StartAgent) -> None:
    dispatcher.unreadable.add("started")
    dispatcher.add({"command": ["sleep", "0.5"]})
    agent = start_agent()
    await dispatcher.until(dispatcher.finals)
    assert [(report["kind"], report["outcome"]) for report in dispatcher.reports] == [("finished", "done")]
    assert "cannot read a report of attempt 1, so it is dropped: note: too long" in agent.output


async def test_a_report_that_the_dispatcher_cannot_read_costs_only_itself(
    dispatcher: FakeDispatcher, start_agent: StartAgent
) -> None:
    attempts = dispatcher.add({"seconds": 0.001}, count=30)
    dispatcher.bad_reports.add(attempts[3])
    agent = start_agent("--lanes", "4")
    # Its lane stays taken for the dispatcher, the others go on.
    await dispatcher.until(lambda: len(dispatcher.finals()) == 29)
    await dispatcher.until(lambda: "takes no such report" in agent.output)


async def test_a_log_is_served_and_removed(dispatcher: FakeDispatcher, start_agent: StartAgent) -> None:
    (attempt,) = dispatcher.add({"command": ["sh", "-c", "printf 0123456789; sleep 0.3"]}, job=42)
    agent = start_agent()
    await dispatcher.until(lambda: dispatcher.reports)
    ask = {"job": 42, "attempt": attempt, "limit": 4}
    dispatcher.ask("logs", {"request": "early", "offset": 2, **ask})
    await dispatcher.until(lambda: "early" in dispatcher.logs)
    assert dispatcher.logs["early"] == ({"offset": "2", "size": "10", "complete": "0"}, b"2345")
    await dispatcher.until(dispatcher.finals)
    dispatcher.ask("logs", {"request": "tail", "offset": -3, **ask})
    await dispatcher.until(lambda: "tail" in dispatcher.logs)
    assert dispatcher.logs["tail"] == ({"offset": "7", "size": "10", "complete": "1"}, b"789")
    folder = agent.data / "agent" / "logs" / "42"
    assert folder.is_dir()
    dispatcher.ask("forget", 42)
    await dispatcher.until(lambda: not folder.exists())
    dispatcher.add({"command": ["true"]}, job=42)
    await dispatcher.until(lambda: len(dispatcher.finals()) == 2)
    assert dispatcher.finals()[-1]["outcome"] == "done"


async def test_a_log_that_cannot_be_written_fails_the_bucket(dispatcher: FakeDispatcher, start_agent: StartAgent) -> None:
    agent = start_agent()
    await dispatcher.until(lambda: dispatcher.joins)
    (agent.data / "agent" / "logs").write_text("a file where the folder should be")
    dispatcher.add({"command": ["true"]}, count=3)
    await dispatcher.until(lambda: len(dispatcher.finals()) == 3)
    assert all("no log can be written" in report["reason"] for report in dispatcher.finals())


async def test_a_host_that_writes_garbage_is_not_the_end(dispatcher: FakeDispatcher, start_agent: StartAgent) -> None:
    dispatcher.add({"seconds": 0.001, "garbage": True})
    agent = start_agent()
    await dispatcher.until(dispatcher.finals)
    assert "what is not JSON" in agent.output


@pytest.mark.parametrize("number", [pytest.param(signal.SIGTERM, id="TERM"), pytest.param(signal.SIGINT, id="INT")])
async def test_a_clean_stop_gives_back_what_runs(
    dispatcher: FakeDispatcher, start_agent: StartAgent, number: signal.Signals
) -> None:
    dispatcher.add(SLEEP, count=2)
    agent = start_agent()
    await dispatcher.until(lambda: len(dispatcher.reports) == 2)
    family = [child.pid for child in agent.children()]
    agent.process.send_signal(number)
    assert await agent.wait() == 0
    assert [report["outcome"] for report in dispatcher.finals()] == ["stopped", "stopped"]
    assert dispatcher.left == 1
    await gone(*family, within=0.5)


async def test_the_end_of_standard_input_stops_a_supervised_agent(dispatcher: FakeDispatcher, start_agent: StartAgent) -> None:
    dispatcher.add(SLEEP)
    agent = start_agent("--supervised")
    await dispatcher.until(lambda: dispatcher.reports)
    assert agent.process.stdin is not None
    agent.process.stdin.close()
    assert await agent.wait() == 0
    assert dispatcher.finals()[0]["outcome"] == "stopped"
    assert dispatcher.left == 1


async def test_a_second_interrupt_ends_everything_at_once(dispatcher: FakeDispatcher, start_agent: StartAgent) -> None:
    dispatcher.add({**SLEEP, "deaf": True})
    agent = start_agent()
    await dispatcher.until(lambda: dispatcher.reports)
    family = [child.pid for child in agent.children()]
    agent.process.send_signal(signal.SIGINT)
    await dispatcher.until(lambda: "Ctrl-C again" in agent.output)
    agent.process.send_signal(signal.SIGINT)
    assert await agent.wait(2.0) == 130
    await gone(*family, within=1.0)
