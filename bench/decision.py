"""A scheduling decision: 100 jobs of 10,000 items wait, a lane has become free, who runs next; with 100 and with 5,000 lanes.

Only the pure core is measured, in this process, with the cyclic garbage collector on as in the dispatcher. All lanes are busy; each
step ends the bucket of one lane, chosen by a fixed seed, and `schedule` decides what that lane does next: that call is `decision`.
`cycle` is all of it, the report, the decision and the history rows of both. `fill` is a decision while all lanes are free and
`schedule` fills them in one call.
"""

from __future__ import annotations

import random
import statistics
import time

from bench.record import Goal, emit, interleave
from laneway import events
from laneway.farm import Farm
from laneway.model import EngineOffer, JobSpec, ServerInfo

JOBS, ITEMS = 100, 10_000
LANES_A_SERVER = 10
STEPS = 2_000


def run(rounds: int) -> None:
    """Prints microseconds per decision for both numbers of lanes."""
    cycles: dict[int, list[float]] = {100: [], 5_000: []}
    fills: dict[int, list[float]] = {100: [], 5_000: []}

    def measure(lanes: int) -> float:
        farm = idle_farm(lanes)
        fills[lanes].append(fill(farm, lanes))
        decision, cycle = steps(farm)
        cycles[lanes].append(cycle)
        return decision

    taken = interleave({"100": lambda: measure(100), "5000": lambda: measure(5_000)}, rounds)
    emit("decision", "laneway", "decision_100_lanes", taken["100"], "us", goal=Goal("<=", 100))
    small = statistics.median(taken["100"])
    emit("decision", "laneway", "decision_5000_lanes", taken["5000"], "us", goal=Goal("<=", 2 * small))
    for name, figures in (("cycle", cycles), ("fill", fills)):
        for lanes, values in figures.items():
            emit("decision", "laneway", f"{name}_{lanes}_lanes", values[1:], "us")


def idle_farm(lanes: int) -> Farm:
    """A farm whose lanes are all free, with every job waiting."""
    farm = Farm()
    for number in range(JOBS):
        spec = JobSpec(name=f"job {number}", engine="command", range=f"1-{ITEMS}", priority=500)
        farm.handle(events.Submit(number + 1, spec), now=float(number), actor="bench")
    offer = {"command": EngineOffer(available=True)}
    for number in range(lanes // LANES_A_SERVER):
        info = ServerInfo(
            server=f"server{number:04d}", boot="boot", hostname=f"host{number:04d}", lanes=LANES_A_SERVER, engines=offer
        )
        farm.handle(events.Join(info), now=1_000.0)
    farm.take(1_000.0)
    return farm


def fill(farm: Farm, lanes: int) -> float:
    """Microseconds a decision, while every lane is given its first bucket."""
    began = time.perf_counter_ns()
    farm.schedule(1_000.0)
    took = time.perf_counter_ns() - began
    farm.take(1_000.0)
    if len(farm.attempts) != lanes:
        raise RuntimeError(f"{len(farm.attempts)} of {lanes} lanes are at work")
    return took / lanes / 1e3


def steps(farm: Farm) -> tuple[float, float]:
    """Medians in microseconds: of `schedule` alone, and of the whole step."""
    rng = random.Random(5)
    running = list(farm.attempts)
    decisions, cycles = [], []
    for step in range(STEPS):
        now = 2_000.0 + step * 1e-3
        place = rng.randrange(len(running))
        attempt = farm.attempts[running[place]]
        report = events.Finished(
            attempt=attempt.id, server=attempt.server, at=now, outcome="done", started=now, done=attempt.items
        )
        began = time.perf_counter_ns()
        farm.handle(report, now)
        decide = time.perf_counter_ns()
        farm.schedule(now)
        decided = time.perf_counter_ns()
        out = farm.take(now)
        ended = time.perf_counter_ns()
        (granted,) = (one for grants in out.grants.values() for one in grants)
        running[place] = granted.id
        decisions.append((decided - decide) / 1e3)
        cycles.append((ended - began) / 1e3)
    return statistics.median(decisions), statistics.median(cycles)
