"""The dispatcher's API for people on paper: over a real socket, its jobs in a dict, and trouble on request.

It schedules nothing. Tests put jobs, attempts and logs into it, publish events, and say how the next answers go wrong.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "sesame"


@dataclass(slots=True)
class Call:
    """A request as it came in."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass(slots=True)
class Log:
    """An attempt's log; `complete` once nothing will be added."""

    job: int
    item: int | None = None
    data: bytes = b""
    complete: bool = False


@dataclass(slots=True)
class State:
    """What outlives a restart."""

    jobs: dict[int, dict[str, Any]] = field(default_factory=dict)
    tasks: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    attempts: dict[int, dict[str, Any]] = field(default_factory=dict)
    logs: dict[int, Log] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    servers: list[dict[str, Any]] = field(default_factory=list)
    lanes: list[dict[str, Any]] = field(default_factory=list)
    engines: list[dict[str, Any]] = field(default_factory=list)
    keys: dict[str, int] = field(default_factory=dict)
    refusal: tuple[int, dict[str, Any]] | None = None  # what POST /jobs answers instead


class RefusedError(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, code: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.error = {"code": code, "message": message, "field": None, "value": None, "fix": None, **more}


class FakeDispatcher:
    """Starts on construction; `data` is a data folder that names it, as the real one's does."""

    def __init__(self, data: Path, *, token: str = TOKEN) -> None:
        self.data, self.token = data, token
        self.state = State()
        self.calls: list[Call] = []
        self.lose: list[str] = []  # how the next calls are lost: "before" or "after" they took effect, "busy" for a 503
        self.streams = True  # whether event streams can be had
        self.changed = threading.Condition()
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self.start()

    def start(self) -> None:
        """Listen on any port, and announce it in the data folder."""
        fake = self
        self._stop = threading.Event()

        class Handler(_Handler):
            dispatcher = fake
            stopping = fake._stop

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = False  # so that server_close joins them: no thread and no socket outlives a test
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.data.mkdir(parents=True, exist_ok=True)
        for name, text in (("dispatcher.json", json.dumps({"url": self.url, "pid": os.getpid()})), ("token", self.token)):
            path = self.data / name
            path.write_text(text)
            path.chmod(0o600)

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        """Vanish, as with kill -9: connections break off and the announcement stays."""
        if self._server is None or self._thread is None:
            return
        self._stop.set()
        with self.changed:
            self.changed.notify_all()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server = None

    def restart(self) -> None:
        """Come back with the same state, on another port."""
        self.stop()
        self.start()

    # -- what tests put in

    def add_job(self, **fields: Any) -> int:
        """A job; every key of the API's view has a value."""
        number = max(self.state.jobs, default=40) + 1
        total = fields.get("tasks", 10)
        self.state.jobs[number] = {
            "id": number, "name": f"job{number}", "engine": "command", "version": None, "input": None, "output": None,
            "range": f"1-{total}", "priority_range": None, "user": "ann", "state": "waiting", "reason": "", "priority": 500,
            "queue": "medium", "queue_priority": 500, "bucket_size": 1, "max_lanes": 0, "tasks": total,
            "counts": {"queued": total}, "progress": 0.0, "running": 0, "created": time.time() - 60, "started": None,
            "finished": None, "depends_on": [], "dependencies": [], "description": "", "metadata": {}, "settings": {},
            "parameters": {}, "envs": {}, **fields,
        }  # fmt: skip
        return number

    def add_attempt(self, attempt: int, job: int, **fields: Any) -> None:
        """An attempt, at work unless `fields` say otherwise."""
        self.state.attempts[attempt] = {
            "id": attempt, "job": job, "number": 1, "items": "1", "state": "executing", "server": "s" * 32, "hostname": "ren01",
            "lane": 1, "created": time.time() - 30, "started": time.time() - 30, "finished": None, "fraction": 0.0, "exit": None,
            "signal": None, "reason": None, "cpu_seconds": None, "max_rss": None, "log_bytes": None, "commandline": [], **fields,
        }  # fmt: skip

    def set(self, number: int, **fields: Any) -> None:
        """Change a job and tell everybody."""
        self.state.jobs[number].update(fields)
        self.publish(kind="state", job=number, state=self.state.jobs[number]["state"])

    def publish(self, *, name: str = "job", **fields: Any) -> None:
        """An event: it goes into the history and to those who listen."""
        with self.changed:
            self.state.history.append({"seq": len(self.state.history) + 1, "at": time.time(), "event": name, **fields})
            self.changed.notify_all()

    def append_log(self, attempt: int, data: bytes, *, complete: bool = False) -> None:
        """What a renderer printed."""
        with self.changed:
            log = self.state.logs[attempt]
            log.data += data
            log.complete = complete
            self.changed.notify_all()

    def paths(self, method: str) -> list[str]:
        """The paths that were asked for with a method."""
        return [call.path for call in self.calls if call.method == method]


@contextmanager
def running(data: Path) -> Iterator[FakeDispatcher]:
    """A fake dispatcher for the time of a test."""
    fake = FakeDispatcher(data)
    try:
        yield fake
    finally:
        fake.stop()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 0.2  # an idle connection lets its thread go
    dispatcher: FakeDispatcher
    stopping: threading.Event

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_PATCH(self) -> None:
        self._answer("PATCH")

    def do_DELETE(self) -> None:
        self._answer("DELETE")

    def _answer(self, method: str) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        path = parts.path.removeprefix("/api/v1")
        fake = self.dispatcher
        call = Call(method, path, query, dict(self.headers.items()), json.loads(raw) if raw else None)
        fake.calls.append(call)
        trouble = fake.lose.pop(0) if fake.lose else None
        if trouble == "before" or self.stopping.is_set():
            self.close_connection = True
            return
        try:
            if trouble == "busy":
                raise RefusedError(503, "store", "the disk is full.", fix="Make room.")
            if path != "/health" and self.headers.get("Authorization") != f"Bearer {fake.token}":
                raise RefusedError(401, "access", "this token is not the dispatcher's.", fix="Pass --token.")
            if path == "/events" and fake.streams:
                self._events(query)
                return
            found = re.fullmatch(r"/(jobs|attempts)/(\d+)/log", path)
            if found:
                self._log(found[1], int(found[2]), query)
                return
            status, answer = _route(fake, call)
        except RefusedError as refused:
            status, answer = refused.status, {"error": refused.error, "errors": [refused.error]}
        if trouble == "after":
            self.close_connection = True
            return
        self._send(status, json.dumps(answer).encode(), "application/json")

    def _send(self, status: int, body: bytes, kind: str, **head: object) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in head.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def _events(self, query: dict[str, str]) -> None:
        fake = self.dispatcher
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.close_connection = True
        after = self.headers.get("Last-Event-ID") or query.get("after")
        told = len(fake.state.history) if after is None else int(after)
        self._chunk(f"id: {told}\n\n")
        while not self.stopping.is_set():
            with fake.changed:
                if len(fake.state.history) == told:
                    fake.changed.wait(0.1)
                fresh = fake.state.history[told:]
            told += len(fresh)
            for row in fresh:
                if "job" not in query or row.get("job") == int(query["job"]):
                    self._chunk(f"id: {row['seq']}\nevent: {row['event']}\ndata: {json.dumps(row)}\n\n")
            if not fresh:
                self._chunk(": still here\n\n")

    def _chunk(self, text: str) -> None:
        data = text.encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _log(self, kind: str, number: int, query: dict[str, str]) -> None:
        fake = self.dispatcher
        item = int(query["item"]) if "item" in query else None
        attempt = number
        if kind == "jobs":
            _job(fake, number)
            fitting = [a for a, log in fake.state.logs.items() if log.job == number and item in (None, log.item)]
            if not fitting:
                raise RefusedError(404, "not_found", f"job {number} has no attempt yet.")
            attempt = max(fitting)
        if attempt not in fake.state.logs:
            raise RefusedError(404, "not_found", f"there is no attempt {attempt}.")
        log = fake.state.logs[attempt]
        offset = int(query.get("offset", 0))
        start = max(0, len(log.data) + offset) if offset < 0 else min(offset, len(log.data))
        with fake.changed:
            fake.changed.wait_for(
                lambda: len(log.data) > start or log.complete or self.stopping.is_set(), timeout=float(query.get("wait", 0))
            )
        data = log.data[start : start + int(query.get("limit", 65536))]
        self._send(
            200, data, "text/plain; charset=utf-8", X_Log_Offset=start, X_Log_Next=start + len(data), X_Log_Size=len(log.data),
            X_Log_Complete=int(log.complete), X_Attempt=attempt,
        )  # fmt: skip


def _job(fake: FakeDispatcher, number: int) -> dict[str, Any]:
    if number not in fake.state.jobs:
        text = f"there is no job {number}."
        raise RefusedError(404, "not_found", text, field="job", value=str(number), fix="`laneway jobs` lists the jobs.")
    return fake.state.jobs[number]


def _route(fake: FakeDispatcher, call: Call) -> tuple[int, Any]:
    state, parts = fake.state, call.path.strip("/").split("/")
    lists: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "servers": lambda: state.servers,
        "lanes": lambda: state.lanes,
        "engines": lambda: state.engines,
    }
    if parts == ["health"]:
        return 200, {"ok": True, "version": "0.1.0", "id": "d" * 32, "boot": "b" * 32, "started": 1.0, "trouble": None}
    if len(parts) == 1 and parts[0] in lists:
        return 200, {parts[0]: lists[parts[0]](), "total": len(lists[parts[0]]())}
    if parts == ["history"]:
        return 200, _history(call, state.history)
    if parts == ["jobs"]:
        return _submit(fake, call) if call.method == "POST" else (200, _list(fake, call.query))
    if parts[0] == "jobs" and len(parts) > 1 and parts[1].isdigit():
        return _one_job(fake, call, int(parts[1]), parts[2] if len(parts) > 2 else None)
    if parts[0] == "attempts" and int(parts[1]) in state.attempts:
        return 200, state.attempts[int(parts[1])]
    raise RefusedError(404, "not_found", f"there is nothing at {call.path}.")


