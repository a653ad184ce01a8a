"""Orders as they come in."""

from __future__ import annotations

from laneway.engine.inbox import Inbox, Stop


def test_messages_come_in_any_pieces() -> None:
    inbox = Inbox()
    for byte in b'{"type":"run","attempt":1}\n{"type":"probe"}\n':
        inbox.feed(bytes([byte]))
    assert [message["type"] for message in inbox.messages] == ["run", "probe"]


def test_a_stop_overtakes_what_waits() -> None:
    inbox = Inbox()
    inbox.feed(b'{"type":"run","attempt":1}\n{"type":"stop","attempt":1,"grace":2,"reason":"aborted by ann"}\n')
    assert inbox.stop_for(1) == Stop(1, 2.0, "aborted by ann")
    assert inbox.stop_for(2) is None
    assert len(inbox.messages) == 1
    inbox.forget_stops()
    assert inbox.stop_for(1) is None


def test_what_is_no_message_is_passed_over() -> None:
    inbox = Inbox()
    inbox.feed(b'rubbish\n[1]\n"text"\n\n{"type":"stop"}\n{"type":"probe"}\n')
    assert [message["type"] for message in inbox.messages] == ["probe"]


def test_the_end_of_the_orders() -> None:
    inbox = Inbox()
    assert not inbox.closed
    inbox.feed(b"")
    assert inbox.closed
