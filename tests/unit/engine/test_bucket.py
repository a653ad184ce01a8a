"""What a lease says, and what it must not."""

from __future__ import annotations

import pytest

from laneway.engine import Bucket, Spec
from laneway.errors import UserError
from laneway.model import Json

SPEC: dict[str, Json] = {
    "id": 4,
    "engine": "command",
    "name": "n",
    "input": "/a",
    "parameters": {"command": "true"},
    "user": None,
}


def test_a_lease_as_it_is_sent() -> None:
    spec = Spec.from_wire(SPEC)
    assert (spec.id, spec.input, spec.output, spec.user) == (4, ("/a",), None, "")
    bucket = Bucket.from_wire(
        {"attempt": 9, "number": 2, "lane": 3, "items": "1-3", "timeout": 5, "log": "/l", "server": "s"}, spec
    )
    assert (bucket.attempt, list(bucket.items), bucket.timeout) == (9, [1, 2, 3], 5.0)
    assert bucket.environment() == {
        "LANEWAY_JOB": "4",
        "LANEWAY_ATTEMPT": "9",
        "LANEWAY_LANE": "3",
        "LANEWAY_ITEMS": "1-3",
        "LANEWAY_SERVER": "s",
    }


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        pytest.param({"engine": None}, "engine", id="engine"),
        pytest.param({"id": "4"}, "id", id="id"),
        pytest.param({"input": [1]}, "input", id="input"),
        pytest.param({"parameters": []}, None, id="parameters-empty-list"),
        pytest.param({"parameters": [1]}, "parameters", id="parameters"),
        pytest.param({"output": 3}, "output", id="output"),
    ],
)
def test_a_wrong_specification_names_its_field(changes: dict[str, Json], field: str | None) -> None:
    if field is None:
        assert Spec.from_wire({**SPEC, **changes}).parameters == {}
        return
    with pytest.raises(UserError, match="lease") as caught:
        Spec.from_wire({**SPEC, **changes})
    assert caught.value.field == field


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"items": ""}, id="no-items"),
        pytest.param({"items": "1-"}, id="bad-items"),
        pytest.param({"timeout": "5"}, id="timeout"),
        pytest.param({"attempt": 1.5}, id="attempt"),
        pytest.param({"log": None}, id="log"),
    ],
)
def test_a_wrong_lease_is_refused(changes: dict[str, Json]) -> None:
    with pytest.raises(UserError):
        Bucket.from_wire({"attempt": 9, "items": "1", "log": "/l", **changes}, Spec.from_wire(SPEC))
