"""What a farm costs that has nothing to do: dispatcher, agent, 2 lanes and `laneway up`, with 100 jobs in the list, over 20 seconds.

Half of the jobs are done, half are paused with a thousand tasks each. CPU time is user and system time of every process of the farm.
Memory is the sum over the processes: RSS counts shared pages once per process, PSS once in all.
"""

from __future__ import annotations

import time

import psutil

from bench.harness import Farm, command_job
from bench.record import Goal, emit, say

SECONDS = 20.0


def run(rounds: int) -> None:
    """Prints percent of one core, and megabytes."""
    with Farm(2) as farm:
        done = [farm.session.submit(command_job(["/bin/true"], "1-3")).id for _ in range(50)]
        farm.session.wait(done, timeout=120)
        for _ in range(50):
            farm.session.submit(command_job(["/bin/true"], "1-1000", hold=True))
        total = farm.session.jobs(limit=1).total
        if total != 100:
            raise RuntimeError(f"{total} jobs in the list")
        time.sleep(3)
        percents = []
        for _ in range(rounds):
            before, began = cpu_seconds(farm.processes()), time.perf_counter()
            time.sleep(SECONDS)
            spent, took = cpu_seconds(farm.processes()) - before, time.perf_counter() - began
            percents.append(100 * spent / took)
        memory = {process.pid: process.memory_full_info() for process in farm.processes()}
        for process in farm.processes():
            say(f"{memory[process.pid].rss / 1e6:6.1f} MB RSS {memory[process.pid].pss / 1e6:6.1f} MB PSS  {name_of(process)}")
    emit("idle", "laneway", "cpu", percents, "% of one core", goal=Goal("<=", 1))
    emit("idle", "laneway", "pss", sum(info.pss for info in memory.values()) / 1e6, "MB", goal=Goal("<=", 150))
    emit("idle", "laneway", "rss", sum(info.rss for info in memory.values()) / 1e6, "MB", goal=Goal("<=", 150))


def cpu_seconds(processes: list[psutil.Process]) -> float:
    """What they have used so far."""
    return sum(times.user + times.system for times in (process.cpu_times() for process in processes))


def name_of(process: psutil.Process) -> str:
    """The telling part of a command line."""
    return " ".join(part.rsplit("/", 1)[-1] for part in process.cmdline()[:4])
