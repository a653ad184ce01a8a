"""`laneway up`, `agent` and `dispatcher`: start the farm's own processes."""

from __future__ import annotations

import os
from collections.abc import Mapping

import click

from laneway.cli.command import command
from laneway.cli.link import Link
from laneway.cli.output import print_json_line
from laneway.locate import DEFAULT_PORT

_LEASE = click.option(
    "--lease",
    type=click.FloatRange(1, 86400),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long a silent server keeps its work.",
)
_HOST = click.option("--host", metavar="ADDRESS", help="The address to listen on (127.0.0.1: this computer only).")
_PORT = click.option("--port", type=click.IntRange(0, 65535), metavar="N", help=f"The port; 0: any ({DEFAULT_PORT} if free).")
_LANES = click.option(
    "--lanes", type=click.IntRange(1, 1024), default=2, show_default=True, metavar="N", help="How many buckets run at once."
)


@command(
    "up",
    examples="""
laneway up                     two lanes; Ctrl-C stops it, jobs are kept
laneway up --lanes 8
laneway up --data /tmp/farm    another farm; use it with --data /tmp/farm
""",
)
@_LANES
@_HOST
@_PORT
@_LEASE
@click.pass_obj
def up(link: Link, lanes: int, host: str | None, port: int | None, lease: float) -> int:
    """Start a dispatcher and lanes on this computer.

    Both run until they are stopped, and are started again should one die. Jobs live in the data folder and go on at the next start.
    The dispatcher listens on this computer only and writes its address and token where every other command finds them.
    """
    from laneway.up import main

    def ready(url: str) -> None:
        print_json_line({"ready": url, "lanes": lanes})

    return main(lanes, port, link.data, lease, host, ready if link.json else None)


@command(
    "agent",
    examples="""
laneway agent --lanes 4        lanes for this computer's own dispatcher
LANEWAY_TOKEN=… laneway agent --dispatcher http://render01:7450 --lanes 16
""",
)
@click.option("--dispatcher", metavar="URL", help="The dispatcher to join (that of the data folder).")
@_LANES
@click.option("--name", metavar="NAME", help="The server's name (the hostname).")
@click.option("--verbose", is_flag=True, help="Say more.")
@click.pass_obj
def agent(link: Link, dispatcher: str | None, lanes: int, name: str | None, verbose: bool) -> int:
    """Offer lanes of this computer to a dispatcher.

    It connects outward only, goes on rendering while the dispatcher is away, and reports afterwards. Ctrl-C ends what runs and gives
    it back; nothing is counted as failed.
    """
    from laneway.agent.__main__ import main

    if link.token:
        os.environ["LANEWAY_TOKEN"] = link.token  # not as an argument: those can be read by every user of the computer
    return int(
        main(
            _arguments(
                {"dispatcher": dispatcher or link.url, "data": link.data, "lanes": lanes, "name": name, "verbose": verbose}
            )
        )
        or 0
    )


@command(
    "dispatcher",
    examples="""
laneway dispatcher
laneway dispatcher --host 0.0.0.0 --port 7450    other computers may join
""",
)
@_HOST
@_PORT
@_LEASE
@click.pass_obj
def dispatcher(link: Link, host: str | None, port: int | None, lease: float) -> int:
    """Start a dispatcher alone.

    It hands out work to the agents that join it; `laneway up` starts one together with an agent.
    """
    from laneway.dispatcher.__main__ import main

    return main(_arguments({"host": host, "port": port, "data": link.data, "lease": lease}))


def _arguments(values: Mapping[str, str | float | bool | None]) -> list[str]:
    """Options as an argument list; what is None or False is left out."""
    found: list[str] = []
    for name, value in values.items():
        if value is True:
            found.append(f"--{name}")
        elif value is not None and value is not False:
            found += [f"--{name}", f"{value:g}" if isinstance(value, float) else str(value)]
    return found
