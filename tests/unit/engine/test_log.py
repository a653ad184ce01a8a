"""The log file of an attempt."""

from __future__ import annotations

from pathlib import Path

from laneway.engine.log import Log


def test_laneways_own_lines_are_marked_and_come_in_order(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "7" / "12.log"))
    log.say("first\nsecond")
    log.output(b"raw \xff bytes\n")
    log.say("end")
    log.close()
    assert Path(log.path).read_bytes() == b"[laneway] first\n[laneway] second\nraw \xff bytes\n[laneway] end\n"
    assert log.size == Path(log.path).stat().st_size
    assert log.trouble is None


def test_nothing_is_opened_before_there_is_something_to_write(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "1.log"))
    log.say("header")
    assert not Path(log.path).exists()
    log.flush()
    assert Path(log.path).exists()
    log.close()


def test_an_endless_log_keeps_its_head_and_its_tail(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "1.log"), head=1000, tail=300)
    for number in range(1000):
        log.output(b"line %06d\n" % number)
    log.close()
    text = Path(log.path).read_text("ascii")
    assert text.startswith("line 000000\n")
    assert text.endswith("line 000998\nline 000999\n")
    assert "the log is too long" in text
    assert "[laneway] 10700 bytes are left out here\n" in text
    assert log.size == len(text) < 1000 + 300 + 200


def test_a_little_too_long_loses_nothing(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "1.log"), head=100, tail=300)
    log.output(b"x" * 90)
    log.output(b"Y" * 200)
    log.close()
    data = Path(log.path).read_bytes()
    assert (data.count(b"x"), data.count(b"Y")) == (90, 200)
    assert b"left out" not in data


def test_a_log_that_cannot_be_written_is_no_reason_to_stop(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    log = Log(str(tmp_path / "file" / "1.log"))
    log.output(b"12345")
    log.close()
    assert log.lost == 5
    assert log.trouble is not None
    assert str(tmp_path / "file") in log.trouble


def test_a_log_is_tried_again_when_there_may_be_room(tmp_path: Path) -> None:
    now = [0.0]
    (tmp_path / "folder").write_text("in the way")
    log = Log(str(tmp_path / "folder" / "1.log"), clock=lambda: now[0])
    log.output(b"lost")
    (tmp_path / "folder").unlink()
    log.output(b"also lost, since it is tried once a second")
    now[0] = 2.0
    log.output(b"written")
    log.close()
    assert Path(log.path).read_bytes() == b"written"
    assert log.lost == len(b"lost" + b"also lost, since it is tried once a second")
    assert log.trouble is not None
