from __future__ import annotations

import json
from pathlib import Path

import pytest

from laneway.errors import AccessError, UnreachableError, UserError
from laneway.locate import data_folder, locate, normal_url


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    made.mkdir()
    (made / "dispatcher.json").write_text(json.dumps({"url": "http://127.0.0.1:7450/", "pid": 1}))
    (made / "dispatcher.json").chmod(0o600)
    (made / "token").write_text("sesame\n")
    (made / "token").chmod(0o600)
    return made


def test_the_data_folder_names_dispatcher_and_token(folder: Path) -> None:
    found = locate(data=folder)
    assert (found.url, found.token, found.announced) == ("http://127.0.0.1:7450", "sesame", folder / "dispatcher.json")


def test_options_come_before_the_environment_and_that_before_the_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANEWAY_DATA", str(folder))
    assert locate().url == "http://127.0.0.1:7450"
    monkeypatch.setenv("LANEWAY_URL", "farm:7000")
    monkeypatch.setenv("LANEWAY_TOKEN", "from-environment")
    assert (locate().url, locate().token) == ("http://farm:7000", "from-environment")
    given = locate(url="https://other/laneway/", token="given")
    assert (given.url, given.token) == ("https://other/laneway", "given")


def test_no_dispatcher_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError) as caught:
        locate(data=tmp_path / "nowhere")
    assert "laneway up" in str(caught.value)
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o660], ids=oct)
def test_a_token_that_others_can_read_is_refused(folder: Path, mode: int) -> None:
    (folder / "token").chmod(mode)
    with pytest.raises(AccessError) as caught:
        locate(data=folder)
    assert "chmod 600" in str(caught.value)


def test_an_announcement_that_others_can_change_is_refused(folder: Path) -> None:
    (folder / "dispatcher.json").chmod(0o666)
    with pytest.raises(AccessError):
        locate(data=folder)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"url": 5}', '{"pid": 5}', '{"url": "ftp://x"}'],
    ids=["empty", "cut off", "list", "number", "no url", "scheme"],
)
def test_a_broken_announcement_is_no_traceback(folder: Path, text: str) -> None:
    (folder / "dispatcher.json").write_text(text)
    with pytest.raises(UserError):
        locate(data=folder)


def test_the_local_token_does_not_go_to_a_stranger(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platformdirs.user_data_dir", lambda *_, **__: str(folder))
    with pytest.raises(AccessError) as caught:
        locate(url="http://render.example:7450")
    assert "--token" in str(caught.value)
    assert locate(url="http://127.0.0.1:9999").token == "sesame"
    assert locate(url="http://render.example:7450", data=folder).token == "sesame"


def test_the_token_goes_to_the_dispatcher_that_the_folder_announces(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platformdirs.user_data_dir", lambda *_, **__: str(folder))
    (folder / "dispatcher.json").write_text(json.dumps({"url": "http://render.example:7450"}))
    assert locate(url="render.example:7450").token == "sesame"


@pytest.mark.parametrize("token", ["", "\n"], ids=["nothing", "a line end"])
def test_an_empty_token_is_refused(folder: Path, token: str) -> None:
    (folder / "token").write_text(token)
    with pytest.raises(AccessError):
        locate(data=folder)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("farm:7450", "http://farm:7450"),
        ("farm", "http://farm"),
        ("http://farm:7450/", "http://farm:7450"),
        ("https://farm.example/laneway/api/v1/", "https://farm.example/laneway"),
        ("http://[::1]:7450", "http://[::1]:7450"),
    ],
    ids=["host and port", "host", "slash", "api prefix", "IPv6"],
)
def test_addresses_are_brought_into_one_form(text: str, url: str) -> None:
    assert normal_url(text) == url


@pytest.mark.parametrize(
    "text",
    ["", "http://", "ftp://farm", "http://farm:99999", "http://farm:x", "http://ann:pw@farm", "a b", "http://farm?x=1"],
    ids=["empty", "no host", "scheme", "port too high", "port no number", "password", "blank", "query"],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UserError) as caught:
        normal_url(text)
    assert caught.value.field == "url"


def test_the_data_folder_follows_option_environment_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platformdirs.user_data_dir", lambda *_, **__: "/platform/laneway")
    assert data_folder() == Path("/platform/laneway")
    monkeypatch.setenv("LANEWAY_DATA", "~/lw")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_folder() == tmp_path / "lw"
    monkeypatch.chdir(tmp_path)
    assert data_folder("here") == tmp_path / "here"
