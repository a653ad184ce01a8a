"""The command line against a farm that `laneway up` has started: real dispatcher, real lanes, real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from laneway.client import EventView, JobView, Session


class Farm:
    """`laneway up` in a data folder of its own, and the command line that uses it."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("LANEWAY_")}
        self.environment |= {"LANEWAY_DATA": str(data), "COLUMNS": "80"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "laneway.cli", "up", "--lanes", "2", "--port", "0", "--json"],
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
        )

    def wait_until_ready(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                assert json.loads(line)["lanes"] == 2
                return
        raise AssertionError(f"`laneway up` ended with {self.process.wait(5)}")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        finally:
            self.process.kill()
            assert self.process.stdout is not None
            self.process.stdout.close()

    def run(self, *argv: object, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "laneway.cli", *map(str, argv)],
            check=False,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def json(self, *argv: object, code: int = 0) -> Any:
        at = argv.index("--") if "--" in argv else len(argv)
        return json.loads(self.run(*argv[:at], "--json", *argv[at:], code=code))

    def kill_the_dispatcher(self) -> None:
        os.kill(json.loads((self.data / "dispatcher.json").read_text())["pid"], signal.SIGKILL)


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    made = Farm(tmp_path_factory.mktemp("farm"))
    try:
        made.wait_until_ready()
        yield made
    finally:
        made.stop()


@pytest.fixture
def session(farm: Farm) -> Iterator[Session]:
    with Session(data=farm.data) as made:
        yield made


def test_submit_wait_look_and_retry(farm: Farm) -> None:
    script = "echo frame ${ITEM}; test ${ITEM} -ne 5"
    made = farm.json(
        "submit", "--range", "1-8", "--retries", 0, "--name", "eight", "--wait", "--", "/bin/sh", "-c", script, code=1
    )
    job = made["job"]["id"]
    assert (made["job"]["state"], made["job"]["counts"]["done"], made["job"]["counts"]["failed"]) == ("failed", 7, 1)
    assert f"{job}  failed" in farm.run("jobs", "--name", "eight")
    shown = farm.run("job", job)
    assert "1-4,6-8" in shown
    assert f"laneway log {job} --attempt" in shown
    assert "frame 5" in farm.run("log", job, "--item", 5)
    assert farm.json("tasks", job, "--state", "failed")["tasks"][0]["item"] == 5
    assert farm.json("attempts", job, "--item", 5)["total"] == 1
    assert farm.json("history", job)["history"][0]["kind"] == "submitted"
    assert farm.json("edit", job, "--priority", 900)["jobs"][0]["priority"] == 900
    farm.run("retry", job)
    farm.run("wait", job, code=1)
    assert farm.json("attempts", job, "--item", 5)["total"] == 2
    farm.run("delete", job)
    farm.run("job", job, code=3)


def test_abort_ends_what_runs(farm: Farm) -> None:
    job = farm.json("submit", "--range", "1-4", "--", "/bin/sleep", "60")["job"]["id"]
    threading.Timer(0.5, lambda: farm.run("abort", job, "--reason", "wrong camera")).start()
    start = time.monotonic()
    assert farm.json("wait", job, code=6)["jobs"][0]["state"] == "aborted"
    assert time.monotonic() - start < 10


def test_a_log_is_followed_while_it_is_written(farm: Farm) -> None:
    script = "for n in 1 2 3; do echo step $n; sleep 0.2; done"
    job = farm.json("submit", "--", "/bin/sh", "-c", script)["job"]["id"]
    followed = farm.run("log", job, "--follow")
    assert [line for line in followed.splitlines() if line.startswith("step")] == ["step 1", "step 2", "step 3"]


def test_wait_outlives_kill_9_of_the_dispatcher(farm: Farm) -> None:
    job = farm.json("submit", "--range", "1-12", "--", "/bin/sleep", "0.2")["job"]["id"]
    threading.Timer(0.6, farm.kill_the_dispatcher).start()
    done = farm.json("wait", job, "--timeout", "60")["jobs"][0]
    assert (done["state"], done["counts"]["done"]) == ("done", 12)


def test_the_client_hears_every_event(session: Session) -> None:
    heard: list[EventView] = []
    updates: list[JobView] = []
    made = session.submit({"engine": "command", "range": "1-3", "parameters": {"command": ["/bin/sleep", "0.3"]}})
    (job,) = session.wait([made.id], 30, updates.append, heard.append)
    assert job.state == "done"
    assert updates[-1] == job
    assert {event.items for event in heard if event.name == "attempt" and event.state == "done"} >= {"3"}
    assert next(iter(session.history(made.id))).kind == "submitted"


def test_one_key_makes_one_job(session: Session) -> None:
    before = session.jobs().total
    payload = {"engine": "command", "parameters": {"command": ["/bin/true"]}}
    answers = [
        session._wire.json("POST", "/jobs", body=payload, headers={"Idempotency-Key": "k" * 32})["job"]["id"] for _ in range(3)
    ]
    assert len(set(answers)) == 1
    assert session.jobs().total == before + 1


def test_what_is_wrong_is_refused_in_full(farm: Farm, tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text('{"engine": "comand", "range": "1-", "priority": "high", "nmae": 1}')
    offline = farm.json("submit", tmp_path / "p.json", "--dry-run", code=2)
    online = farm.json("submit", tmp_path / "p.json", code=2)
    assert offline == online
    assert {problem["field"] for problem in online["errors"]} >= {"engine", "priority", "nmae"}


def test_the_farm_is_listed(farm: Farm) -> None:
    assert farm.json("servers")["servers"][0]["lanes"] == 2
    assert [lane["lane"] for lane in farm.json("lanes")["lanes"]] == [1, 2]
    assert "command" in {engine["name"] for engine in farm.json("engines")["engines"]}
    assert farm.json("version")["dispatcher"]["ok"] is True
