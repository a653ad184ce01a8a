"""`laneway submit`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

import click

from laneway.cli import inputs
from laneway.cli.command import Command, command
from laneway.cli.exits import Code
from laneway.cli.human import clean, number
from laneway.cli.link import Link
from laneway.cli.output import print_json
from laneway.client.views import Submitted
from laneway.errors import UnknownNameError, UserError
from laneway.model import EngineInfo, Json

_AFTER_DASHES = "laneway.command"


class _Submit(Command):
    """Everything behind `--` is the command line of a job, whatever it looks like."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Cut the arguments at the first `--`."""
        if "--" in args:
            at = args.index("--")
            ctx.meta[_AFTER_DASHES] = args[at + 1 :]
            args = args[:at]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """The usage line, with the form that has a command line."""
        return [*super().collect_usage_pieces(ctx), "[-- COMMAND …]"]


@command(
    "submit",
    cls=_Submit,
    examples="""
laneway submit shot.blend --output out/     the scene's own frame range
laneway submit shot.blend --range 1-100x5 -o out/beauty_#### --wait
laneway submit out/beauty_%04d.png -e ffmpeg -o shot.mp4 --depends-on 42
laneway submit --range 1-10 -- /bin/echo 'frame ${ITEM}'
laneway submit payload.json --dry-run       check it, print its command lines
make_payload | laneway submit - --json
""",
)
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option(
    "-e", "--engine", metavar="NAME", help="What renders it, e.g. blender or blender-4.2 (from the file's extension)."
)
@click.option("-r", "--range", "frames", metavar="FRAMES", help="1-10, 4, 5-250x5, -10--1, lists (from a .blend itself).")
@click.option("-o", "--output", metavar="PATH", help="Folder (closing /) or file; the engine says what it may hold.")
@click.option("-n", "--name", metavar="TEXT", help="The job's name (that of the file).")
@click.option("-p", "--priority", type=click.IntRange(0, 1000), metavar="0-1000", help="Order within the queue (500).")
@click.option("--queue", metavar="NAME", help="high, medium or low (medium).")
@click.option("--priority-range", metavar="FRAMES", help="Frames to render first; also auto:N and fml:N.")
@click.option("-b", "--bucket", type=click.IntRange(min=0), metavar="N", help="Frames rendered by one process; 0: all.")
@click.option("--param", multiple=True, metavar="K=V", help="A parameter of the engine; again for more.")
@click.option("--env", multiple=True, metavar="K=V", help="An environment variable; again for more.")
@click.option("--depends-on", multiple=True, metavar="ID", help="Wait for a job; ID:item for frame by frame; again for more.")
@click.option("--retries", type=click.IntRange(min=0), metavar="N", help="How often a failed bucket is tried again (2).")
@click.option("--timeout", metavar="TIME", help="End a bucket that takes longer: 90, 15m, 2h.")
@click.option("--max-lanes", type=click.IntRange(min=0), metavar="N", help="Use at most so many lanes at once.")
@click.option("--description", metavar="TEXT", help="A note for people.")
@click.option("--hold", is_flag=True, help="Submit paused; `laneway resume` lets it go.")
@click.option("--no-check", is_flag=True, help="Do not look whether the files are there.")
@click.option("--wait", "wait_", is_flag=True, help="Wait until the job is over, showing how far it is.")
@click.option("--dry-run", is_flag=True, help="Check everything and print the exact command lines; needs no dispatcher.")
@click.pass_context
def submit(ctx: click.Context, /, files: tuple[str, ...], wait_: bool, dry_run: bool, **options: Any) -> int:
    """Submit a scene, a command line or a payload.

    The engine follows from the file's extension, and a .blend brings its own frame range. A .json file with a key `engine` is a whole
    payload, and so is standard input with the name `-`; options replace its keys. Relative paths become absolute.
    """
    link: Link = ctx.obj
    from laneway.engine import discovery

    engines = discovery.catalogue()
    payload = build(files, ctx.meta.get(_AFTER_DASHES), options, engines)
    from laneway.cli.preview import check_parameters, show

    if dry_run:
        return show(payload, engines, as_json=link.json)
    session = link.session()
    check_parameters(payload, engines)
    made = session.submit(payload)
    if not link.json:
        _announce(made, wait_)
    if not wait_:
        if link.json:
            print_json({"job": made.job, "warnings": made.warnings} if made.job is None else made.data)
        return Code.OK
    from laneway.cli.wait import wait_for

    return wait_for(session, [made.id], as_json=link.json, warnings=made.warnings)


