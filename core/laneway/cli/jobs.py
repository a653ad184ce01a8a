"""`laneway jobs` and `laneway job`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

import click

from laneway.cli import human, table
from laneway.cli.command import command
from laneway.cli.exits import Code
from laneway.cli.human import COLOURS, clean
from laneway.cli.link import Link, job_id
from laneway.cli.live import of_frames
from laneway.cli.output import blocks, print_json, width
from laneway.client.views import AttemptView, JobView, RunView

_COLUMNS = (
    table.Column("ID", right=True),
    table.Column("STATE", states=True),
    table.Column("DONE", right=True),
    table.Column("%", right=True),
    table.Column("LANES", right=True),
    table.Column("NAME", least=12, middle=True),
    table.Column("ENGINE", least=7),
    table.Column("USER", least=5),
    table.Column("AGE", right=True),
)


@command(
    "jobs",
    examples="""
laneway jobs --state running,waiting
laneway jobs --name shot010 --user ann --limit 10
laneway jobs --json | jq '.jobs[] | select(.state == "failed") | .id'
""",
)
@click.option("-s", "--state", metavar="STATES", help="waiting, running, paused, done, failed, aborted; several with commas.")
@click.option("-u", "--user", metavar="NAME", help="Whose jobs.")
@click.option("-e", "--engine", metavar="NAME", help="Jobs of this engine.")
@click.option("-n", "--name", metavar="TEXT", help="Jobs with this in their name.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, metavar="N", help="At most so many.")
@click.option("--offset", type=click.IntRange(min=0), default=0, metavar="N", help="Pass over so many first.")
@click.option("--sort", default="-id", show_default=True, metavar="KEY", help="Order: id, name, state, created …; - turns it.")
@click.pass_obj
def jobs(link: Link, /, **wanted: Any) -> None:
    """List jobs.

    Newest first, with how far each is and how many lanes are at work on it.
    """
    page = link.session().jobs(**wanted)
    if link.json:
        print_json(page.data)
        return
    now = time.time()
    for line in table.lines(_COLUMNS, [_row(job, now) for job in page], width()):
        click.echo(line)
    if page.total > len(page):
        click.secho(f"{len(page)} of {page.total} jobs; --limit and --offset show others", dim=True, err=True)
    elif not page.total:
        click.secho("No jobs. Submit one with `laneway submit`.", dim=True, err=True)


def _row(job: JobView, now: float) -> list[object]:
    done = f"{human.number(job.done)}/{human.number(job.tasks)}"
    lanes = str(job.running) if job.running else "-"
    return [job.id, job.state, done, percent(job.progress), lanes, job.name, job.engine, job.user, human.age(job.created, now)]


def percent(progress: float) -> int:
    """A progress from 0 to 1 in percent; 100 only when it is complete."""
    return 100 if progress >= 1 else min(99, int(progress * 100))


@command(
    "job",
    examples="""
