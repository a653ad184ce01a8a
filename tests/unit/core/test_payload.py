"""Payloads: what is read, and what is refused with the field, the value and the fix."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laneway import payload
from laneway.errors import PayloadError
from laneway.model import Depends, EngineInfo, JobSpec, Settings

ENGINES = {
    "nuke": EngineInfo(
        "nuke", extensions=(".nk",), default_bucketsize=5, parameters={"arguments": ["-txV"], "write": None, "full": True}
    ),
    "ffmpeg": EngineInfo("ffmpeg", items=False, multiple_inputs=True, parameters={"profile": "h264", "fps": 24}),
    "mantra-server": EngineInfo("mantra-server", max_bucketsize=4, default_bucketsize=2),
    "command": EngineInfo("command", input_required=False, parameters={"command": None}),
}


def parse(**raw: Any) -> JobSpec:
    return payload.parse({"engine": "nuke", "input": "/shots/a.nk", "range": "1-10", **raw}, ENGINES, user="ann")


def faults(raw: object) -> list[tuple[str | None, str]]:
    with pytest.raises(PayloadError) as caught:
        payload.parse(raw, ENGINES)
    return [(problem.field, str(problem)) for problem in caught.value.problems]


def fault(**raw: Any) -> tuple[str | None, str]:
    [only] = faults({"engine": "nuke", "input": "/shots/a.nk", "range": "1-10", **raw})
    return only


def test_defaults_are_filled_in() -> None:
    spec = parse()
    assert (spec.name, spec.user, spec.priority, spec.queue, spec.queue_priority) == ("a.nk", "ann", 500, "medium", 500)
    assert spec.settings == Settings(task_bucketsize=5)
    assert spec.parameters == {"arguments": ["-txV"], "write": None, "full": True}


def test_the_other_spelling() -> None:
    spec = payload.parse({"app": "nuke-15.1", "code": "shot", "input": "C:\\shots\\a.nk", "range": "1001 1003"}, ENGINES)
    assert (spec.engine, spec.version, spec.name, spec.input, spec.range) == (
        "nuke",
        "15.1",
        "shot",
        ("C:\\shots\\a.nk",),
        "1001,1003",
    )


def test_settings_may_be_text_as_elsewhere() -> None:
    assert parse(settings={"task_bucketsize": "7", "task_retry_delay": "1.5"}).settings == Settings(7, 2, 1.5)


def test_an_engine_without_items_has_a_task_for_each_input() -> None:
    spec = payload.parse({"engine": "ffmpeg", "input": ["/a/1.%04d.png", "/a/2.%04d.png"], "range": "1-100"}, ENGINES)
    assert (spec.items, len(spec.input), spec.range) == (False, 2, "1-100")


def test_a_command_needs_neither_input_nor_range() -> None:
    assert payload.parse({"engine": "command"}, ENGINES).range is None


def test_dependencies_on_jobs() -> None:
    assert parse(depends_on=3).depends_on == (Depends(3),)
    assert parse(depends_on=[1, {"job": 2, "on": "item", "when": "finished"}]).depends_on == (
        Depends(1),
        Depends(2, "item", "finished"),
    )


QUEUES = [("High", "high", 999), ("low", "low", 1), (700, "700", 700), ("700", "700", 700)]


@pytest.mark.parametrize(("given_", "name", "number"), QUEUES, ids=["name", "lower", "number", "text"])
def test_queues(given_: object, name: str, number: int) -> None:
    spec = parse(queue=given_)
    assert (spec.queue, spec.queue_priority) == (name, number)


REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    ("unknown key", {"rnage": "1-3"}, "rnage", "Did you mean 'range'?"),
    ("unknown key in the other spelling", {"ap": "x"}, "ap", "Did you mean 'app'?"),
    ("both spellings", {"app": "nuke"}, "app", "same thing"),
    ("later key", {"filters": "ram:>32g"}, "filters", "not there in this version"),
    ("unknown engine", {"engine": "nuk"}, "engine", "Did you mean 'nuke'?"),
    ("engine of the wrong type", {"engine": 5}, "engine", "One of:"),
    ("unknown parameter", {"parameters": {"argument": "-x"}}, "parameters.argument", "Did you mean 'arguments'?"),
    ("parameter of the wrong type", {"parameters": {"full": "yes"}}, "parameters.full", "must be true or false"),
    ("unknown setting", {"settings": {"bucketsize": 4}}, "settings.bucketsize", "Did you mean 'task_bucketsize'?"),
    ("later setting", {"settings": {"transfer_speedlimit": 4}}, "settings.transfer_speedlimit", "not there in this version"),
    ("negative setting", {"settings": {"task_max_retries": -1}}, "settings.task_max_retries", "between 0"),
    ("fraction", {"settings": {"task_bucketsize": 1.5}}, "settings.task_bucketsize", "whole number"),
    ("infinity", {"settings": {"task_timeout": float("inf")}}, "settings.task_timeout", "must be a number"),
    ("not a number", {"priority": float("nan")}, "priority", "must be a number"),
    ("truth as a number", {"priority": True}, "priority", "must be a number"),
    ("huge priority", {"priority": 10**30}, "priority", "between 0 and 1000"),
    ("broken range", {"range": "1-10,b"}, "range", ""),
    ("no range", {"range": None}, "range", "for example 1-100"),
    ("range of the wrong type", {"range": [1, 2]}, "range", "as text"),
    ("absurd range", {"range": "1-9007199254740992"}, "range", "at most 1,000,000,000"),
    ("priority range outside", {"priority_range": "20-30"}, "priority_range", ""),
    ("relative path", {"input": "a.nk"}, "input", "absolute path"),
    ("upwards", {"input": "/shots/../../etc/passwd"}, "input", "upwards"),
    ("upwards on Windows", {"output": "C:\\a\\..\\b"}, "output", "upwards"),
    ("NUL in a path", {"input": "/shots/a\0.nk"}, "input", "U+0000"),
    ("volume path", {"input": "volume=projects/a.nk"}, "input", "native path"),
    ("two inputs", {"input": ["/a.nk", "/b.nk"]}, "input", "takes one input"),
    ("no input", {"input": None}, "input", "absolute path"),
    ("name of the wrong type", {"name": 7}, "name", "must be text"),
    ("long name", {"name": "x" * 300}, "name", "at most 200"),
    ("surrogate", {"name": "a\ud800b"}, "name", "U+D800"),
    ("variable with an equals sign", {"envs": {"A=B": "x"}}, "envs.A=B", "no name"),
    ("variable that is an object", {"envs": {"linux": {"A": {}}}}, "envs.linux.A", "must be text"),
    ("our own variable", {"envs": {"LANEWAY_JOB": "1"}}, "envs.LANEWAY_JOB", "Laneway's own"),
    ("unknown queue", {"queue": "hihg"}, "queue", "Did you mean 'high'?"),
    ("dependency on nothing", {"depends_on": [None]}, "depends_on[0].job", "must be a number"),
    ("dependency with a wrong key", {"depends_on": [{"jbo": 1}]}, "depends_on[0].jbo", "Did you mean 'job'?"),
    ("dependency on something", {"depends_on": [{"job": 1, "on": "some"}]}, "depends_on[0].on", "`all` or `item`"),
    ("metadata of the wrong type", {"metadata": []}, "metadata", "must be an object"),
    ("hold of the wrong type", {"hold": "yes"}, "hold", "true or false"),
]


@pytest.mark.parametrize(("raw", "field", "text"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_refused_with_field_and_fix(raw: dict[str, Any], field: str, text: str) -> None:
    named, message = fault(**raw)
    assert named == field
    assert text in message


def test_every_fault_is_reported_at_once() -> None:
    found = faults({"engine": "nuk", "input": "a.nk", "range": "1--", "priority": 5000, "x": 1})
    assert {field for field, _ in found} == {"x", "engine", "input", "range", "priority"}


def test_a_bucket_never_passes_the_engines_maximum() -> None:
    [(field, message)] = faults(
        {"engine": "mantra-server", "input": "/a.ifd", "range": "1-9", "settings": {"task_bucketsize": 9}}
    )
    assert field == "settings.task_bucketsize"
    assert "from 1 to 4" in message


@pytest.mark.parametrize("raw", [None, [], "x", 4, True], ids=str)
def test_a_payload_is_an_object(raw: object) -> None:
    [(field, message)] = faults(raw)
    assert field == "body"
    assert "must be an object" in message


def test_what_is_kept_reads_back() -> None:
    spec = parse(
        depends_on=[{"job": 2, "on": "item"}],
        envs={"linux": {"A": "1"}},
        metadata={"shot": ["x", None]},
        priority_range="fml:3",
    )
    kept = json.loads(json.dumps(payload.render(spec)))
    assert payload.load(kept) == spec


def test_edits() -> None:
    spec = parse()
    assert payload.parse_edit({"priority": 700, "settings": {"max_lanes": "2"}}, spec, ENGINES) == {
        "priority": 700,
        "settings": {"max_lanes": 2},
    }
    assert payload.parse_edit({"queue": "high"}, spec, ENGINES) == {"queue": "high", "queue_priority": 999}
    for raw, field in (
        ({}, "body"),
        ({"range": "1-3"}, "range"),
        ({"prioriti": 1}, "prioriti"),
        ({"settings": {"x": 1}}, "settings.x"),
    ):
        with pytest.raises(PayloadError) as caught:
            payload.parse_edit(raw, spec, ENGINES)
        assert [problem.field for problem in caught.value.problems] == [field]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(sorted(payload.KEYS | {"app", "code", "x"})), JSON, max_size=6))
def test_any_json_is_read_or_refused_and_never_crashes(raw: dict[str, Any]) -> None:
    try:
        spec = payload.parse({"engine": "nuke", "input": "/a.nk", "range": "1-3", **raw}, ENGINES)
    except PayloadError as exc:
        unnamed = [problem for problem in exc.problems if not problem.field]
    else:
        unnamed = []
        assert payload.load(json.loads(json.dumps(payload.render(spec)))) == spec
    assert not unnamed