def _submit(fake: FakeDispatcher, call: Call) -> tuple[int, Any]:
    if fake.state.refusal is not None:
        return fake.state.refusal
    if call.query.get("dry_run") == "true":
        return 200, {"job": None, "warnings": ["only looked at"]}
    key = call.headers["Idempotency-Key"]
    if key not in fake.state.keys:
        kept = ("name", "engine", "input", "output", "range")
        fake.state.keys[key] = fake.add_job(**{name: call.body[name] for name in kept if call.body.get(name) is not None})
    return 201, {"job": fake.state.jobs[fake.state.keys[key]], "warnings": []}


def _list(fake: FakeDispatcher, query: dict[str, str]) -> dict[str, Any]:
    states = query["state"].split(",") if "state" in query else None
    found = [job for number, job in sorted(fake.state.jobs.items(), reverse=True) if states is None or job["state"] in states]
    offset, limit = int(query.get("offset", 0)), int(query.get("limit", 50))
    return {"jobs": found[offset : offset + limit], "total": len(found)}


def _history(call: Call, rows: list[dict[str, Any]]) -> dict[str, Any]:
    after, limit = int(call.query.get("after", 0)), int(call.query.get("limit", 100))
    found = [row for row in rows if row["seq"] > after][:limit]
    return {"history": found, "next": found[-1]["seq"] if found else after}


