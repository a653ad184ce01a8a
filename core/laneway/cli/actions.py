"""`laneway pause`, `resume`, `abort`, `retry`, `edit` and `delete`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from laneway.cli.command import command
from laneway.cli.exits import Code, code_of
from laneway.cli.human import clean
from laneway.cli.inputs import seconds
from laneway.cli.link import Link, job_id
from laneway.cli.output import error_data, print_error, print_json
from laneway.client.views import JobView
from laneway.errors import LanewayError, UnreachableError, UserError
from laneway.model import Json

F = TypeVar("F", bound=Callable[..., Any])
_JOBS = click.argument("jobs", type=job_id, nargs=-1, required=True, metavar="ID...")
_REASON = click.option("--reason", metavar="TEXT", help="Why; it is kept in the history.")


@command("pause", examples="laneway pause 42 43 --reason 'licences are needed elsewhere'")
@_JOBS
@_REASON
@click.pass_obj
def pause(link: Link, jobs: tuple[int, ...], reason: str | None) -> int:
    """Start nothing more of a job; what runs goes on.

    `laneway resume` lets it go on.
    """
    session = link.session()
    return _each(link, jobs, lambda job: session.pause(job, reason))


@command("resume", examples="laneway resume 42")
@_JOBS
@_REASON
@click.pass_obj
def resume(link: Link, jobs: tuple[int, ...], reason: str | None) -> int:
    """Let a paused or aborted job go on.

    Also one that was submitted with --hold.
    """
    session = link.session()
    return _each(link, jobs, lambda job: session.resume(job, reason))


@command("abort", examples="laneway abort 42 --reason 'wrong camera'")
@_JOBS
@_REASON
@click.pass_obj
def abort(link: Link, jobs: tuple[int, ...], reason: str | None) -> int:
    """End what runs of a job and start nothing more.

    Frames that are done stay done; `laneway resume` renders the rest.
    """
    session = link.session()
    return _each(link, jobs, lambda job: session.abort(job, reason))


@command(
    "retry",
    examples="""
laneway retry 42                   what failed
laneway retry 42 --range 7,12-14   these again, also if they are done
""",
)
@_JOBS
@click.option("-r", "--range", "frames", metavar="FRAMES", help="Render these again, whatever their state.")
@_REASON
@click.pass_obj
def retry(link: Link, jobs: tuple[int, ...], frames: str | None, reason: str | None) -> int:
    """Render again what failed, or the frames that you name.

    Frames that lanes are at work on are refused; abort the job first.
    """
    session = link.session()
    return _each(link, jobs, lambda job: session.retry(job, frames, reason))


@command(
    "edit",
    examples="""
laneway edit 42 --priority 900
laneway edit 42 43 --queue low --max-lanes 2
""",
)
@_JOBS
@click.option("-p", "--priority", type=click.IntRange(0, 1000), metavar="0-1000", help="Order within the queue.")
@click.option("--queue", metavar="NAME", help="high, medium or low.")
@click.option("-n", "--name", metavar="TEXT", help="The job's name.")
@click.option("--description", metavar="TEXT", help="A note for people.")
@click.option("-b", "--bucket", type=click.IntRange(min=0), metavar="N", help="Frames rendered by one process; 0: all.")
@click.option("--retries", type=click.IntRange(min=0), metavar="N", help="How often a failed bucket is tried again.")
@click.option("--timeout", metavar="TIME", help="End a bucket that takes longer: 90, 15m, 2h; 0: none.")
@click.option("--max-lanes", type=click.IntRange(min=0), metavar="N", help="Use at most so many lanes at once; 0: all.")
@click.pass_obj
def edit(
    link: Link, /, jobs: tuple[int, ...], bucket: int | None, retries: int | None, timeout: str | None, **plain: Any
) -> int:
    """Change a job's priority, name, queue or settings.

    What runs goes on as it was started; the rest follows the new settings.
    """
    changes: dict[str, Json] = {key: value for key, value in plain.items() if value is not None and key != "max_lanes"}
    settings: dict[str, Json] = {
        "task_bucketsize": bucket,
        "task_max_retries": retries,
        "task_timeout": None if timeout is None else seconds(timeout, "--timeout"),
        "max_lanes": plain["max_lanes"],
    }
    given: dict[str, Json] = {key: value for key, value in settings.items() if value is not None}
    if given:
        changes["settings"] = given
    if not changes:
        raise UserError("there is nothing to change.", field="edit", fix="Name at least one option; see `laneway edit --help`.")
    session = link.session()
    return _each(link, jobs, lambda job: session.edit(job, changes))


@command("delete", examples="laneway delete 42 43 --yes")
@_JOBS
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def delete(link: Link, jobs: tuple[int, ...], yes: bool) -> int:
    """Delete jobs with their history and logs.

    What they rendered stays. A job that lanes are at work on has to be aborted first. On a terminal it asks before.
    """
    listed = ", ".join(map(str, jobs))
    if not (yes or link.json) and sys.stdin.isatty() and not click.confirm(f"Delete job {listed} with its history and logs?"):
        return Code.INTERRUPTED
    session = link.session()

    def remove(job: int) -> JobView:
        session.delete(job)
        return JobView(id=job, state="deleted", data={"id": job, "state": "deleted"})

    return _each(link, jobs, remove)


def _each(link: Link, jobs: Sequence[int], act: Callable[[int], JobView]) -> int:
    """Act on every job, also after one was refused; the exit code is that of the first refusal."""
    changed: list[JobView] = []
    faults: list[LanewayError] = []
    for job in dict.fromkeys(jobs):
        try:
            view = act(job)
        except UnreachableError:
            raise
        except LanewayError as exc:
            faults.append(exc)
            if not link.json:
                print_error(exc, as_json=False, about=f"job {job}: " if f"job {job}" not in str(exc) else "")
            continue
        changed.append(view)
        if not link.json:
            name = f" ({clean(view.name)})" if view.name else ""
            click.echo(f"Job {view.id}{name}: {view.state}{f', {clean(view.reason)}' if view.reason else ''}")
    if link.json:
        errors = {"error": error_data(faults[0])["error"], "errors": [error_data(f)["error"] for f in faults]} if faults else {}
        print_json({"jobs": [view.data for view in changed], **errors})
    return code_of(faults[0]) if faults else Code.OK
