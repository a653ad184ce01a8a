"""`python -m laneway.dispatcher`: wiring only. Opens the data folder, restores the farm, serves until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import os
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path

from laneway import __version__
from laneway.dispatcher.access import token_in, write_private
from laneway.dispatcher.app import build
from laneway.dispatcher.clock import steady_clock
from laneway.dispatcher.keeper import Keeper
from laneway.dispatcher.recovery import recover
from laneway.dispatcher.serving import Serving, is_loopback, listen, url_of
from laneway.dispatcher.sqlite import SqliteStore
from laneway.dispatcher.views import Health
from laneway.engine.discovery import catalogue
from laneway.errors import LanewayError
from laneway.locate import DEFAULT_PORT, data_folder

SWITCH = (
    0.0005  # seconds a thread keeps the interpreter while another waits: the store's thread must get its turn between requests
)

log = logging.getLogger("laneway.dispatcher")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a dispatcher until it is told to stop; the exit code."""
    args = _arguments(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    sys.setswitchinterval(SWITCH)
    try:
        return _run(lambda: _serve(args))
    except LanewayError as error:
        print(f"laneway dispatcher: {error}", file=sys.stderr)  # noqa: T201 - for whoever started it
        return 2


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="laneway-dispatcher", description="Hands out buckets of jobs to agents.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=_port, help=f"default {DEFAULT_PORT}, or another one if that is taken; 0: any")
    parser.add_argument("--data", help="folder of the database and the token")
    parser.add_argument("--lease", type=_lease, default=60.0, help="seconds a silent server keeps its buckets (default 60)")
    parser.add_argument("--supervised", action="store_true", help="stop when standard input ends")
    parser.add_argument("--version", action="version", version=f"laneway {__version__}")
    return parser.parse_args(argv)


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port < 65536:
        raise argparse.ArgumentTypeError("must be between 0 and 65535")
    return port


def _lease(text: str) -> float:
    lease = float(text)
    if not 1.0 <= lease <= 86400.0:
        raise argparse.ArgumentTypeError("must be between 1 and 86400 seconds")
    return lease


async def _serve(args: argparse.Namespace) -> int:
    began = time.perf_counter()
    folder = data_folder(args.data)
    failures: list[BaseException] = []
    serving: Serving | None = None

    def fail(error: BaseException) -> None:
        failures.append(error)
        if serving is not None:
            serving.stop()

    store = SqliteStore(folder, on_fatal=fail)
    clock = steady_clock()
    token = token_in(folder)
    engines = catalogue()
    saved = store.load()
    keeper = Keeper(recover(saved, lease=args.lease, now=clock()), store, clock=clock, submissions=dict(saved.submissions))
    listener = listen(args.host, args.port, default=DEFAULT_PORT)
    url = url_of(listener)
    health = Health(True, __version__, _identity(folder), uuid.uuid4().hex, clock(), None)
    announcement = folder / "dispatcher.json"

    def ready() -> None:
        keeper.start()
        note = {"url": url, "pid": os.getpid(), "boot": health.boot, "version": __version__, "started": health.started}
        write_private(announcement, json.dumps(note) + "\n")
        gc.collect()
        gc.freeze()  # what start-up made stays: later collections need not look at it
        log.info("%d jobs restored, ready after %.0f ms", len(saved.jobs), (time.perf_counter() - began) * 1000)
        print(f"ready {url}", flush=True)  # noqa: T201 - what whoever started it waits for

    present = os.path.exists if is_loopback(listener) else None
    serving = Serving(build(keeper, engines, token=token, health=health, present=present), ready=ready, leaving=keeper.release)
    _stop_on_signals(serving)
    if args.supervised:
        _stop_with_stdin(serving)
    try:
        await serving.serve(sockets=[listener])
    finally:
        announcement.unlink(missing_ok=True)
        if failures:
            log.critical("stopping, because memory and disc differ: %s", failures[0])
            await store.close()
        else:
            await keeper.stop()
    return 1 if failures else 0


def _identity(folder: Path) -> str:
    """What this farm is called for ever: an id in its data folder."""
    path = folder / "id"
    try:
        known = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        known = ""
    if not known:
        known = uuid.uuid4().hex
        write_private(path, known + "\n")
    return known


def _stop_on_signals(serving: Serving) -> None:
    def stop(number: int, frame: object) -> None:
        serving.stop()

    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), stop)


def _stop_with_stdin(serving: Serving) -> None:
    """Whoever started this holds the other end of its standard input: when they are gone this ends too, however they went."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        serving.stop()

    threading.Thread(target=watch, name="laneway-stdin", daemon=True).start()


def _run(serve: Callable[[], Coroutine[None, None, int]]) -> int:
    """Run it on uvloop where that is installed (it is not there on Windows)."""
    if sys.platform != "win32":
        try:
            import uvloop
        except ImportError:
            pass
        else:
            asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    return asyncio.run(serve())


if __name__ == "__main__":
    sys.exit(main())
