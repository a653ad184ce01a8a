"""Engines that report progress, and engines with mistakes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lanes import Lane, gone

HEAD = """
import os, time
from laneway.engine import Common, EngineError, Progress, Step
from laneway.frames import Frames

class Engine(Common):
    SETTINGS = {"items": True}
    PARAMETERS = {"script": "true", "folder": None}

    def get_executable(self):
        return "sh"

    def get_commandline(self, item):
        return [self.get_executable(), "-c", self.parameters["script"]]
"""

PERCENT = """
    def progress(self, line):
        return float(line.rstrip("%")) / 100 if line.endswith("%") else None
"""

FRAMES = """
    def progress(self, line):
        word, _, frame = line.partition(" ")
        return Progress(done=int(frame)) if word == "done" else None

    def expected_outputs(self, item):
        return [f"{self.parameters['folder']}/{item}.txt"]
"""


@pytest.fixture
def lane(tmp_path: Path) -> Iterator[Lane]:
    made = Lane(tmp_path, {"LANEWAY_ENGINES": str(tmp_path)})
    yield made
    made.close()


def engine(tmp_path: Path, body: str, name: str = "trial") -> str:
    (tmp_path / f"{name}.py").write_text(HEAD + body)
    return name


def test_progress_that_ends_in_carriage_returns_is_seen(lane: Lane, tmp_path: Path) -> None:
    script = r"printf '10%%\r'; sleep 0.4; printf '50%%\r60%%\r'; sleep 0.4; printf '90%%\r'; sleep 0.4"
    attempt = lane.start(engine(tmp_path, PERCENT), parameters={"script": script})
    assert lane.finish(attempt)["outcome"] == "done"
    fractions = [report["fraction"] for report in lane.reports if report.get("kind") == "progress"]
    assert fractions == [0.1, 0.6, 0.9]
    kinds = [report["kind"] for report in lane.reports[1:]]
    assert kinds == ["started", "progress", "progress", "progress", "finished"]


def test_progress_is_reported_a_few_times_a_second_only(lane: Lane, tmp_path: Path) -> None:
    script = "i=0; while [ $i -lt 100 ]; do echo $i%; i=$((i+1)); sleep 0.01; done"
    attempt = lane.start(engine(tmp_path, PERCENT), parameters={"script": script})
    report = lane.finish(attempt)
    reports = [each for each in lane.reports if each.get("kind") == "progress"]
    assert 2 <= len(reports) <= 4 * (report["at"] - report["started"]) + 2
    assert reports == sorted(reports, key=lambda each: each["fraction"])


def test_an_item_counts_once_its_file_is_there(lane: Lane, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    script = f"echo x > {folder}/1.txt; echo done 1; echo done 2; sleep 0.6; echo x > {folder}/3.txt; echo done 3; exit 4"
    attempt = lane.start(engine(tmp_path, FRAMES), "1-4", parameters={"script": script, "folder": str(folder)})
    report = lane.finish(attempt)
    assert (report["outcome"], report["done"], report["exit"]) == ("failed", "1,3", 4)
    first = next(each for each in lane.reports if each.get("kind") == "progress")
    assert (first["done"], first["fraction"]) == ("1", 0.25)


MISTAKES = {
    "import": ("\nraise RuntimeError('boom')\n", "RuntimeError: boom"),
    "init": ("\n    def __init__(self, *args):\n        raise RuntimeError('boom')\n", "RuntimeError: boom"),
    "prepare": ("\n    def prepare(self):\n        raise RuntimeError('boom')\n", "RuntimeError: boom"),
    "pre": ("\n    def pre(self):\n        {}['boom']\n", "KeyError: 'boom'"),
    "commandline": ("\n    def get_commandline(self, item):\n        raise RuntimeError('boom')\n", "RuntimeError: boom"),
    "commandline-type": (
        "\n    def get_commandline(self, item):\n        return 3\n",
        "TypeError: 'int' object is not iterable",
    ),
    "progress": ("\n    def progress(self, line):\n        raise RuntimeError('boom')\n", "RuntimeError: boom"),
    "outputs": ("\n    def expected_outputs(self, item):\n        raise RuntimeError('boom')\n", "RuntimeError: boom"),
    "post": ("\n    def post(self, exitcode):\n        raise RuntimeError('boom')\n", "RuntimeError: boom"),
    "said": ("\n    def pre(self):\n        raise EngineError('the licence is gone', retry=True)\n", "the licence is gone"),
}


@pytest.mark.parametrize("where", [pytest.param(name, id=name) for name in MISTAKES])
def test_a_mistake_in_an_engine_fails_the_bucket_and_not_the_lane(lane: Lane, tmp_path: Path, where: str) -> None:
    body, reason = MISTAKES[where]
    before = time.monotonic()
    attempt = lane.start(
        engine(tmp_path, body), parameters={"script": "echo something; sleep 3" if where == "progress" else "echo x"}
    )
    report = lane.finish(attempt)
    assert time.monotonic() - before < 2.5
    assert report["outcome"] == "failed"
    assert reason in report["reason"]
    if where not in ("said", "import"):
        assert "Traceback (most recent call last)" in lane.text(report)
    assert lane.command("echo ${ITEM}")["outcome"] == "done"


def test_an_engine_can_end_a_process_by_what_it_prints(lane: Lane, tmp_path: Path) -> None:
    body = "\n    def progress(self, line):\n        if 'licence' in line:\n            raise EngineError('no licence', retry=True)\n"
    attempt = lane.start(engine(tmp_path, body), parameters={"script": "echo waiting for a licence; sleep 60"})
    report = lane.finish(attempt, timeout=10)
    assert (report["outcome"], report["reason"], report["retry"]) == ("failed", "no licence", True)


def test_post_runs_after_a_failure_and_after_a_stop(lane: Lane, tmp_path: Path) -> None:
    body = "\n    def post(self, exitcode):\n        self.log(f'post {exitcode}')\n"
    name = engine(tmp_path, body)
    assert "[laneway] post -1" in lane.text(lane.finish(lane.start(name, parameters={"script": "exit 3"})))
    assert "[laneway] post 0" in lane.text(lane.finish(lane.start(name, parameters={"script": "true"})))
    attempt = lane.start(name, parameters={"script": "sleep 60"})
    lane.until("started", attempt)
    lane.stop(attempt)
    assert "[laneway] post -1" in lane.text(lane.finish(attempt))


def test_input_reaches_the_process(lane: Lane, tmp_path: Path) -> None:
    body = "\n    def get_stdin(self, item):\n        return 'x' * 1000000 + 'é' + item\n"
    report = lane.finish(lane.start(engine(tmp_path, body), "4", parameters={"script": "cat | tail -c 5"}))
    assert "xxé4" in lane.text(report)


def test_a_step_that_fails_takes_those_that_build_on_it_along(lane: Lane, tmp_path: Path) -> None:
    body = """
    def get_steps(self):
        for item in self.items:
            yield Step(Frames(), ["sh", "-c", f"echo first {item}; test {item} != 2"])
            yield Step(Frames.span(item, item), ["echo", f"second {item}"])
