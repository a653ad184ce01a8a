"""The options that every command has, and the session that they lead to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from laneway.client import Session

F = TypeVar("F", bound=Callable[..., Any])
PATIENCE = 3.0  # seconds; a person waits for an answer, and a restarting dispatcher is back by then


@dataclass(slots=True)
class Link:
    """How to reach the dispatcher, and how to answer."""

    url: str | None = None
    token: str | None = None
    data: str | None = None
    json: bool = False

    def session(self, *, patience: float = PATIENCE) -> Session:
        """A session; nothing is sent yet."""
        from laneway.client import Session

        return Session(self.url, self.token, self.data, patience=patience, on_trouble=None if self.json else _tell)


def _tell(trouble: str) -> None:
    click.secho(f"{trouble} Trying again …", err=True, dim=True)


def _keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Options of the group and of its command end up in one Link; the command's own come last and win."""
    if value and param.name is not None:
        setattr(ctx.ensure_object(Link), param.name, value)
    else:
        ctx.ensure_object(Link)


def common(function: F) -> F:
    """Adds --url, --token, --data and --json; the command gets them with `click.pass_obj` as a Link."""
    options = (
        click.option("--url", metavar="URL", expose_value=False, callback=_keep, help="The dispatcher (LANEWAY_URL)."),
        click.option("--token", metavar="TOKEN", expose_value=False, callback=_keep, help="Its token (LANEWAY_TOKEN)."),
        click.option(
            "--data",
            metavar="FOLDER",
            expose_value=False,
            callback=_keep,
            help="The data folder that names both (LANEWAY_DATA).",
        ),
        click.option("--json", is_flag=True, expose_value=False, callback=_keep, help="Answer with JSON, errors too."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def job_id(text: str) -> int:
    """The number of a job, as a type for click."""
    digits = text.lstrip("#")
    if not digits.isascii() or not digits.isdigit() or not 0 < int(digits) < 2**53:
        raise click.BadParameter(f"{text!r} is not the number of a job; `laneway jobs` lists them.")
    return int(digits)
