"""A dispatcher for tests of the agent: it follows the contract, keeps everything in memory, and can be made to misbehave.

`python dispatcher.py PORT BUCKETS SECONDS` serves that many buckets as fast as it can and prints the figures as JSON.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections import deque
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

TOKEN = "a-token-for-tests"


class FakeDispatcher:
    """Leases what `add` was given to idle lanes of the server that joined; `reports` holds what arrived, in order."""

    def __init__(self, *, lease: float = 60.0, token: str = TOKEN) -> None:
        self.lease = lease
        self.token = token
        self.joins: list[dict[str, Any]] = []
        self.polls: list[dict[str, Any]] = []
        self.reports: list[dict[str, Any]] = []
        self.requests = 0
        self.logs: dict[str, tuple[dict[str, str], bytes]] = {}
        self.left = 0
        self.hanging = False  # takes requests and never answers
        self.forgetful = False  # answers 409 unknown_server until the next join
        self.superseding = False
        self.join_error: tuple[int, dict[str, Any]] | None = None
        self.bad_reports: set[int] = set()  # attempts whose reports are answered with 422
        self.refusing: set[int] = set()
        self.unreadable: set[str] = set()  # kinds of reports that are refused for their form
        self.id = "fake"
        self.process: subprocess.Popen[bytes] | None = None  # what it says that it is; a test kills it where it is to be gone
        self.resend = False  # repeats every lease in every answer, as if the answer before had been lost
        self._specs: dict[str, dict[str, Any]] = {}
        self._queue: deque[dict[str, Any]] = deque()
        self._next = 1
        self._lanes: dict[int, int | None] = {}
        self._leased: dict[int, dict[str, Any]] = {}
        self._extra: dict[str, list[Any]] = {"stop": [], "forget": [], "logs": []}
        self._news = asyncio.Event()
        self._changed = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._connections: set[_Http] = set()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def listen(self, port: int = 0) -> None:
        self._server = await asyncio.get_running_loop().create_server(lambda: _Http(self), "127.0.0.1", port or self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def vanish(self) -> None:
        """Stops listening and hangs up, as a process that was killed does."""
        if self._server is not None:
            self._server.close()
            for connection in list(self._connections):
                connection.abort()
            await self._server.wait_closed()
            self._server = None

    def wipe(self) -> None:
        """Its data is lost: it is another dispatcher that knows nobody and counts from 1."""
        self.id += "'"
        self.forgetful = True
        self._next = 1
        self._leased.clear()
        self._queue.clear()
        self._lanes.clear()

    # what a test asks for

    def add(
        self, parameters: dict[str, Any], *, job: int = 1, items: str = "1", count: int = 1, lane: int | None = None
    ) -> list[int]:
        self._specs[str(job)] = {
            "id": job,
            "name": f"job {job}",
            "engine": "command",
            "version": None,
            "input": [],
            "output": None,
            "range": items,
            "parameters": parameters,
            "envs": {},
            "settings": {},
            "user": "ann",
            "created": time.time(),
        }
        ids = list(range(self._next, self._next + count))
        self._next += count
        for attempt in ids:
            lease = {"attempt": attempt, "number": 1, "job": job, "lane": lane, "items": items, "timeout": 0}
            self._queue.append(lease)
        self._news.set()
        return ids

    def ask(self, what: str, value: Any) -> None:
        self._extra[what].append(value)
        self._news.set()

    def finals(self) -> list[dict[str, Any]]:
        return [report for report in self.reports if report["kind"] == "finished"]

    def final(self, attempt: int) -> dict[str, Any]:
        return next(report for report in self.finals() if report["attempt"] == attempt)

    async def until(self, condition: Any, timeout: float = 10.0) -> None:
        """Waits until `condition()` holds; it is asked again whenever a request comes in."""
        give_up = time.monotonic() + timeout
        while not condition():
            self._changed.clear()
            left = give_up - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"not within {timeout} s; reports: {self.reports}")
            try:
                await asyncio.wait_for(self._changed.wait(), min(left, 0.05))
            except asyncio.TimeoutError:
                continue

    # the protocol

    async def answer(self, path: str, query: dict[str, str], body: bytes, token: str) -> tuple[int, Any]:
        self.requests += 1
        if token != f"Bearer {self.token}":
            return 401, {"error": {"code": "access", "message": "wrong token"}}
        parts = path.removeprefix("/api/v1/agents/").split("/")
        if parts[0] == "join":
            return self._join(json.loads(body))
        if parts[1] == "logs":
            self.logs[parts[2]] = (query, body)
            self._changed.set()
            return 200, {}
        if self.superseding:
            return 409, {"error": {"code": "superseded", "message": "another agent has joined as this server"}}
        if self.forgetful:
            return 409, {"error": {"code": "unknown_server", "message": "no such server"}}
        return await {"poll": self._poll, "report": self._report, "leave": self._leave}[parts[1]](json.loads(body))

    def _join(self, body: dict[str, Any]) -> tuple[int, Any]:
        if self.join_error is not None:
            return self.join_error
        self.forgetful = False
        self.joins.append(body)
        held = set(body["held"])
        for attempt in [a for a in self._leased if a not in held]:
            lease = self._leased.pop(attempt)
            self._queue.appendleft({**lease, "attempt": self._next, "number": lease["number"] + 1})
            self._next += 1
        self._lanes = dict.fromkeys(range(1, body["lanes"] + 1))
        for lease in self._leased.values():
            self._lanes[lease["lane"]] = lease["attempt"]
        self._changed.set()
        me: dict[str, Any] = {"id": self.id, "boot": "1", "version": "0"}
        if self.process is not None:
            me |= {"pid": self.process.pid, "hostname": socket.gethostname()}
        return 200, {"lease": self.lease, "stop": [], "dispatcher": me}

    async def _poll(self, body: dict[str, Any]) -> tuple[int, Any]:
        self.polls.append(body)
        self._changed.set()
        give_up = time.monotonic() + body["wait"]
        while True:
            news = self._take()
            left = give_up - time.monotonic()
            if any(news[key] for key in ("leases", "stop", "forget", "logs")) or left <= 0:
                return 200, news
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), left)
            except asyncio.TimeoutError:
                continue

    async def _report(self, body: dict[str, Any]) -> tuple[int, Any]:
        refused = []
        for report in body["reports"]:
            attempt = report["attempt"]
            if attempt in self.bad_reports:
                return 422, {"error": {"code": "bad_report", "message": f"report of {attempt} is wrong"}}
            if report["kind"] in self.unreadable:
                refused.append({"attempt": attempt, "reason": "note: too long", "stale": False})
                continue
            if attempt in self.refusing or attempt not in self._leased:
                refused.append({"attempt": attempt, "reason": "not yours any more", "stale": True})
                continue
            self.reports.append(report)
            if report["kind"] == "finished":
                lease = self._leased.pop(attempt, None)
                if lease is not None and self._lanes.get(lease["lane"]) == attempt:
                    self._lanes[lease["lane"]] = None
        self._changed.set()
        return 200, {**self._take(), "refused": refused}

    async def _leave(self, body: dict[str, Any]) -> tuple[int, Any]:
        self.left += 1
        self._changed.set()
        return 200, {}

    def _take(self) -> dict[str, Any]:
        leases = list(self._leased.values()) if self.resend else []
        for lane, attempt in self._lanes.items():
            if attempt is None and self._queue:
                lease = self._queue.popleft()
                lease["lane"] = lease["lane"] or lane
                self._lanes[lane] = lease["attempt"]
                self._leased[lease["attempt"]] = lease
                leases.append(lease)
        extra, self._extra = self._extra, {"stop": [], "forget": [], "logs": []}
        jobs = {str(lease["job"]): self._specs[str(lease["job"])] for lease in leases}
        return {"leases": leases, "jobs": jobs, "lease": self.lease, **extra}


class _Http(asyncio.Protocol):
    """As much HTTP/1.1 as the agent speaks: one request after another, with a length."""

    def __init__(self, dispatcher: FakeDispatcher) -> None:
        self._dispatcher = dispatcher
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._dispatcher._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._dispatcher._connections.discard(self)
        if self._task is not None:
            self._task.cancel()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, blank, rest = self._buffer.partition(b"\r\n\r\n")
        if not blank:
            return
        request, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        length = int(headers.get("content-length", "0"))
        if len(rest) < length:
            return
        self._buffer = rest[length:]
        self._task = asyncio.get_running_loop().create_task(self._serve(request.split()[1], headers, rest[:length]))

    def _silent(self) -> bool:
        return self._dispatcher.hanging

    async def _serve(self, target: str, headers: dict[str, str], body: bytes) -> None:
        if self._silent():
            return
        url = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        status, answer = await self._dispatcher.answer(url.path, query, body, headers.get("authorization", ""))
        text = json.dumps(answer).encode()
        if self._transport is not None and not self._silent():
            self._transport.write(
                b"HTTP/1.1 %d -\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (status, len(text), text)
            )


async def _measure(port: int, buckets: int, seconds: float) -> None:
    fake = FakeDispatcher()
    await fake.listen(port)
    await fake.until(lambda: fake.joins, 60)
    fake.add({"seconds": seconds}, count=buckets)
    began, requests = time.perf_counter(), fake.requests
    await fake.until(lambda: len(fake.finals()) >= buckets, 120)
    took = time.perf_counter() - began
    figures = {"buckets_per_second": buckets / took, "reports_per_request": buckets / (fake.requests - requests)}
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_measure(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
