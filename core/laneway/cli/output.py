"""What commands print: JSON for scripts, text for people, errors for both."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

import click

from laneway.cli.human import clean
from laneway.errors import LanewayError, PayloadError, UserError


def print_json(value: object) -> None:
    """One JSON value, indented; ASCII, so that no terminal or pipe chokes on it."""
    click.echo(json.dumps(value, indent=2, default=_plain))


def print_json_line(value: object) -> None:
    """One JSON value in one line, for streams of them."""
    click.echo(json.dumps(value, default=_plain))


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    return str(value)


def error_data(error: LanewayError) -> dict[str, Any]:
    """An error as the API writes it."""
    problems: Sequence[LanewayError] = error.problems if isinstance(error, PayloadError) else (error,)
    views = [
        p.as_dict()
        if isinstance(p, UserError)
        else {"code": p.code, "message": str(p), "field": None, "value": None, "fix": None}
        for p in problems
    ]
    return {"error": views[0], "errors": views}


def print_error(error: LanewayError, as_json: bool, *, about: str = "") -> None:
    """An error: on stdout as JSON, or on stderr for people, one line for each fault; `about` names the job."""
    if as_json:
        print_json(error_data(error))
        return
    problems: Iterable[LanewayError] = error.problems if isinstance(error, PayloadError) else (error,)
    for problem in problems:
        fix = problem.fix if isinstance(problem, UserError) else None
        text = str(problem)
        if fix and text.endswith(f" {fix}"):
            text = text[: -len(fix) - 1]
        click.echo(f"{click.style('Error:', fg='red', bold=True)} {about}{clean(text)}", err=True)
        if fix:
            click.echo(f"  {clean(fix)}", err=True)


def on_terminal() -> bool:
    """Whether a person reads stdout."""
    return sys.stdout.isatty()


def width() -> int | None:
    """Columns of the terminal; None where stdout is no terminal and nothing needs to fit."""
    return shutil.get_terminal_size((80, 24)).columns if on_terminal() else None


def blocks() -> bool:
    """Whether stdout can print block characters."""
    try:
        "█░━…".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
