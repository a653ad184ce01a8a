"""What `laneway up` starts, as fakes: `python up_programs.py up|dispatcher|agent [options]`.

`up` is the real supervisor over the fake dispatcher and the real agent with the fake engine host. `FAKE_DISPATCHER_FAILS` makes the
dispatcher end at once with that text.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from pathlib import Path

from laneway import up


def main(what: str, options: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--port", type=int)
    parser.add_argument("--lanes", type=int, default=2)
    parser.add_argument("--lease", type=float, default=60.0)
    parser.add_argument("--supervised", action="store_true")
    if what == "agent":
        from tests.fakes import agent_program  # each of the three loads what it needs: the supervisor's size is looked at

        return agent_program.run(options)
    args = parser.parse_args(options)
    if what == "up":
        me = (sys.executable, "-m", "tests.fakes.up_programs")
        programs = up.Programs(dispatcher=(*me, "dispatcher"), agent=(*me, "agent"))
        return up.main(
            args.lanes, args.port, args.data, args.lease, on_ready=lambda url: print(f"called {url}"), programs=programs
        )
    if os.environ.get("FAKE_DISPATCHER_FAILS"):
        sys.exit(os.environ["FAKE_DISPATCHER_FAILS"])
    import asyncio

    asyncio.run(_dispatch(Path(args.data), args.port or 0, args.lease))
    return 0


async def _dispatch(folder: Path, port: int, lease: float) -> None:
    import asyncio

    from tests.fakes.dispatcher import TOKEN, FakeDispatcher

    fake = FakeDispatcher(lease=lease)
    await fake.listen(port)
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, over.set)

    def heard() -> None:
        if not os.read(0, 1000):
            over.set()

    loop.add_reader(0, heard)
    for name, text in (("token", TOKEN), ("dispatcher.json", json.dumps({"url": fake.url}))):
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(text)
    print(f"ready {fake.url}", flush=True)
    await over.wait()
    (folder / "dispatcher.json").unlink()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
