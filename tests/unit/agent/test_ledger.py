"""The agent's decisions, without a process or a socket."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from laneway.agent.ledger import PAST_LIMIT, Held, Ledger
from laneway.agent.wire import Lease, Report, ended

NOW = 1000.0


def lease(attempt: int, lane: int = 1, job: int = 1) -> Lease:
    return {"attempt": attempt, "number": 1, "job": job, "lane": lane, "items": "1-5", "timeout": 0.0}


def final(attempt: int, outcome: Literal["done", "failed", "stopped"] = "done") -> Report:
    return ended(attempt, outcome, "because", at=NOW)


def progress(attempt: int, fraction: float, done: str = "") -> Report:
    return {"attempt": attempt, "kind": "progress", "at": NOW, "fraction": fraction, "done": done, "item": None, "note": None}


def started(attempt: int) -> Report:
    return {"attempt": attempt, "kind": "started", "at": NOW, "pid": 7}


def ids(held: list[Held]) -> list[int]:
    return [one.attempt for one in held]


def test_a_lease_for_a_free_lane_starts_at_once() -> None:
    ledger = Ledger(2)
    assert ids(ledger.accept([lease(1, 1), lease(2, 2)], NOW)) == [1, 2]
    assert ledger.known() == [1, 2]


def test_a_lease_for_a_busy_lane_waits_until_the_lane_is_free() -> None:
    ledger = Ledger(1)
    ledger.accept([lease(1)], NOW)
    assert ledger.accept([lease(2)], NOW) == []
    following = ledger.heard(1, final(1))
    assert following is not None
    assert following.attempt == 2


def run(ledger: Ledger, attempts: Iterable[int], lane: int = 1) -> None:
    """Runs attempts to their acknowledged end."""
    for attempt in attempts:
        assert ids(ledger.accept([lease(attempt, lane)], NOW)) == [attempt]
        ledger.heard(lane, final(attempt))
        ledger.acknowledge(ledger.finals())


def test_a_lease_that_was_sent_twice_starts_once() -> None:
    ledger = Ledger(1)
    ledger.accept([lease(1)], NOW)
    assert ledger.accept([lease(1)], NOW) == []
    ledger.heard(1, final(1))
    before = ledger.batch()
    assert ledger.accept([lease(1)], NOW) == []
    assert ledger.batch() == before


def test_a_lease_of_an_attempt_that_is_over_is_given_back_whenever_it_comes() -> None:
    ledger = Ledger(1)
    run(ledger, [1])
    for _ in range(2):
        assert ledger.accept([lease(1)], NOW) == []
        assert ledger.known() == [1]
        (report,) = ledger.batch()
        assert (report["outcome"], report["reason"]) == ("stopped", "this attempt was over here already")
        ledger.acknowledge([report], [1])
        assert ledger.known() == []
    run(ledger, [2])


def test_past_ids_are_forgotten_oldest_first() -> None:
    ledger = Ledger(1)
    run(ledger, range(1, PAST_LIMIT + 2))
    assert ledger.accept([lease(2)], NOW) == []
    assert ids(ledger.accept([lease(1)], NOW)) == [1]


def test_an_attempt_that_outlives_thousands_of_others_is_still_known() -> None:
    ledger = Ledger(2)
    ledger.accept([lease(1)], NOW)
    run(ledger, range(2, PAST_LIMIT + 10), lane=2)
    assert ledger.accept([lease(1)], NOW) == []
    assert ledger.known() == [1]
    assert ledger.stop(1, "aborted by ann", NOW) == 1
    ledger.heard(1, final(1, "stopped"))
    ledger.acknowledge(ledger.batch())
    assert ledger.known() == []


def test_the_jobs_that_are_needed_are_those_of_attempts_that_run_or_wait() -> None:
    ledger = Ledger(2)
    ledger.accept([lease(1, 1, job=1), lease(2, 1, job=2), lease(3, 2, job=3)], NOW)
    ledger.heard(2, final(3))
    assert ledger.jobs() == {1, 2}


def test_a_lease_for_a_lane_that_is_not_there_is_given_back() -> None:
    ledger = Ledger(1)
    assert ledger.accept([lease(1, lane=3)], NOW) == []
    (report,) = ledger.batch()
    assert report["outcome"] == "stopped"
    assert report["reason"] == "this server has no lane 3 any more, only 1"


def test_an_attempt_is_known_until_its_last_report_is_acknowledged() -> None:
    ledger = Ledger(1)
    ledger.accept([lease(1)], NOW)
    ledger.heard(1, final(1))
    assert ledger.known() == [1]
    ledger.acknowledge(ledger.batch())
    assert ledger.known() == []


def test_only_the_newest_progress_is_sent_and_none_after_the_end() -> None:
    ledger = Ledger(1)
    ledger.accept([lease(1)], NOW)
    for report in (started(1), progress(1, 0.1), progress(1, 0.2, "1")):
        ledger.heard(1, report)
    assert [(r["kind"], r.get("fraction")) for r in ledger.batch()] == [("started", None), ("progress", 0.2)]
    ledger.heard(1, final(1))
    assert [r["kind"] for r in ledger.batch()] == ["finished"]


def test_what_arrived_while_a_batch_was_on_its_way_is_not_lost() -> None:
    ledger = Ledger(1)
    ledger.accept([lease(1)], NOW)
    ledger.heard(1, progress(1, 0.1))
    sent = ledger.batch()
    ledger.heard(1, progress(1, 0.5))
    ledger.acknowledge(sent)
    assert [r["fraction"] for r in ledger.batch()] == [0.5]
    sent = ledger.batch()
    ledger.heard(1, final(1))
    ledger.acknowledge(sent)
    assert [r["kind"] for r in ledger.batch()] == ["finished"]


def test_a_batch_is_bounded_and_last_reports_go_first() -> None:
    ledger = Ledger(3)
    ledger.accept([lease(n, n) for n in (1, 2, 3)], NOW)
    ledger.heard(1, started(1))
    ledger.heard(2, final(2))
    assert [r["kind"] for r in ledger.batch(1)] == ["finished"]


def test_a_report_of_an_attempt_that_the_lane_does_not_run_changes_nothing() -> None:
    ledger = Ledger(1)
    ledger.accept([lease(1)], NOW)
    assert ledger.heard(1, final(99)) is None
    assert ledger.batch() == []
    assert ids(ledger.running()) == [1]


def test_stop_names_the_lane_once() -> None:
    ledger = Ledger(2)
    ledger.accept([lease(1, 2)], NOW)
    assert ledger.stop(1, "aborted by ann", NOW) == 2
    assert ledger.stop(1, "aborted by bob", NOW) is None


def test_stop_of_a_waiting_attempt_gives_it_back_unstarted() -> None:
    ledger = Ledger(1)
    ledger.accept([lease(1), lease(2)], NOW)
    assert ledger.stop(2, "aborted by ann", NOW) is None
    assert [(r["attempt"], r["outcome"], r["reason"]) for r in ledger.batch()] == [(2, "stopped", "aborted by ann")]
    assert ledger.heard(1, final(1)) is None


def test_stop_of_what_is_over_is_nothing() -> None:
    ledger = Ledger(1)
    ledger.accept([lease(1)], NOW)
    ledger.heard(1, final(1))
    before = ledger.batch()
    assert ledger.stop(1, "aborted by ann", NOW) is None
    assert ledger.batch() == before


def test_a_stop_that_overtakes_its_lease_is_reported_and_the_lease_never_starts() -> None:
    ledger = Ledger(1)
    assert ledger.stop(1, "aborted by ann", NOW) is None
    assert [(r["attempt"], r["outcome"], r["reason"]) for r in ledger.batch()] == [(1, "stopped", "aborted by ann")]
    assert ledger.known() == [1]
    assert ledger.accept([lease(1)], NOW) == []
    ledger.acknowledge(ledger.batch())
    assert ledger.stop(1, "aborted by bob", NOW) is None
    assert ledger.batch() == []
    assert ledger.accept([lease(1)], NOW) == []
    assert [r["outcome"] for r in ledger.batch()] == ["stopped"]


def test_a_dropped_attempt_keeps_what_it_had_finished() -> None:
    ledger = Ledger(1)
    ledger.accept([lease(1), lease(2)], NOW)
    ledger.heard(1, started(1))
    ledger.heard(1, progress(1, 0.4, "1-2"))
    following = ledger.drop(1, "failed", "the lane's engine host ended (signal 9)", NOW + 5)
    assert following is not None
    assert following.attempt == 2
    (report,) = ledger.finals()
    assert (report["done"], report["started"], report["at"], report["retry"]) == ("1-2", NOW, NOW + 5, True)
    assert ledger.drop(1, "failed", "again", NOW) is None


def test_refused_reports_are_dropped_and_running_ones_named() -> None:
    ledger = Ledger(2)
    ledger.accept([lease(1, 1), lease(2, 2)], NOW)
    ledger.heard(1, final(1))
    ledger.heard(2, started(2))
    assert ledger.acknowledge(ledger.batch(), [1, 2]) == [2]
    assert ledger.batch() == []
    assert ledger.known() == [2]


def test_restored_reports_are_held_sent_and_never_run() -> None:
    ledger = Ledger(1)
    ledger.restore([final(5), final(5), started(6)])
    assert ledger.known() == [5]
    assert ledger.accept([lease(5)], NOW) == []
    assert ledger.running() == []
    assert ledger.stop(5, "lost", NOW) is None
    ledger.acknowledge(ledger.batch())
    assert ledger.known() == []


class AnyOrder(RuleBasedStateMachine):
    """Events in any order: every lease ends in exactly one acknowledged last report, and no lane runs two."""

    LANES = 3

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger(self.LANES)
        self.leased: set[int] = set()
        self.begun: list[int] = []
        self.delivered: list[int] = []
        self.next = 1
        self.on_the_way: list[Report] = []

    def begin(self, held: Held | None) -> None:
        if held is not None:
            self.begun.append(held.attempt)

    @rule(lane=st.integers(1, LANES + 1), again=st.booleans())
    def lease(self, lane: int, again: bool) -> None:
        leases = [lease(self.next, lane)]
        if again and self.next > 1:
            leases.append(lease(self.next - 1, lane))
            if self.next - 1 in self.delivered:  # it is said once more that it is over
                self.delivered.remove(self.next - 1)
        self.leased.add(self.next)
        self.next += 1
        for held in self.ledger.accept(leases, NOW):
            self.begin(held)

    @rule(lane=st.integers(1, LANES), kind=st.sampled_from(["started", "progress", "finished"]))
    def hear(self, lane: int, kind: str) -> None:
        held = self.ledger.current(lane)
        if held is not None:
            a = held.attempt
            self.begin(
                self.ledger.heard(lane, {"started": started(a), "progress": progress(a, 0.5), "finished": final(a)}[kind])
            )

    @rule(lane=st.integers(1, LANES))
    def host_dies(self, lane: int) -> None:
        self.begin(self.ledger.drop(lane, "failed", "the host ended", NOW))

    @rule(back=st.integers(0, 6))
    def stop(self, back: int) -> None:
        attempt = max(self.next - back, 1)
        self.ledger.stop(attempt, "aborted", NOW)
        self.leased.add(attempt)  # one that was never seen is on its way; what is said of it is said once
        self.next = max(self.next, attempt + 1)

    @rule()
    def send(self) -> None:
        self.on_the_way = self.ledger.batch(4)

    @rule(arrives=st.booleans())
    def answer(self, arrives: bool) -> None:
        if arrives:
            before = {r["attempt"] for r in self.ledger.finals()}
            self.ledger.acknowledge(self.on_the_way)
            self.delivered += before - {r["attempt"] for r in self.ledger.finals()}
        self.on_the_way = []

    @invariant()
    def holds(self) -> None:
        running = ids(self.ledger.running())
        finals = {r["attempt"] for r in self.ledger.finals()}
        assert len(self.begun) == len(set(self.begun)), "an attempt was started twice"
        assert set(running) <= set(self.begun)
        assert not finals & set(running)
        assert len(self.delivered) == len(set(self.delivered)), "a last report was delivered twice"
        assert set(self.ledger.known()) | set(self.delivered) == self.leased
        assert not set(self.ledger.known()) & set(self.delivered)


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