"""
    report = lane.finish(lane.start(engine(tmp_path, body), "1-3"))
    assert (report["outcome"], report["done"]) == ("failed", "1,3")
    assert "exit code 1: first 2" in report["reason"]
    assert "\nsecond 2\n" not in lane.text(report)


def test_the_guard_ends_a_host_that_is_busy_with_python(lane: Lane, tmp_path: Path) -> None:
    body = """
    def progress(self, line):
        time.sleep(60)
"""
    attempt = lane.start(engine(tmp_path, body), parameters={"script": "sleep 0.3; echo line; sleep 60"})
    pid = lane.until("started", attempt)["pid"]
    time.sleep(0.6)
    assert lane.process.stdin is not None
    lane.process.stdin.close()
    assert lane.process.wait(10) == 70
    assert gone(pid, 1)


@pytest.mark.timeout(60)
def test_the_guard_waits_in_the_kernel(lane: Lane) -> None:
    import psutil

    host = psutil.Process(lane.process.pid)
    before = host.cpu_times()
    time.sleep(1.0)
    after = host.cpu_times()
    assert after.user + after.system - before.user - before.system <= 0.02


def test_what_no_json_holds_costs_neither_the_report_nor_the_lane(lane: Lane, tmp_path: Path) -> None:
    body = r"""
    def progress(self, line):
        return Progress(fraction=float("nan"), item=2**70, note="\ud83d" + "x" * 3000)

    def finish(self, step):
        self.log("half a character: \ud83d")
        raise EngineError("a name: \udcff\ud83d" + "y" * 20000)
"""
    attempt = lane.start(engine(tmp_path, body), parameters={"script": "echo a; sleep 0.3"})
    progress = lane.until("progress", attempt)
    assert (progress["fraction"], progress["item"], len(progress["note"])) == (0.0, None, 500)
    report = lane.finish(attempt)
    assert report["outcome"] == "failed"
    assert report["reason"].startswith("a name: \ufffd\ufffdyyy")
    assert len(report["reason"]) == 10_000
    assert "half a character: \ufffd" in lane.text(report)
    assert lane.command("true")["outcome"] == "done"
