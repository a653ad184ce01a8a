from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laneway.cli import inputs
from laneway.errors import NotFoundError, UserError
from laneway.model import EngineInfo

ENGINES = {
    "sketch": EngineInfo("sketch", extensions=(".sketch", ".draw"), parameters={"quality": "low", "layers": None}),
    "collage": EngineInfo("collage", extensions=(".draw",)),
    "piece": EngineInfo("piece", extensions=(".piece",)),
}


@pytest.mark.parametrize(
    ("path", "result"),
    [
        ("a/b.blend", "/base/a/b.blend"),
        ("../b.blend", "/b.blend"),
        ("out/", "/base/out/"),
        ("/out/x_####", "/out/x_####"),
        ("/", "/"),
        ("//x_####", "//x_####"),
        ("C:\\shots\\a.blend", "C:\\shots\\a.blend"),
        ("\\\\server\\share\\a", "\\\\server\\share\\a"),
        ("volume=shots/a.blend", "volume=shots/a.blend"),
        ("${NAME}/out", "${NAME}/out"),
        ("~ann", "/base/~ann"),
    ],
    ids=[
        "file",
        "upwards",
        "folder",
        "pattern",
        "root",
        "blender's own",
        "drive",
        "share",
        "volume",
        "placeholder",
        "no such user",
    ],
)
def test_relative_paths_become_absolute(path: str, result: str) -> None:
    assert inputs.absolute(path, "/base") == result


def test_home_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    assert inputs.absolute("~/a.blend") == "/home/ann/a.blend"


def test_a_file_whose_name_looks_like_a_volume_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "a=b.blend").touch()
    assert inputs.absolute("a=b.blend", str(tmp_path)) == str(tmp_path / "a=b.blend")


@pytest.mark.parametrize("name", ["x.####.png", "x.%04d.png", "x.<UDIM>.exr", "x$F4.ass", "${NAME}.nk"], ids=str)
def test_patterns_need_not_be_there(tmp_path: Path, name: str) -> None:
    assert inputs.present(str(tmp_path / name))


def test_files_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        inputs.present(str(tmp_path / "no.blend"))
    assert "--no-check" in str(caught.value)
    assert inputs.present(str(tmp_path / "no.blend"), checked=False)
    assert inputs.present("C:/elsewhere.blend")


def test_the_engine_follows_from_the_extension() -> None:
    assert inputs.engine_of(["/a.SKETCH", "/b.sketch"], ENGINES).name == "sketch"
    assert inputs.engine_of(["C:\\a.b\\x.piece"], ENGINES).name == "piece"


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        (["/a.nk"], "no engine takes .nk"),
        (["/a"], "without an extension"),
        (["/a.draw"], "several engines take .draw: collage, sketch"),
        (["/a.sketch", "/b.piece"], "different engines"),
    ],
    ids=["unknown", "none", "several", "mixed"],
)
def test_an_unclear_engine_is_told(paths: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        inputs.engine_of(paths, ENGINES)
    assert caught.value.fix


def test_parameters_are_json_where_they_read_as_json() -> None:
    texts = ["quality=5", "layers=[1, 2]", "new=true", "text=a=b", "nan=NaN", "empty=", "quality=high"]
    assert inputs.parameters(texts, ENGINES["sketch"]) == {
        "quality": "high",
        "layers": [1, 2],
        "new": True,
        "text": "a=b",
        "nan": "NaN",
        "empty": "",
    }


@pytest.mark.parametrize("text", ["novalue", "=x", ""], ids=["no equals sign", "no key", "empty"])
def test_what_is_no_pair_is_told(text: str) -> None:
    with pytest.raises(UserError) as caught:
        inputs.pairs([text], "--env")
    assert caught.value.field == "--env"


@pytest.mark.parametrize(
    ("text", "on", "when"),
    [
        ("41", "all", "done"),
        ("41:item", "item", "done"),
        ("41:finished", "all", "finished"),
        ("41:item:finished", "item", "finished"),
    ],
    ids=str,
)
def test_dependencies(text: str, on: str, when: str) -> None:
    assert inputs.depends_on(text) == {"job": 41, "on": on, "when": when}


@pytest.mark.parametrize(
    "text", ["", "x", "41:frames", "-1", "4.5", "²"], ids=["empty", "word", "unknown", "negative", "fraction", "superscript"]
)
def test_what_is_no_dependency_is_told(text: str) -> None:
    with pytest.raises(UserError):
        inputs.depends_on(text)


@pytest.mark.parametrize(
    ("text", "value"), [("90", 90), ("90s", 90), ("1.5m", 90), ("2 h", 7200), ("1d", 86400), ("0", 0)], ids=str
)
def test_times(text: str, value: float) -> None:
    assert inputs.seconds(text, "--timeout") == value


@pytest.mark.parametrize("text", ["", "soon", "-5", "5w", "1h30"], ids=["empty", "word", "negative", "weeks", "two units"])
def test_what_is_no_time_is_told(text: str) -> None:
    with pytest.raises(UserError):
        inputs.seconds(text, "--timeout")


@given(st.text(max_size=30))
def test_any_text_is_a_payload_or_a_user_error(text: str) -> None:
    try:
        data = inputs.read_payload(text, "it")
    except UserError:
        return
    assert isinstance(data, dict)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '"x"', '{"priority": NaN}', "[" * 100_000], ids=["empty", "cut off", "list", "text", "NaN", "deep"]
)
def test_what_is_no_payload_is_told(text: str) -> None:
    with pytest.raises(UserError) as caught:
        inputs.read_payload(text, "shot.json")
    assert "shot.json" in str(caught.value)


def test_a_payload_file_is_rooted_in_its_own_folder(tmp_path: Path) -> None:
    path = tmp_path / "shot.json"
    path.write_bytes(
        b"\xef\xbb\xbf" + json.dumps({"app": "sketch", "input": ["a.sketch", 5], "output": "out/", "range": "1"}).encode()
    )
    found = inputs.payload_file(str(path))
    assert found == {"app": "sketch", "input": [str(tmp_path / "a.sketch"), 5], "output": f"{tmp_path}/out/", "range": "1"}


def test_another_json_file_is_no_payload(tmp_path: Path) -> None:
    path = tmp_path / "scene.json"
    path.write_text('{"scene": 1}')
    assert inputs.payload_file(str(path)) is None
    assert inputs.payload_file(str(tmp_path / "shot.blend")) is None


def test_payload_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        inputs.payload_file(str(tmp_path / "no.json"))
    (tmp_path / "latin.json").write_bytes(b'{"name": "f\xfcnf"}')
    with pytest.raises(UserError, match="UTF-8"):
        inputs.payload_file(str(tmp_path / "latin.json"))
    with (tmp_path / "huge.json").open("wb") as file:
        os.truncate(file.fileno(), inputs.MOST_PAYLOAD + 1)
    with pytest.raises(UserError, match="8 MB"):
        inputs.payload_file(str(tmp_path / "huge.json"))
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(UserError):
        inputs.payload_file(str(tmp_path / "folder.json"))
