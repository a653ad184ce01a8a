from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from laneway.dispatcher.app import build
from laneway.dispatcher.clock import steady_clock
from laneway.dispatcher.keeper import Keeper
from laneway.dispatcher.recovery import recover
from laneway.dispatcher.serving import Serving, listen, url_of
from laneway.dispatcher.sqlite import SqliteStore
from laneway.dispatcher.views import Health
from laneway.model import EngineInfo

TOKEN = "a-token-of-this-test"
ENGINES = {"command": EngineInfo("command", input_required=False, default_range="1")}


@dataclass
class Running:
    """A dispatcher on uvicorn in this process, and a client of it."""

    url: str
    keeper: Keeper
    client: httpx.AsyncClient
    stop: Callable[[], Awaitable[None]]

    async def post(self, path: str, body: object = None, **more: Any) -> dict[str, Any]:
        answer = await self.client.post(f"/api/v1{path}", json=body, **more)
        assert answer.status_code in (200, 201), answer.text
        data: dict[str, Any] = answer.json()
        return data

    async def get(self, path: str, **more: Any) -> dict[str, Any]:
        answer = await self.client.get(f"/api/v1{path}", **more)
        assert answer.status_code == 200, answer.text
        data: dict[str, Any] = answer.json()
        return data

    async def submit(self, range: str = "1-10", **more: Any) -> int:  # the payload's word
        number: int = (await self.post("/jobs", {"engine": "command", "range": range, **more}))["job"]["id"]
        return number


class Agent:
    """The agents' protocol, by hand."""

    def __init__(self, running: Running, *, lanes: int = 2, server: str = "s1", boot: str = "b1", folder: str = "") -> None:
        self.running = running
        self.join = {
            "protocol": 1,
            "server": server,
            "boot": boot,
            "hostname": os.uname().nodename,
            "lanes": lanes,
            "engines": {"command": {"available": True, "version": None, "executable": None, "reason": None}},
            "held": [],
            "data_folder": folder,
        }
        self.server, self.boot = server, boot

    async def joined(self, **changes: object) -> dict[str, Any]:
        return await self.running.post("/agents/join", {**self.join, **changes})

    async def poll(self, known: list[int] | None = None, wait: float = 0.0) -> dict[str, Any]:
        return await self.running.post(f"/agents/{self.server}/poll", {"boot": self.boot, "known": known or [], "wait": wait})

    async def report(self, *reports: dict[str, Any]) -> dict[str, Any]:
        return await self.running.post(f"/agents/{self.server}/report", {"boot": self.boot, "reports": reports})

    def done(self, lease: dict[str, Any], **changes: object) -> dict[str, Any]:
        return {
            "attempt": lease["attempt"],
            "kind": "finished",
            "at": 5.0,
            "started": 4.0,
            "outcome": "done",
            "exit": 0,
            "done": lease["items"],
            "commandline": ["/bin/true"],
            **changes,
        }


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Callable[[], Awaitable[Running]]]:
    """Starts a dispatcher on the test's folder; again and again, after each was stopped."""
    running: list[Running] = []

    async def begin() -> Running:
        store = SqliteStore(tmp_path / "data")
        clock = steady_clock()
        saved = store.load()
        keeper = Keeper(recover(saved, lease=60.0, now=clock()), store, clock=clock, submissions=dict(saved.submissions))
        listener = listen("127.0.0.1", 0, default=0)
        ready = asyncio.Event()

        def listening() -> None:
            keeper.start()
            ready.set()

        app = build(keeper, ENGINES, token=TOKEN, health=Health(True, "1", "id", "boot", clock(), None))
        serving = Serving(app, ready=listening, leaving=keeper.release)
        task = asyncio.ensure_future(serving.serve(sockets=[listener]))
        await asyncio.wait_for(ready.wait(), 10)
        client = httpx.AsyncClient(base_url=url_of(listener), headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10)

        async def end() -> None:
            serving.stop()
            await task
            await client.aclose()
            await keeper.stop()
            running.remove(one)

        one = Running(url_of(listener), keeper, client, end)
        running.append(one)
        return one

    yield begin
    for one in running:
        with suppress(asyncio.CancelledError):
            await one.stop()


@pytest.fixture
async def dispatcher(start: Callable[[], Awaitable[Running]]) -> Running:
    return await start()


@pytest.fixture
def agent(dispatcher: Running, tmp_path: Path) -> Agent:
    return Agent(dispatcher, folder=str(tmp_path / "agent"))


@pytest.fixture
def agent_of() -> type[Agent]:
    return Agent
