"""What failures of the connection to the dispatcher mean to an agent."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from laneway.agent.connection import Connection, RefusedError, SupersededError, UnknownServerError, refused
from laneway.errors import AccessError, UnreachableError, UserError
from laneway.locate import Located
from tests.fakes.dispatcher import TOKEN, FakeDispatcher

JOIN = {"lanes": 2, "held": []}


@pytest_asyncio.fixture
async def dispatcher() -> AsyncIterator[FakeDispatcher]:
    fake = FakeDispatcher()
    await fake.listen()
    yield fake
    await fake.vanish()


@pytest_asyncio.fixture
async def connection(dispatcher: FakeDispatcher) -> AsyncIterator[Connection]:
    connection = Connection(lambda: Located(dispatcher.url, dispatcher.token), server="s", boot="b")
    yield connection
    await connection.close()


async def test_join_poll_report_leave(dispatcher: FakeDispatcher, connection: Connection) -> None:
    assert (await connection.join(JOIN, patience=1.0))["lease"] == 60.0
    (attempt,) = dispatcher.add({})
    answer = await connection.poll([], wait=1.0, patience=1.0)
    assert [lease["attempt"] for lease in answer["leases"]] == [attempt]
    answer = await connection.report([{"attempt": attempt, "kind": "finished"}], patience=1.0)
    assert answer["refused"] == []
    await connection.leave(patience=1.0)
    assert dispatcher.left == 1


async def test_nobody_listening_is_refused_and_a_restart_elsewhere_is_found(
    dispatcher: FakeDispatcher, connection: Connection
) -> None:
    await connection.join(JOIN, patience=1.0)
    await dispatcher.vanish()
    with pytest.raises(RefusedError, match="nobody listens at http://127"):
        await connection.join(JOIN, patience=1.0)
    dispatcher.port = 0
    await dispatcher.listen()
    await connection.join(JOIN, patience=1.0)


async def test_a_connection_that_was_closed_while_idle_costs_no_error(
    dispatcher: FakeDispatcher, connection: Connection
) -> None:
    await connection.join(JOIN, patience=1.0)
    await dispatcher.vanish()
    await dispatcher.listen()
    await connection.join(JOIN, patience=1.0)


async def test_silence_is_unreachable_but_not_refused(dispatcher: FakeDispatcher, connection: Connection) -> None:
    dispatcher.hanging = True
    with pytest.raises(UnreachableError, match="did not answer within 0 s") as caught:
        await connection.join(JOIN, patience=0.1)
    assert not isinstance(caught.value, RefusedError)


async def test_a_dispatcher_that_is_located_no_more_is_asked_where_it_was(dispatcher: FakeDispatcher) -> None:
    places = iter([Located(dispatcher.url, TOKEN)])

    def find() -> Located:
        for place in places:
            return place
        raise UnreachableError("no dispatcher has been started here")

    connection = Connection(find, server="s", boot="b")
    await connection.join(JOIN, patience=1.0)
    await dispatcher.vanish()
    for _ in range(2):
        with pytest.raises(RefusedError):
            await connection.join(JOIN, patience=1.0)
    await connection.close()


@pytest.mark.parametrize(
    ("status", "error", "kind", "text"),
    [
        pytest.param(409, {"code": "unknown_server", "message": "who?"}, UnknownServerError, "who\\?", id="unknown-server"),
        pytest.param(409, {"code": "superseded", "message": "gone"}, SupersededError, "gone", id="superseded"),
        pytest.param(401, {"code": "access", "message": "no"}, AccessError, "refuses this agent's token", id="token"),
        pytest.param(
            503, {"code": "store", "message": "disk full"}, UnreachableError, "answers 503: disk full", id="disk-full"
        ),
        pytest.param(422, {"code": "bad", "message": "so wrong", "fix": "Do so."}, UserError, "so wrong Do so.", id="refused"),
        pytest.param(404, None, UserError, "answers 404", id="not-a-dispatcher"),
    ],
)
async def test_answers_that_are_errors(
    dispatcher: FakeDispatcher,
    connection: Connection,
    status: int,
    error: dict[str, str] | None,
    kind: type[UserError],
    text: str,
) -> None:
    dispatcher.join_error = (status, {"error": error} if error else {"detail": "Not Found"})
    with pytest.raises(kind, match=text):
        await connection.join(JOIN, patience=1.0)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(ConnectionRefusedError(errno.ECONNREFUSED, "refused"), True, id="refused"),
        pytest.param(OSError(errno.EHOSTUNREACH, "no route"), False, id="no-route"),
        pytest.param(
            OSError("Multiple exceptions: [Errno 111] Connect (::1), [Errno 111] Connect (127.0.0.1)"), True, id="both"
        ),
        pytest.param(OSError("Multiple exceptions: [Errno 111] Connect (::1), [Errno 113] No route"), False, id="one-of-two"),
    ],
)
def test_refused_by_every_address(error: OSError, expected: bool) -> None:
    assert refused(error) is expected
