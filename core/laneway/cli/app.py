"""The command line's frame: which commands there are, how they are loaded, and what becomes of their errors.

A command's module is loaded when the command runs, and `laneway --help` loads none: the line that it shows of each command stands
in the table here, and a test compares it with the command's own.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

import click

from laneway.cli.command import SETTINGS, write_examples
from laneway.cli.exits import MEANING, Code, code_of
from laneway.cli.link import common
from laneway.cli.output import print_error
from laneway.errors import LanewayError, UserError

# Section -> command -> (module and function, its help line).
COMMANDS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "Run a farm": {
        "up": ("processes:up", "Start a dispatcher and lanes on this computer."),
        "agent": ("processes:agent", "Offer lanes of this computer to a dispatcher."),
        "dispatcher": ("processes:dispatcher", "Start a dispatcher alone."),
    },
    "Jobs": {
        "submit": ("submit:submit", "Submit a scene, a command line or a payload."),
        "jobs": ("jobs:jobs", "List jobs."),
        "job": ("jobs:job", "Show one job."),
        "wait": ("wait:wait", "Wait until jobs are over, showing how far they are."),
        "tasks": ("tasks:tasks", "List the tasks of a job."),
        "attempts": ("tasks:attempts", "List what was tried: which lane, how long, how it ended."),
        "log": ("log:log", "Show or follow what a renderer prints."),
        "history": ("tasks:history", "Show what happened, when and why."),
    },
    "Change jobs": {
        "pause": ("actions:pause", "Start nothing more of a job; what runs goes on."),
        "resume": ("actions:resume", "Let a paused or aborted job go on."),
        "abort": ("actions:abort", "End what runs of a job and start nothing more."),
        "retry": ("actions:retry", "Render again what failed, or the frames that you name."),
        "edit": ("actions:edit", "Change a job's priority, name, queue or settings."),
        "delete": ("actions:delete", "Delete jobs with their history and logs."),
    },
    "The farm": {
        "servers": ("farm:servers", "List the computers that offer lanes."),
        "lanes": ("farm:lanes", "List the lanes and what they do."),
        "engines": ("farm:engines", "List the engines and who can run them."),
        "version": ("farm:version", "Show versions and where Laneway keeps its data."),
    },
}


EXAMPLES = """
laneway up                                      start a farm on this computer
laneway submit shot.blend --output out/ --wait  render a scene's own frames
laneway job 42                                  how far it is, and what failed
"""


class _Commands(click.Group):
    """A group whose commands are loaded on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for section in COMMANDS.values() for name in section]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for section in COMMANDS.values():
            if cmd_name in section:
                module, _, function = section[cmd_name][0].partition(":")
                command: click.Command = getattr(importlib.import_module(f"laneway.cli.{module}"), function)
                return command
        return None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in self.list_commands(ctx):
            from difflib import get_close_matches

            near = get_close_matches(args[0], self.list_commands(ctx), n=1)
            ctx.fail(f"there is no command {args[0]!r}." + (f" Did you mean {near[0]!r}?" if near else ""))
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. Here, because click itself would take a reader that has gone for success."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            # Python flushes stdout once more at exit, which must not fail again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.exceptions.Exit(Code.PIPE_CLOSED) from None
        return result

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, section in COMMANDS.items():
            with formatter.section(title):
                formatter.write_dl([(name, line) for name, (_, line) in section.items()], col_max=12)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        write_examples(formatter, EXAMPLES)
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code.value), meaning) for code, meaning in MEANING.items()])
        formatter.write_paragraph()
        formatter.write_text("Every command explains itself with --help and answers with JSON with --json.")


@click.group(cls=_Commands, context_settings=SETTINGS)
@common
def laneway() -> None:
    """Laneway: submit render jobs and follow them to their finished, checked frames."""


def run(argv: Sequence[str]) -> int:
    """Run a command line; errors become text on stderr, or JSON on stdout where --json was asked for."""
    args = list(argv)
    as_json = "--json" in (args[: args.index("--")] if "--" in args else args)
    try:
        result = laneway.main(args, prog_name="laneway", standalone_mode=False)
    except click.exceptions.Abort:
        return _interrupted(as_json)
    except KeyboardInterrupt:
        return _interrupted(as_json)
    except click.ClickException as exc:
        print_error(_usage(exc), as_json)
        return Code.USAGE
    except LanewayError as exc:
        print_error(exc, as_json)
        return code_of(exc)
    except Exception as exc:  # noqa: BLE001 - the last resort: a bug is shown in full and told apart by its exit code
        traceback.print_exc()
        if as_json:
            print_error(LanewayError(f"a bug in Laneway: {type(exc).__name__}: {exc}"), as_json)
        return Code.BUG
    return int(result) if isinstance(result, int) else Code.OK


def _usage(exc: click.ClickException) -> UserError:
    context = exc.ctx if isinstance(exc, click.UsageError) else None
    path = context.command_path if context is not None else "laneway"
    error = UserError(exc.format_message(), fix=f"See `{path} --help`.")
    error.code = "usage"
    return error


def _interrupted(as_json: bool) -> int:
    if as_json:
        error = UserError("interrupted.")
        error.code = "interrupted"
        print_error(error, as_json)
    else:
        click.echo(err=True)
    return Code.INTERRUPTED
