"""Routes: logs, as the bytes that they are."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from laneway.dispatcher.access import PREFIX
from laneway.dispatcher.http.answers import Answers, Number, errors
from laneway.dispatcher.http.jobs import Item
from laneway.dispatcher.jobs import Jobs
from laneway.dispatcher.logs import Logs, Piece

LONGEST_WAIT = 30.0

From = Annotated[int, Query(ge=-(2**53), le=2**53, description="bytes; a negative one counts from the end")]
Most = Annotated[int, Query(ge=1, le=4 << 20, description="bytes")]
Wait = Annotated[float, Query(ge=0, le=LONGEST_WAIT, allow_inf_nan=False, description="seconds to wait for something new")]

_HEADERS = {
    "X-Log-Offset": "where this piece begins",
    "X-Log-Next": "where to read on",
    "X-Log-Size": "how long the log is now",
    "X-Log-Complete": "1 when the attempt is over and this piece reaches the log's end",
    "X-Attempt": "the attempt whose log it is",
}
_LOG: Answers = {
    200: {
        "description": "A piece of the log.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
        "headers": {name: {"description": text, "schema": {"type": "integer"}} for name, text in _HEADERS.items()},
    },
    **errors(404),
}


def routes(jobs: Jobs, logs: Logs) -> APIRouter:
    """The routes, around a service."""
    router = APIRouter(prefix=PREFIX, tags=["logs"])

    @router.get("/attempts/{attempt}/log", response_class=Response, responses=_LOG)
    async def log(attempt: Number, offset: From = 0, limit: Most = 65536, wait: Wait = 0.0) -> Response:
        """Read the log of an attempt; with `wait` the answer is held until there is something to read."""
        return _answer(attempt, await logs.read(attempt, offset=offset, limit=limit, wait=wait))

    @router.get("/jobs/{number}/log", response_class=Response, responses=_LOG)
    async def newest(number: Number, item: Item = None, offset: From = 0, limit: Most = 65536, wait: Wait = 0.0) -> Response:
        """Read the log of the newest attempt of a job, or of one of its items."""
        attempt = await jobs.newest_attempt(number, item)
        return _answer(attempt, await logs.read(attempt, offset=offset, limit=limit, wait=wait))

    return router


def _answer(attempt: int, piece: Piece) -> Response:
    headers = {
        "X-Log-Offset": str(piece.offset),
        "X-Log-Next": str(piece.next),
        "X-Log-Size": str(piece.size),
        "X-Log-Complete": str(int(piece.complete)),
        "X-Attempt": str(attempt),
        "X-Content-Type-Options": "nosniff",
    }
    return Response(piece.data, headers=headers, media_type="text/plain")
