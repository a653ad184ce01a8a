from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from laneway.dispatcher.keeper import Keeper
from laneway.dispatcher.memory import MemoryStore
from laneway.dispatcher.recovery import recover
from laneway.model import EngineInfo, EngineOffer, ServerInfo


class HandClock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
async def keeper(store: MemoryStore, clock: HandClock) -> AsyncIterator[Keeper]:
    keeper = Keeper(recover(store.load(), lease=60.0, now=clock()), store, clock=clock)
    keeper.start()
    yield keeper
    store.trouble = None
    await keeper.stop()


@pytest.fixture
def engines() -> dict[str, EngineInfo]:
    return {"command": EngineInfo("command", input_required=False, default_range="1")}


@pytest.fixture
def server() -> ServerInfo:
    return ServerInfo("s1", "b1", "render01", 2, engines={"command": EngineOffer(available=True)})
