"""schemathesis against the OpenAPI document of a real dispatcher: whatever is sent, no server error, and answers as documented."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

EXAMPLES = 20
UNENDING = "/api/v1/events"
PATHS = [
    "/api/v1/health",
    "/api/v1/jobs",
    "/api/v1/jobs/{number}",
    "/api/v1/jobs/{number}/pause",
    "/api/v1/jobs/{number}/resume",
    "/api/v1/jobs/{number}/abort",
    "/api/v1/jobs/{number}/retry",
    "/api/v1/jobs/{number}/tasks",
    "/api/v1/jobs/{number}/attempts",
    "/api/v1/jobs/{number}/history",
    "/api/v1/jobs/{number}/log",
    "/api/v1/attempts/{attempt}",
    "/api/v1/attempts/{attempt}/log",
    "/api/v1/servers",
    "/api/v1/servers/{server}",
    "/api/v1/lanes",
    "/api/v1/engines",
    "/api/v1/history",
    "/api/v1/agents/join",
    "/api/v1/agents/{server}/poll",
    "/api/v1/agents/{server}/report",
    "/api/v1/agents/{server}/leave",
    "/api/v1/agents/{server}/logs/{request}",
]


@dataclass(frozen=True)
class Dispatcher:
    url: str
    token: str
    document: dict[str, Any]

    def post(self, path: str, body: object) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self.url}/api/v1{path}", json.dumps(body).encode(), {"Authorization": f"Bearer {self.token}"}, method="POST"
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            data: dict[str, Any] = json.load(answer)
            return data


@pytest.fixture(scope="module")
def dispatcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dispatcher]:
    """A dispatcher with something in it: jobs in several states, a server, attempts at work and over."""
    folder = tmp_path_factory.mktemp("dispatcher")
    with (folder / "log").open("w") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "laneway.dispatcher", "--port", "0", "--data", str(folder)],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert child.stdout is not None
    url = child.stdout.readline().strip().removeprefix("ready ")
    with urllib.request.urlopen(f"{url}/openapi.json", timeout=10) as answer:
        running = Dispatcher(url, (folder / "token").read_text().strip(), json.load(answer))
    furnish(running, folder)
    yield running
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=20)
    assert child.returncode == 0
    assert "Traceback" not in (folder / "log").read_text()


def furnish(dispatcher: Dispatcher, folder: Path) -> None:
    for number in range(5):
        dispatcher.post(
            "/jobs", {"engine": "command", "range": "1-100", "parameters": {"command": ["/bin/true"]}, "hold": number == 4}
        )
    dispatcher.post(
        "/agents/join",
        {
            "server": "0",
            "boot": "0",
            "hostname": socket.gethostname(),
            "lanes": 4,
            "engines": {"command": {"available": True}},
            "data_folder": str(folder),
        },
    )
    leases = dispatcher.post("/agents/0/poll", {"boot": "0"})["leases"]
    over = {"attempt": leases[0]["attempt"], "kind": "finished", "at": 5.0, "outcome": "done", "done": leases[0]["items"]}
    dispatcher.post("/agents/0/report", {"boot": "0", "reports": [over]})
    dispatcher.post("/jobs/3/abort", {})


def test_every_path_is_looked_at(dispatcher: Dispatcher) -> None:
    assert {*PATHS, UNENDING} == set(dispatcher.document["paths"])


@pytest.mark.parametrize(
    "mode",
    [pytest.param(GenerationMode.POSITIVE, id="as documented"), pytest.param(GenerationMode.NEGATIVE, id="not as documented")],
)
@pytest.mark.parametrize("path", [pytest.param(path, id=path) for path in PATHS])
def test_nothing_that_is_sent_breaks_it(dispatcher: Dispatcher, path: str, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_dict(dispatcher.document)
    schema.config.update(base_url=dispatcher.url)
    for method in dispatcher.document["paths"][path]:
        strategy = schema[path][method].as_strategy(generation_mode=mode)

        @seed(7)
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=strategy)
        def send(case: schemathesis.Case[Any]) -> None:
            for place in (case.query, case.body):
                if isinstance(place, dict) and isinstance(place.get("wait"), (int, float)):
                    place["wait"] = 0
            response = case.call(headers={"Authorization": f"Bearer {dispatcher.token}"}, timeout=10)
            assert response.status_code < 500, response.text
            case.validate_response(
                response, checks=[status_code_conformance, content_type_conformance, response_schema_conformance]
            )

        with suppress(Unsatisfiable):  # nothing goes in that could be wrong
            send()
