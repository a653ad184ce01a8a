"""The engine host with real processes: how buckets end, and that the lane goes on whatever they do."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.integration.engine.conftest import SmallDisk
from tests.lanes import Lane, gone, read_pid

NO_SPACE = ("No space left on device", "File too large")


def still_works(lane: Lane) -> bool:
    return bool(lane.command("echo ${ITEM}")["outcome"] == "done")


# -- how a bucket ends -----------------------------------------------------------------------------------------------------------


def test_a_bucket_of_several_items_is_one_process_each(lane: Lane) -> None:
    report = lane.command("echo item ${ITEM:3} of ${ITEMS} in ${LANE}", "1-3,7")
    assert (report["outcome"], report["exit"], report["reason"], report["done"]) == ("done", 0, None, "1-3,7")
    assert report["commandline"] == ["echo", "item", "001", "of", "1-3,7", "in", "1"]
    assert [line for line in lane.text(report).splitlines() if line.startswith("item")] == [
        f"item {item:03d} of 1-3,7 in 1" for item in (1, 2, 3, 7)
    ]
    assert report["log_bytes"] == lane.log(report["attempt"]).stat().st_size


def test_the_log_says_what_ran_and_how_it_ended(lane: Lane) -> None:
    text = lane.text(lane.command(["echo", "a b"]))
    assert "attempt 1 (try 1) of job 7 'test' · items 1 · lane 1 on here" in text
    assert "[laneway] $ echo 'a b'\na b\n" in text
    assert "[laneway] done after" in text


def test_a_quick_bucket_is_reported_once_and_a_slow_one_twice(lane: Lane) -> None:
    lane.command("true")
    assert [report.get("kind") for report in lane.reports[1:]] == ["finished"]
    slow = lane.start("command", parameters={"command": "sleep 0.4"})
    started = lane.until("started", slow)
    assert psutil.Process(started["pid"]).name() == "sleep"
    finished = lane.finish(slow)
    assert started["at"] == finished["started"] < finished["at"]


def test_exit_codes_and_signals_have_a_reason(lane: Lane) -> None:
    report = lane.shell("echo first; echo the licence server does not answer >&2; exit 3")
    assert (report["outcome"], report["exit"], report["retry"]) == ("failed", 3, True)
    assert report["reason"] == "exit code 3: the licence server does not answer"
    report = lane.shell("kill -SEGV $$")
    assert (report["exit"], report["signal"]) == (None, 11)
    assert "SIGSEGV" in report["reason"]


def test_an_allowed_exit_code_is_success(lane: Lane) -> None:
    assert lane.shell("exit 3", parameters={"allowed_exitcodes": [0, 3]})["outcome"] == "done"


def test_cpu_and_memory_are_measured(lane: Lane) -> None:
    program = "data = bytearray(150 << 20); import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
    report = lane.command(["python3", "-c", program])
    assert report["outcome"] == "done"
    assert 0.3 <= report["cpu_seconds"] < 3
    assert 150 << 20 < report["max_rss"] < 300 << 20


def test_finished_items_of_a_failed_bucket_stay_finished(lane: Lane, tmp_path: Path) -> None:
    report = lane.shell('[ "$LANEWAY_X" = 1 ] || [ {} != 3 ]', items="1-5")
    assert report["outcome"] == "done"
    report = lane.command(["sh", "-c", "test ${ITEM} != 3"], "1-5")
    assert (report["outcome"], report["done"], report["exit"]) == ("failed", "1-2,4-5", 1)
    report = lane.command(["sh", "-c", "echo ${ITEM} is bad; test ${ITEM} -lt 3"], "1-5")
    assert report["done"] == "1-2"
    assert report["reason"] == "3 processes failed; item 3: exit code 1: 3 is bad"


def test_a_program_that_is_not_there(lane: Lane, tmp_path: Path) -> None:
    report = lane.command("no-such-program ${ITEM}")
    assert (report["outcome"], report["retry"]) == ("failed", False)
    assert "'no-such-program' is not found" in report["reason"]
    (tmp_path / "no-program").write_text("no shebang")
    (tmp_path / "no-program").chmod(0o755)
    assert "neither a program" in lane.command(str(tmp_path / "no-program"))["reason"]
    assert "no such file" in lane.command("/no/such/file")["reason"]
    assert "working folder" in lane.command("true", parameters={"cwd": "/no/such/folder"})["reason"]
    assert still_works(lane)


def test_it_starts_where_it_should_and_knows_who_it_is(lane: Lane, tmp_path: Path) -> None:
    script = "pwd; echo $LANEWAY_SERVER $LANEWAY_BOOT $LANEWAY_JOB $LANEWAY_ATTEMPT $LANEWAY_LANE $LANEWAY_ITEMS; echo $SHOT"
    text = lane.text(lane.shell(script, "4", parameters={"cwd": str(tmp_path)}, envs={"common": {"SHOT": "sh010"}}))
    assert f"\n{tmp_path}\ntest-server test-boot 7 1 1 4\nsh010\n" in text


def test_a_process_gets_nothing_of_the_host(lane: Lane) -> None:
    text = lane.text(lane.shell("ls /proc/self/fd | tr '\\n' ' '; echo; env; cat; ulimit -c"))
    assert "\n0 1 2 3 \n" in text  # 3 is the folder that ls reads
    names = {line.partition("=")[0] for line in text.splitlines() if "=" in line}
    assert "LANEWAY_ATTEMPT" in names
    assert not [name for name in names if name.startswith("PYTHON") or name == "VIRTUAL_ENV"]


def test_many_buckets_leave_nothing_open(lane: Lane) -> None:
    host = psutil.Process(lane.process.pid)
    lane.command("true")
    before = host.num_fds()
    for _ in range(50):
        lane.command("echo x")
        lane.command("no-such-program")
    assert host.num_fds() == before
    assert host.children() == []


# -- promised files --------------------------------------------------------------------------------------------------------------


def test_success_without_the_file_is_a_failure(lane: Lane, tmp_path: Path) -> None:
    report = lane.command("true", "1-3", output=str(tmp_path / "out" / "a.####.txt"))
    assert (report["outcome"], report["exit"], report["done"], report["retry"]) == ("failed", 0, "", True)
    assert f"item 1: the expected file {tmp_path}/out/a.0001.txt is missing" in report["reason"]


def test_only_items_whose_file_is_there_are_done(lane: Lane, tmp_path: Path) -> None:
    output = str(tmp_path / "a.%03d.txt")
    report = lane.command(["sh", "-c", "test ${ITEM} = 2 || echo x > ${OUTPUT}"], "1-3", output=output)
    assert (report["outcome"], report["done"]) == ("failed", "1,3")
    assert "a.002.txt is missing" in report["reason"]


@pytest.mark.parametrize(
    ("script", "fault"),
    [
        pytest.param(": > ${OUTPUT}", "is empty", id="empty"),
        pytest.param("true", "is older than this attempt", id="old"),
        pytest.param("rm ${OUTPUT}; mkfifo ${OUTPUT}", "is not a file", id="no-file"),
    ],
)
def test_a_file_must_be_new_and_full(lane: Lane, tmp_path: Path, script: str, fault: str) -> None:
    (tmp_path / "a.0001.txt").write_text("from yesterday")
    time.sleep(0.02)
    report = lane.command(["sh", "-c", script], output=str(tmp_path / "a.####.txt"))
    assert report["outcome"] == "failed"
    assert fault in report["reason"]
    assert (
        lane.command(["sh", "-c", "rm -f ${OUTPUT}; echo x > ${OUTPUT}"], output=str(tmp_path / "a.####.txt"))["outcome"]
        == "done"
    )


def test_an_output_folder_that_cannot_be_written_is_known_before_the_start(lane: Lane, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    report = lane.command("sleep 30", output=str(tmp_path / "file" / "a.####.txt"))
    assert (report["outcome"], report["retry"], report["exit"]) == ("failed", False, None)
    assert "cannot be written: Not a directory" in report["reason"]


# -- ends before its time --------------------------------------------------------------------------------------------------------


def test_a_stop_ends_it_at_once(lane: Lane) -> None:
    attempt = lane.start("command", "1-5", parameters={"command": "sleep 60"})
    pid = lane.until("started", attempt)["pid"]
    before = time.monotonic()
    lane.stop(attempt)
    report = lane.finish(attempt)
    assert time.monotonic() - before < 2
    assert (report["outcome"], report["reason"], report["done"]) == ("stopped", "aborted by ann", "")
    assert gone(pid)
    assert "aborted by ann" in lane.text(report)
    assert still_works(lane)


def test_who_ignores_term_is_killed_after_the_grace(lane: Lane) -> None:
    script = 'trap "" TERM; echo ready; while :; do sleep 0.1; done'
    attempt = lane.start("command", parameters={"command": ["sh", "-c", script]})
    pid = lane.until("started", attempt)["pid"]
    before = time.monotonic()
    lane.stop(attempt, grace=0.5)
    report = lane.finish(attempt)
    assert 0.4 < time.monotonic() - before < 5
    assert report["outcome"] == "stopped"
    assert "it did not end when asked to: killed" in lane.text(report)
    assert gone(pid)


def test_a_suspended_process_can_be_stopped(lane: Lane) -> None:
    attempt = lane.start("command", parameters={"command": ["sh", "-c", "kill -STOP $$; sleep 60"]})
    lane.until("started", attempt)
    lane.stop(attempt, grace=20)
    assert lane.finish(attempt, timeout=10)["outcome"] == "stopped"


def test_a_timeout_is_a_failure_with_its_reason(lane: Lane) -> None:
    report = lane.finish(lane.start("command", timeout=0.3, parameters={"command": "sleep 60"}))
    assert (report["outcome"], report["retry"]) == ("failed", True)
    assert report["reason"] == "it took longer than the 0.3 s that it may take, and was ended."


def test_a_stop_for_what_waits_or_is_unknown(lane: Lane) -> None:
    first = lane.start("command", parameters={"command": "sleep 0.5"})
    second = lane.start("command", parameters={"command": "sleep 60"})
    lane.stop(second)
    lane.stop(4711)
    assert lane.finish(first)["outcome"] == "done"
    assert lane.finish(second)["outcome"] == "stopped"
    assert still_works(lane)


# -- what processes leave behind -------------------------------------------------------------------------------------------------


def test_children_left_behind_are_ended(lane: Lane, tmp_path: Path) -> None:
    report = lane.shell(f"sleep 60 & echo $! > {tmp_path}/pid; exit 0")
    assert report["outcome"] == "done"
    assert gone(read_pid(tmp_path / "pid"), 1)


def test_a_child_that_holds_the_output_open_does_not_hold_the_lane(lane: Lane, tmp_path: Path) -> None:
    before = time.monotonic()
    report = lane.shell(f"echo one; (sleep 60; echo two) & echo $! > {tmp_path}/pid")
    assert time.monotonic() - before < 5
    assert report["outcome"] == "done"
    assert "one\n" in lane.text(report)
    assert gone(read_pid(tmp_path / "pid"), 1)


DAEMON = """
import os, signal, sys, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.environ.clear()
for number in (0, 1, 2): os.close(number)
with open(sys.argv[1], "w") as file: file.write(f"{os.getpid()}\\n")
time.sleep(60)
"""


def test_a_daemon_that_left_the_group_is_ended_too(lane: Lane, tmp_path: Path) -> None:
    (tmp_path / "daemon.py").write_text(DAEMON)
    pid_file = tmp_path / "pid"
    report = lane.shell(f"python3 {tmp_path}/daemon.py {pid_file}; while [ ! -s {pid_file} ]; do sleep 0.01; done")
    assert report["outcome"] == "done"
    assert gone(read_pid(pid_file), 1)
    assert "processes that it left behind and that were ended: 1" in lane.text(report)


def test_a_daemon_is_ended_by_a_stop(lane: Lane, tmp_path: Path) -> None:
    (tmp_path / "daemon.py").write_text(DAEMON)
    attempt = lane.start(
        "command", parameters={"command": ["sh", "-c", f"python3 {tmp_path}/daemon.py {tmp_path}/pid; sleep 60"]}
    )
    pid = read_pid(tmp_path / "pid")
    lane.stop(attempt)
    assert lane.finish(attempt)["outcome"] == "stopped"
    assert gone(pid, 1)


def test_when_the_agent_is_gone_everything_ends(lane: Lane, tmp_path: Path) -> None:
    script = f'trap "" TERM; sleep 60 & echo $! > {tmp_path}/child; wait; sleep 60'
    attempt = lane.start("command", parameters={"command": ["sh", "-c", script]})
    pid = lane.until("started", attempt)["pid"]
    child = read_pid(tmp_path / "child")
    lane.close()
    assert lane.process.returncode == 0
    assert gone(pid, 1)
    assert gone(child, 1)


def test_term_ends_the_host_and_what_it_runs(lane: Lane) -> None:
    attempt = lane.start("command", parameters={"command": "sleep 60"})
    pid = lane.until("started", attempt)["pid"]
    lane.process.send_signal(signal.SIGTERM)
    assert lane.process.wait(10) == 0
    assert gone(pid, 1)


def test_interrupt_is_the_agents_to_answer(lane: Lane) -> None:
    lane.process.send_signal(signal.SIGINT)
    assert still_works(lane)
    report = lane.shell("kill -INT $$; sleep 5")  # and is not ignored by what it starts
    assert report["signal"] == signal.SIGINT


def test_signals_that_python_ignores_work_in_a_renderer(lane: Lane) -> None:
    report = lane.shell("kill -PIPE $$; sleep 5")
    assert report["signal"] == signal.SIGPIPE


# -- output ----------------------------------------------------------------------------------------------------------------------


def test_200_megabytes_of_output_are_bounded(lane: Lane) -> None:
    report = lane.shell("echo the beginning; yes 'a line of output that says nothing' | head -c 200000000; echo; echo the end")
    assert report["outcome"] == "done"
    path = lane.log(report["attempt"])
    assert path.stat().st_size < (64 + 16 << 20) + 10_000
    data = path.read_bytes()
    assert b"\nthe beginning\n" in data[:1000]
    assert b"\nthe end\n" in data[-1000:]
    assert b"bytes are left out here" in data
    assert psutil.Process(lane.process.pid).memory_info().rss < 60 << 20
    assert still_works(lane)


def test_invalid_utf8_stays_as_it_is_in_the_log(lane: Lane) -> None:
    report = lane.shell(r"printf 'caf\351 \377\376\n'; exit 1")
    assert b"caf\xe9 \xff\xfe\n" in lane.log(report["attempt"]).read_bytes()
    assert report["reason"] == "exit code 1: caf\ufffd \ufffd\ufffd"


def test_the_log_can_be_followed(lane: Lane) -> None:
    attempt = lane.start("command", parameters={"command": ["sh", "-c", "echo early; sleep 60"]})
    lane.until("started", attempt)
    deadline = time.monotonic() + 5
    while b"early" not in lane.log(attempt).read_bytes():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    lane.stop(attempt)
    lane.finish(attempt)


def test_a_full_disk_for_the_log_does_not_stop_the_work(tmp_path: Path, small_disk: SmallDisk) -> None:
    lane = Lane(tmp_path, before=small_disk.limit)
    try:
        attempt = lane.start(
            "command",
            parameters={"command": ["sh", "-c", "yes | head -c 3000000; true"]},
            log=str(small_disk.folder / "1.log"),
        )
        report = lane.finish(attempt)
        assert report["outcome"] == "done"
        assert "could not be written" in report["reason"]
        assert any(words in report["reason"] for words in NO_SPACE)
        assert report["log_bytes"] <= small_disk.size
        assert still_works(lane)
    finally:
        lane.close()


def test_a_full_disk_for_the_output_is_a_failure_with_its_reason(tmp_path: Path, small_disk: SmallDisk) -> None:
    lane = Lane(tmp_path, before=small_disk.limit)
    try:
        output = str(small_disk.folder / "a.####.bin")
        report = lane.command("dd if=/dev/zero of=${OUTPUT} bs=64k count=100", output=output)
        assert report["outcome"] == "failed"
        assert report["retry"] is True
        text = lane.text(report)
        assert any(words in text for words in NO_SPACE) or report["signal"] == signal.SIGXFSZ
        assert small_disk.limit is not None or f"Only 0 KB are free in {small_disk.folder}" in report["reason"]
        assert still_works(lane)
    finally:
        lane.close()


# -- the protocol ----------------------------------------------------------------------------------------------------------------


def test_rubbish_is_passed_over(lane: Lane) -> None:
    assert lane.process.stdin is not None
    lane.process.stdin.write(b"rubbish\n\xff\xff\n[]\n")
    lane.order(type="unknown")
    assert still_works(lane)


def test_a_wrong_lease_is_answered(lane: Lane) -> None:
    lane.order(type="run", attempt=99, items="1-", log="/dev/null", spec={"engine": "command"})
    report = lane.finish(99)
    assert (report["outcome"], report["retry"]) == ("failed", False)
    assert still_works(lane)


def test_an_unknown_engine_names_the_nearest(lane: Lane) -> None:
    report = lane.finish(lane.start("comand"))
    assert report["outcome"] == "failed"
    assert "Did you mean 'command'" in report["reason"]


def test_a_probe_says_what_can_run(lane: Lane) -> None:
    lane.order(type="probe")
    message = lane.message()
    assert message["type"] == "probed"
    assert {"blender", "command", "ffmpeg"} <= set(message["engines"])
    assert message["engines"]["command"]["available"] is True
    assert set(message["engines"]["blender"]) == {"available", "version", "executable", "reason"}


def test_the_host_is_small_and_quick_to_start(tmp_path: Path) -> None:
    before = time.monotonic()
    lane = Lane(tmp_path)
    took = time.monotonic() - before
    try:
        assert still_works(lane)
        memory = psutil.Process(lane.process.pid).memory_full_info().uss
    finally:
        lane.close()
    assert took < 2.0  # some 0.07 s on an idle machine
    assert memory < 25 << 20


def test_the_host_keeps_its_output_for_reports(tmp_path: Path) -> None:
    (tmp_path / "talkative.py").write_text(
        "import os, sys\n"
        "from laneway.engine import Common\n"
        "print('at import')\n"
        "class Engine(Common):\n"
        "    def get_executable(self): return 'true'\n"
        "    def get_commandline(self, item):\n"
        "        print('from the engine'); os.system('echo from a child'); sys.stdin.read()\n"
        "        return [self.get_executable()]\n"
    )
    lane = Lane(tmp_path, {"LANEWAY_ENGINES": str(tmp_path)})
    try:
        assert lane.finish(lane.start("talkative"))["outcome"] == "done"
        assert all("type" in report for report in lane.reports)
    finally:
        lane.close()
    assert "from a child" in (tmp_path / "host.err").read_text()
    assert os.path.exists(tmp_path / "host.err")
