"""Cutting output into lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laneway.engine.lines import Lines


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        pytest.param([b"a\nb\n"], ["a", "b"], id="newline"),
        pytest.param([b"10%\r20%\r"], ["10%", "20%"], id="carriage-return-only"),
        pytest.param([b"a\r\nb\r\n"], ["a", "b"], id="both"),
        pytest.param([b"a\r", b"\nb\n"], ["a", "b"], id="both-cut-in-two"),
        pytest.param([b"hel", b"lo\nwor", b"ld\n"], ["hello", "world"], id="line-in-pieces"),
        pytest.param([b"\n\n\n"], [], id="empty-lines"),
        pytest.param([b"caf\xe9\n"], ["caf\ufffd"], id="not-utf-8"),
    ],
)
def test_lines_end_in_any_way(chunks: list[bytes], expected: list[str]) -> None:
    lines = Lines()
    assert [line for chunk in chunks for line in lines.feed(chunk)] == expected
    assert lines.finish() == []


def test_the_last_line_needs_no_end() -> None:
    lines = Lines()
    assert lines.feed(b"one\ntwo") == ["one"]
    assert lines.finish() == ["two"]
    assert lines.finish() == []


def test_a_line_without_end_is_given_out_in_pieces() -> None:
    lines = Lines(limit=10)
    given_out = [line for _ in range(100) for line in lines.feed(b"x" * 7)]
    assert all(len(line) == 10 for line in given_out)
    assert "".join(given_out + lines.finish()) == "x" * 700


@given(st.lists(st.binary(max_size=30), max_size=20))
def test_how_the_bytes_are_cut_does_not_matter(chunks: list[bytes]) -> None:
    lines, whole = Lines(), Lines()
    in_pieces = [line for chunk in chunks for line in lines.feed(chunk)] + lines.finish()
    assert in_pieces == whole.feed(b"".join(chunks)) + whole.finish()
