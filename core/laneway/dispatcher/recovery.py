"""The farm as the store has it: snapshots, and the rows after them replayed."""

from __future__ import annotations

from laneway import payload
from laneway.dispatcher.projection import server_from
from laneway.dispatcher.store import Saved
from laneway.farm import Farm


def recover(saved: Saved, *, lease: float, now: float) -> Farm:
    """A farm that goes on where the last dispatcher stopped. Every server has a whole lease, from now, to be heard of."""
    farm = Farm(
        lease=lease,
        seq=saved.last_seq,
        next_job=saved.meta.get("next_job", 1),
        next_attempt=max(saved.meta.get("next_attempt", 1), saved.last_attempt + 1),
    )
    for record in saved.servers:
        farm.restore_server(*server_from(record))
    for job in saved.jobs:
        farm.restore(job.id, payload.load(job.payload), job.snapshot, job.created)
    for row in saved.rows:
        farm.replay(row)
    farm.recovered(now)
    return farm
