from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from laneway.cli.app import COMMANDS, laneway
from laneway.cli.exits import MEANING, Code, code_of, code_of_states
from laneway.errors import (
    AccessError,
    ConflictError,
    EngineError,
    LanewayError,
    NotFoundError,
    PayloadError,
    StoreError,
    UnreachableError,
    UserError,
)
from tests.fakes.job_api import FakeDispatcher
from tests.unit.cli.conftest import Cli

NAMES = [name for section in COMMANDS.values() for name in section]
HELP_LINES = {name: line for section in COMMANDS.values() for name, (_, line) in section.items()}


def command(name: str) -> click.Command:
    found = laneway.get_command(click.Context(laneway), name)
    assert found is not None
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_table_says_what_the_command_says_of_itself(name: str) -> None:
    made = command(name)
    assert made.name == name
    assert (made.help or "").splitlines()[0] == HELP_LINES[name]


@pytest.mark.parametrize("name", NAMES)
def test_every_command_teaches_with_examples_and_has_the_common_options(name: str, cli: Cli) -> None:
    ran = cli(name, "--help")
    assert ran.code == Code.OK
    assert f"laneway {name}" in ran.out.split("Examples:")[1]
    for option in ("--url", "--token", "--data", "--json", "--help"):
        assert option in ran.out
    assert max(map(len, ran.out.splitlines())) <= 80


def test_help_names_every_command_and_exit_code(cli: Cli) -> None:
    ran = cli("--help")
    assert ran.code == Code.OK
    for name in NAMES:
        assert f"\n  {name} " in ran.out
    for code in Code:
        assert MEANING[code] in " ".join(ran.out.split())


def test_help_is_quick_and_loads_little() -> None:
    script = (
        "import sys; from laneway.cli import main; code = main(['--help']); "
        "print([m for m in ('requests', 'rich', 'asyncio', 'pydantic', 'laneway.client', 'laneway.engine') if m in sys.modules], "
        "file=sys.stderr); sys.exit(code)"
    )
    took = []
    for _ in range(3):
        start = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        took.append(time.perf_counter() - start)
        assert done.stderr.strip() == "[]"
    assert min(took) < 0.25


USAGE = {
    "no such command": ["jbos"],
    "no such option": ["jobs", "--colour"],
    "missing argument": ["job"],
    "no number": ["job", "forty-two"],
    "zero": ["job", "0"],
    "no range of numbers": ["submit", "x.sketch", "--priority", "2000"],
    "nothing to do": [],
}


@pytest.mark.parametrize("argv", USAGE.values(), ids=USAGE.keys())
def test_wrong_usage_is_2(argv: list[str], cli: Cli) -> None:
    ran = cli(*argv)
    assert ran.code == Code.USAGE
    assert ran.out == ""
    assert "laneway" in ran.err


@pytest.mark.parametrize(
    "argv", [v for k, v in USAGE.items() if k != "nothing to do"], ids=[k for k in USAGE if k != "nothing to do"]
)
def test_wrong_usage_is_json_where_json_is_asked_for(argv: list[str], cli: Cli) -> None:
    ran = cli(*argv, "--json")
    assert ran.code == Code.USAGE
    assert ran.json["error"]["code"] == "usage"
    assert "--help" in ran.json["error"]["fix"]


def test_a_near_command_is_offered(cli: Cli) -> None:
    assert "Did you mean 'jobs'?" in cli("jbos").err


def test_no_dispatcher_is_5_and_says_how_to_start_one(cli: Cli) -> None:
    ran = cli("jobs")
    assert ran.code == Code.UNREACHABLE
    assert "laneway up" in ran.err
    ran = cli("jobs", "--json")
    assert ran.code == Code.UNREACHABLE
    assert ran.json["error"]["code"] == "unreachable"


def test_a_wrong_token_is_5(cli: Cli, fake: FakeDispatcher) -> None:
    assert cli("jobs", "--token", "wrong").code == Code.UNREACHABLE


def test_common_options_work_before_and_behind_the_command(cli: Cli, fake: FakeDispatcher) -> None:
    fake.add_job(name="here")
    assert cli("--json", "jobs").json == cli("jobs", "--json").json
    assert cli("--url", "http://127.0.0.1:1", "jobs", "--url", fake.url).code == Code.OK
    assert cli("--data", fake.data, "--url", fake.url, "--token", fake.token, "job", 41).code == Code.OK


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotFoundError("x"), 3),
        (ConflictError("x"), 4),
        (UnreachableError("x"), 5),
        (AccessError("x"), 5),
        (StoreError("x"), 5),
        (PayloadError([UserError("x")]), 2),
        (EngineError("x"), 2),
        (UserError("x"), 2),
        (LanewayError("x"), 70),
    ],
    ids=lambda value: type(value).__name__,
)
def test_errors_have_their_codes(error: LanewayError, code: int) -> None:
    assert code_of(error) == code


@pytest.mark.parametrize(
    ("states", "code"),
    [(["done", "done"], 0), (["done", "failed", "aborted"], 1), (["done", "aborted"], 6), (["deleted"], 6), ([], 0)],
    ids=["done", "failed", "aborted", "deleted", "none"],
)
def test_states_have_their_codes(states: list[str], code: int) -> None:
    assert code_of_states(states) == code


def test_a_reader_that_leaves_is_no_traceback(fake: FakeDispatcher, tmp_path: Path) -> None:
    for _ in range(300):
        fake.add_job(name="x" * 200)
    process = subprocess.Popen(
        [sys.executable, "-m", "laneway.cli", "jobs", "--json", "--limit", "300"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Unbuffered, Python takes a write that the reader's end has cut short for a whole one.
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(10)
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(10) == Code.PIPE_CLOSED
    assert err == b""


def test_a_bug_is_70_with_its_traceback(cli: Cli, fake: FakeDispatcher, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("seven")

    monkeypatch.setattr("laneway.client.Session.jobs", broken)
    ran = cli("jobs", "--json")
    assert ran.code == Code.BUG
    assert "ZeroDivisionError" in ran.err
    assert "seven" in json.loads(ran.out)["error"]["message"]


def test_version_answers_with_and_without_a_dispatcher(cli: Cli, fake: FakeDispatcher) -> None:
    ran = cli("version", "--json")
    assert ran.json["dispatcher"]["url"] == fake.url
    assert fake.url in cli("version").out
    fake.stop()
    ran = cli("version")
    assert ran.code == Code.OK
    assert "none answers" in ran.out
