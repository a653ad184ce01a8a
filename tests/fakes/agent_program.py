"""The real agent with the fake engine host: `python agent_program.py [the agent's options]`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from laneway.agent.__main__ import main


def run(options: Sequence[str]) -> int:
    return main(options, host=(sys.executable, str(Path(__file__).with_name("engine_host.py"))))


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
