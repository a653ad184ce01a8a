"""A farm that is restored from rows and snapshots is the farm that was killed, wherever that happened."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from laneway.dispatcher import keeper as module
from laneway.dispatcher.jobs import Jobs
from laneway.dispatcher.keeper import Keeper
from laneway.dispatcher.recovery import recover
from laneway.dispatcher.sqlite import SqliteStore
from laneway.errors import ConflictError
from laneway.events import Finished, Join, Outcome, Progress, Started
from laneway.farm import Farm
from laneway.model import EngineInfo, EngineOffer, ServerInfo

ENGINES = {"command": EngineInfo("command", input_required=False, default_range="1")}


def facts(farm: Farm) -> dict[str, object]:
    """What must survive: jobs with all their tasks, the attempts at work, and the ids to come."""
    return {
        "jobs": {
            job.id: (job.state, job.spec, {state: list(spans) for state, spans in job.sets.items()}, list(job.delayed))
            for job in farm.jobs.values()
        },
        "attempts": {
            one.id: (one.job, one.items, one.server, one.lane, one.started, one.left) for one in farm.attempts.values()
        },
        "servers": {one.info.server: (one.number, one.info.hostname, sorted(one.attempts)) for one in farm.servers.values()},
        "next": (farm.next_job, farm.next_attempt),
    }


async def step(chance: random.Random, keeper: Keeper, jobs: Jobs) -> None:
    """Something that happens on a farm."""
    at_work = sorted(keeper.farm.attempts)
    what = chance.random()
    if at_work and what < 0.75:
        attempt = keeper.farm.attempts[chance.choice(at_work)]
        number, server, now = attempt.id, attempt.server, keeper.clock()
        kind = chance.random()
        if kind < 0.3:
            keeper.do(Started(number, server, now, 44))
        elif kind < 0.5:
            keeper.do(Progress(number, server, now, 0.5, attempt.items.partition("-")[0]))
        else:
            outcome: Outcome = "done" if kind < 0.85 else "failed" if kind < 0.95 else "stopped"
            keeper.do(Finished(number, server, now, outcome, reason="x", done=attempt.items if outcome == "done" else ""))
    elif what < 0.85:
        items = f"1-{chance.randint(1, 40)}"
        await jobs.submit({"engine": "command", "range": items, "settings": {"task_bucketsize": chance.randint(0, 5)}})
    else:
        job = chance.choice(sorted(keeper.farm.jobs) or [0])
        try:
            match chance.randint(0, 5):
                case 0:
                    await jobs.pause(job)
                case 1 | 2:
                    await jobs.resume(job)
                case 3:
                    await jobs.abort(job)
                case 4:
                    await jobs.edit(job, {"priority": chance.randint(0, 1000)})
                case _:
                    await jobs.delete(job) if chance.random() < 0.3 else await jobs.retry(job, None)
        except ConflictError:
            pass


@pytest.mark.parametrize("seed", [pytest.param(seed, id=f"seed {seed}") for seed in range(6)])
async def test_a_killed_farm_comes_back_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr(module, "SNAPSHOT_ROWS", 20)
    chance = random.Random(seed)
    now = 1000.0

    def clock() -> float:
        return now

    store = SqliteStore(tmp_path / "data")
    keeper = Keeper(recover(store.load(), lease=1e9, now=now), store, clock=clock)
    jobs = Jobs(keeper, ENGINES)
    keeper.start()
    for number in range(3):
        offer = {"command": EngineOffer(available=True)}
        keeper.do(Join(ServerInfo(f"s{number}", "b", f"render{number}", 2, engines=offer)))
    await jobs.submit({"engine": "command", "range": "1-40", "settings": {"task_bucketsize": 3}})
    for moment in range(4):
        for _ in range(60):
            now += 0.01
            await step(chance, keeper, jobs)
        await keeper.durable()
        copy = tmp_path / f"killed {moment}"
        copy.mkdir()
        for file in (tmp_path / "data").glob("laneway.db*"):
            shutil.copy(file, copy)
        killed = SqliteStore(copy)
        assert facts(recover(killed.load(), lease=1e9, now=now)) == facts(keeper.farm)
        await killed.close()
    await keeper.stop()
    again = SqliteStore(tmp_path / "data")
    saved = again.load()
    assert list(saved.rows) == [], "after a clean stop nothing is replayed"
    assert facts(recover(saved, lease=1e9, now=now)) == facts(keeper.farm)
    await again.close()
