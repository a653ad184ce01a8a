"""Routes: the agents' protocol. `poll` and `report` do not come this far: the gate answers them itself."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from laneway.dispatcher.access import PREFIX
from laneway.dispatcher.agents import Agents
from laneway.dispatcher.http.answers import Body, errors
from laneway.dispatcher.http.document import body
from laneway.dispatcher.logs import Logs, Piece

ServerId = Annotated[str, Path(min_length=1, max_length=100)]
Bytes = Annotated[int, Query(ge=0, le=2**53)]


def routes(agents: Agents, logs: Logs) -> APIRouter:
    """The routes, around a service."""
    router = APIRouter(prefix=f"{PREFIX}/agents", tags=["agents"])
    answers = {
        200: {"description": "What waits for the agent.", "content": {"application/json": {"schema": {"type": "object"}}}}
    }
    common: dict[str, Any] = {"response_class": Response, "responses": {**answers, **errors(400, 409, 413)}}

    @router.post("/join", **common, openapi_extra=body("Join"))
    async def join(raw: Body) -> Response:
        """A server offers its lanes."""
        return _json(await agents.join(raw))

    @router.post("/{server}/poll", **common, openapi_extra=body("Poll"))
    async def poll(server: ServerId, raw: Body) -> Response:
        """An agent waits for work."""
        return _json(await agents.poll(server, raw))

    @router.post("/{server}/report", **common, openapi_extra=body("Reports"))
    async def report(server: ServerId, raw: Body) -> Response:
        """What became of attempts; 200 means that it is durable."""
        return _json(await agents.report(server, raw))

    @router.post("/{server}/leave", **common, openapi_extra=body("Leave"))
    async def leave(server: ServerId, raw: Body) -> Response:
        """A server stops."""
        return _json(await agents.leave(server, raw))

    @router.post(
        "/{server}/logs/{request}",
        status_code=204,
        response_class=Response,
        responses=errors(413),
        openapi_extra={
            "requestBody": {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
        },
    )
    async def log(
        server: ServerId,
        request: ServerId,
        raw: Body,
        offset: Bytes = 0,
        size: Bytes = 0,
        complete: bool = False,
    ) -> Response:
        """A piece of a log that was asked for; `complete` says that the attempt is over."""
        logs.answered(server, request, Piece(raw, offset, size, complete))
        return Response(status_code=204)

    return router


def _json(answer: bytes) -> Response:
    return Response(answer, media_type="application/json")
