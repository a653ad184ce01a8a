"""The demo, `make demo`: a Blender scene is rendered on two lanes, every frame is checked, and a second job makes the movie.

It does what a user would do, through the command line and the client that users have: `laneway up` starts the farm, two jobs are
submitted, the second of which depends on the first, and both are followed until they are done. Then what lies on disk is looked at,
without believing the farm: every frame is decoded, the movie's frames are counted. Exits 0 only if all of it is right.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.live import Live

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))  # `python demo/run.py` puts this folder on the path, not the project's

from demo import checks, screen  # noqa: E402  # only now can it be found
from laneway.client import JobView, ServerView, Session  # noqa: E402  # as above
from laneway.errors import LanewayError  # noqa: E402  # as above
from laneway.model import Json  # noqa: E402  # as above

SCENE = HERE / "lanes.blend"
FRAMES, FPS, SIZE = 30, 12, (512, 288)
PATIENCE = 900.0  # seconds for all frames; two slow cores need one minute


class DemoError(Exception):
    """Something is not as it should be; the text says what."""


@dataclass(frozen=True)
class Demo:
    """What is rendered, and where to."""

    out: Path = HERE / "out"
    lanes: int = 2
    frames: int = FRAMES

    @property
    def pictures(self) -> Path:
        """The folder of the frames."""
        return self.out / "frames"

    @property
    def movie(self) -> Path:
        """The movie."""
        return self.out / "lanes.mp4"

    @property
    def data(self) -> Path:
        """The farm's data folder."""
        return self.out / "farm"

    @property
    def log(self) -> Path:
        """What `laneway up` printed."""
        return self.out / "farm.log"

    def render_payload(self) -> dict[str, Json]:
        """The first job. First, middle and last frame come first, for an early look at the whole shot."""
        return {
            "name": "lanes: render",
            "engine": "blender",
            "input": str(SCENE),
            "range": f"1-{self.frames}",
            "priority_range": "fml:3",
            "output": str(self.pictures / "lanes.####.png"),
        }

    def movie_payload(self, depends_on: int) -> dict[str, Json]:
        """The second job: waits until all frames of the first are done."""
        return {
            "name": "lanes: movie",
            "engine": "ffmpeg",
            "input": str(self.pictures / "lanes.####.png"),
            "range": f"1-{self.frames}",
            "output": str(self.movie),
            "parameters": {"fps": FPS},
            "depends_on": [{"job": depends_on, "on": "all", "when": "done"}],
        }


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the demo; what goes wrong is said in one sentence."""
    parser = argparse.ArgumentParser(description="Render the demo's scene, check every frame and encode the movie.")
    parser.add_argument("--lanes", type=int, default=2, help="lanes to render on (default: %(default)s)")
    parser.add_argument("--frames", type=int, default=FRAMES, help="how many of the scene's frames (default: all %(default)s)")
    parser.add_argument("--out", type=Path, default=HERE / "out", help="folder for everything; emptied first")
    parser.add_argument("--open", action="store_true", help="show the movie when it is done")
    options = parser.parse_args(argv)
    demo = Demo(options.out.resolve(), options.lanes, options.frames)
    console = Console(width=None if sys.stdout.isatty() else 120)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the farm is stopped on the way out
    try:
        run(demo, console)
    except (DemoError, checks.BadFileError, LanewayError, TimeoutError) as error:
        console.print("The demo failed:", error, style="bold red", highlight=False, markup=False)
        console.print(
            f"What the farm said: {os.path.relpath(demo.log)}; its logs: {os.path.relpath(demo.data)}", highlight=False
        )
        return 1
    except KeyboardInterrupt:
        console.print("Stopped.")
        return 130
    if options.open and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")) and shutil.which("xdg-open"):
        subprocess.run(["xdg-open", str(demo.movie)], check=False)
    return 0


def run(demo: Demo, console: Console) -> None:
    """All of it. Raises DemoError, BadFileError, LanewayError or TimeoutError."""
    began = time.monotonic()
    if demo.out.exists() and not (demo.out / ".demo").exists() and any(demo.out.iterdir()):
        raise DemoError(f"{demo.out} has files in it that are not the demo's: name another folder with --out")
    shutil.rmtree(demo.out, ignore_errors=True)
    demo.pictures.mkdir(parents=True)
    (demo.out / ".demo").touch()
    console.print(
        f"[bold]Laneway[/]: {demo.frames} frames of {SCENE.name} on {demo.lanes} lanes, then a movie\n", highlight=False
    )
    with farm(demo) as session:
        console.print(f"[green]✓[/] farm up in {time.monotonic() - began:.1f} s at {session.located.url}", highlight=False)
        render = session.submit(demo.render_payload()).id
        encode = session.submit(demo.movie_payload(depends_on=render)).id
        jobs = follow(console, session, [render, encode], demo.frames)
        for job in jobs:
            if job.state != "done":
                raise DemoError(f"job {job.id} ({job.name}) ended {job.state}: {job.reason or 'no reason given'}")
        attempts = session.attempts(render, limit=1000).items
    console.print("[green]✓[/] farm stopped\n", highlight=False)
    pictures = checks.frames(demo.pictures, [f"lanes.{number:04d}.png" for number in range(1, demo.frames + 1)], SIZE)
    counted = checks.movie(demo.movie, demo.frames)
    sheet = screen.contact_sheet([path for path, _ in pictures], demo.out / "contact-sheet.png")
    megabytes = sum(size for _, size in pictures) / 1e6
    made = [
        (f"{len(pictures)} frames", f"every one decoded, {SIZE[0]}x{SIZE[1]}, {megabytes:.1f} MB", demo.pictures),
        ("movie", f"{counted} frames decoded and counted, {demo.movie.stat().st_size / 1e3:.0f} kB", demo.movie),
        ("contact sheet", f"{sheet.stat().st_size / 1e3:.0f} kB", sheet),
    ]
    screen.summary(console, made=made, jobs=jobs, attempts=attempts, seconds=time.monotonic() - began)


@contextmanager
def farm(demo: Demo) -> Iterator[Session]:
    """`laneway up` on a free port with a data folder of its own, until the end of the block."""
    command = [str(Path(sys.executable).with_name("laneway")), "up", "--port", "0"]
    with demo.log.open("wb") as log:
        process = subprocess.Popen(
            [*command, "--lanes", str(demo.lanes), "--data", str(demo.data)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C comes to this process, which then stops the farm in its own order
        )
    try:
        with Session(data=demo.data) as session:
            wait_for_lanes(demo, session, process)
            yield session
    finally:
        process.terminate()
        try:
            code = process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise DemoError("the farm did not stop within 30 s of SIGTERM") from None
    if code not in (0, -signal.SIGTERM, 128 + signal.SIGTERM):
        raise DemoError(f"the farm stopped with exit code {code}: {tail(demo.log)}")


def wait_for_lanes(demo: Demo, session: Session, process: subprocess.Popen[bytes]) -> None:
    """Until every lane is there and both engines can be used. Raises DemoError with the reason if that does not come."""
    deadline = time.monotonic() + 60
    servers: Sequence[ServerView] = ()
    while not servers or len(session.lanes()) < demo.lanes:
        if process.poll() is not None:
            raise DemoError(f"`laneway up` ended with exit code {process.returncode}: {tail(demo.log)}")
        if time.monotonic() > deadline:
            raise DemoError(f"no lane has joined the farm within a minute: {tail(demo.log)}")
        time.sleep(0.05)
        if (demo.data / "dispatcher.json").exists():
            servers = session.servers()
    for engine in ("blender", "ffmpeg"):
        offer = servers[0].engines.get(engine)
        if not isinstance(offer, dict) or not offer.get("available"):
            raise DemoError(
                f"the engine {engine} cannot be used here: {offer.get('reason') if isinstance(offer, dict) else offer}"
            )


def follow(console: Console, session: Session, jobs: Sequence[int], frames: int) -> list[JobView]:
    """Shows the jobs until they are over: live in a terminal, elsewhere a line for every quarter of a job."""
    views = {job: session.job(job) for job in jobs}
    said: set[tuple[int, str, int]] = set()

    def tell(view: JobView) -> None:
        step = (view.id, view.state, view.done * 4 // max(view.tasks, 1))
        if view.state in ("running", "done", "failed") and step not in said:
            said.add(step)
            console.print(f"  job {view.id}  {view.name}  {view.done}/{view.tasks}  {view.state}", highlight=False)

    if not console.is_terminal:
        return session.wait(jobs, timeout=PATIENCE, on_update=tell)
    with Live(console=console, refresh_per_second=8) as live:

        def show(view: JobView) -> None:
            views[view.id] = view
            runs = session.tasks(jobs[0], limit=1).runs
            live.update(screen.progress([views[job] for job in jobs], runs, frames))

        ended = session.wait(jobs, timeout=PATIENCE, on_update=show)
        for view in ended:
            show(view)
    return ended


def tail(path: Path) -> str:
    """The last lines of a text file."""
    lines = path.read_text(errors="replace").strip().splitlines() if path.exists() else []
    return " / ".join(lines[-5:]) or "it said nothing"


if __name__ == "__main__":
    sys.exit(main())
