"""Reports can be read by everybody, whatever engines and renderers say."""

from __future__ import annotations

import json
import math

import orjson
import pytest

from laneway.engine import report

BYTE, HALF = "\udcff", "\ud83d"  # of a file name that is not UTF-8; of a character


def sent(message: dict[str, object]) -> dict[str, object]:
    """As the agent reads it."""
    read: dict[str, object] = orjson.loads(json.dumps(message))
    return read


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        pytest.param("short", 5, "short", id="fits"),
        pytest.param("too long", 5, "too …", id="cut"),
        pytest.param("größer", None, "größer", id="not-ascii"),
        pytest.param(f"a{BYTE}b{HALF}c", None, "a\ufffdb\ufffdc", id="surrogates"),
    ],
)
def test_text(text: str, limit: int | None, expected: str) -> None:
    assert report.legible(text, limit) == expected


def test_progress_is_bounded() -> None:
    message = sent(dict(report.progress(1, 2.0, math.nan, "1-2", 2**60, HALF + "x" * 3000)))
    assert (message["fraction"], message["done"], message["item"]) == (0.0, "1-2", None)
    assert message["note"] == "\ufffd" + "x" * 498 + "…"


def test_a_last_report_is_bounded() -> None:
    arguments = ["render", "y" * 5000, BYTE, *map(str, range(300))]
    made = report.Result(1, 2.0, outcome="failed", reason="z" * 20_000, cpu_seconds=math.inf, commandline=arguments)
    message = sent(dict(made.message(3.0)))
    assert message["reason"] == "z" * 9999 + "…"
    assert message["cpu_seconds"] == 0.0
    commandline = message["commandline"]
    assert isinstance(commandline, list)
    assert len(commandline) == 200
    assert commandline[:3] == ["render", "y" * 3999 + "…", "\ufffd"]
    assert commandline[-1] == "…"


def test_more_finished_items_than_a_report_holds_lose_whole_items() -> None:
    done = ",".join(str(item) for item in range(1, 400_000, 2))
    kept = report.progress(1, 2.0, 0.5, done, None, None)["done"]
    assert isinstance(kept, str)
    assert len(kept) <= report.DONE_LIMIT
    assert done.startswith(kept + ",")


def test_offers_of_engines_are_clean_too() -> None:
    offers = report.clean({f"a{HALF}": {"version": BYTE, "size": math.inf, "paths": [BYTE], "good": 1.5, "none": None}})
    assert offers == {"a\ufffd": {"version": "\ufffd", "size": None, "paths": ["\ufffd"], "good": 1.5, "none": None}}
