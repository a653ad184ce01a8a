"""How far jobs are while somebody waits for them: moving bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Protocol

import click

from laneway.cli import human
from laneway.cli.human import COLOURS, clean, shorten
from laneway.cli.meter import Meter
from laneway.cli.output import blocks, on_terminal
from laneway.client.views import EventView, JobView

LINE_EVERY = 10.0  # seconds between two lines about a job that merely goes on


class Screen(Protocol):
    """Where the waiting is shown."""

    def update(self, job: JobView) -> None:
        """A job has changed."""

    def event(self, event: EventView) -> None:
        """Something happened to a job."""

    def say(self, text: str) -> None:
        """A line of its own."""

    def close(self) -> None:
        """Nothing more comes."""


def screen(*, quiet: bool) -> Screen:
    """The screen that suits stdout."""
    if quiet:
        return Silent()
    return Bars() if on_terminal() and blocks() else Lines()


def trouble(event: EventView) -> str | None:
    """What went wrong, as one line; None for an event that is no trouble."""
    if event.name != "attempt" or event.state not in ("failed", "lost"):
        return None
    reason = f": {clean(event.reason)}" if event.reason else ""
    log = f" (laneway log {event.job} --attempt {event.attempt})" if event.state == "failed" else ""
    return f"job {event.job}: {of_frames(event.items)}{event.state}{reason}{log}"


def of_frames(items: str, most: int = 200) -> str:
    """`frame 7 `, `frames 7-9 `, or nothing for the one task of a job without frames."""
    if items == "0":
        return ""
    return f"frame{'' if items.lstrip('-').isdigit() else 's'} {clean(shorten(items, most))} "


class Silent:
    """Shows nothing."""

    def update(self, job: JobView) -> None:
        """Nothing."""

    def event(self, event: EventView) -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class Lines:
    """A line when a job's state changes, when something fails, and now and then in between; no control codes."""

    def __init__(self, write: Callable[[str], None] | None = None, now: Callable[[], float] = time.time) -> None:
        self._write = write or _flushed
        self._now = now
        self._meters: dict[int, Meter] = {}
        self._told: dict[int, tuple[float, str]] = {}

    def update(self, job: JobView) -> None:
        """Write a line if there is news."""
        now = self._now()
        meter = self._meters.setdefault(job.id, Meter())
        meter.add(job, now)
        at, state = self._told.get(job.id, (0.0, ""))
        if job.state != state or now - at >= LINE_EVERY:
            self._told[job.id] = now, job.state
            self._write(f"job {job.id} {clean(job.name)}: {', '.join([job.state, *details(job, meter, now)])}")

    def event(self, event: EventView) -> None:
        """Write a line for trouble."""
        text = trouble(event)
        if text is not None:
            self._write(text)

    def say(self, text: str) -> None:
        """Write it."""
        self._write(clean(text))

    def close(self) -> None:
        """Nothing."""


def _flushed(text: str) -> None:
    click.echo(text)
    sys.stdout.flush()


def details(job: JobView, meter: Meter, now: float, *, short: bool = False) -> list[str]:
    """What is to be said of a job beside its state; `short` for a place beside a bar."""
    parts = [f"{human.number(job.done)}/{human.number(job.tasks)}{'' if short else ' done'}"]
    failed = job.counts.get("failed", 0)
    if failed:
        parts.append(f"{human.number(failed)} failed")
    if job.over:
        if job.started is not None and job.finished is not None:
            parts.append(f"in {human.duration(job.finished - job.started)}")
        return parts
    if job.running:
        parts.append(f"{job.running} lane{'s' if job.running != 1 else ''}")
    rate, left = meter.per_minute(), meter.left()
    if job.running and rate is not None and left is not None:
        pace = f"{rate:.{0 if rate >= 100 else 1}f}/min" if short else f"{rate:.1f} frames/min"
        parts += [pace, f"{human.duration(left)} left"]
    elif not job.running and job.reason:
        parts.append(clean(job.reason))
    return parts


class Bars:
    """A bar for each job; trouble scrolls away above them."""

    def __init__(self) -> None:
        # Only now: rich takes longer to load than most commands take to run.
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskID, TextColumn

        self._meters: dict[int, Meter] = {}
        self._bars: dict[int, TaskID] = {}
        self._jobs: dict[int, JobView] = {}
        self._console = Console(highlight=False)
        self._progress = Progress(
            TextColumn("{task.fields[label]}", markup=False),
            BarColumn(bar_width=None, complete_style="cyan", finished_style="green"),
            TextColumn("{task.fields[facts]}", markup=False),
            console=self._console,
            expand=True,
        )
        self._progress.start()

    def update(self, job: JobView) -> None:
        """Move the bar."""
        from rich.text import Text

        now = time.time()
        meter = self._meters.setdefault(job.id, Meter())
        meter.add(job, now)
        room = self._console.width
        label = Text(
            human.shorten(f"{job.id} {clean(job.name)}", max(12, room // 4), middle=True), style=COLOURS.get(job.state, "")
        )
        parts = details(job, meter, now, short=True)
        if job.state != "running":
            parts = [job.state, *parts]
        facts = human.shorten(" · ".join(parts), max(20, room - room // 4 - 10))
        known = self._bars.get(job.id)
        if known is None:
            known = self._bars[job.id] = self._progress.add_task("", total=1.0, label=label, facts=facts)
        self._progress.update(known, completed=job.progress, label=label, facts=facts)

    def event(self, event: EventView) -> None:
        """Print trouble above the bars."""
        text = trouble(event)
        if text is not None:
            self._console.print(text, style="red" if event.state == "failed" else "magenta", markup=False, soft_wrap=True)

    def say(self, text: str) -> None:
        """Print it above the bars."""
        self._console.print(clean(text), style="dim", markup=False, soft_wrap=True)

    def close(self) -> None:
        """Leave the bars as they are."""
        self._progress.stop()
