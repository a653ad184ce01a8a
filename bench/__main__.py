"""`python -m bench [--only dispatch,submit] [--rounds 5]`: runs benchmarks, one JSON object a line on standard output."""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import sys
import time
import traceback

from bench.record import say

NAMES = ("startup", "decision", "submit", "million", "idle", "blender", "dispatch")


def main(argv: list[str] | None = None) -> int:
    """Runs what was asked for; 1 if a benchmark could not be run. A goal that is missed is a figure, not an error."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--only", default=",".join(NAMES), help=f"some of: {', '.join(NAMES)}")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (default: %(default)s)")
    options = parser.parse_args(argv)
    wanted = [name.strip() for name in options.only.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in NAMES]
    if unknown:
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are: {', '.join(NAMES)}")
    load = os.getloadavg()[0]
    say(f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores, load {load:.1f}")
    if load > 0.7:
        say("this machine is at work already: the figures below are worse than they should be")
    failed = []
    for name in wanted:
        say(f"{name}: {(importlib.import_module(f'bench.{name}').__doc__ or '').splitlines()[0]}")
        began = time.monotonic()
        try:
            importlib.import_module(f"bench.{name}").run(options.rounds)
        except Exception:  # noqa: BLE001  # one benchmark that breaks must not cost the figures of the others
            traceback.print_exc()
            failed.append(name)
        say(f"{name}: {time.monotonic() - began:.0f} s")
    if failed:
        say(f"could not be run: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
