"""Which specifications of jobs lanes keep. Without hosts: what is leased waits for them in the ledger."""

from __future__ import annotations

from pathlib import Path

from laneway.agent.lanes import SPECS, Lanes, Setting
from laneway.agent.ledger import Ledger
from laneway.agent.wire import Lease, ended


def lease(attempt: int, job: int, lane: int) -> Lease:
    return {"attempt": attempt, "number": 1, "job": job, "lane": lane, "items": "1", "timeout": 0.0}


def lanes(folder: Path, ledger: Ledger) -> Lanes:
    setting = Setting(server="s", boot="b", hostname="here", folder=folder, command=(), environment={})
    return Lanes(2, ledger, setting, lambda: None)


async def test_old_specifications_go_but_never_one_that_is_needed(tmp_path: Path) -> None:
    ledger = Ledger(2)
    made = lanes(tmp_path, ledger)
    made.accept([lease(1, 1, 1), lease(2, 2, 1)], {"1": {}, "2": {}})  # the second waits
    for attempt in range(3, 3 + 2 * SPECS):
        made.accept([lease(attempt, attempt, 2)], {str(attempt): {}})
        ledger.heard(2, ended(attempt, "done", "", at=0.0))
    assert len(made._specs) == SPECS
    assert {1, 2, 2 + 2 * SPECS} <= set(made._specs)


async def test_a_specification_that_was_sent_again_is_as_good_as_new(tmp_path: Path) -> None:
    ledger = Ledger(2)
    made = lanes(tmp_path, ledger)
    for job in range(1, SPECS + 1):
        made.accept([], {str(job): {}})
    made.accept([lease(1, 1, 1)], {"1": {}})
    ledger.heard(1, ended(1, "done", "", at=0.0))
    made.accept([], {str(SPECS + 1): {}})
    assert 1 in made._specs
    assert 2 not in made._specs


async def test_starting_over_forgets_what_was_known(tmp_path: Path) -> None:
    ledger = Ledger(2)
    made = lanes(tmp_path, ledger)
    made.accept([lease(1, 1, 1), lease(2, 1, 1)], {"1": {}})
    fresh = await made.start_over("another dispatcher")
    assert [report["outcome"] for report in ledger.finals()] == ["stopped", "stopped"]
    assert fresh.known() == []
    made.accept([lease(1, 1, 1)], {"1": {}})
    assert fresh.known() == [1]
