"""The watch over the lease, with a clock that jumps."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from laneway.agent import service
from laneway.agent.connection import Connection
from laneway.agent.lanes import Setting
from laneway.agent.service import Agent
from laneway.agent.spool import Spool
from laneway.errors import UnreachableError
from laneway.locate import Located


def nowhere() -> Located:
    raise UnreachableError("no dispatcher")


async def test_what_ran_while_the_computer_slept_past_its_lease_is_ended_soon_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "WATCH_EVERY", 0.02)
    now = 0.0
    agent = Agent(
        facts={"lanes": 1, "engines": {}},
        setting=Setting(server="s", boot="b", hostname="here", folder=tmp_path, command=(), environment={}),
        dispatcher=Connection(nowhere, server="s", boot="b"),
        spool=Spool(tmp_path),
        joined=lambda url: None,
        clock=lambda: now,
    )
    agent.lanes.accept([{"attempt": 1, "number": 1, "job": 1, "lane": 1, "items": "1", "timeout": 0.0}], {"1": {}})
    watch = asyncio.create_task(agent._watch())
    await asyncio.sleep(0.1)
    assert agent._ledger.finals() == []
    now += 3600.0  # as the event loop's timers do not see it
    await asyncio.sleep(0.1)
    (report,) = agent._ledger.finals()
    assert report["reason"] == "the agent could not reach the dispatcher for 3600 s"
    watch.cancel()
