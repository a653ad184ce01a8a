"""The API over a real socket: what people and scripts see, and what they get when they ask wrongly."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.dispatcher.conftest import Agent, Running

GOOD = {"engine": "command", "range": "1-10"}


@pytest.mark.parametrize(
    ("method", "path", "status", "field"),
    [
        pytest.param("GET", "/api/v1/nope", 404, "path", id="unknown path"),
        pytest.param("GET", "/elsewhere", 404, "path", id="outside the API"),
        pytest.param("PUT", "/api/v1/jobs", 405, "method", id="unknown method"),
        pytest.param("GET", "/api/v1/jobs/9", 404, "job", id="unknown job"),
        pytest.param("GET", "/api/v1/jobs/x", 422, "number", id="job that is no number"),
        pytest.param("GET", f"/api/v1/jobs/{10**30}", 422, "number", id="absurd job"),
        pytest.param("GET", "/api/v1/attempts/0", 422, "attempt", id="attempt zero"),
        pytest.param("GET", "/api/v1/jobs?limit=0", 422, "limit", id="no limit"),
        pytest.param("GET", "/api/v1/jobs?limit=100000", 422, "limit", id="absurd limit"),
        pytest.param("GET", "/api/v1/jobs?offset=-1", 422, "offset", id="negative offset"),
        pytest.param("GET", "/api/v1/jobs?state=runing", 422, "state", id="unknown state"),
        pytest.param("GET", "/api/v1/jobs?sort=colour", 422, "sort", id="unknown sort key"),
        pytest.param("GET", "/api/v1/jobs?name=%ff%fe", 200, None, id="name that is no UTF-8"),
        pytest.param("GET", "/api/v1/history?after=99999999999999999999", 422, "after", id="absurd row"),
        pytest.param("GET", "/api/v1/servers/nobody", 404, "server", id="unknown server"),
        pytest.param("GET", "/api/v1/attempts/7/log?wait=NaN", 422, "wait", id="wait that is no number"),
        pytest.param("DELETE", "/api/v1/jobs/9", 404, "job", id="delete what is not there"),
        pytest.param("POST", "/api/v1/jobs/9/pause", 404, "job", id="pause what is not there"),
    ],
)
async def test_wrong_requests_name_the_field(
    dispatcher: Running, method: str, path: str, status: int, field: str | None
) -> None:
    answer = await dispatcher.client.request(method, path)
    assert answer.status_code == status
    if field is not None:
        error = answer.json()["error"]
        assert set(error) == {"code", "message", "field", "value", "fix"}
        assert error["field"] == field
        assert answer.json()["errors"][0] == error


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        pytest.param(b"", 400, "body", id="nothing"),
        pytest.param(b"{", 400, "body", id="half"),
        pytest.param(b'{"engine": "command", "name": "\xff"}', 400, "body", id="no UTF-8"),
        pytest.param(b'{"engine": "command", "name": "\\ud800"}', 400, "body", id="half a character"),
        pytest.param(b'{"engine": "command", "priority": NaN}', 400, "body", id="not a number"),
        pytest.param(b'{"engine": "command", "priority": 1e999}', 400, "body", id="endless number"),
        pytest.param(b'{"engine": "command", "priority": %d}' % 10**40, 422, "priority", id="huge number"),
        pytest.param(b'{"engine": "command", "metadata": ' + b'{"a":' * 500 + b"1" + b"}" * 501, 400, "body", id="very deep"),
        pytest.param(b"[" * 100_000, 400, "body", id="endlessly deep"),
        pytest.param(b"[]", 422, "body", id="a list"),
        pytest.param(b'"x"', 422, "body", id="text"),
        pytest.param(b"{}", 422, "engine", id="no engine"),
        pytest.param(b'{"engine": "comand"}', 422, "engine", id="unknown engine"),
        pytest.param(b'{"engine": "command", "rnage": "1"}', 422, "rnage", id="unknown key"),
        pytest.param(b'{"engine": "command", "range": "1-"}', 422, "range", id="bad range"),
        pytest.param(b'{"engine": "command", "depends_on": [77]}', 404, "depends_on", id="unknown job"),
    ],
)
async def test_wrong_payloads_name_the_field(dispatcher: Running, body: bytes, status: int, field: str) -> None:
    answer = await dispatcher.client.post("/api/v1/jobs", content=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["field"] == field
    assert (await dispatcher.get("/jobs"))["total"] == 0


async def test_every_fault_is_listed(dispatcher: Running) -> None:
    answer = await dispatcher.client.post("/api/v1/jobs", json={"engine": "comand", "rnage": 1, "priority": "high"})
    assert [error["field"] for error in answer.json()["errors"]] == ["rnage", "engine", "priority"]


async def test_large_bodies_are_refused_before_they_are_read(dispatcher: Running) -> None:
    body = b'{"engine": "command", "description": "' + b"x" * (10 << 20) + b'"}'
    answer = await dispatcher.client.post("/api/v1/jobs", content=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")

    async def pieces() -> object:  # without a length in front
        for at in range(0, len(body), 1 << 16):
            yield body[at : at + (1 << 16)]

    answer = await dispatcher.client.post("/api/v1/jobs", content=pieces())  # type: ignore[arg-type]  # an asynchronous generator
    assert answer.status_code == 413
    answer = await dispatcher.client.post("/api/v1/agents/s1/report", content=body)
    assert answer.status_code == 413
    assert (await dispatcher.get("/jobs"))["total"] == 0, "and the connection goes on"


@pytest.mark.parametrize(
    "header",
    [
        pytest.param({}, id="none"),
        pytest.param({"Authorization": "Bearer wrong"}, id="wrong"),
        pytest.param({"Authorization": "Basic YTpi"}, id="another scheme"),
        pytest.param({"Authorization": "Bearer"}, id="empty"),
    ],
)
@pytest.mark.parametrize(
    "path",
    [pytest.param("/jobs", id="jobs"), pytest.param("/agents/s1/poll", id="agents"), pytest.param("/events", id="events")],
)
async def test_without_the_token_nothing_is_told(dispatcher: Running, header: dict[str, str], path: str) -> None:
    del dispatcher.client.headers["Authorization"]
    answer = await dispatcher.client.post(f"/api/v1{path}", headers=header)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert "the file `token`" in answer.json()["error"]["fix"]


async def test_health_and_the_document_need_no_token(dispatcher: Running) -> None:
    del dispatcher.client.headers["Authorization"]
    assert (await dispatcher.get("/health"))["ok"] is True
    document = (await dispatcher.client.get("/openapi.json")).json()
    assert "/api/v1/jobs/{number}/tasks" in document["paths"]
    text = str(document)
    for name in {part.split("'")[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in document["components"]["schemas"]


async def test_a_job_can_be_submitted_edited_paused_and_deleted(dispatcher: Running) -> None:
    answer = await dispatcher.client.post("/api/v1/jobs?dry_run=true", json=GOOD)
    assert (answer.status_code, answer.json()["job"]) == (200, None)
    answer = await dispatcher.client.post("/api/v1/jobs", json=GOOD, headers={b"X-Laneway-User": "Ann Ö".encode()})
    assert answer.status_code == 201
    assert answer.json()["job"]["id"] == 1
    changed = await dispatcher.client.patch(
        "/api/v1/jobs/1", json={"priority": 900, "name": "new", "settings": {"max_lanes": 3}}
    )
    assert (changed.json()["priority"], changed.json()["name"], changed.json()["max_lanes"]) == (900, "new", 3)
    assert (await dispatcher.client.patch("/api/v1/jobs/1", json={"range": "1"})).status_code == 422
    assert (await dispatcher.post("/jobs/1/pause"))["state"] == "paused"
    assert (await dispatcher.post("/jobs/1/resume", {}))["state"] == "waiting"
    assert (await dispatcher.client.post("/api/v1/jobs/1/pause", json={"why": "x"})).status_code == 422
    assert (await dispatcher.client.post("/api/v1/jobs/1/retry", json={"range": "77"})).status_code == 422
    assert (await dispatcher.get("/jobs?state=waiting"))["total"] == 1
    assert (await dispatcher.client.delete("/api/v1/jobs/1")).status_code == 204
    assert (await dispatcher.get("/jobs"))["total"] == 0
    rows = (await dispatcher.get("/history"))["history"]
    assert rows[-1]["kind"] == "deleted"


async def test_a_submission_with_a_key_is_made_once(dispatcher: Running) -> None:
    answers = [await dispatcher.post("/jobs", GOOD, headers={"Idempotency-Key": "k"}) for _ in range(3)]
    assert {answer["job"]["id"] for answer in answers} == {1}


async def test_the_farm_can_be_looked_at(dispatcher: Running, agent: Agent) -> None:
    await agent.joined()
    await dispatcher.submit("1")
    (lane, idle) = (await dispatcher.get("/lanes"))["lanes"]
    assert (lane["state"], lane["job"], lane["items"], idle["state"]) == ("leased", 1, "1", "idle")
    (engine,) = (await dispatcher.get("/engines"))["engines"]
    assert (engine["name"], len(engine["servers"])) == ("command", 1)
    assert (await dispatcher.get("/servers/1"))["server"] == "s1"
    assert (await dispatcher.get("/servers/s1"))["running"] == 1
    history = await dispatcher.get("/history?limit=1")
    assert history["next"] == history["history"][0]["seq"]


async def test_garbage_on_the_socket_harms_nobody(dispatcher: Running) -> None:
    host, port = dispatcher.url.removeprefix("http://").split(":")
    for garbage in (
        b"\x00" * 100,
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /api/v1/jobs HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"GET",
    ):
        connection = await asyncio.to_thread(socket.create_connection, (host, int(port)))
        connection.sendall(garbage)
        connection.close()
    assert (await dispatcher.get("/health"))["ok"] is True