laneway job 42
laneway job 42 --follow
laneway job 42 --json | jq .state
""",
)
@click.argument("job", type=job_id, metavar="ID")
@click.option("-f", "--follow", is_flag=True, help="Stay until it is over, showing how far it is.")
@click.pass_obj
def job(link: Link, job: int, follow: bool) -> int:
    """Show one job.

    What it is, how its frames stand, what is at work now, and what failed last with the command that shows its log.
    """
    session = link.session()
    view = session.job(job)
    if follow:
        from laneway.cli.wait import wait_for

        return wait_for(session, [job], as_json=link.json)
    if link.json:
        print_json(view.data)
        return Code.OK
    tasks, attempts = session.tasks(job, limit=1), session.attempts(job, limit=100)
    for line in describe(view, tasks.runs, attempts, now=time.time(), columns=width() or 80):
        click.echo(line)
    return Code.OK


def describe(
    job: JobView, runs: Iterable[RunView], attempts: Iterable[AttemptView], *, now: float, columns: int
) -> Iterable[str]:
    """Everything that a person wants to know of a job, line by line."""
    attempts = list(attempts)
    state = click.style(job.state, fg=COLOURS.get(job.state), bold=True)
    yield f"Job {click.style(str(job.id), bold=True)}  {clean(job.name)}  {state}{_lanes(job)}"
    if job.reason:
        yield f"  {clean(job.reason)}"
    for label, text in _facts(job, now):
        yield f"  {click.style(f'{label:<10}', dim=True)}{clean(text)}"
    yield ""
    counts = {state: count for state, count in job.counts.items() if count}
    room = max(10, min(60, columns - 12))
    bar = "".join(
        click.style(text, fg=COLOURS.get(state)) for state, text in human.bar(ordered(counts), room, unicode=blocks())
    )
    yield f"  {bar} {percent(job.progress):>3} %"
    for state, items, count in by_state(runs, counts):
        text = f"{click.style(f'{state:<10}', fg=COLOURS.get(state))}{human.number(count):>6}  "
        yield f"  {text}{human.shorten(items, max(20, columns - 20))}"
    yield from _at_work(attempts, now, columns)
    yield from _failures(attempts, job.id, now, columns)


def _lanes(job: JobView) -> str:
    return f" on {job.running} lane{'s' if job.running != 1 else ''}" if job.running else ""


def _facts(job: JobView, now: float) -> Iterable[tuple[str, str]]:
    yield "engine", f"{job.engine} {job.version}" if job.version else job.engine
    for path in (job.input,) if isinstance(job.input, str) else job.input[:5]:
        yield "input", path
    if not isinstance(job.input, str) and len(job.input) > 5:
        yield "", f"and {len(job.input) - 5} more"
    if job.output:
        yield "output", job.output
    if job.range:
        bucket = "all in one bucket" if job.bucket_size == 0 else f"buckets of {job.bucket_size}"
        first = f", {job.priority_range} first" if job.priority_range else ""
        yield "range", f"{job.range} ({human.number(job.tasks)} tasks, {bucket}{first})"
    limit = f", at most {job.max_lanes} lanes" if job.max_lanes else ""
    yield "queue", f"{job.queue}, priority {job.priority}{limit}"
    for one in job.depends_on:
        how = (
            "frame by frame"
            if one.get("on") == "item"
            else "once it is finished"
            if one.get("when") == "finished"
            else "once it is done"
        )
        yield "waits for", f"job {one.get('job')}, {how}"
    yield "submitted", f"{human.ago(job.created, now)}{f' by {job.user}' if job.user else ''}"
    if job.started is not None:
        end = job.finished if job.over and job.finished is not None else now
        yield "took" if job.over else "rendering", human.duration(end - job.started)
    if job.description:
        yield "note", job.description


_ORDER = ("done", "executing", "booting", "failed", "queued", "pending", "onhold", "excluded")


def ordered(counts: Mapping[str, int]) -> dict[str, int]:
    """Counts in the order in which they are shown: what is done first."""
    known = {state: counts[state] for state in _ORDER if counts.get(state)}
    return {**known, **{state: count for state, count in counts.items() if count and state not in known}}


def by_state(runs: Iterable[RunView], counts: Mapping[str, int]) -> Iterable[tuple[str, str, int]]:
    """(state, its items in one text, how many) of a job's runs."""
    items: dict[str, list[str]] = {}
    for run in runs:
        items.setdefault(run.state, []).append(run.items)
    for state, count in ordered(counts).items():
        yield state, ",".join(items.get(state, [])), count


def _at_work(attempts: Iterable[AttemptView], now: float, columns: int) -> Iterable[str]:
    rows: list[list[object]] = [
        [a.id, a.items, a.state, f"{a.hostname}:{a.lane}", percent(a.fraction), human.age(a.started or a.created, now)]
        for a in attempts
        if a.finished is None and a.state in ("leased", "executing")
    ]
    if rows:
        yield ""
        head = (
            table.Column("ATTEMPT", right=True),
            table.Column("FRAMES", least=10),
            table.Column("STATE", states=True),
            table.Column("LANE", least=10),
            table.Column("%", right=True),
            table.Column("FOR", right=True),
        )
        yield from (f"  {line}" for line in table.lines(head, rows, columns - 2))


def _failures(attempts: Iterable[AttemptView], job: int, now: float, columns: int, most: int = 3) -> Iterable[str]:
    failed = [a for a in attempts if a.state == "failed"]
    for attempt in failed[:most]:
        yield ""
        where = f"on {attempt.hostname} lane {attempt.lane}, {human.ago(attempt.finished, now)}"
        text = f"{of_frames(attempt.items, 24)}failed {where} (try {attempt.number})"
        yield f"  {click.style(clean(text), fg='red')}"
        yield f"    {clean(attempt.reason or 'no reason was given')}"
        yield f"    {click.style(f'laneway log {job} --attempt {attempt.id}', dim=True)}"
    if len(failed) > most:
        yield f"  and {len(failed) - most} more: {click.style(f'laneway attempts {job}', dim=True)}"
