"""A fake dispatcher and a session that finds it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from laneway.client import Session
from tests.fakes.job_api import FakeDispatcher, running


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LANEWAY_URL", "LANEWAY_TOKEN", "LANEWAY_DATA"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeDispatcher]:
    with running(tmp_path / "data") as dispatcher:
        yield dispatcher


@pytest.fixture
def session(fake: FakeDispatcher) -> Iterator[Session]:
    with Session(data=fake.data, patience=5.0) as made:
        yield made