def build(
    files: tuple[str, ...], command_line: list[str] | None, options: Mapping[str, Any], engines: Mapping[str, EngineInfo]
) -> dict[str, Json]:
    """The payload that files, a command line and options make together."""
    if not files and not command_line and not options["engine"]:
        raise UserError(
            "there is nothing to submit.", field="FILE", fix="Name a file, a payload, or a command line after `--`; see --help."
        )
    payload = _payload_of(files)
    if payload is None:
        payload = _inputs_of(files, options, bool(command_line), engines)
    if command_line:
        here: dict[str, Json] = {"cwd": os.getcwd()}  # where its relative paths are meant
        payload["parameters"] = {**here, **_object(payload, "parameters"), "command": list(command_line)}
    _apply(payload, options, engines)
    if "range" not in payload:
        frames = _scene_range(payload)
        if frames is not None:
            payload["range"] = frames
    return payload


def _payload_of(files: tuple[str, ...]) -> dict[str, Json] | None:
    """The payload that the only file or standard input is; None where the files are inputs."""
    if "-" in files and len(files) > 1:
        raise UserError("a payload from standard input stands alone.", field="FILE", value="-", fix="Name no file beside `-`.")
    if files == ("-",):
        text = sys.stdin.read(inputs.MOST_PAYLOAD + 1)
        if len(text) > inputs.MOST_PAYLOAD:
            raise UserError("standard input is larger than a payload can be (8 MB).", field="payload")
        return inputs.rooted(inputs.read_payload(text, "standard input"), os.getcwd())
    if len(files) == 1:
        return inputs.payload_file(inputs.absolute(files[0]))
    return None


def _inputs_of(
    files: tuple[str, ...], options: Mapping[str, Any], has_command: bool, engines: Mapping[str, EngineInfo]
) -> dict[str, Json]:
    paths = [inputs.present(inputs.absolute(file), checked=not options["no_check"]) for file in files]
    engine: str = options["engine"] or ("command" if has_command else inputs.engine_of(paths, engines).name)
    payload: dict[str, Json] = {"engine": engine}
    if paths:
        payload["input"] = paths[0] if len(paths) == 1 else [*paths]
    return payload


def _apply(payload: dict[str, Json], options: Mapping[str, Any], engines: Mapping[str, EngineInfo]) -> None:
    """Put options into a payload, over what it has."""
    plain = {"engine": "engine", "frames": "range", "name": "name", "priority": "priority", "queue": "queue"}
    plain |= {"priority_range": "priority_range", "description": "description"}
    payload.update({key: options[option] for option, key in plain.items() if options[option] is not None})
    if options["engine"] is not None:
        payload.pop("app", None)
    if options["name"] is not None:
        payload.pop("code", None)
    if options["output"] is not None:
        payload["output"] = inputs.absolute(options["output"])
    settings: dict[str, Json] = {
        "task_bucketsize": options["bucket"],
        "task_max_retries": options["retries"],
        "task_timeout": None if options["timeout"] is None else inputs.seconds(options["timeout"], "--timeout"),
        "max_lanes": options["max_lanes"],
    }
    given = {key: value for key, value in settings.items() if value is not None}
    if given:
        payload["settings"] = {**_object(payload, "settings"), **given}
    if options["param"]:
        known = _engine_info(payload, engines)
        payload["parameters"] = {**_object(payload, "parameters"), **inputs.parameters(options["param"], known)}
    if options["env"]:
        payload["envs"] = {**_object(payload, "envs"), **inputs.pairs(options["env"], "--env")}
    if options["depends_on"]:
        payload["depends_on"] = [inputs.depends_on(text) for text in options["depends_on"]]
    if options["hold"]:
        payload["hold"] = True


def _object(payload: Mapping[str, Json], key: str) -> dict[str, Json]:
    value = payload.get(key)
    return value if isinstance(value, dict) else {}


def _engine_info(payload: Mapping[str, Json], engines: Mapping[str, EngineInfo]) -> EngineInfo | None:
    from laneway.payload import find_engine

    try:
        return find_engine(str(payload.get("engine") or payload.get("app")), engines)[0]
    except UnknownNameError:
        return None  # the payload's check says it, together with every other fault


def _scene_range(payload: Mapping[str, Json]) -> str | None:
    """The range of a .blend that is the only input and can be read here."""
    path = payload.get("input")
    if not isinstance(path, str) or not path.lower().endswith(".blend") or not os.path.exists(path):
        return None
    from laneway.readers.blend import read

    scene = _object(payload, "parameters").get("scene")
    return read(path).scene(scene if isinstance(scene, str) and scene else None).range


def _announce(made: Submitted, waiting: bool) -> None:
    job = made.job
    if job is not None:
        tasks = f"{number(job.tasks)} task{'s' if job.tasks != 1 else ''}"
        click.echo(f"Job {click.style(str(job.id), bold=True)}: {clean(job.name)}, {job.engine}, {tasks}")
    for warning in made.warnings:
        click.secho(f"Warning: {clean(warning)}", fg="yellow", err=True)
    if job is not None and not waiting and sys.stdout.isatty():
        click.secho(f"Follow it with `laneway wait {job.id}`, see it with `laneway job {job.id}`.", dim=True)
