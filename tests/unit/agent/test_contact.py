"""When an agent may go on rendering without a word from its dispatcher."""

from __future__ import annotations

import pytest

from laneway.agent.contact import Contact


def test_contact_counts_from_when_an_answered_request_was_sent() -> None:
    contact = Contact(0.0, 60.0)
    contact.heard(100.0)
    assert contact.deadline == 148.0
    contact.heard(90.0)  # an answer that was overtaken
    assert contact.deadline == 148.0


def test_to_know_that_it_is_down_is_contact() -> None:
    contact = Contact(0.0, 60.0)
    contact.down(500.0)
    assert contact.deadline == 548.0


def test_a_lease_of_another_length_is_told() -> None:
    contact = Contact(0.0, 60.0)
    assert contact.heard(1.0, 5.0) is True
    assert contact.heard(2.0, 5.0) is False
    assert contact.heard(3.0, 0.0) is False
    assert contact.heard(4.0) is False
    assert contact.deadline == 8.0


@pytest.mark.parametrize("lease", [pytest.param(s, id=f"{s}s") for s in (1.0, 5.0, 60.0, 3600.0)])
def test_renderers_are_gone_before_the_lease_is_over(lease: float) -> None:
    contact = Contact(0.0, lease)
    assert contact.deadline + contact.grace < lease


@pytest.mark.parametrize("lease", [pytest.param(s, id=f"{s}s") for s in (1.0, 5.0, 60.0, 3600.0)])
def test_a_dispatcher_that_hangs_has_time_to_come_back(lease: float) -> None:
    contact = Contact(0.0, lease)
    # At worst the wire is cut at the end of a poll whose answered predecessor was sent two waits ago.
    assert contact.deadline - 2 * contact.wait >= lease * 0.4
