"""What `submit --dry-run` prints: the command lines that a payload would run."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING

import click

from laneway.cli.exits import Code
from laneway.cli.human import clean, number
from laneway.cli.output import on_terminal, print_json
from laneway.client.wire import current_user
from laneway.errors import PayloadError, UserError
from laneway.model import EngineInfo, JobSpec, Json

if TYPE_CHECKING:
    from laneway.engine import Command

SHOWN = 100  # command lines; a job of a million items has a million


def show(payload: Mapping[str, Json], engines: Mapping[str, EngineInfo], *, as_json: bool) -> int:
    """Check a payload and print its command lines. Raises PayloadError and EngineError for what is wrong with it."""
    from laneway.job import plan_of
    from laneway.payload import parse

    spec = parse(dict(payload), engines, user=current_user())
    plan, _ = plan_of(spec)
    buckets = plan.bucket_count(spec.settings.task_bucketsize)
    found = list(islice(_commands(spec), SHOWN + 1))
    commands, more = found[:SHOWN], len(found) > SHOWN
    warnings = list(dict.fromkeys(one.warning for one in commands if one.warning))
    if as_json:
        print_json(
            {
                "payload": payload,
                "tasks": len(plan),
                "buckets": buckets,
                "commands": [
                    {"items": c.items, "argv": c.argv, "env": c.env, "cwd": c.cwd, "warning": c.warning} for c in commands
                ],
                "more": more,
                "warnings": warnings,
            }
        )
        return Code.OK
    tasks = f"{number(len(plan))} task{'s' * (len(plan) != 1)} in {number(buckets)} bucket{'s' * (buckets != 1)}"
    head = f"{spec.name}: {spec.engine}, {tasks}; nothing was submitted"
    click.secho(f"# {clean(head)}", dim=True)
    for one in commands:
        place = f", in {one.cwd}" if one.cwd else ""
        click.secho(f"# items {one.items}{clean(place)}", dim=True)
        line = " ".join([*(f"{key}={shlex.quote(value)}" for key, value in one.env.items()), shlex.join(one.argv)])
        click.echo(clean(line) if on_terminal() else line)
    if more:
        click.secho(f"# … and so on: the first {SHOWN} are shown", dim=True)
    for warning in warnings:
        click.secho(f"Warning: {clean(warning)}", fg="yellow", err=True)
    return Code.OK


def check_parameters(payload: Mapping[str, Json], engines: Mapping[str, EngineInfo]) -> None:
    """Raise what an engine has against the values of a payload's parameters, as far as it can be told before anything is there."""
    from laneway.payload import parse

    try:
        next(_commands(parse(dict(payload), engines, user=current_user())), None)
    except PayloadError:
        return  # the dispatcher says it, by the engines that it knows
    except UserError as exc:
        if exc.field is not None and exc.field.startswith("parameters."):
            raise  # whatever else it misses may come from another job, or be on a server only


def _commands(spec: JobSpec) -> Iterator[Command]:
    from laneway.engine import load, preview
    from laneway.job import plan_of
    from laneway.payload import lease_spec

    lease = lease_spec(0, spec, time.time())
    kind = load(spec.engine)
    plan, _ = plan_of(spec)
    for bucket in plan.buckets(spec.settings.task_bucketsize):
        yield from preview(lease, bucket, engine=kind)
