"""The logs of attempts. They lie with the agent that ran them; on this computer the file is read, else the agent is asked."""

from __future__ import annotations

import asyncio
import logging
import socket
import uuid
from dataclasses import dataclass
from pathlib import Path

from laneway.board import Server
from laneway.dispatcher.keeper import Keeper
from laneway.dispatcher.mailboxes import LogRequest
from laneway.errors import NotFoundError

LARGEST = 4 << 20  # bytes of one piece
ANSWER_WITHIN = 10.0  # seconds that an agent has to send a piece
LOOK_EVERY = 0.1  # seconds between two looks at a file that is being written
ASK_EVERY = 0.5  # seconds between two requests to an agent

log = logging.getLogger("laneway.dispatcher")


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of a log from `offset`; `size` is the log's length then. `complete`: the attempt is over and this reaches the end."""

    data: bytes
    offset: int
    size: int
    complete: bool

    @property
    def next(self) -> int:
        """Where to read on."""
        return self.offset + len(self.data)


class Logs:
    """Reads logs for people."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._hostname = socket.gethostname()
        self._asked: dict[str, tuple[str, asyncio.Future[Piece]]] = {}

    async def read(self, attempt: int, *, offset: int = 0, limit: int = 65536, wait: float = 0.0) -> Piece:
        """A piece of an attempt's log; a negative offset counts from the end.

        With `wait` the answer is held, so many seconds at most, until there is something. Raises `NotFoundError` for an attempt
        that does not exist, or is over and lies on a server that is away.
        """
        limit = min(limit, LARGEST)
        loop = asyncio.get_running_loop()
        until = loop.time() + wait
        while True:
            piece, pause = await self._once(attempt, offset, limit)
            if piece.data or piece.complete or self._keeper.stopping or loop.time() + pause > until:
                return piece
            if offset < 0:
                offset = piece.offset
            await asyncio.sleep(pause)

    def answered(self, server: str, request: str, piece: Piece) -> None:
        """An agent has sent a piece. One that nobody waits for any more is dropped."""
        asked = self._asked.get(request)
        if asked is not None and asked[0] == server and not asked[1].done():
            asked[1].set_result(piece)

    async def _once(self, attempt: int, offset: int, limit: int) -> tuple[Piece, float]:
        job, server_id, over = await self._whereabouts(attempt)
        server = self._keeper.farm.servers.get(server_id)
        if server is not None and (path := self._here(server, job, attempt)) is not None:
            return await asyncio.to_thread(_read, path, offset, limit, over), LOOK_EVERY
        if server is None or not server.online:
            if over:
                name = "its server" if server is None else server.info.hostname
                raise NotFoundError(
                    f"{name}, which holds the log of attempt {attempt}, is offline.", field="attempt", value=attempt
                )
            return Piece(b"", max(offset, 0), max(offset, 0), complete=False), ASK_EVERY
        return await self._ask(server_id, job, attempt, offset, limit, over), ASK_EVERY

    async def _whereabouts(self, attempt: int) -> tuple[int, str, bool]:
        working = self._keeper.farm.attempts.get(attempt)
        if working is not None:
            return working.job, working.server, False
        await self._keeper.readable()
        record = await self._keeper.store.attempt(attempt)
        if record is None or record.job not in self._keeper.farm.jobs:
            raise NotFoundError(f"there is no attempt {attempt}.", field="attempt", value=attempt)
        return record.job, record.server, True

    def _here(self, server: Server, job: int, attempt: int) -> Path | None:
        """The file, there or not, when the agent's folder is on this computer."""
        if not server.info.data_folder or server.info.hostname != self._hostname:
            return None
        folder = Path(server.info.data_folder)
        return folder / "logs" / str(job) / f"{attempt}.log" if folder.is_dir() else None

    async def _ask(self, server: str, job: int, attempt: int, offset: int, limit: int, over: bool) -> Piece:
        request = uuid.uuid4().hex
        answer: asyncio.Future[Piece] = asyncio.get_running_loop().create_future()
        self._asked[request] = (server, answer)
        self._keeper.mailbox(server).ask(LogRequest(request, job, attempt, offset, limit))
        try:
            piece = await asyncio.wait_for(answer, ANSWER_WITHIN)
        except asyncio.TimeoutError:
            log.info("server %s did not send the log of attempt %d", server, attempt)
            return Piece(b"", max(offset, 0), max(offset, 0), complete=False)
        finally:
            del self._asked[request]
        return Piece(piece.data, piece.offset, piece.size, over and piece.complete and piece.next >= piece.size)


def _read(path: Path, offset: int, limit: int, over: bool) -> Piece:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            start = max(0, size + offset) if offset < 0 else min(offset, size)
            file.seek(start)
            data = file.read(limit)
    except OSError:  # not begun, or removed
        return Piece(b"", 0, 0, complete=over)
    end = start + len(data)
    return Piece(data, start, max(size, end), over and end >= size)
