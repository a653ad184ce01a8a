"""Listing, showing, changing, logs and waiting, against a fake dispatcher."""

from __future__ import annotations

import re
import threading
import time
from typing import Any

import pytest

from laneway.cli import output
from laneway.cli.exits import Code
from laneway.cli.jobs import percent
from tests.fakes.job_api import FakeDispatcher, Log
from tests.unit.cli.conftest import Cli


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Output as for a terminal of 80 columns (without its colours: pytest's capture is no terminal)."""
    monkeypatch.setattr(output, "on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")


def busy(fake: FakeDispatcher) -> int:
    """A job in the middle of its work."""
    now = time.time()
    job = fake.add_job(
        name="seq010_shot0010_lighting_v012_a_very_long_name_indeed.blend", engine="blender", version="3.4", state="running", running=2,
        tasks=48, counts={"done": 20, "executing": 2, "queued": 25, "failed": 1}, progress=0.43,
        started=now - 60, input="/p/shot.blend",
        output="/p/out/", range="1-48", priority_range="1,24,48", depends_on=[{"job": 40, "on": "item", "when": "done"}],
        runs=[
            {"items": "1-20", "state": "done"}, {"items": "21-22", "state": "executing"}, {"items": "23", "state": "failed"},
            {"items": "24-48", "state": "queued"},
        ],
    )  # fmt: skip
    fake.add_attempt(77, job, items="21-22", fraction=0.5, lane=2)
    fake.add_attempt(
        76,
        job,
        items="23",
        state="failed",
        finished=now - 5,
        reason="Blender saved no file for frame 23\x1b[2J",
        exit=0,
        number=3,
    )
    return job


def test_jobs_fit_80_columns_with_whole_ids(cli: Cli, fake: FakeDispatcher, terminal: None) -> None:
    busy(fake)
    fake.add_job(
        state="failed",
        tasks=1_000_000,
        counts={"done": 999_999, "failed": 1},
        progress=0.9999999,
        user="a_rather_long_user_name",
    )
    ran = cli("jobs")
    lines = ran.out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["ID", "STATE", "DONE", "%", "LANES", "NAME", "ENGINE", "USER", "AGE"]
    assert lines[1].split()[:5] == ["42", "failed", "999k/1.0M", "99", "-"]
    assert lines[2].split()[:5] == ["41", "running", "20/48", "43", "2"]


def test_jobs_without_a_terminal_are_not_shortened(cli: Cli, fake: FakeDispatcher) -> None:
    busy(fake)
    assert "seq010_shot0010_lighting_v012_a_very_long_name_indeed.blend" in cli("jobs").out


def test_jobs_are_filtered_by_the_dispatcher(cli: Cli, fake: FakeDispatcher) -> None:
    cli(
        "jobs",
        "--state",
        "running,waiting",
        "-u",
        "ann",
        "-e",
        "blender",
        "-n",
        "shot",
        "--limit",
        5,
        "--offset",
        10,
        "--sort",
        "name",
    )
    assert fake.calls[-1].query == {
        "state": "running,waiting", "user": "ann", "engine": "blender", "name": "shot", "limit": "5", "offset": "10", "sort": "name",
    }  # fmt: skip


def test_no_jobs_say_what_to_do(cli: Cli, fake: FakeDispatcher) -> None:
    ran = cli("jobs")
    assert ran.code == Code.OK
    assert "laneway submit" in ran.err
    assert cli("jobs", "--json").json == {"jobs": [], "total": 0}


def test_more_jobs_than_shown_are_mentioned(cli: Cli, fake: FakeDispatcher) -> None:
    for _ in range(5):
        fake.add_job()
    assert "2 of 5 jobs" in cli("jobs", "--limit", 2).err


@pytest.mark.parametrize(("progress", "text"), [(0, 0), (0.9999, 99), (1, 100), (0.005, 0)], ids=str)
def test_a_hundred_percent_means_all(progress: float, text: int) -> None:
    assert percent(progress) == text


def test_a_job_shows_what_a_person_wants(cli: Cli, fake: FakeDispatcher, terminal: None) -> None:
    job = busy(fake)
    ran = cli("job", job)
    assert ran.code == Code.OK
    assert max(map(len, ran.out.splitlines())) <= 100
    text = re.sub(r" +", " ", ran.out)
    for part in (
        "running on 2 lanes",
        "engine blender 3.4",
        "input /p/shot.blend",
        "output /p/out/",
        "range 1-48 (48 tasks, buckets of 1, 1,24,48 first)",
        "waits for job 40, frame by frame",
        "done 20 1-20",
        "executing 2 21-22",
        "failed 1 23",
        "queued 25 24-48",
        "77 21-22 executing ren01:2 50",
        "frame 23 failed on ren01 lane 1, 5 s ago (try 3)",
        "Blender saved no file for frame 23",
        f"laneway log {job} --attempt 76",
    ):
        assert part in text
    assert "\x1b[2J" not in ran.out


def test_a_job_in_json_is_the_dispatchers_own(cli: Cli, fake: FakeDispatcher) -> None:
    job = busy(fake)
    assert cli("job", job, "--json").json == fake.state.jobs[job]


@pytest.mark.parametrize("verb", ["job", "tasks", "attempts", "log", "pause", "wait", "delete", "history"])
def test_a_job_that_is_not_there_is_3(cli: Cli, fake: FakeDispatcher, verb: str) -> None:
    ran = cli(verb, 7)
    assert ran.code == Code.NOT_FOUND
    assert "no job 7" in ran.err
    assert cli(verb, 7, "--json").json["error"]["code"] == "not_found"


def test_tasks_attempts_and_history_are_listed(cli: Cli, fake: FakeDispatcher) -> None:
    job = busy(fake)
    fake.state.tasks[job] = [{"item": 23, "state": "failed", "attempt": 76, "tries": 3, "reason": "no camera"}]
    fake.publish(kind="finished", job=job, attempt=76, items="23", reason="no camera", actor="ann", data={"outcome": "failed"})
    assert cli("tasks", job, "--state", "failed", "--range", "1-30").out.splitlines()[1].split() == [
        "23",
        "failed",
        "3",
        "76",
        "no",
        "camera",
    ]
    assert fake.calls[-1].query == {"state": "failed", "range": "1-30", "limit": "100", "offset": "0"}
    assert "76    3  23" in cli("attempts", job).out
    assert "finished: failed" in cli("history", job).out
    assert "no camera (ann)" in cli("history").out
    for command in (["tasks", job], ["attempts", job], ["history", job], ["history"]):
        assert isinstance(cli(*command, "--json").json, dict)


@pytest.mark.parametrize(
    ("verb", "state"),
    [("pause", "paused"), ("resume", "running"), ("abort", "aborted"), ("retry", "running")],
    ids=lambda value: value,
)
def test_changes_are_made_and_shown(cli: Cli, fake: FakeDispatcher, verb: str, state: str) -> None:
    job, other = fake.add_job(name="shot"), fake.add_job()
    ran = cli(verb, job, other, "--reason", "lunch")
    assert ran.code == Code.OK
    assert f"Job {job} (shot): {state}, lunch" in ran.out
    assert [fake.state.jobs[one]["state"] for one in (job, other)] == [state, state]
    assert [one["state"] for one in cli(verb, job, other, "--json").json["jobs"]] == [state, state]


def test_retry_sends_its_range(cli: Cli, fake: FakeDispatcher) -> None:
    assert cli("retry", fake.add_job(), "--range", "7,12-14").code == Code.OK
    assert fake.calls[-1].body == {"range": "7,12-14"}


def test_one_refusal_does_not_keep_the_others(cli: Cli, fake: FakeDispatcher) -> None:
    first, last = fake.add_job(), fake.add_job()
    ran = cli("pause", first, 7, last)
    assert ran.code == Code.NOT_FOUND
    assert "there is no job 7" in ran.err
    assert fake.state.jobs[last]["state"] == "paused"
    ran = cli("pause", first, 7, "--json")
    assert ran.code == Code.NOT_FOUND
    assert [one["id"] for one in ran.json["jobs"]] == [first]
    assert ran.json["error"]["code"] == "not_found"


def test_what_the_state_forbids_is_4(cli: Cli, fake: FakeDispatcher) -> None:
    job = fake.add_job(running=2)
    ran = cli("delete", job)
    assert ran.code == Code.REFUSED
    assert "abort it first" in ran.err


def test_delete_deletes(cli: Cli, fake: FakeDispatcher) -> None:
    job = fake.add_job()
    ran = cli("delete", job, "--json")
    assert ran.json == {"jobs": [{"id": job, "state": "deleted"}]}
    assert not fake.state.jobs


def test_delete_asks_on_a_terminal(cli: Cli, fake: FakeDispatcher, monkeypatch: pytest.MonkeyPatch) -> None:
    job = fake.add_job()
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("click.confirm", lambda text: False)
    assert cli("delete", job).code == Code.INTERRUPTED
    assert fake.state.jobs
    assert cli("delete", job, "--yes").code == Code.OK


def test_edit_sends_what_changes(cli: Cli, fake: FakeDispatcher) -> None:
    job = fake.add_job()
    options = [
        "--priority",
        900,
        "--name",
        "new",
        "--max-lanes",
        0,
        "--timeout",
        "2h",
        "--bucket",
        4,
        "--retries",
        1,
        "--queue",
        "low",
    ]
    assert cli("edit", job, *options).code == Code.OK
    settings = {"max_lanes": 0, "task_timeout": 7200.0, "task_bucketsize": 4, "task_max_retries": 1}
    patch = next(call.body for call in fake.calls if call.method == "PATCH")
    assert patch == {"priority": 900, "name": "new", "queue": "low", "settings": settings}
    assert cli("edit", job).code == Code.USAGE


def test_servers_lanes_and_engines_are_listed(cli: Cli, fake: FakeDispatcher, terminal: None) -> None:
    fake.state.servers = [
        {
            "server": "s" * 32, "number": 1, "hostname": "ren01", "os": "linux", "site": "main", "cores": 64, "ram": 256 * 10**9,
            "version": "0.1.0", "addresses": [], "online": True, "seen": time.time(), "lanes": 8, "running": 3,
            "engines": {"blender": {"available": True}, "nuke": {"available": False}},
        }
    ]  # fmt: skip
    fake.state.lanes = [
        {
            "server": "s" * 32,
            "hostname": "ren01",
            "lane": 1,
            "state": "executing",
            "job": 41,
            "attempt": 9,
            "items": "1-5",
            "fraction": 0.5,
        }
    ]
    fake.state.engines = [{"name": "blender", "description": "Renders scenes.", "extensions": [".blend"], "servers": []}]
    assert cli("servers").out.splitlines()[1].split()[:5] == ["ren01", "online", "3/8", "64", "256"]
    assert "nuke" not in cli("servers").out
    assert cli("lanes").out.splitlines()[1].split() == ["ren01", "1", "executing", "41", "1-5", "50", "9"]
    assert "none" in cli("engines").out
    for command in ("servers", "lanes", "engines"):
        assert cli(command, "--json").json["total"] == 1
        assert max(map(len, cli(command).out.splitlines())) <= 80


def test_an_empty_farm_says_what_to_do(cli: Cli, fake: FakeDispatcher) -> None:
    assert "laneway agent" in cli("servers").err
    assert "laneway up" in cli("lanes").err


def test_local_engines_need_no_dispatcher(cli: Cli) -> None:
    ran = cli("engines", "--local")
    assert ran.code == Code.OK
    assert ".sketch .draw" in ran.out
    assert {"command", "sketch"} <= {engine["name"] for engine in cli("engines", "--local", "--json").json["engines"]}


# -- logs

TEXT = b"".join(b"line %d\n" % number for number in range(1, 20_001))


@pytest.fixture
def logged(fake: FakeDispatcher) -> int:
    job = fake.add_job(state="done")
    fake.state.logs[8] = Log(job, 1, b"older\n", complete=True)
    fake.state.logs[9] = Log(job, 2, TEXT, complete=True)
    return job


def test_a_log_is_shown_whole(cli: Cli, logged: int) -> None:
    assert cli("log", logged).out == TEXT.decode()
    assert cli("log", logged, "--raw").out == TEXT.decode()
    assert cli("log", logged, "--item", 1).out == "older\n"
    assert cli("log", logged, "--attempt", 8).out == "older\n"
    assert cli("log", logged, "--attempt", 9, "--follow").out == TEXT.decode()


@pytest.mark.parametrize("lines", [0, 1, 5, 10_000, 20_000, 30_000], ids=str)
def test_the_last_lines_of_a_log(cli: Cli, logged: int, lines: int) -> None:
    assert (
        cli("log", logged, "--tail", lines).out == b"".join(TEXT.splitlines(keepends=True)[max(0, 20_000 - lines) :]).decode()
    )


def test_a_log_in_json_says_where_it_stands(cli: Cli, logged: int) -> None:
    found = cli("log", logged, "--tail", 1, "--json").json
    size = len(TEXT)
    assert found == {"attempt": 9, "offset": size - 11, "next": size, "size": size, "complete": True, "text": "line 20000\n"}


def test_progress_lines_are_shown_once(cli: Cli, fake: FakeDispatcher, logged: int) -> None:
    fake.state.logs[9] = Log(logged, 2, b"start\n10%\r50%\r100%\nend\n", complete=True)
    assert cli("log", logged).out == "start\n100%\nend\n"
    assert cli("log", logged, "--raw").out == "start\n10%\r50%\r100%\nend\n"


def test_options_of_log_that_contradict_are_told(cli: Cli, logged: int) -> None:
    assert cli("log", logged, "--item", 1, "--attempt", 8).code == Code.USAGE
    assert cli("log", logged, "--raw", "--json").code == Code.USAGE


def test_following_a_job_goes_from_attempt_to_attempt(cli: Cli, fake: FakeDispatcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laneway.cli.log.LOOK_AGAIN", 0.05)
    job = fake.add_job()

    def render() -> None:
        time.sleep(0.2)
        fake.state.logs[1] = Log(job, 1, b"first ")
        time.sleep(0.2)
        fake.append_log(1, b"attempt\n", complete=True)
        fake.state.logs[2] = Log(job, 1, b"second\n")
        time.sleep(0.2)
        fake.state.jobs[job]["state"] = "done"
        fake.append_log(2, b"end\n", complete=True)

    thread = threading.Thread(target=render)
    thread.start()
    ran = cli("log", job, "--follow")
    thread.join()
    assert ran.code == Code.OK
    assert ran.out == "first attempt\nsecond\nend\n"
    assert "attempt 1" in ran.err


def test_following_a_job_of_which_nothing_ran_ends(cli: Cli, fake: FakeDispatcher) -> None:
    assert cli("log", fake.add_job(state="aborted"), "--follow").code == Code.NOT_FOUND


# -- waiting


@pytest.mark.parametrize(
    ("states", "code"),
    [(["done", "done"], 0), (["done", "failed"], 1), (["failed", "aborted"], 1), (["done", "aborted"], 6)],
    ids=["done", "failed", "failed and aborted", "aborted"],
)
def test_wait_has_the_code_of_the_worst(cli: Cli, fake: FakeDispatcher, states: list[str], code: int) -> None:
    jobs = [fake.add_job(state=state) for state in states]
    assert cli("wait", *jobs).code == code
    ran = cli("wait", *jobs, "--json")
    assert ran.code == code
    assert [job["state"] for job in ran.json["jobs"]] == states


def later(fake: FakeDispatcher, act: Any) -> threading.Timer:
    timer = threading.Timer(0.3, act)
    timer.start()
    return timer


def test_a_job_deleted_while_it_is_waited_for_is_6(cli: Cli, fake: FakeDispatcher) -> None:
    job = fake.add_job()

    def remove() -> None:
        del fake.state.jobs[job]
        fake.publish(kind="delete", job=job)

    timer = later(fake, remove)
    ran = cli("wait", job, "--json")
    timer.join()
    assert ran.code == Code.GONE
    assert ran.json["jobs"][0]["state"] == "deleted"


def test_failures_are_told_as_they_happen(cli: Cli, fake: FakeDispatcher) -> None:
    job = fake.add_job(state="running")

    def act() -> None:
        fake.publish(name="attempt", kind="finished", state="failed", job=job, attempt=7, items="3-4", reason="no camera")
        fake.set(job, state="failed", counts={"done": 8, "failed": 2}, reason="2 of 10 tasks failed: no camera")

    timer = later(fake, act)
    ran = cli("job", job, "--follow")
    timer.join()
    assert ran.code == Code.JOB_FAILED
    assert f"job {job}: frames 3-4 failed: no camera (laneway log {job} --attempt 7)" in ran.out
    assert "2 of 10 failed" in ran.err


def test_wait_outlives_a_restart_and_says_so(cli: Cli, fake: FakeDispatcher) -> None:
    job = fake.add_job()

    def act() -> None:
        fake.stop()
        time.sleep(0.3)
        fake.state.jobs[job]["state"] = "done"
        fake.start()

    timer = later(fake, act)
    ran = cli("wait", job)
    timer.join()
    assert ran.code == Code.OK


def test_a_timeout_is_124(cli: Cli, fake: FakeDispatcher) -> None:
    job = fake.add_job()
    assert cli("wait", job, "--timeout", "0.2").code == Code.TIMED_OUT
    ran = cli("wait", job, "--timeout", "0.2", "--json")
    assert (ran.code, ran.json["error"]["code"], ran.json["jobs"][0]["id"]) == (124, "timeout", job)


def test_an_interrupt_is_130_and_the_jobs_go_on(cli: Cli, fake: FakeDispatcher, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("laneway.client.Session.wait", interrupted)
    job = fake.add_job()
    ran = cli("wait", job)
    assert ran.code == Code.INTERRUPTED
    assert f"laneway wait {job}" in ran.err
    ran = cli("wait", job, "--json")
    assert (ran.code, ran.json["error"]["code"]) == (130, "interrupted")
