"""`python -m laneway.agent`: puts an agent together and runs it until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from laneway import __version__
from laneway.agent import machine, processes
from laneway.agent.connection import Connection
from laneway.agent.folder import Lock, server_id
from laneway.agent.lanes import Setting
from laneway.agent.service import Agent
from laneway.agent.spool import Spool
from laneway.agent.wire import PROTOCOL
from laneway.errors import UserError
from laneway.locate import Located, data_folder, locate

log = logging.getLogger("laneway.agent")

HOST_COMMAND = (sys.executable, "-m", "laneway.engine.host")
KILLED = 130  # the exit code after a second Ctrl-C, as shells have it


def main(argv: Sequence[str] | None = None, *, host: Sequence[str] = HOST_COMMAND) -> int:
    """Runs an agent; `host` is the command of an engine host. Exit codes: 0 stopped as asked, 1 an error, 2 wrong usage."""
    args = _parser().parse_args(argv)
    # A supervised agent writes into a log, another one to a person.
    style = "%(asctime)s %(levelname)s %(message)s" if args.supervised else "agent: %(message)s"
    logging.basicConfig(level=logging.INFO if args.verbose else logging.WARNING, format=style, stream=sys.stderr)
    try:
        folder = data_folder(args.data) / "agent"
        lock = Lock(folder / "lock")
        lock.take("an agent")
        try:
            return _run(args, folder, host)
        finally:
            lock.release()
    except UserError as exc:
        sys.stderr.write(f"agent: {exc}\n")
        return 1
    except OSError as exc:
        sys.stderr.write(f"agent: {exc}\n")
        return 1


def _run(args: argparse.Namespace, folder: Path, host: Sequence[str]) -> int:
    server, boot = server_id(folder), uuid.uuid4().hex
    processes.become_subreaper()
    _end_leftovers(server, boot)
    facts = machine.describe(args.name)
    environment = {name: value for name, value in os.environ.items() if name != "LANEWAY_TOKEN"}
    environment |= {processes.SERVER: server, processes.BOOT: boot}
    environment.pop(processes.ATTEMPT, None)
    environment.setdefault("LANEWAY_CORES", str(max(1, facts.cores // args.lanes)))  # each lane's share
    setting = Setting(
        server=server, boot=boot, hostname=facts.hostname, folder=folder, command=tuple(host), environment=environment
    )
    join = {
        "protocol": PROTOCOL,
        "server": server,
        "boot": boot,
        "hostname": facts.hostname,
        "os": facts.os,
        "site": "main",
        "cores": facts.cores,
        "ram": facts.ram,
        "version": __version__,
        "addresses": facts.addresses,
        "lanes": args.lanes,
        "engines": {},
        "data_folder": str(folder),
    }

    def find() -> Located:
        return locate(args.dispatcher, args.token, args.data)

    async def serve() -> None:
        connection = Connection(find, server=server, boot=boot)
        announce = _announce(facts.hostname, args.lanes)
        agent = Agent(facts=join, setting=setting, dispatcher=connection, spool=Spool(folder / "spool"), joined=announce)
        _listen_for_signals(agent)
        if args.supervised:
            _stop_with_stdin(agent)
        try:
            await agent.run()
        finally:
            await connection.close()

    _run_loop(serve())
    return 0


def _run_loop(work: Coroutine[Any, Any, None]) -> None:
    """As asyncio.run, on uvloop where that is installed; on Windows it does not exist."""
    loop = _new_loop()
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(work)
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        asyncio.set_event_loop(None)
        loop.close()


def _new_loop() -> asyncio.AbstractEventLoop:
    if sys.platform != "win32":
        try:
            import uvloop
        except ImportError:
            pass
        else:
            return uvloop.new_event_loop()
    return asyncio.new_event_loop()


def _end_leftovers(server: str, boot: str) -> None:
    """Ends what an earlier agent of this server left; joining says that it is gone, so this does not return before it is."""
    pause = 0.01
    while found := processes.left_by_other_boots(server, boot):
        processes.end(found)
        time.sleep(pause)
        pause = min(pause * 2, 1.0)
        if pause == 1.0:
            log.warning("waiting for processes of an earlier agent to end: %s", ", ".join(str(p.pid) for p in found))


def _listen_for_signals(agent: Agent) -> None:
    loop = asyncio.get_running_loop()
    interrupts = 0

    def interrupt() -> None:
        nonlocal interrupts
        interrupts += 1
        if interrupts > 1:
            agent.lanes.kill()
            os._exit(KILLED)
        sys.stderr.write("agent: stopping; Ctrl-C again ends what runs at once\n")
        agent.stop()

    if sys.platform == "win32":
        signal.signal(signal.SIGINT, lambda *_: loop.call_soon_threadsafe(interrupt))
    else:
        loop.add_signal_handler(signal.SIGINT, interrupt)
        loop.add_signal_handler(signal.SIGTERM, agent.stop)


def _stop_with_stdin(agent: Agent) -> None:
    """Stops when standard input ends: whoever started this agent is gone, or asks for it in the way that works everywhere."""
    loop = asyncio.get_running_loop()

    def wait() -> None:
        while os.read(0, 4096):
            pass
        loop.call_soon_threadsafe(agent.stop)

    threading.Thread(target=wait, name="stdin", daemon=True).start()


def _announce(hostname: str, lanes: int) -> Callable[[str], None]:
    def joined(url: str) -> None:
        sys.stdout.write(f"ready {url} as {hostname} with {lanes} lane{'s' if lanes != 1 else ''}\n")
        sys.stdout.flush()

    return joined


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="laneway agent", description="Offers lanes of this computer to a dispatcher.")
    parser.add_argument("--dispatcher", metavar="URL", help="its address (default: the one of this computer)")
    parser.add_argument("--token", help="what opens it (default: LANEWAY_TOKEN, or this computer's own)")
    parser.add_argument("--data", metavar="DIR", help="the data folder")
    parser.add_argument("--lanes", type=_lanes, default=2, metavar="N", help="how many buckets run at once (default: 2)")
    parser.add_argument("--name", help="the server's name (default: the hostname)")
    parser.add_argument("--supervised", action="store_true", help="stop when standard input ends")
    parser.add_argument("--verbose", action="store_true", help="say more")
    return parser


def _lanes(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 1024:
        raise argparse.ArgumentTypeError("between 1 and 1024")
    return number


if __name__ == "__main__":
    sys.exit(main())
