"""`laneway servers`, `lanes`, `engines` and `version`."""

from __future__ import annotations

import platform
import time

import click

from laneway import __version__
from laneway.cli import human, table
from laneway.cli.command import command
from laneway.cli.jobs import percent
from laneway.cli.link import Link
from laneway.cli.output import print_json, width
from laneway.errors import LanewayError


@command("servers", examples="laneway servers")
@click.pass_obj
def servers(link: Link) -> None:
    """List the computers that offer lanes.

    With what each has and when it was last heard of.
    """
    page = link.session().servers()
    if link.json:
        print_json(page.data)
        return
    now = time.time()
    columns = (
        table.Column("NAME", least=12),
        table.Column("STATE", states=True),
        table.Column("BUSY", right=True),
        table.Column("CORES", right=True),
        table.Column("RAM", right=True),
        table.Column("OS"),
        table.Column("SITE", least=6),
        table.Column("SEEN", right=True),
        table.Column("ENGINES", least=10),
    )
    rows: list[list[object]] = []
    for server in page:
        offers = server.engines.items()
        able = ", ".join(name for name, offer in offers if isinstance(offer, dict) and offer.get("available"))
        state = "online" if server.online else "offline"
        busy = f"{server.running}/{server.lanes}"
        facts: list[object] = [server.cores, human.size(server.ram), server.os, server.site, human.age(server.seen, now), able]
        rows.append([server.hostname, state, busy, *facts])
    _print(columns, rows, "No servers. `laneway up` or `laneway agent` offers lanes of a computer.")


@command("lanes", examples="laneway lanes")
@click.pass_obj
def lanes(link: Link) -> None:
    """List the lanes and what they do.

    Each lane works on one bucket at a time.
    """
    page = link.session().lanes()
    if link.json:
        print_json(page.data)
        return
    columns = (
        table.Column("SERVER", least=12),
        table.Column("LANE", right=True),
        table.Column("STATE", states=True),
        table.Column("JOB", right=True),
        table.Column("FRAMES", least=10),
        table.Column("%", right=True),
        table.Column("ATTEMPT", right=True),
    )
    rows: list[list[object]] = [
        [x.hostname, x.lane, x.state, x.job or "-", x.items, percent(x.fraction) if x.job else "-", x.attempt or "-"]
        for x in page
    ]
    _print(columns, rows, "No lanes. `laneway up` or `laneway agent` offers some.")


@command(
    "engines",
    examples="""
laneway engines
laneway engines --local       those of this installation, without a dispatcher
""",
)
@click.option("--local", is_flag=True, help="Read them from this installation; needs no dispatcher.")
@click.pass_obj
def engines(link: Link, local: bool) -> None:
    """List the engines and who can run them.

    With the file extensions that each takes by itself.
    """
    columns = (
        table.Column("NAME"),
        table.Column("EXTENSIONS", least=10),
        table.Column("SERVERS", least=10),
        table.Column("DESCRIPTION", least=20),
    )
    if local:
        from laneway.engine import discovery

        found = discovery.catalogue()
        if link.json:
            print_json({"engines": list(found.values()), "total": len(found)})
            return
        here: list[list[object]] = [[e.name, " ".join(e.extensions), "-", e.description] for e in found.values()]
        _print(columns, here, "No engines.")
        return
    session = link.session()
    page = session.engines()
    if link.json:
        print_json(page.data)
        return
    rows: list[list[object]] = [[e.name, " ".join(e.extensions), ", ".join(e.servers) or "none", e.description] for e in page]
    _print(columns, rows, "No engines.")
    for server in session.servers():
        for name, offer in server.engines.items():
            if server.online and isinstance(offer, dict) and not offer.get("available"):
                click.echo(human.clean(f"{server.hostname} cannot run {name}: {offer.get('reason') or 'it does not say why'}"))


@command("version", examples="laneway version --json")
@click.pass_obj
def version(link: Link) -> None:
    """Show versions and where Laneway keeps its data.

    Also the dispatcher's, when one answers.
    """
    from laneway.locate import data_folder

    facts: dict[str, object] = {
        "laneway": __version__,
        "python": platform.python_version(),
        "data": str(data_folder(link.data)),
        "dispatcher": None,
    }
    try:
        session = link.session(patience=0.0)
        health = session.health()
        facts["dispatcher"] = {"url": session.located.url, **health}
    except LanewayError as exc:
        facts["trouble"] = str(exc)
    if link.json:
        print_json(facts)
        return
    click.echo(f"laneway     {__version__} (Python {facts['python']})")
    click.echo(f"data        {facts['data']}")
    found = facts["dispatcher"]
    if isinstance(found, dict):
        trouble = f", in trouble: {human.clean(found['trouble'])}" if found.get("trouble") else ""
        click.echo(f"dispatcher  {found['url']} ({found.get('version')}){trouble}")
    else:
        click.echo("dispatcher  none answers; `laneway up` starts one")


def _print(columns: tuple[table.Column, ...], rows: list[list[object]], empty: str) -> None:
    if not rows:
        click.secho(empty, dim=True, err=True)
        return
    for line in table.lines(columns, rows, width()):
        click.echo(line)
