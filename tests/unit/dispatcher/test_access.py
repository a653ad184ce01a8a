from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from laneway.dispatcher.access import token_in, write_private
from laneway.errors import StoreError


def test_a_token_is_made_once_and_kept(tmp_path: Path) -> None:
    token = token_in(tmp_path)
    assert len(token) >= 32
    assert token_in(tmp_path) == token
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["token"]


def test_a_token_that_others_can_read_is_refused(tmp_path: Path) -> None:
    token_in(tmp_path)
    os.chmod(tmp_path / "token", 0o640)
    with pytest.raises(StoreError, match="chmod 600"):
        token_in(tmp_path)


def test_an_empty_token_is_made_anew(tmp_path: Path) -> None:
    write_private(tmp_path / "token", "")
    assert len(token_in(tmp_path)) >= 32


def test_private_files_replace_others_whole(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("open to all")
    os.chmod(path, 0o666)
    write_private(path, "secret")
    assert path.read_text() == "secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
