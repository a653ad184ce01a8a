"""Whether the dispatcher's process is certainly gone."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator

import psutil
import pytest

from laneway.agent import peer
from laneway.agent.wire import Identity

HERE = socket.gethostname()


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    started = subprocess.Popen(["sleep", "60"])
    yield started
    started.kill()
    started.wait()


def test_a_process_of_this_computer_is_seen_to_end(process: subprocess.Popen[bytes]) -> None:
    seen = peer.sighted({"pid": process.pid, "hostname": HERE})
    assert seen is not None
    assert not peer.has_ended(seen)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert peer.has_ended(seen)  # a zombie serves nobody
    process.wait()
    assert peer.has_ended(seen)


def test_another_process_with_the_same_id_is_another_one(
    process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = peer.sighted({"pid": process.pid, "hostname": HERE})
    assert seen is not None
    monkeypatch.setattr(seen, "_ident", (process.pid, 1.0))
    assert isinstance(seen, psutil.Process)
    assert peer.has_ended(seen)


@pytest.mark.parametrize(
    "identity",
    [
        pytest.param({}, id="an-older-dispatcher"),
        pytest.param({"pid": os.getpid()}, id="no-hostname"),
        pytest.param({"hostname": HERE}, id="no-pid"),
        pytest.param({"pid": os.getpid(), "hostname": f"not-{HERE}"}, id="another-computer"),
        pytest.param({"pid": 2**22 + 1, "hostname": HERE}, id="a-container-on-this-computer"),
        pytest.param({"pid": 0, "hostname": HERE}, id="nonsense"),
    ],
)
def test_what_cannot_be_seen_is_not_certain(identity: Identity) -> None:
    assert peer.sighted(identity) is None
