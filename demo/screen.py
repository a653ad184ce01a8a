"""What the demo shows: the jobs while they run, the frames as a row of cells, a summary, and the contact sheet."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from laneway.client import AttemptView, JobView, RunView
from laneway.frames import Frames

STYLES = {"done": "green", "executing": "yellow", "running": "yellow", "booting": "cyan", "failed": "red"}
COLUMNS, THUMB, GAP, LABEL = 6, (256, 144), 10, 16
PAPER, INK = (16, 13, 28), (214, 206, 232)


def progress(jobs: Sequence[JobView], runs: Sequence[RunView], frames: int) -> Table:
    """The jobs, and under them the first one's frames, one cell each."""
    table = Table.grid(padding=(0, 2))
    for job in jobs:
        bar = ProgressBar(total=1.0, completed=job.progress, width=30, complete_style="green", finished_style="green")
        table.add_row(f"job {job.id}", job.name, bar, f"{job.done}/{job.tasks}", Text(job.state, STYLES.get(job.state, "")))
    states = {item: run.state for run in runs for item in Frames.parse(run.items)}
    cells = Text()
    for frame in range(1, frames + 1):
        cells.append("■ ", STYLES.get(states.get(frame, ""), "bright_black"))
    whole = Table.grid()
    whole.add_row(table)
    whole.add_row(cells)
    return whole


def summary(
    console: Console,
    *,
    made: Sequence[tuple[str, str, Path]],
    jobs: Sequence[JobView],
    attempts: Sequence[AttemptView],
    seconds: float,
) -> None:
    """The closing tables: what was made and where it lies, and what it took. `attempts` are those of the rendering."""
    files = Table(header_style="bold")
    for column in ("what", "checked", "where"):
        files.add_column(column, overflow="fold")
    for name, checked, path in made:
        near = os.path.relpath(path)
        files.add_row(f"[green]✓[/] {name}", checked, str(path) if near.startswith("..") else near)
    console.print(files)
    times = Table(header_style="bold")
    for column in ("job", "state", "tasks", "seconds"):
        times.add_column(column, justify="right" if column in ("tasks", "seconds") else "left")
    for job in jobs:
        took = "" if job.started is None or job.finished is None else f"{job.finished - job.started:.1f}"
        times.add_row(job.name, job.state, str(job.tasks), took)
    console.print(times)
    lanes = ", ".join(str(lane) for lane in sorted({attempt.lane for attempt in attempts}))
    cpu = sum(attempt.cpu_seconds or 0.0 for attempt in attempts)
    peak = max((attempt.max_rss or 0 for attempt in attempts), default=0)
    console.print(
        f"Rendered by {len(attempts)} processes on lanes {lanes}: {cpu:.0f} CPU seconds, {peak / 1e6:.0f} MB at the most. "
        f"Everything took {seconds:.0f} s.",
        highlight=False,
    )


def contact_sheet(frames: Sequence[Path], target: Path) -> Path:
    """All frames on one page, named."""
    columns = min(COLUMNS, len(frames))
    rows = -(-len(frames) // columns)
    cell = (THUMB[0] + GAP, THUMB[1] + LABEL + GAP)
    page = Image.new("RGB", (columns * cell[0] + GAP, rows * cell[1] + GAP), PAPER)
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(size=12)
    for index, path in enumerate(frames):
        x, y = GAP + index % columns * cell[0], GAP + index // columns * cell[1]
        with Image.open(path) as picture:
            page.paste(picture.convert("RGB").resize(THUMB, Image.Resampling.LANCZOS), (x, y))
        draw.text((x, y + THUMB[1] + 2), path.name, INK, font)
    page.save(target, optimize=True)
    return target
