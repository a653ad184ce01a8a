"""The dispatcher's side of the agents' protocol: join, poll, report, leave."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

import orjson

from laneway import __version__
from laneway.dispatcher.keeper import Keeper
from laneway.dispatcher.wire import JOIN, LEAVE, POLL, read_reports
from laneway.errors import ConflictError, NotFoundError, StaleAttemptError
from laneway.events import Finished, Join, Leave, Progress

LONGEST_POLL = 30.0  # seconds


class UnknownServerError(ConflictError):
    """An agent that this dispatcher does not know; it has to join."""

    code = "unknown_server"


class SupersededError(ConflictError):
    """Another agent has joined as this server."""

    code = "superseded"


class Agents:
    """Answers agents, as bytes of JSON: the bodies come in raw, because this is the path that every bucket takes twice."""

    def __init__(self, keeper: Keeper, *, dispatcher: str, boot: str) -> None:
        self._keeper = keeper
        self._me = {
            "id": dispatcher,
            "boot": boot,
            "version": __version__,
            "pid": os.getpid(),
            "hostname": socket.gethostname(),
        }

    async def join(self, body: bytes) -> bytes:
        """A server offers its lanes. Attempts that it does not hold any more wait for a lane again."""
        info = JOIN.read(body).info()
        keeper = self._keeper
        keeper.willing()
        box = keeper.mailbox(info.server)
        keeper.do(Join(info))
        server = keeper.farm.servers[info.server]
        held = set(info.held)
        box.rejoined(keeper.farm.attempts[attempt] for attempt in server.attempts & held)
        await keeper.durable()
        return box.answer(keeper.farm.lease, keeper.clock(), {"dispatcher": self._me})

    async def poll(self, server: str, body: bytes) -> bytes:
        """An agent waits for work; answered at once when there is some, or a log is wanted, or something has to end."""
        message = POLL.read(body)
        keeper = self._keeper
        self._touch(server, message.boot)
        box = keeper.mailbox(server)
        box.release()
        farm = keeper.farm
        owned = {attempt: farm.attempts[attempt] for attempt in farm.servers[server].attempts}
        box.reconcile(message.known, owned, keeper.clock())
        if not box and message.wait > 0 and not keeper.stopping:
            await box.wait(min(message.wait, LONGEST_POLL, farm.lease / 2))  # while it waits nothing is heard of the agent
            self._current(server, message.boot)
        return box.answer(farm.lease, keeper.clock())

    async def report(self, server: str, body: bytes) -> bytes:
        """What became of attempts. When this returns it is durable; buckets for the lanes that it freed come along."""
        message, bad = read_reports(body)
        keeper = self._keeper
        farm = keeper.farm
        self._touch(server, message.boot)
        box = keeper.mailbox(server)
        now = keeper.clock()
        refused: list[Mapping[str, object]] = []
        box.begin_report()
        try:
            refused += [{"attempt": one.attempt, "reason": one.reason, "stale": False} for one in bad if not one.final]
            ended = [Finished(one.attempt, server, now, "failed", now, reason=one.reason) for one in bad if one.final]
            for event in (*(report.event(server) for report in message.reports), *ended):
                try:
                    farm.handle(event, now)
                except StaleAttemptError as exc:
                    refused.append({"attempt": exc.attempt, "reason": exc.why, "stale": True})
                else:
                    if type(event) is Progress:
                        keeper.broadcast.progress(farm.attempts[event.attempt], now)
            keeper.settle(now)
            await keeper.durable()
            self._current(server, message.boot)
            return box.answer(farm.lease, now, {"refused": refused})
        finally:
            box.end_report()

    async def leave(self, server: str, body: bytes) -> bytes:
        """A server stops; what it ran waits for a lane again."""
        message = LEAVE.read(body)
        self._touch(server, message.boot)
        self._keeper.do(Leave(server, message.boot))
        await self._keeper.durable()
        return orjson.dumps({})

    def _current(self, server: str, boot: str) -> None:
        """After a wait: what lies in the mailbox may by now be for an agent that has joined in this one's place."""
        if self._keeper.farm.servers[server].info.boot != boot:
            raise SupersededError(
                "another agent has joined as this server.", field="boot", value=boot, fix="Stop one of the two."
            )

    def _touch(self, server: str, boot: str) -> None:
        keeper = self._keeper
        try:
            was_online = (known := keeper.farm.servers.get(server)) is not None and known.online
            keeper.farm.touch(server, boot, keeper.clock())
        except NotFoundError as exc:
            raise UnknownServerError(exc.message, field=exc.field, value=server, fix=exc.fix) from exc
        except ConflictError as exc:
            raise SupersededError(exc.message, field=exc.field, value=boot, fix=exc.fix) from exc
        if not was_online:
            keeper.settle(keeper.clock())
