"""`laneway tasks`, `attempts` and `history`: what lies behind a job's state."""

from __future__ import annotations

import time
from datetime import datetime

import click

from laneway.cli import human, table
from laneway.cli.command import command
from laneway.cli.link import Link, job_id
from laneway.cli.output import print_json, width
from laneway.client.views import AttemptView, HistoryView

_LIMIT = click.option(
    "--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, metavar="N", help="At most so many."
)
_OFFSET = click.option("--offset", type=click.IntRange(min=0), default=0, metavar="N", help="Pass over so many first.")


@command(
    "tasks",
    examples="""
laneway tasks 42 --state failed
laneway tasks 42 --range 1-20
""",
)
@click.argument("job", type=job_id, metavar="ID")
@click.option("-s", "--state", metavar="STATE", help="queued, executing, done, failed …")
@click.option("-r", "--range", "frames", metavar="FRAMES", help="Only these frames.")
@_LIMIT
@_OFFSET
@click.pass_obj
def tasks(link: Link, job: int, state: str | None, frames: str | None, limit: int, offset: int) -> None:
    """List the tasks of a job.

    In the order in which they are rendered, with how often each was tried and why it failed.
    """
    page = link.session().tasks(job, state=state, range=frames, limit=limit, offset=offset)
    if link.json:
        print_json(page.data)
        return
    columns = (
        table.Column("FRAME", right=True),
        table.Column("STATE", states=True),
        table.Column("TRIES", right=True),
        table.Column("ATTEMPT", right=True),
        table.Column("REASON", least=20),
    )
    rows: list[list[object]] = [[t.item, t.state, t.tries, "-" if t.attempt is None else t.attempt, t.reason] for t in page]
    for line in table.lines(columns, rows, width()):
        click.echo(line)
    _rest(len(page), page.total, "tasks")


@command(
    "attempts",
    examples="""
laneway attempts 42
laneway attempts 42 --item 7
""",
)
@click.argument("job", type=job_id, metavar="ID")
@click.option("-i", "--item", type=int, metavar="FRAME", help="Only those of this frame.")
@_LIMIT
@_OFFSET
@click.pass_obj
def attempts(link: Link, job: int, item: int | None, limit: int, offset: int) -> None:
    """List what was tried: which lane, how long, how it ended.

    Those at work first, then the others, newest first. `laneway log ID --attempt N` shows what one of them printed.
    """
    page = link.session().attempts(job, item=item, limit=limit, offset=offset)
    if link.json:
        print_json(page.data)
        return
    columns = (
        table.Column("ATTEMPT", right=True),
        table.Column("TRY", right=True),
        table.Column("FRAMES", least=9),
        table.Column("STATE", states=True),
        table.Column("LANE", least=9),
        table.Column("TOOK", right=True),
        table.Column("CPU", right=True),
        table.Column("MEMORY", right=True),
        table.Column("REASON", least=12),
    )
    for line in table.lines(columns, [_attempt(a, time.time()) for a in page], width()):
        click.echo(line)
    _rest(len(page), page.total, "attempts")


def _attempt(a: AttemptView, now: float) -> list[object]:
    took = "-" if a.started is None else human.age(a.started, a.finished or now)
    cpu = "-" if a.cpu_seconds is None else human.age(0, a.cpu_seconds)
    return [a.id, a.number, a.items, a.state, f"{a.hostname}:{a.lane}", took, cpu, human.size(a.max_rss), a.reason]


@command(
    "history",
    examples="""
laneway history 42
laneway history --after 1200 --limit 500 --json
""",
)
@click.argument("job", type=job_id, metavar="[ID]", required=False)
@click.option("--after", type=click.IntRange(min=0), metavar="SEQ", help="Only what came after this row.")
@_LIMIT
@click.pass_obj
def history(link: Link, job: int | None, after: int | None, limit: int) -> None:
    """Show what happened, when and why.

    To one job, or to the whole farm; oldest first.
    """
    page = link.session().history(job, after=after, limit=limit)
    if link.json:
        print_json(page.data)
        return
    columns = (
        table.Column("SEQ", right=True),
        table.Column("TIME"),
        table.Column("WHAT"),
        table.Column("JOB", right=True),
        table.Column("FRAMES", least=8),
        table.Column("WHY", least=16),
    )
    for line in table.lines(columns, [_history(row) for row in page], width()):
        click.echo(line)


def _history(row: HistoryView) -> list[object]:
    when = datetime.fromtimestamp(row.at).astimezone().strftime("%m-%d %H:%M:%S")
    named = row.actor in row.reason  # most reasons say who it was
    why = row.reason if named else f"{row.reason} ({row.actor})" if row.reason else row.actor
    state = row.data.get("data")
    reached = state.get("state") or state.get("outcome") if isinstance(state, dict) else None
    return [row.seq, when, f"{row.kind}: {reached}" if reached else row.kind, row.job or "-", row.items, why]


def _rest(shown: int, total: int, what: str) -> None:
    if total > shown:
        click.secho(f"{shown} of {total} {what}; --limit and --offset show others", dim=True, err=True)
