from __future__ import annotations

import io
import json
import os
import struct
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from laneway.cli.exits import Code
from tests.fakes.job_api import FakeDispatcher
from tests.unit.cli.conftest import Cli, Ran


@pytest.fixture
def scene(here: Path) -> Path:
    path = here / "shot.sketch"
    path.write_text("a drawing")
    return path


def sent(fake: FakeDispatcher) -> dict[str, Any]:
    body: dict[str, Any] = next(call.body for call in reversed(fake.calls) if call.method == "POST")
    return body


def test_a_file_and_options_make_a_payload(cli: Cli, fake: FakeDispatcher, scene: Path) -> None:
    ran = cli(
        "submit", "shot.sketch", "--range", "1-10", "-o", "out/", "-n", "My shot", "-p", 700, "--queue", "high", "--bucket", 5,
        "--priority-range", "fml:3", "--param", "quality=high", "--param", "layers=[1]", "--env", "A=1=2", "--depends-on", "7:item",
        "--depends-on", "8", "--retries", 0, "--timeout", "15m", "--max-lanes", 3, "--description", "for ann", "--hold",
    )  # fmt: skip
    assert ran.code == Code.OK, ran.err
    assert "Job 41: My shot, sketch, 10 tasks" in ran.out
    assert fake.calls[-1].headers["X-Laneway-User"]
    assert sent(fake) == {
        "engine": "sketch",
        "input": str(scene),
        "range": "1-10",
        "output": f"{scene.parent}/out/",
        "name": "My shot",
        "priority": 700,
        "queue": "high",
        "priority_range": "fml:3",
        "settings": {"task_bucketsize": 5, "task_max_retries": 0, "task_timeout": 900.0, "max_lanes": 3},
        "parameters": {"quality": "high", "layers": [1]},
        "envs": {"A": "1=2"},
        "depends_on": [{"job": 7, "on": "item", "when": "done"}, {"job": 8, "on": "all", "when": "done"}],
        "description": "for ann",
        "hold": True,
    }


def test_json_is_the_dispatchers_answer(cli: Cli, fake: FakeDispatcher, scene: Path) -> None:
    ran = cli("submit", "shot.sketch", "-r", "1", "--json")
    assert (ran.code, ran.json["job"]["id"], ran.json["warnings"]) == (0, 41, [])


@pytest.mark.parametrize("engine", [[], ["--engine", "command"]], ids=["by itself", "named"])
def test_a_command_line_stands_behind_two_dashes(cli: Cli, fake: FakeDispatcher, engine: list[str]) -> None:
    assert (
        cli("submit", "--range", "1-10", *engine, "--", "/bin/echo", "--json", "--help", "${ITEM}", "--", "x").code == Code.OK
    )
    assert sent(fake)["engine"] == "command"
    assert sent(fake)["parameters"] == {"cwd": os.getcwd(), "command": ["/bin/echo", "--json", "--help", "${ITEM}", "--", "x"]}


def test_json_behind_the_dashes_is_not_ours(cli: Cli, fake: FakeDispatcher) -> None:
    ran = cli("submit", "--", "/bin/echo", "--json")
    assert ran.out.startswith("Job 41")


def test_several_files_go_into_one_job(cli: Cli, fake: FakeDispatcher, here: Path) -> None:
    for name in ("a.piece", "b.piece"):
        (here / name).touch()
    assert cli("submit", "a.piece", "b.piece").code == Code.OK
    assert sent(fake)["engine"] == "collage"
    assert sent(fake)["input"] == [str(here / "a.piece"), str(here / "b.piece")]


def test_a_payload_file_is_sent_as_it_is_and_options_replace(cli: Cli, fake: FakeDispatcher, scene: Path) -> None:
    (scene.parent / "payload.json").write_text(
        json.dumps(
            {"app": "sketch", "code": "old", "input": "shot.sketch", "settings": {"max_lanes": 2}, "user": "bob", "surprise": 1}
        )
    )
    assert cli("submit", "payload.json", "--bucket", 3, "--name", "new").code == Code.OK
    assert sent(fake) == {
        "app": "sketch",
        "name": "new",
        "input": str(scene),
        "settings": {"max_lanes": 2, "task_bucketsize": 3},
        "user": "bob",
        "surprise": 1,
    }


def test_a_payload_comes_from_standard_input(
    cli: Cli, fake: FakeDispatcher, scene: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"engine": "sketch", "input": "shot.sketch", "range": "1-2"}'))
    assert cli("submit", "-", "--json").code == Code.OK
    assert sent(fake)["input"] == str(scene)


def test_a_blend_brings_its_own_range(cli: Cli, fake: FakeDispatcher, here: Path) -> None:
    body = struct.pack("<ii64s", 11, 42, b"Scene")
    data = (
        b"BLENDER-v304"
        + struct.pack("<4siqii", b"REND", len(body), 1, 0, 1)
        + body
        + struct.pack("<4siqii", b"GLOB", 0, 1, 0, 1)
    )
    (here / "shot.blend").write_bytes(data)
    assert cli("submit", "shot.blend", "--engine", "blender").code == Code.OK
    assert sent(fake)["range"] == "11-42"
    assert cli("submit", "shot.blend", "--engine", "blender", "--range", "5").code == Code.OK
    assert sent(fake)["range"] == "5"


def test_a_blend_that_cannot_be_read_is_told_before_it_is_sent(cli: Cli, fake: FakeDispatcher, here: Path) -> None:
    (here / "shot.blend").write_bytes(b"no blend at all")
    ran = cli("submit", "shot.blend", "--engine", "blender")
    assert ran.code == Code.USAGE
    assert "--range" in ran.err
    assert not fake.calls


