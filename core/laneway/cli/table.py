"""Tables that fit a terminal: ids stay whole, one column gives way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import click

from laneway.cli.human import COLOURS, clean, shorten, width


@dataclass(frozen=True, slots=True)
class Column:
    """A column. `least` is how narrow it may become (0: it keeps what it needs); `states` colours its cells by their text."""

    title: str
    right: bool = False
    least: int = 0
    states: bool = False
    middle: bool = False


def lines(columns: Sequence[Column], rows: Sequence[Sequence[object]], room: int | None) -> Iterator[str]:
    """A table's lines, its head first. `room` is the terminal's width; without one nothing is shortened."""
    cells = [[clean(cell) for cell in row] for row in rows]
    widths = [max([width(column.title), *(width(row[at]) for row in cells)]) for at, column in enumerate(columns)]
    if room is not None:
        _fit(columns, widths, room)
    yield click.style(_line(columns, widths, [column.title for column in columns], coloured=False), dim=True)
    for row in cells:
        yield _line(columns, widths, row, coloured=True)


def _fit(columns: Sequence[Column], widths: list[int], room: int) -> None:
    """Takes what is too wide from the columns that give way, the widest first."""
    over = sum(widths) + 2 * (len(widths) - 1) - room
    for at in sorted((at for at, column in enumerate(columns) if column.least), key=lambda at: -widths[at]):
        if over <= 0:
            return
        taken = min(over, max(0, widths[at] - columns[at].least))
        widths[at] -= taken
        over -= taken


def _line(columns: Sequence[Column], widths: Sequence[int], row: Sequence[str], *, coloured: bool) -> str:
    parts = []
    for column, room, cell in zip(columns, widths, row, strict=True):
        text = shorten(cell, room, middle=column.middle)
        blank = " " * (room - width(text))
        if coloured and column.states:
            text = click.style(text, fg=COLOURS.get(cell))
        parts.append(blank + text if column.right else text + blank)
    return "  ".join(parts).rstrip()
