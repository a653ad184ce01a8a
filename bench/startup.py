"""How long the command line and the client keep one waiting: `laneway --help`, `import laneway.client`, as new processes.

Beside them the floor (`python -c pass`), the HTTP library that the client is built on, and the help of Dask's and Celery's
command lines.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.harness import laneway
from bench.record import Goal, emit, interleave

EACH_ROUND = 3


def run(rounds: int) -> None:
    """Prints milliseconds."""
    beside = Path(sys.executable).with_name
    commands: dict[tuple[str, str], list[str]] = {
        ("laneway", "help"): [*laneway(), "--help"],
        ("laneway", "import_client"): [sys.executable, "-c", "import laneway.client"],
        ("python", "pass"): [sys.executable, "-c", "pass"],
        ("requests", "import"): [sys.executable, "-c", "import requests"],
    }
    for peer in ("dask", "celery"):
        if beside(peer).exists():
            commands[peer, "help"] = [str(beside(peer)), "--help"]
    keys = {f"{system} {metric}": (system, metric) for system, metric in commands}
    taken = interleave({name: _Timer(commands[key]) for name, key in keys.items()}, rounds * EACH_ROUND)
    goals = {("laneway", "help"): Goal("<=", 250), ("laneway", "import_client"): Goal("<=", 150)}
    for name, values in taken.items():
        system, metric = keys[name]
        emit("startup", system, metric, values, "ms", goal=goals.get((system, metric)))


class _Timer:
    """Milliseconds that a command takes."""

    def __init__(self, command: Sequence[str]) -> None:
        self.command = command

    def __call__(self) -> float:
        began = time.perf_counter()
        subprocess.run(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        return (time.perf_counter() - began) * 1e3
