"""The agent with the engine hosts that ship: what must hold between the two when something is killed."""

from __future__ import annotations

import asyncio
import os
import signal

import psutil

from tests.fakes.dispatcher import FakeDispatcher
from tests.integration.agent.conftest import REAL_HOSTS, StartAgent, gone

STUBBORN = {"command": ["sh", "-c", "trap '' TERM; sleep 30 & while :; do sleep 30; done"]}


async def test_a_killed_agent_leaves_no_host_and_no_renderer(dispatcher: FakeDispatcher, start_agent: StartAgent) -> None:
    dispatcher.add(STUBBORN, count=2)
    agent = start_agent(program=REAL_HOSTS)
    await dispatcher.until(lambda: len(dispatcher.reports) == 2)
    await dispatcher.until(lambda: len(agent.children()) >= 8)
    family = [child.pid for child in agent.children()]
    agent.process.kill()
    await gone(*family, within=2.0)


async def test_a_killed_host_fails_its_bucket_and_leaves_no_renderer(
    dispatcher: FakeDispatcher, start_agent: StartAgent
) -> None:
    (attempt,) = dispatcher.add(STUBBORN)
    agent = start_agent("--lanes", "1", program=REAL_HOSTS)
    await dispatcher.until(lambda: dispatcher.reports)
    await dispatcher.until(lambda: len(agent.children()) >= 4)
    family = [child.pid for child in agent.children()]
    agent.host().kill()
    await dispatcher.until(dispatcher.finals)
    await gone(*family, within=0.1)
    assert dispatcher.final(attempt)["reason"] == "the lane's engine host ended (signal 9); its renderer was ended too"
    dispatcher.add({"command": ["true"]})
    await dispatcher.until(lambda: len(dispatcher.finals()) == 2)
    assert dispatcher.finals()[1]["outcome"] == "done"


async def test_a_hung_host_and_a_killed_agent_are_cleared_at_the_next_start(
    dispatcher: FakeDispatcher, start_agent: StartAgent
) -> None:
    dispatcher.add(STUBBORN)
    agent = start_agent("--lanes", "1", program=REAL_HOSTS)
    await dispatcher.until(lambda: dispatcher.reports)
    family = [child.pid for child in agent.children()]
    agent.host().suspend()
    agent.process.kill()
    await asyncio.sleep(0.1)
    assert all(psutil.pid_exists(pid) for pid in family)
    start_agent("--lanes", "1", program=REAL_HOSTS)
    await dispatcher.until(lambda: len(dispatcher.joins) == 2)
    await gone(*family, within=0.1)


async def test_a_clean_stop_ends_a_renderer_that_ignores_it(dispatcher: FakeDispatcher, start_agent: StartAgent) -> None:
    (attempt,) = dispatcher.add(STUBBORN)
    agent = start_agent("--lanes", "1", program=REAL_HOSTS)
    await dispatcher.until(lambda: dispatcher.reports)
    family = [child.pid for child in agent.children()]
    os.kill(agent.process.pid, signal.SIGTERM)
    assert await agent.wait(12.0) == 0
    await gone(*family, within=0.1)
    assert (dispatcher.final(attempt)["outcome"], dispatcher.final(attempt)["reason"]) == ("stopped", "the agent was stopped")
    assert dispatcher.left == 1
