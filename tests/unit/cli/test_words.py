"""How things are said: figures, tables, log lines, rates."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laneway.cli import human, table
from laneway.cli.live import Lines, details, trouble
from laneway.cli.loglines import LONGEST, LogText
from laneway.cli.meter import Meter
from laneway.client import EventView, JobView


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (0.42, "0.4 s"),
        (7, "7 s"),
        (59.7, "1 min"),
        (200, "3 min 20 s"),
        (3599, "59 min"),
        (7500, "2 h 05 min"),
        (4e5, "4 d 15 h"),
    ],
    ids=str,
)
def test_durations(seconds: float, text: str) -> None:
    assert human.duration(seconds) == text


@pytest.mark.parametrize(
    ("then", "text"),
    [(None, "-"), (1000, "0s"), (1010, "0s"), (941, "59s"), (900, "1m"), (-9000, "2h"), (-1e6, "11d")],
    ids=str,
)
def test_ages(then: float | None, text: str) -> None:
    assert human.age(then, 1000) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (99_999, "99999"), (100_000, "100k"), (1_000_000, "1.0M"), (250_000_000, "250M"), (10**9, "1.0G")],
    ids=str,
)
def test_numbers(count: int, text: str) -> None:
    assert human.number(count) == text


@given(st.integers(0, 10**12))
def test_numbers_are_short(count: int) -> None:
    assert len(human.number(count)) <= 6


@pytest.mark.parametrize(
    ("count", "text"), [(None, "-"), (12, "12 B"), (3200, "3.2 kB"), (251e6, "251 MB"), (3e13, "30.0 TB")], ids=str
)
def test_sizes(count: float | None, text: str) -> None:
    assert human.size(count) == text


@given(st.text(), st.integers(0, 40), st.booleans())
def test_shortened_text_fits(text: str, columns: int, middle: bool) -> None:
    text = human.clean(text)
    short = human.shorten(text, columns, middle=middle)
    assert human.width(short) <= columns
    assert short == text or human.width(text) > columns


def test_paths_are_shortened_in_their_middle() -> None:
    assert human.shorten("/projects/show/seq010/shot0010.blend", 20, middle=True).endswith("t0010.blend")


@given(st.text())
def test_clean_text_steers_no_terminal(text: str) -> None:
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", human.clean(text))


@given(
    st.dictionaries(st.sampled_from(["done", "failed", "queued", "executing"]), st.integers(0, 10**6)),
    st.integers(4, 80),
    st.booleans(),
)
def test_a_bar_is_as_long_as_asked_and_shows_every_state(parts: dict[str, int], columns: int, unicode: bool) -> None:
    found = human.bar(parts, columns, unicode=unicode)
    assert sum(len(text) for _, text in found) == columns
    assert {state for state, _ in found} - {""} == {state for state, count in parts.items() if count}


COLUMNS = (table.Column("ID", right=True), table.Column("NAME", least=10, middle=True), table.Column("STATE", states=True))


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@given(st.lists(st.tuples(st.integers(1, 10**9), st.text(max_size=200), st.sampled_from(["done", "failed"])), max_size=5))
def test_tables_fit_and_keep_ids_whole(rows: list[tuple[int, str, str]]) -> None:
    for line in table.lines(COLUMNS, rows, 40):
        assert human.width(plain(line)) <= 40
    lines = [plain(line) for line in table.lines(COLUMNS, rows, 40)][1:]
    for row, line in zip(rows, lines, strict=True):
        assert line.split()[0] == str(row[0])


def test_tables_without_a_terminal_shorten_nothing() -> None:
    name = "n" * 300
    assert name in list(table.lines(COLUMNS, [(1, name, "done")], None))[1]


def shown(*pieces: bytes, overwrite: int = 0) -> str:
    text = LogText(overwrite=overwrite)
    return "".join([*(text.feed(piece) for piece in pieces), text.end()])


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        ([b"one\ntwo\n"], "one\ntwo\n"),
        ([b"no end"], "no end\n"),
        ([b"windows\r\nlines\r\n"], "windows\nlines\n"),
        ([b"1%\r50%\r100%\ndone\n"], "100%\ndone\n"),
        ([b"1%\r", b"50%", b"\r"], "50%\n"),
        ([b"50%\r   \r\n"], "50%\n"),
        ([b"\n\na\n"], "\n\na\n"),
        ([b"f\xc3", b"\xbcnf \xff\n"], "fünf �\n"),
        ([b"\x1b[31mred\x1b[0m \x1b[2J\x1b]0;title\x07\x07x\n"], "\x1b[31mred\x1b[0m x\n"),
        ([b"\x1b", b"[31mred\n"], "\x1b[31mred\n"),
        ([b""], ""),
    ],
    ids=[
        "plain",
        "no end",
        "crlf",
        "progress",
        "progress in pieces",
        "wiped",
        "empty lines",
        "utf-8",
        "escapes",
        "cut escape",
        "nothing",
    ],
)
def test_log_lines(pieces: list[bytes], text: str) -> None:
    assert shown(*pieces) == text


def test_unfinished_lines_are_shown_and_written_over_on_a_terminal() -> None:
    text = LogText(overwrite=20)
    assert text.feed(b"10%\r") == "\r\x1b[K10%"
    assert text.feed(b"a line that is longer than that") == "\r\x1b[Ka line that is lon…"
    assert text.feed(b"\r100%\n") == "\r\x1b[K100%\n"


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=6))
def test_pieces_of_a_log_may_end_anywhere(data: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    assert shown(*(data[a:b] for a, b in pairwise(places))) == shown(data)


def test_a_line_without_end_takes_no_memory() -> None:
    text = LogText()
    for _ in range(200):
        text.feed(b"x" * 10_000)
        assert len(text._line) <= LONGEST + 10_000
    for _ in range(200):
        text.feed(b"\r%5d" % 7 * 2000)
        assert len(text._line) <= LONGEST + 20_000


def job(done: int, total: int = 100, *, state: str = "running", started: float | None = 0.0, **more: object) -> JobView:
    counts = {"done": done, "queued": total - done}
    return JobView.from_data(
        {
            "id": 42,
            "name": "shot",
            "state": state,
            "tasks": total,
            "counts": counts,
            "progress": done / total,
            "running": 2,
            "started": started,
            **more,
        }
    )


def test_the_rate_follows_what_was_seen() -> None:
    meter = Meter()
    meter.add(job(0), 0)
    assert meter.per_minute() is None
    assert meter.left() is None
    for second in range(1, 11):
        meter.add(job(second * 2), second)
    assert meter.per_minute() == pytest.approx(120)
    assert meter.left() == pytest.approx(40)


def test_the_rate_forgets_the_distant_past_and_what_was_sent_back() -> None:
    meter = Meter()
    for minute in range(10):
        meter.add(job(minute), minute * 60)
    for second in range(1, 100):
        meter.add(job(min(100, 9 + second // 2)), 540 + second)
    rate = meter.per_minute()
    assert rate is not None
    assert rate > 20
    meter.add(job(5), 700)
    assert meter.per_minute() == pytest.approx(5 * 60 / 700)


def test_a_job_looked_at_for_the_first_time_has_its_own_start_as_measure() -> None:
    meter = Meter()
    meter.add(job(30, started=40.0), 100)
    assert meter.per_minute() == pytest.approx(30)
    assert meter.left() == pytest.approx(140)


def test_a_job_without_tasks_is_no_division_by_zero() -> None:
    meter = Meter()
    meter.add(JobView(id=1, started=0.0), 10)
    meter.add(JobView(id=1, started=0.0), 20)
    assert meter.per_minute() is None


def test_details_say_what_matters() -> None:
    meter = Meter()
    meter.add(job(30, started=40.0), 100)
    assert details(job(30, started=40.0), meter, 100) == ["30/100 done", "2 lanes", "30.0 frames/min", "2 min 20 s left"]
    over = job(100, state="done", started=40.0, finished=100.0)
    assert details(over, meter, 100) == ["100/100 done", "in 1 min"]
    waiting = job(0, state="waiting", started=None, running=0, reason="no server can run blender")
    assert details(waiting, Meter(), 100) == ["0/100 done", "no server can run blender"]


def test_lines_come_with_news_and_now_and_then() -> None:
    now = [0.0]
    lines: list[str] = []
    screen = Lines(lines.append, lambda: now[0])
    screen.update(job(0, state="waiting"))
    for second in range(25):
        now[0] = 100.0 + second
        screen.update(job(second))
    screen.event(EventView(name="attempt", state="failed", job=42, attempt=7, items="9", reason="no camera\n\x1b[2J"))
    screen.event(EventView(name="attempt", state="done", job=42, attempt=8))
    screen.update(job(100, state="failed"))
    assert [line.split(",")[0] for line in lines] == [
        "job 42 shot: waiting",
        "job 42 shot: running",
        "job 42 shot: running",
        "job 42 shot: running",
        "job 42: frame 9 failed: no camera �[2J (laneway log 42 --attempt 7)",
        "job 42 shot: failed",
    ]


def test_only_trouble_is_told() -> None:
    assert trouble(EventView(name="attempt", state="done")) is None
    assert trouble(EventView(name="job", state="failed")) is None
    assert trouble(EventView(name="attempt", state="lost", job=1, items="1-5", reason="its server is silent")) == (
        "job 1: frames 1-5 lost: its server is silent"
    )
