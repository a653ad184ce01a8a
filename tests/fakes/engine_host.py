"""An engine host that follows the contract with the agent and runs no engine: `python engine_host.py`.

What a bucket does stands in `spec.parameters`: `seconds` (sleeps here, no process), `command` (a process in a group of its
own, with the marks of its attempt), `deaf` (never answers `stop`), `scratch` (a process without marks, which only a sub-reaper
finds), `garbage` (a line that is not JSON). Environment `FAKE_HOST_FAILS` makes it end before it is ready, with that text.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from typing import Any


def say(message: dict[str, Any]) -> None:
    os.write(1, json.dumps(message).encode() + b"\n")


def finished(
    attempt: int, started: float, outcome: str, reason: str | None, items: str, code: int | None = 0
) -> dict[str, Any]:
    return {
        "type": "report",
        "attempt": attempt,
        "kind": "finished",
        "at": time.time(),
        "started": started,
        "outcome": outcome,
        "exit": code,
        "signal": None,
        "reason": reason,
        "retry": True,
        "done": items if outcome == "done" else "",
        "cpu_seconds": 0.001,
        "max_rss": 1 << 20,
        "log_bytes": 0,
        "commandline": ["/bin/true"],
    }


class Host:
    __slots__ = ("buffer", "deaf", "process", "run", "started")

    def __init__(self) -> None:
        self.buffer = b""
        self.run: dict[str, Any] | None = None
        self.process: subprocess.Popen[bytes] | None = None
        self.started = 0.0
        self.deaf = False

    def serve(self) -> int:
        say({"type": "ready", "pid": os.getpid()})
        while True:
            readable, _, _ = select.select([0], [], [], 0.01 if self.process else None)
            if readable:
                data = os.read(0, 65536)
                if not data:
                    self.kill()
                    return 0
                self.buffer += data
                *lines, self.buffer = self.buffer.split(b"\n")
                for line in lines:
                    self.handle(json.loads(line))
            if self.process and self.process.poll() is not None and self.run:
                code = self.process.returncode
                reason = None if code == 0 else f"exit {code}"
                say(
                    finished(self.run["attempt"], self.started, "failed" if reason else "done", reason, self.run["items"], code)
                )
                self.process = self.run = None

    def handle(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "probe":
            say(
                {
                    "type": "probed",
                    "engines": {"command": {"available": True, "version": None, "executable": None, "reason": None}},
                }
            )
        elif kind == "stop" and self.run and self.run["attempt"] == message["attempt"] and not self.deaf:
            self.kill()
            say(finished(message["attempt"], self.started, "stopped", message["reason"], self.run["items"], None))
            self.process = self.run = None
        elif kind == "run":
            self.begin(message)

    def begin(self, message: dict[str, Any]) -> None:
        parameters = message["spec"]["parameters"]
        self.started = time.time()
        if parameters.get("garbage"):
            os.write(1, b"this is not JSON\n")
        if "command" not in parameters:
            if parameters.get("seconds"):
                time.sleep(parameters["seconds"])
            say(finished(message["attempt"], self.started, "done", None, message["items"]))
            return
        self.run, self.deaf = message, bool(parameters.get("deaf"))
        marks = {"LANEWAY_ATTEMPT": str(message["attempt"]), "LANEWAY_JOB": str(message["job"])}
        command, env = parameters["command"], {**os.environ, **marks}
        with open(message["log"], "wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, start_new_session=True
            )
        if parameters.get("scratch"):
            subprocess.Popen(parameters["scratch"], stdin=subprocess.DEVNULL, stdout=2, env={}, start_new_session=True)
        say({"type": "report", "attempt": message["attempt"], "kind": "started", "at": self.started, "pid": self.process.pid})

    def kill(self) -> None:
        if self.process:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


if __name__ == "__main__":
    if os.environ.get("FAKE_HOST_FAILS"):
        sys.exit(os.environ["FAKE_HOST_FAILS"])
    sys.exit(Host().serve())
