"""From the call that submits a job to its first process at work, on an idle farm of 2 lanes.

The process is `/bin/date +%s.%N`: what it prints is its own reading of the clock, so that starting it, loading it and its
first instructions are part of the figure. Between two submissions the farm is left alone for a moment. The floor beside it is the same
program started by Python's subprocess.
"""

from __future__ import annotations

import subprocess
import time

from bench.harness import Farm, command_job
from bench.record import Goal, emit, interleave

DATE = ("/bin/date", "+%s.%N")
EACH_ROUND = 5


def run(rounds: int) -> None:
    """Prints the milliseconds from submit to process, and to the caller's knowing that the job is done."""
    ended: list[float] = []

    def through_farm(farm: Farm) -> float:
        time.sleep(0.15)
        sent = time.time()
        job = farm.session.submit(command_job(DATE, "1")).id
        (view,) = farm.session.wait([job], timeout=30)
        ended.append((time.time() - sent) * 1e3)
        if view.state != "done":
            raise RuntimeError(f"job {job} ended {view.state}: {view.reason}")
        return (printed_time(farm.session.log(job).data) - sent) * 1e3

    def directly() -> float:
        time.sleep(0.15)
        sent = time.time()
        return (printed_time(subprocess.run(DATE, capture_output=True, check=True).stdout) - sent) * 1e3

    with Farm(2) as farm:
        taken = interleave({"laneway": lambda: through_farm(farm), "subprocess": directly}, rounds * EACH_ROUND, warm_up=3)
    emit("submit", "laneway", "submit_to_process", taken["laneway"], "ms", goal=Goal("<=", 10))
    emit("submit", "subprocess", "submit_to_process", taken["subprocess"], "ms")
    emit("submit", "laneway", "submit_to_done_seen", ended[3:], "ms")


def printed_time(log: bytes) -> float:
    """The time that `date` printed: the last line that is a number. Raises ValueError where there is none."""
    for line in reversed(log.decode(errors="replace").splitlines()):
        if line.replace(".", "", 1).isdigit():
            return float(line)
    raise ValueError(f"no time in this log: {log!r}")