@pytest.mark.parametrize(
    ("argv", "code", "field"),
    [
        (["no.sketch"], 3, "input"),
        (["shot.unknown", "--no-check"], 2, "engine"),
        (["shot.sketch", "--param", "x"], 2, "--param"),
        (["shot.sketch", "--timeout", "soon"], 2, "--timeout"),
        (["shot.sketch", "--depends-on", "yesterday"], 2, "--depends-on"),
        (["-", "shot.sketch"], 2, "FILE"),
        ([], 2, "FILE"),
    ],
    ids=["missing file", "unknown extension", "parameter", "timeout", "dependency", "stdin and a file", "nothing"],
)
def test_what_is_wrong_here_is_told_with_its_place(
    cli: Cli, fake: FakeDispatcher, scene: Path, argv: list[str], code: int, field: str
) -> None:
    ran = cli("submit", *argv, "--json")
    assert (ran.code, ran.json["error"]["field"]) == (code, field)
    assert ran.json["error"]["fix"]
    assert not fake.calls


def test_what_the_dispatcher_refuses_is_told_in_full(cli: Cli, fake: FakeDispatcher, scene: Path) -> None:
    first = {"code": "unknown_name", "message": "unknown key 'x'.", "field": "x", "value": "1", "fix": "Did you mean 'y'?"}
    second = {"code": "bad_range", "message": "no range.", "field": "range", "value": "1-", "fix": None}
    fake.state.refusal = (422, {"error": first, "errors": [first, second]})
    ran = cli("submit", "shot.sketch", "-r", "1-")
    assert ran.code == Code.USAGE
    assert ran.err.splitlines() == ["Error: x: unknown key 'x'.", "  Did you mean 'y'?", "Error: range: no range."]
    ran = cli("submit", "shot.sketch", "-r", "1-", "--json")
    assert (ran.json["error"], ran.json["errors"]) == (first, [first, second])


def finishing(fake: FakeDispatcher, **fields: Any) -> threading.Timer:
    timer = threading.Timer(0.3, lambda: fake.set(41, **fields))
    timer.start()
    return timer


@pytest.mark.parametrize(("state", "code"), [("done", 0), ("failed", 1), ("aborted", 6)], ids=["done", "failed", "aborted"])
def test_wait_ends_with_the_jobs_code(cli: Cli, fake: FakeDispatcher, scene: Path, state: str, code: int) -> None:
    timer = finishing(fake, state=state, counts={"done": 10} if state == "done" else {"failed": 10}, started=1.0, finished=3.0)
    ran = cli("submit", "shot.sketch", "-r", "1", "--wait")
    timer.join()
    assert ran.code == code
    assert f"job 41 job41: {state}" in ran.out
    assert "\x1b" not in ran.out


def test_wait_with_json_is_one_object(cli: Cli, fake: FakeDispatcher, scene: Path) -> None:
    timer = finishing(fake, state="failed")
    ran = cli("submit", "shot.sketch", "-r", "1", "--wait", "--json")
    timer.join()
    assert ran.code == Code.JOB_FAILED
    assert (ran.json["job"]["id"], ran.json["job"]["state"], ran.json["warnings"]) == (41, "failed", [])
    assert ran.err == ""


# -- dry run: no dispatcher anywhere


def test_a_dry_run_prints_the_exact_command_lines(cli: Cli, scene: Path) -> None:
    ran = cli("submit", "shot.sketch", "-r", "1-3", "--bucket", 2, "--env", "LOOK=a b", "--dry-run")
    assert ran.code == Code.OK, ran.err
    lines = [line for line in ran.out.splitlines() if not line.startswith("#")]
    assert lines[0].endswith(f"/opt/sketcher {scene} --frame 1-2")
    assert "SKETCH_HOME='/opt/my sketches'" in lines[0]
    assert "LOOK='a b'" in lines[0]
    assert len(lines) == 2
    assert "/opt/sketcher" in ran.err


def test_a_dry_run_of_a_command_line(cli: Cli) -> None:
    ran = cli("submit", "--range", "9-10", "--dry-run", "--json", "--", "/bin/echo", "it is ${ITEM:4}")
    assert ran.code == Code.OK, ran.err
    assert [one["argv"] for one in ran.json["commands"]] == [["/bin/echo", "it is 0009"], ["/bin/echo", "it is 0010"]]
    assert (ran.json["tasks"], ran.json["buckets"], ran.json["more"]) == (2, 2, False)


def test_a_dry_run_of_a_million_frames_is_short_and_quick(cli: Cli) -> None:
    ran = cli("submit", "--range", "1-1000000", "--dry-run", "--json", "--", "/bin/echo", "${ITEM}")
    assert (ran.json["tasks"], len(ran.json["commands"]), ran.json["more"]) == (1_000_000, 100, True)


def refused(ran: Ran) -> set[str]:
    assert ran.code == Code.USAGE
    return {problem["field"] for problem in ran.json["errors"]}


def test_a_dry_run_finds_every_fault(cli: Cli, scene: Path) -> None:
    (scene.parent / "p.json").write_text(
        json.dumps({"engine": "sketch", "input": 5, "range": "1-", "priority": "high", "nmae": "x"})
    )
    assert {"range", "priority", "nmae"} <= refused(cli("submit", "p.json", "--dry-run", "--json"))
    assert refused(cli("submit", "shot.sketch", "-r", "1", "--param", "qualty=5", "--dry-run", "--json")) == {
        "parameters.qualty"
    }
    assert refused(cli("submit", "shot.sketch", "-r", "1", "-e", "sktch", "--dry-run", "--json")) == {"engine"}
