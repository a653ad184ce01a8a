"""The agent's files: its spool, its identity, its lock, its logs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from laneway.agent import logs, machine
from laneway.agent.folder import Lock, server_id
from laneway.agent.spool import Spool
from laneway.agent.wire import ended
from laneway.errors import ConflictError, UserError

FINAL = ended(7, "done", "", at=1.0, done="1-5")


def test_what_was_kept_is_there_after_a_restart_and_gone_after_delivery(tmp_path: Path) -> None:
    Spool(tmp_path / "spool").keep([FINAL])
    again = Spool(tmp_path / "spool")
    assert again.load() == [FINAL]
    again.clear()
    assert Spool(tmp_path / "spool").load() == []


def test_a_report_is_written_once(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for _ in range(3):
        spool.keep([FINAL])
    assert len((tmp_path / "reports.jsonl").read_bytes().splitlines()) == 1


def test_it_is_kept_for_which_dispatcher(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.dispatcher = "a"
    spool.keep([FINAL])
    again = Spool(tmp_path)
    assert again.load() == [FINAL]
    assert again.dispatcher == "a"


def test_a_torn_line_costs_only_itself(tmp_path: Path) -> None:
    Spool(tmp_path).keep([FINAL])
    with (tmp_path / "reports.jsonl").open("ab") as file:
        file.write(b'{"attempt":8,"kind":"fin')
    assert Spool(tmp_path).load() == [FINAL]


def test_a_spool_that_cannot_be_written_is_said_once_and_raises_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "spool").write_text("a file where the folder should be")
    spool = Spool(tmp_path / "spool")
    spool.keep([FINAL])
    spool.keep([FINAL])
    assert caplog.text.count("cannot be kept on disk") == 1


def test_the_server_keeps_its_id(tmp_path: Path) -> None:
    first = server_id(tmp_path)
    assert uuid.UUID(first).hex == first
    assert server_id(tmp_path) == first


def test_a_damaged_server_id_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "server").write_text("nonsense")
    with pytest.raises(UserError, match="Delete it"):
        server_id(tmp_path)


def test_a_second_agent_on_the_same_folder_is_told_the_first_ones_pid(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "agent" / "lock")
    lock.take("an agent")
    code = """if True:
        import sys
        from pathlib import Path
        from laneway.agent.folder import Lock
        from laneway.errors import UserError
        try:
            Lock(Path(sys.argv[1])).take("an agent")
        except UserError as exc:
            print(exc)
    """
    command = [sys.executable, "-c", code, str(lock.path)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert f"an agent already runs on {lock.path.parent} (pid {os.getpid()})." in told
    lock.release()
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == ""


def test_a_lock_in_the_same_process_holds_too(tmp_path: Path) -> None:
    first = Lock(tmp_path / "lock")
    first.take("an agent")
    with pytest.raises(ConflictError):
        Lock(tmp_path / "lock").take("an agent")
    first.release()


@pytest.mark.parametrize(
    ("offset", "limit", "expected"),
    [
        pytest.param(0, 100, (b"0123456789", 0, 10), id="all"),
        pytest.param(3, 4, (b"3456", 3, 10), id="middle"),
        pytest.param(-3, 100, (b"789", 7, 10), id="from-the-end"),
        pytest.param(-30, 4, (b"0123", 0, 10), id="further-back-than-the-start"),
        pytest.param(30, 4, (b"", 10, 10), id="past-the-end"),
        pytest.param(0, -1, (b"", 0, 10), id="negative-limit"),
    ],
)
def test_parts_of_a_log(tmp_path: Path, offset: int, limit: int, expected: tuple[bytes, int, int]) -> None:
    path = tmp_path / "7.log"
    path.write_bytes(b"0123456789")
    assert logs.read(path, offset, limit) == logs.Part(*expected)


def test_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert logs.read(tmp_path / "7.log", 0, 10) == logs.Part(b"", 0, 0)


def test_forgetting_removes_a_folder_that_may_be_missing(tmp_path: Path) -> None:
    (tmp_path / "42").mkdir()
    (tmp_path / "42" / "7.log").write_text("x")
    logs.forget(tmp_path / "42")
    logs.forget(tmp_path / "42")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("platform", "name"),
    [
        pytest.param("linux", "linux", id="linux"),
        pytest.param("darwin", "mac", id="mac"),
        pytest.param("win32", "windows", id="windows"),
        pytest.param("cygwin", "windows", id="cygwin"),
    ],
)
def test_names_of_systems(platform: str, name: str) -> None:
    assert machine.system(platform) == name


def test_the_clock_of_leases_goes_on_while_the_computer_sleeps() -> None:
    before = machine.clock()
    assert 0 <= machine.clock() - before < 1.0
    if hasattr(time, "CLOCK_BOOTTIME"):
        assert abs(machine.clock() - time.clock_gettime(time.CLOCK_BOOTTIME)) < 1.0


def test_the_machine_is_described() -> None:
    facts = machine.describe("ren01")
    assert facts.hostname == "ren01"
    assert facts.cores >= 1
    assert facts.ram > 1 << 20
    assert not any(address.startswith(("127.", "fe80")) for address in facts.addresses)
