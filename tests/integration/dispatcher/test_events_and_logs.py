"""Live events and logs over a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.integration.dispatcher.conftest import Agent, Running


@asynccontextmanager
async def listening(dispatcher: Running, query: str = "", **headers: str) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    async def events(lines: AsyncIterator[str]) -> AsyncIterator[dict[str, Any]]:
        event: dict[str, Any] = {}
        async for line in lines:
            if line.startswith("event: "):
                event["event"] = line[7:]
            elif line.startswith("data: "):
                event |= json.loads(line[6:])
            elif line.startswith("id: "):
                event["id"] = int(line[4:])
            elif not line and event:
                yield event
                event = {}

    async with dispatcher.client.stream("GET", f"/api/v1/events{query}", headers=headers) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = response.aiter_lines()
        assert (await lines.__anext__()).startswith(":")
        yield events(lines)


async def test_events_come_as_things_happen_and_again_afterwards(dispatcher: Running, agent: Agent) -> None:
    async with listening(dispatcher) as events:
        await agent.joined(lanes=1)
        await dispatcher.submit("1")
        (lease,) = (await agent.poll())["leases"]
        await agent.report({"attempt": lease["attempt"], "kind": "progress", "at": 4.0, "fraction": 0.5})
        await asyncio.sleep(0.4)
        await agent.report(agent.done(lease))
        live: list[dict[str, Any]] = []
        while not live or live[-1]["state"] != "done" or live[-1]["event"] != "job":
            live.append(await asyncio.wait_for(events.__anext__(), 5))
    told = [(event["event"], event["kind"], event["state"]) for event in live]
    assert ("server", "server-state", "online") in told
    assert ("attempt", "leased", "leased") in told
    assert ("attempt", "progress", "executing") in told
    assert ("attempt", "finished", "done") in told
    assert told[-1] == ("job", "state", "done")
    numbered = [event["id"] for event in live if "id" in event]
    assert numbered == list(range(1, len(numbered) + 1))
    async with listening(dispatcher, **{"Last-Event-ID": "2"}) as events:
        again = [await asyncio.wait_for(events.__anext__(), 5) for _ in numbered[2:]]
    assert [event["id"] for event in again] == numbered[2:]
    async with listening(dispatcher, "?after=0&job=1") as events:
        assert (await asyncio.wait_for(events.__anext__(), 5))["kind"] == "submitted"


async def test_streams_end_when_the_dispatcher_stops(dispatcher: Running) -> None:
    async with listening(dispatcher) as events:
        stopping = asyncio.ensure_future(dispatcher.stop())
        assert [event async for event in events] == []
    await stopping


async def test_a_log_on_this_computer_is_read_from_its_file(dispatcher: Running, agent: Agent, tmp_path: Path) -> None:
    (tmp_path / "agent").mkdir()
    await agent.joined(lanes=1)
    number = await dispatcher.submit("1-2")
    answer = await dispatcher.client.get(f"/api/v1/jobs/{number}/log")
    assert (answer.status_code, answer.content, answer.headers["x-log-complete"]) == (200, b"", "0")
    (lease,) = (await agent.poll())["leases"]
    path = tmp_path / "agent" / "logs" / str(number) / f"{lease['attempt']}.log"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"first \xff line\n")
    answer = await dispatcher.client.get(f"/api/v1/attempts/{lease['attempt']}/log?offset=6")
    assert answer.content == b"\xff line\n"
    assert (answer.headers["x-log-offset"], answer.headers["x-log-next"], answer.headers["x-log-size"]) == ("6", "13", "13")

    waiting = asyncio.ensure_future(dispatcher.client.get(f"/api/v1/attempts/{lease['attempt']}/log?offset=13&wait=5"))
    await asyncio.sleep(0.15)
    assert not waiting.done()
    with path.open("ab") as file:
        file.write(b"more\n")
    assert (await waiting).content == b"more\n"
    await agent.report(agent.done(lease))
    answer = await dispatcher.client.get(f"/api/v1/jobs/{number}/log?item=1&offset=-5")
    assert (answer.content, answer.headers["x-log-complete"], answer.headers["x-attempt"]) == (b"more\n", "1", "1")
    answer = await dispatcher.client.get(f"/api/v1/jobs/{number}/log?item=99")
    assert answer.status_code == 404


async def test_a_log_elsewhere_is_asked_from_its_agent(dispatcher: Running, agent: Agent) -> None:
    await agent.joined(lanes=1, hostname="elsewhere")
    await dispatcher.submit("1-2")
    (lease,) = (await agent.poll())["leases"]
    waiting = asyncio.ensure_future(agent.poll([lease["attempt"]], wait=10))
    reading = asyncio.ensure_future(dispatcher.client.get(f"/api/v1/attempts/{lease['attempt']}/log?offset=-4&limit=100"))
    (request,) = (await waiting)["logs"]
    assert {key: request[key] for key in ("attempt", "job", "offset", "limit")} == {
        "attempt": 1,
        "job": 1,
        "offset": -4,
        "limit": 100,
    }
    path = f"/api/v1/agents/s1/logs/{request['request']}?offset=10&size=14&complete=0"
    stranger = await dispatcher.client.post(path.replace("s1", "s2"), content=b"lies")
    assert stranger.status_code == 204
    await asyncio.sleep(0.05)
    assert not reading.done()
    await dispatcher.client.post(path, content=b"tail")
    answer = await reading
    assert (answer.content, answer.headers["x-log-offset"], answer.headers["x-log-complete"]) == (b"tail", "10", "0")
    await agent.report(agent.done(lease))
    await dispatcher.post("/agents/s1/leave", {"boot": "b1"})
    answer = await dispatcher.client.get("/api/v1/attempts/1/log")
    assert (answer.status_code, "elsewhere" in answer.json()["error"]["message"]) == (404, True)