def _one_job(fake: FakeDispatcher, call: Call, number: int, what: str | None) -> tuple[int, Any]:
    job = _job(fake, number)
    if what is None:
        if call.method == "DELETE":
            if job["running"]:
                text = f"job {number} is running: lanes are at work on it; abort it first"
                raise RefusedError(409, "illegal_transition", text, field="state", value="running")
            del fake.state.jobs[number]
            return 200, {}
        if call.method == "PATCH":
            fake.set(number, **call.body)
        return 200, job
    if what == "tasks":
        tasks = fake.state.tasks.get(number, [])
        runs = [{"items": str(task["item"]), "state": task["state"]} for task in tasks]
        return 200, {"tasks": tasks, "runs": job.get("runs", runs), "total": len(tasks)}
    if what == "attempts":
        found = [a for a in fake.state.attempts.values() if a["job"] == number]
        return 200, {"attempts": sorted(found, key=lambda a: -int(a["id"])), "total": len(found)}
    if what == "history":
        return 200, _history(call, [row for row in fake.state.history if row.get("job") == number])
    reached = {"pause": "paused", "resume": "running", "abort": "aborted", "retry": "running"}
    if what not in reached:
        raise RefusedError(404, "not_found", f"there is nothing at {call.path}.")
    fake.set(number, state=reached[what], reason=(call.body or {}).get("reason") or "")
    return 200, job
