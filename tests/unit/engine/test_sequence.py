"""Frame numbers in file names."""

from __future__ import annotations

from pathlib import Path

import pytest

from laneway.engine import sequence


@pytest.mark.parametrize(
    ("path", "frame", "expected"),
    [
        pytest.param("/o/a.####.exr", 7, "/o/a.0007.exr", id="hashes"),
        pytest.param("/o/a.####.exr", -7, "/o/a.-0007.exr", id="hashes-negative"),
        pytest.param("/o/a.%04d.exr", 7, "/o/a.0007.exr", id="printf"),
        pytest.param("/o/a.%04d.exr", -7, "/o/a.-007.exr", id="printf-negative"),
        pytest.param("/o/a.%d.exr", 12, "/o/a.12.exr", id="printf-plain"),
        pytest.param("/o/a.##.exr", 12345, "/o/a.12345.exr", id="wider-than-its-token"),
        pytest.param("/C#/a.#.exr", 3, "/C#/a.3.exr", id="hash-in-a-folder"),
        pytest.param("/o/a.exr", 3, "/o/a.exr", id="no-token"),
        pytest.param("a_####", 3, "a_0003", id="no-folder"),
    ],
)
def test_a_token_becomes_the_frame(path: str, frame: int, expected: str) -> None:
    assert sequence.fill(path, frame) == expected
    assert sequence.has_token(path) is (path != expected)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("/nowhere/out", True, id="no-extension"),
        pytest.param("/nowhere/out.v2/", True, id="slash"),
        pytest.param("/nowhere/a.####.exr", False, id="pattern"),
        pytest.param("/nowhere/a_####", False, id="pattern-without-extension"),
        pytest.param("/nowhere/movie.mp4", False, id="file"),
    ],
)
def test_what_an_output_names(path: str, expected: bool) -> None:
    assert sequence.looks_like_folder(path) is expected


def test_a_folder_that_exists_is_one_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "out.v2").mkdir()
    assert sequence.looks_like_folder(str(tmp_path / "out.v2"))


def test_tokens_are_written_as_hashes() -> None:
    assert sequence.to_hashes("/o/a.%05d.exr") == "/o/a.#####.exr"
    assert sequence.to_hashes("/o/a.###.exr") == "/o/a.###.exr"


def fill(folder: Path, *names: str) -> str:
    for name in names:
        (folder / name).touch()
    return str(folder)


def test_the_files_of_a_pattern(tmp_path: Path) -> None:
    folder = fill(tmp_path, "a.0001.png", "a.-0002.png", "a.12345.png", "a.1.png", "a.0001.png.bak", "ba.0001.png", "a.x.png")
    assert sorted(sequence.find(f"{folder}/a.####.png").files) == [-2, 1, 12345]
    assert sequence.find(f"{folder}/a.%04d.png").files[1] in ("a.0001.png", "a.1.png")
    assert sequence.find(f"{folder}/none.####.png").files == {}


def test_a_hyphen_before_a_token_is_no_sign(tmp_path: Path) -> None:
    folder = fill(tmp_path, "shot-0001.png", "shot-0002.png")
    assert sorted(sequence.find(f"{folder}/shot-####.png").files) == [1, 2]
    assert [sorted(each.files) for each in sequence.scan(folder)] == [[1, 2]]


def test_every_sequence_of_a_folder(tmp_path: Path) -> None:
    folder = fill(tmp_path, "a.0001.png", "a.0002.png", "v2_b7.png", "readme.txt", "n.-0003.exr", ".hidden.0001.png")
    found = sequence.scan(folder)
    assert [(each.label, sorted(each.files)) for each in found] == [
        ("a.####.png", [1, 2]),
        ("n.####.exr", [-3]),
        ("v2_b####.png", [7]),
    ]


@pytest.mark.parametrize(
    ("names", "width"),
    [
        pytest.param(("a.0001.png", "a.0010.png"), 4, id="padded"),
        pytest.param(("a.9.png", "a.10.png"), 1, id="not-padded"),
        pytest.param(("a.0999.png", "a.1000.png", "a.10000.png"), 4, id="grown-past-its-padding"),
        pytest.param(("a.01.png", "a.002.png"), None, id="mixed"),
        pytest.param(("a.-0001.png", "a.0001.png"), None, id="sign-before-the-padding"),
    ],
)
def test_the_printf_width_that_writes_all_names(tmp_path: Path, names: tuple[str, ...], width: int | None) -> None:
    assert sequence.scan(fill(tmp_path, *names))[0].width == width
