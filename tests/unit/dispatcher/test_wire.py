from __future__ import annotations

import orjson
import pytest

from laneway.dispatcher import wire
from laneway.errors import UserError
from laneway.events import Finished

FINISHED = {"attempt": 7, "kind": "finished", "at": 5.0, "outcome": "done", "done": "1-5", "commandline": ["/bin/true"]}


def body(**changes: object) -> bytes:
    return orjson.dumps({"boot": "b", "reports": [{**FINISHED, **changes}]})


def test_a_report_becomes_an_event_of_its_server() -> None:
    message, bad = wire.read_reports(body(max_rss=9, exit=0))
    assert bad == []
    assert message.reports[0].event("s1") == Finished(
        7, "s1", 5.0, "done", exit=0, done="1-5", max_rss=9, commandline=("/bin/true",)
    )


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"max_rss": 2**63}, id="more than SQLite can hold"),
        pytest.param({"at": None}, id="no time"),
        pytest.param({"at": "NaN"}, id="time that is no number"),
        pytest.param({"outcome": "splendid"}, id="unknown outcome"),
        pytest.param({"kind": "splendid"}, id="unknown kind"),
        pytest.param({"done": 5}, id="range that is no text"),
    ],
)
def test_a_broken_report_is_refused_by_its_attempt_and_the_others_count(changes: dict[str, object]) -> None:
    good = {**FINISHED, "attempt": 8}
    message, bad = wire.read_reports(orjson.dumps({"boot": "b", "reports": [{**FINISHED, **changes}, good]}))
    assert [report.attempt for report in message.reports] == [8]
    assert [one.attempt for one in bad] == [7]


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        pytest.param(b"", "malformed", id="nothing"),
        pytest.param(b'{"boot":', "malformed", id="half"),
        pytest.param(b'{"boot":"\xff"}', "malformed", id="no UTF-8"),
        pytest.param(b'{"boot":"\\ud800"}', "malformed", id="half a character"),
        pytest.param(b"[]", "invalid", id="a list"),
        pytest.param(b"{}", "invalid", id="no boot"),
        pytest.param(b'{"boot":"b","wait":1e999}', "invalid", id="endless wait"),
        pytest.param(b'{"boot":"b","known":[-1]}', "invalid", id="negative attempt"),
        pytest.param(b"[" * 100_000, "malformed", id="very deep"),
    ],
)
def test_what_is_no_poll_is_refused(raw: bytes, code: str) -> None:
    with pytest.raises(UserError) as caught:
        wire.POLL.read(raw)
    assert caught.value.code == code


def test_faults_name_their_place() -> None:
    with pytest.raises(UserError) as caught:
        wire.JOIN.read(b'{"server":"s","boot":"b","hostname":"h","lanes":1,"engines":{"x":{"available":"perhaps"}}}')
    assert caught.value.field == "engines.x.available"


def test_json_may_be_nested_but_not_endlessly() -> None:
    assert wire.read_json(b'{"a":' * 30 + b"1" + b"}" * 30)
    with pytest.raises(wire.MalformedError, match="nested"):
        wire.read_json(b'{"a":' * 200 + b"1" + b"}" * 200)
