"""The `laneway` command."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code (`laneway.cli.exits` lists them)."""
    from laneway.cli.app import run

    return run(sys.argv[1:] if argv is None else list(argv))
