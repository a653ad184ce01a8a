"""A bad exit as a sentence."""

from __future__ import annotations

import pytest

from laneway.engine.process import Ended
from laneway.engine.reasons import exit_reason, last_line


@pytest.mark.parametrize(
    ("ended", "tail", "reason"),
    [
        pytest.param(Ended(3, None), b"a\nlast one\n\n", "exit code 3: last one", id="exit-code"),
        pytest.param(Ended(3, None), b" \n", "exit code 3, and it printed nothing.", id="silent"),
        pytest.param(Ended(None, 11), b"x", "ended by SIGSEGV: x", id="signal"),
        pytest.param(Ended(None, 9), b"x", "ended by SIGKILL (perhaps the server ran out of memory): x", id="killed"),
        pytest.param(Ended(None, 77), b"x", "ended by signal 77: x", id="unknown-signal"),
    ],
)
def test_a_bad_exit(ended: Ended, tail: bytes, reason: str) -> None:
    assert exit_reason(ended, tail) == reason


@pytest.mark.parametrize(
    ("tail", "line"),
    [
        pytest.param(b"10%\r20%\r\r", "20%", id="carriage-returns"),
        pytest.param(b"\x1b[31mred\x1b[0m\n", "red", id="colours"),
        pytest.param(b"\xff\xfe bad\n", "\ufffd\ufffd bad", id="not-utf-8"),
        pytest.param(b"x" * 1000, "x" * 299 + "…", id="long"),
    ],
)
def test_the_last_line_fits_a_sentence(tail: bytes, line: str) -> None:
    assert last_line(tail) == line
