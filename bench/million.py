"""Submit a job of 1,000,000 items, and one of 100 separate runs of 10,000: time, memory of the dispatcher, and a restart.

Every round has a dispatcher of its own on a new data folder, warmed up by one small job; no lane takes the work away. A restart
is a `kill -9` and a start on the same folder; what restoring costs is that start less the start of a dispatcher with an empty
folder in the same round.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping

from bench.harness import Farm, command_job, scratch
from bench.record import Goal, emit

RANGES: Mapping[str, str] = {
    "one_run": "1-1000000",
    "hundred_runs": ",".join(f"{1 + 20_000 * run}-{10_000 + 20_000 * run}" for run in range(100)),
}
TASKS = 1_000_000


def run(rounds: int) -> None:
    """Prints milliseconds, megabytes and seconds for each of the two ranges."""
    figures: dict[tuple[str, str], list[float]] = {}
    empty: list[float] = []
    for number in range(-1, rounds):
        taken = {(shape, metric): value for shape in RANGES for metric, value in one_round(RANGES[shape]).items()}
        if number < 0:
            continue
        for key, value in taken.items():
            figures.setdefault(key, []).append(value)
        empty.append(taken["one_run", "empty_start"])
    emit("million", "laneway", "start_with_empty_folder", empty, "s")
    for shape in RANGES:
        emit("million", "laneway", f"{shape}_submit", figures[shape, "submit"], "ms", goal=Goal("<=", 50))
        emit("million", "laneway", f"{shape}_memory", figures[shape, "memory"], "MB", goal=Goal("<=", 10))
        emit("million", "laneway", f"{shape}_restart", figures[shape, "restart"], "s", goal=Goal("<=", 1))
        restore = [full - bare for full, bare in zip(figures[shape, "restart"], figures[shape, "empty_start"], strict=True)]
        emit("million", "laneway", f"{shape}_restore", restore, "s", goal=Goal("<=", 1))


def one_round(items: str) -> dict[str, float]:
    """The figures of one fresh dispatcher."""
    data = scratch("million")
    try:
        with Farm(0, data=data) as farm:
            empty_start = farm.ready_seconds
            farm.session.submit(command_job(["/bin/true"], "1-10"))
            process = farm.dispatcher()
            before = process.memory_info().rss
            began = time.perf_counter()
            job = farm.session.submit(command_job(["/bin/true"], items)).id
            submit = (time.perf_counter() - began) * 1e3
            time.sleep(0.5)  # whatever goes on behind the answer belongs to its memory
            memory = (process.memory_info().rss - before) / 1e6
            farm.stop(hard=True)
        with Farm(0, data=data) as again:
            view = again.session.job(job)
            if (view.tasks, view.state) != (TASKS, "running") and view.tasks != TASKS:
                raise RuntimeError(f"the restart restored {view}")
            return {"submit": submit, "memory": memory, "restart": again.ready_seconds, "empty_start": empty_start}
    finally:
        shutil.rmtree(data, ignore_errors=True)
