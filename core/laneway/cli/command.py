"""A command whose help ends with examples, printed as they stand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from laneway.cli.link import common

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Command(click.Command):
    """A click command with `examples`: lines that are shown unwrapped."""

    def __init__(self, *args: Any, examples: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The examples."""
        write_examples(formatter, self.examples)


def command(
    name: str | None = None, *, examples: str, cls: type[Command] = Command, **settings: Any
) -> Callable[[Callable[..., Any]], Command]:
    """Declares a command with the common options."""

    def declare(function: Callable[..., Any]) -> Command:
        made = click.command(name, cls=cls, examples=examples, context_settings={**SETTINGS, **settings})
        return made(common(function))

    return declare


def write_examples(formatter: click.HelpFormatter, examples: str) -> None:
    """A section of examples."""
    lines = examples.strip("\n").splitlines()
    if lines:
        with formatter.section("Examples"):
            for line in lines:
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")
