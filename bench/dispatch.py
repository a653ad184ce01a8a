"""2,000 tasks of one process each, `/bin/true`, bucket size 1, on 8 lanes, against xargs -P8, Dask and Celery.

Measured from the call that submits until the caller knows that all are done. Laneway: everything durable, client, dispatcher,
agent and hosts on this machine. Dask: 2 worker processes with the one thread each that it chooses by itself on two cores; `dask-8`
has 4 threads each, as many tasks at a time as there are lanes. Celery: Redis without persistence, prefork with 2 processes.
All are started before the first round and warmed up by one whole round. `laneway-100k` is the same job while a job of 100,000
more tasks waits behind it.
"""

from __future__ import annotations

import contextlib
import time

from bench import peers
from bench.harness import Farm, command_job, until
from bench.record import Goal, emit, interleave, ratios

TASKS = 2_000
WIDTH = 8
BACKLOG = 100_000


def run(rounds: int) -> None:
    """Prints tasks per second and the ratios."""
    payload = command_job([peers.TRUE], f"1-{TASKS}", priority=900)
    with contextlib.ExitStack() as stack:
        farm = stack.enter_context(Farm(WIDTH))
        systems = {
            "laneway": lambda: farm.run(payload),
            "laneway-100k": lambda: with_backlog(farm),
            "xargs": peers.xargs(TASKS, WIDTH),
            "dask": stack.enter_context(peers.dask(TASKS, workers=2, threads=1)),
            "dask-8": stack.enter_context(peers.dask(TASKS, workers=2, threads=WIDTH // 2)),
        }
        celery = stack.enter_context(peers.celery(TASKS, processes=2))
        if celery is not None:
            systems["celery"] = celery
        seconds = interleave(systems, rounds)
    for name, taken in seconds.items():
        emit("dispatch", name, "tasks_per_second", [TASKS / one for one in taken], "1/s")
    own = seconds["laneway"]
    emit("dispatch", "laneway", "times_dask", ratios(seconds["dask"], own), "x", goal=Goal(">=", 2))
    emit("dispatch", "laneway", "times_dask_8", ratios(seconds["dask-8"], own), "x")
    emit("dispatch", "laneway", "times_xargs", ratios(seconds["xargs"], own), "x", goal=Goal(">=", 0.5))
    note = "5 % are the noise that is allowed for 'no slower'"
    emit(
        "dispatch", "laneway", "times_queued_100k", ratios(own, seconds["laneway-100k"]), "x", goal=Goal(">=", 0.95), note=note
    )
    if "celery" in seconds:
        emit("dispatch", "laneway", "times_celery", ratios(seconds["celery"], own), "x")


def with_backlog(farm: Farm) -> float:
    """As `Farm.run`, with 100,000 tasks queued; they are put there before the clock starts and taken away after it has stopped.

    All lanes are busy with the backlog when the measured job comes, so that it also pays for at most eight other tasks.
    """
    backlog = farm.session.submit(command_job([peers.TRUE], f"1-{BACKLOG}", priority=1)).id
    until(lambda: farm.session.job(backlog).done > 0, 30, "the backlog runs")
    try:
        return farm.run(command_job([peers.TRUE], f"1-{TASKS}", priority=900))
    finally:
        farm.session.pause(backlog)
        until(lambda: farm.session.job(backlog).running == 0, 30, "the backlog's last processes end")
        farm.session.abort(backlog)
        farm.session.delete(backlog)
        time.sleep(0.2)
