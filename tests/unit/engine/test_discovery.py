"""Finding engines by their files."""

from __future__ import annotations

from pathlib import Path

import pytest

from laneway.engine import Common, discovery
from laneway.errors import EngineError, UnknownNameError

TOOL = '''
"""Not the docstring that counts."""
raise RuntimeError("this file must not be run")
class Engine(Common):
    """Tool: does things.

    More.
    """
    SETTINGS = {
        "items": False, "multiple_inputs": True, "filename_extensions": ".A, .b", "default_bucketsize": 3, "default_range": "1-5"
    }
    PARAMETERS = {"level": 3}
    versions: tuple[str, ...] = ("1.0", "2.0")
'''


def test_the_engines_that_ship() -> None:
    found = discovery.catalogue()
    assert {"blender", "command", "ffmpeg"} <= set(found)
    assert found["blender"].extensions == (".blend",)
    assert found["blender"].parameters["autoexec"] is True
    assert found["blender"].items
    assert not found["ffmpeg"].items
    assert found["ffmpeg"].multiple_inputs
    assert not found["command"].input_required


def test_an_engine_is_read_and_not_run(tmp_path: Path) -> None:
    (tmp_path / "tool.py").write_text(TOOL)
    (tmp_path / "helper.py").write_text("raise RuntimeError")
    found = discovery.catalogue([tmp_path])
    assert set(found) == {"tool"}
    tool = found["tool"]
    assert tool.description == "Tool: does things."
    assert (tool.items, tool.multiple_inputs, tool.default_bucketsize, tool.default_range) == (False, True, 3, "1-5")
    assert tool.extensions == (".a", ".b")
    assert tool.parameters == {"level": 3}
    assert tool.versions == ("1.0", "2.0")


def test_a_folder_named_later_replaces_an_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "command.py").write_text("class Engine:\n    '''Ours.'''\n")
    monkeypatch.setenv("LANEWAY_ENGINES", str(tmp_path))
    assert discovery.catalogue()["command"].description == "Ours."
    assert discovery.find("command").description == "Ours."


@pytest.mark.parametrize(
    ("source", "message"),
    [
        pytest.param(
            "class Engine:\n    SETTINGS = dict(items=True)\n", "line 2: SETTINGS must be a literal", id="not-a-literal"
        ),
        pytest.param("class Engine(:\n", "cannot be read", id="syntax"),
        pytest.param("class Engine:\n    SETTINGS = [1]\n", "SETTINGS must be a dictionary", id="not-a-dictionary"),
        pytest.param("class Engine:\n    SETTINGS = {'default_bucketsize': -1}\n", "whole number", id="bucket-size"),
        pytest.param("class Engine:\n    SETTINGS = {'filename_extensions': 3}\n", "must be text", id="extensions"),
    ],
)
def test_a_broken_engine_names_its_file(tmp_path: Path, source: str, message: str) -> None:
    (tmp_path / "bad.py").write_text(source)
    with pytest.raises(EngineError, match=message) as caught:
        discovery.catalogue([tmp_path])
    assert str(tmp_path / "bad.py") in str(caught.value)


def test_loading_gives_the_class() -> None:
    assert issubclass(discovery.load("command"), Common)


def test_an_unknown_engine_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'blender'"):
        discovery.load("blendr")


@pytest.mark.parametrize(
    "name", [pytest.param("../command", id="parent"), pytest.param("a/b", id="folder"), pytest.param("", id="none")]
)
def test_a_name_is_no_path(name: str) -> None:
    with pytest.raises(UnknownNameError):
        discovery.find(name)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        pytest.param("class Engine:\n    pass\n", "must be a subclass of Common", id="no-subclass"),
        pytest.param("class Engine:\n    pass\n1 / 0\n", "ZeroDivisionError", id="does-not-import"),
    ],
)
def test_an_engine_that_cannot_be_loaded(tmp_path: Path, source: str, message: str) -> None:
    (tmp_path / "bad.py").write_text(source)
    with pytest.raises(EngineError, match=message):
        discovery.load("bad", [tmp_path])
