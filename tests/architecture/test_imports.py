"""The arrows between the parts, held by import-linter and, where it counts most, by a process that really imports."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PURE = ("errors", "events", "farm", "frames", "job", "model", "payload", "scheduling", "spans", "states", "transitions")
SERVICE = {"aiohttp", "fastapi", "orjson", "pydantic", "pydantic_core", "rich", "sqlalchemy", "starlette", "uvicorn"}


def newly_loaded(module: str) -> set[str]:
    """The modules that a fresh Python loads for `module`, beyond those that it has anyway."""
    code = f"import sys; had = set(sys.modules); import {module}; print(*(set(sys.modules) - had))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(answer.stdout.split())


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """The verdict of import-linter on the sources in `folder`."""
    command = Path(sys.executable).with_name("lint-imports")
    paths = os.pathsep.join(str(folder / root) for root in ("core", "engines"))
    return subprocess.run(
        [command, "--no-cache"],
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=100,
    )


@pytest.mark.parametrize("module", PURE, ids=PURE)
def test_pure_module_loads_nothing_that_acts(module: str) -> None:
    assert newly_loaded(f"laneway.{module}").isdisjoint({"asyncio", "sqlite3", "socket", "subprocess", "random", *SERVICE})


def test_client_loads_no_service_library() -> None:
    loaded = newly_loaded("laneway.client, requests")  # requests is loaded with the first call
    assert loaded.isdisjoint(SERVICE | {"asyncio", "sqlite3", "laneway.dispatcher", "laneway.agent"})


def test_engine_host_loads_the_standard_library_only() -> None:
    loaded = newly_loaded("laneway.engine.host")
    assert loaded.isdisjoint(SERVICE | {"asyncio", "requests", "psutil", "click", "platformdirs", "laneway.dispatcher"})


def test_command_line_starts_without_the_dispatcher() -> None:
    loaded = newly_loaded("laneway.cli")
    assert loaded.isdisjoint({"aiohttp", "fastapi", "pydantic", "uvicorn", "laneway.dispatcher", "laneway.agent"})


def test_contracts_are_kept(project: Path) -> None:
    verdict = lint(project)
    assert verdict.returncode == 0, verdict.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [
        pytest.param("core/laneway/model.py", "import time", id="pure-reads-the-clock"),
        pytest.param("core/laneway/spans.py", "import laneway.locate", id="pure-reaches-i/o-through-another-module"),
        pytest.param("engines/laneway_engines/command.py", "import laneway.dispatcher", id="engine-knows-the-dispatcher"),
        pytest.param("core/laneway/client/session.py", "import pydantic", id="client-needs-a-compiled-wheel"),
        pytest.param("core/laneway/dispatcher/store.py", "import laneway.agent", id="dispatcher-knows-the-agent"),
    ],
)
def test_planted_import_is_found(copied: Path, module: str, line: str) -> None:
    with (copied / module).open("a") as file:
        file.write(f"\n{line}  # planted\n")
    verdict = lint(copied)
    assert verdict.returncode != 0
    assert "BROKEN" in verdict.stdout
