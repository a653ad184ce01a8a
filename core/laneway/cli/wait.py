"""`laneway wait`, and the waiting that `submit --wait` and `job --follow` share with it."""

from __future__ import annotations

from collections.abc import Sequence

import click

from laneway.cli import human
from laneway.cli.command import command
from laneway.cli.exits import Code, code_of_states
from laneway.cli.human import clean
from laneway.cli.inputs import seconds
from laneway.cli.link import Link, job_id
from laneway.cli.live import screen
from laneway.cli.output import error_data, print_json
from laneway.client import Session
from laneway.client.views import JobView
from laneway.errors import UserError
from laneway.model import Json


@command(
    "wait",
    examples="""
laneway wait 42 43
laneway wait 42 --timeout 2h || echo "not done: $?"
laneway wait 42 --json | jq '.jobs[0].counts'
""",
)
@click.argument("jobs", type=job_id, nargs=-1, required=True, metavar="ID...")
@click.option("--timeout", metavar="TIME", help="Give up after 90, 15m, 2h; the jobs go on (exit code 124).")
@click.pass_obj
def wait(link: Link, jobs: tuple[int, ...], timeout: str | None) -> int:
    """Wait until jobs are over, showing how far they are.

    Exit code 0 when all are done, 1 when one has failed, 6 when one was aborted or deleted. A dispatcher that is restarted meanwhile is
    waited for. Ctrl-C ends the waiting, not the jobs.
    """
    limit = None if timeout is None else seconds(timeout, "--timeout")
    return wait_for(link.session(), jobs, as_json=link.json, timeout=limit)


def wait_for(
    session: Session,
    jobs: Sequence[int],
    *,
    as_json: bool,
    timeout: float | None = None,
    warnings: Sequence[str] | None = None,
) -> int:
    """Wait and show; returns the exit code. With `warnings` (those of a submission) the JSON has the form of a submission's."""
    latest: dict[int, JobView] = {}
    shown = screen(quiet=as_json)
    session.on_trouble = lambda text: shown.say(f"{text} Trying again …")

    def update(job: JobView) -> None:
        latest[job.id] = job
        shown.update(job)

    try:
        views = session.wait(jobs, timeout, update, shown.event)
    except TimeoutError as exc:
        shown.close()
        return _timed_out(exc, list(latest.values()), as_json=as_json)
    except KeyboardInterrupt:
        shown.close()
        if not as_json:
            listed = " ".join(map(str, jobs))
            click.secho(f"\nThe jobs go on. Look again with `laneway wait {listed}`.", dim=True, err=True)
        raise
    finally:
        shown.close()
    if as_json:
        data = [_data(view) for view in views]
        print_json({"jobs": data} if warnings is None else {"job": data[0], "warnings": list(warnings)})
    else:
        for view in views:
            if view.state != "done":
                _say_why(view)
    return code_of_states(view.state for view in views)


def _timed_out(exc: TimeoutError, views: Sequence[JobView], *, as_json: bool) -> int:
    error = UserError(f"{exc}.", fix="The jobs go on; `laneway wait` waits again.")
    error.code = "timeout"
    if as_json:
        print_json({"jobs": [_data(view) for view in views], **error_data(error)})
    else:
        click.secho(f"Error: {error}", fg="red", err=True)
    return Code.TIMED_OUT


def _data(view: JobView) -> dict[str, Json]:
    return {**view.data, "state": view.state}


def _say_why(view: JobView) -> None:
    failed = view.counts.get("failed", 0)
    what = f"{human.number(failed)} of {human.number(view.tasks)} failed" if failed else view.state
    reason = f": {clean(view.reason)}" if view.reason and view.state != "deleted" else ""
    click.secho(
        f"Job {view.id} {view.state} ({what}){reason}" if failed else f"Job {view.id} {view.state}{reason}", fg="red", err=True
    )
    if view.state != "deleted":
        click.secho(f"  `laneway job {view.id}` says more.", dim=True, err=True)
