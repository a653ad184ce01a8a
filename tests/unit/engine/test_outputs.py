"""Whether promised files are really there."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from laneway.engine.outputs import Outputs, sentence
from laneway.errors import EngineError


@pytest.fixture
def outputs(tmp_path: Path) -> Outputs:
    marked = Outputs(attempt=7)
    time.sleep(0.02)  # file systems tick in steps of some milliseconds
    marked.mark(str(tmp_path))
    return marked


def test_a_new_file_is_as_promised(outputs: Outputs, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"data")
    assert outputs.fault(str(tmp_path / "a.bin")) is None
    assert not list(tmp_path.glob(".laneway*"))


def test_a_missing_and_an_empty_file(outputs: Outputs, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert outputs.fault(str(tmp_path / "none")) == "is missing"
    assert outputs.fault(str(tmp_path / "empty")) == "is empty"


def test_a_file_from_before_is_not_this_attempts(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    time.sleep(0.02)
    outputs = Outputs(attempt=1)
    outputs.mark(str(tmp_path))
    assert "is older than this attempt" in (outputs.fault(str(path)) or "")
    path.write_bytes(b"new")
    assert outputs.fault(str(path)) is None


def test_a_copy_that_keeps_its_time_counts(outputs: Outputs, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"data")
    os.utime(source, (1, 1))
    shutil.copy2(source, tmp_path / "copy")
    assert (tmp_path / "copy").stat().st_mtime == 1
    assert outputs.fault(str(tmp_path / "copy")) is None


def test_a_picture_that_was_cut_off(outputs: Outputs, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    assert outputs.fault(str(tmp_path / "a.png")) == "is cut off"


def test_the_folder_is_created(tmp_path: Path) -> None:
    Outputs(1).mark(str(tmp_path / "new" / "er"))
    assert (tmp_path / "new" / "er").is_dir()


def test_the_folder_is_not_created_where_it_must_not(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="cannot be written: No such file"):
        Outputs(1).mark(str(tmp_path / "new"), create=False)


def test_a_folder_that_can_never_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EngineError, match="cannot be written: Not a directory") as caught:
        Outputs(1).mark(str(tmp_path / "file" / "sub"))
    assert not caught.value.retry


def test_one_sentence_names_the_items_and_the_first_file() -> None:
    assert sentence([(3, "/o/3", "is missing")]) == "item 3: the expected file /o/3 is missing"
    several = [(3, "/o/3", "is missing"), (4, "/o/4", "is empty"), (7, "/o/7", "is missing")]
    assert sentence(several) == "items 3-4,7: the expected file /o/3 is missing (and 2 more files)"
