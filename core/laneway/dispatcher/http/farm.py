"""Routes: servers, lanes, engines, the farm's history, live events, health."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.sse import EventSourceResponse
from starlette.responses import Response

from laneway.dispatcher.access import PREFIX
from laneway.dispatcher.broadcast import NAMES, PAGE
from laneway.dispatcher.http.answers import MAX_ID, After, Limit, errors, json
from laneway.dispatcher.keeper import Keeper
from laneway.dispatcher.views import (
    EngineList,
    Health,
    History,
    LaneList,
    ServerList,
    ServerView,
    engine_view,
    lane_views,
    row_view,
    server_view,
)
from laneway.errors import NotFoundError, UnknownNameError
from laneway.events import Row
from laneway.model import EngineInfo

_STREAM = {"description": "Events without end.", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
Last = Annotated[int | None, Header(alias="Last-Event-ID", ge=0, le=MAX_ID, description="the last event that was seen")]


def routes(keeper: Keeper, engines: Mapping[str, EngineInfo], health: Health) -> APIRouter:
    """The routes, around the farm. `health` is this dispatcher as it started."""
    router = APIRouter(prefix=PREFIX, tags=["farm"])

    @router.get("/health", response_model=Health)
    async def how() -> Response:
        """How the dispatcher is. Needs no token."""
        trouble = keeper.store.trouble
        return json(Health(trouble is None, health.version, health.id, health.boot, health.started, trouble))

    @router.get("/servers", response_model=ServerList, responses=errors())
    async def servers() -> Response:
        """List the servers."""
        views = [server_view(server) for server in keeper.farm.servers.values()]
        return json(ServerList(views, len(views)))

    @router.get("/servers/{server}", response_model=ServerView, responses=errors(404))
    async def server(server: str) -> Response:
        """Show a server, by its id, its number or its hostname."""
        for known in keeper.farm.servers.values():
            if server in (known.info.server, str(known.number), known.info.hostname):
                return json(server_view(known))
        raise NotFoundError(f"there is no server {server}.", field="server", value=server, fix="`laneway servers` lists them.")

    @router.get("/lanes", response_model=LaneList, responses=errors())
    async def lanes() -> Response:
        """List every lane and what it works on."""
        views = [view for known in keeper.farm.servers.values() for view in lane_views(known)]
        return json(LaneList(views, len(views)))

    @router.get("/engines", response_model=EngineList, responses=errors())
    async def engine_list() -> Response:
        """List the engines that the dispatcher knows, and who can run them."""
        views = [engine_view(keeper.farm, engine) for engine in engines.values()]
        return json(EngineList(views, len(views)))

    @router.get("/history", response_model=History, responses=errors())
    async def history(after: After = 0, limit: Limit = 100) -> Response:
        """What has happened on the farm, oldest first."""
        rows = await keeper.store.history(after=after, limit=limit)
        return json(History([row_view(row) for row in rows], rows[-1].seq if rows else after))

    @router.get("/events", response_class=Response, responses={200: _STREAM, **errors()})
    async def events(
        job: Annotated[int | None, Query(ge=1, le=MAX_ID, description="only events of this job")] = None,
        after: Annotated[int | None, Query(ge=0, le=MAX_ID, description="catch up from this row of the history")] = None,
        names: Annotated[str | None, Query(description="only these, by comma: job, attempt, server")] = None,
        last_event_id: Last = None,
    ) -> Response:
        """Live events (server-sent): `job`, `attempt` and `server`, with the row's number as id, and progress without one.

        A client that comes back with `Last-Event-ID` gets what it has missed. One that does not keep up gets `resync`, and the
        stream ends.
        """

        async def past(since: int) -> list[Row]:
            return list(await keeper.store.history(job=job, after=since, limit=PAGE))

        wanted = frozenset(filter(None, (names or "").split(","))) or NAMES
        for name in sorted(wanted - NAMES):
            raise UnknownNameError("event name", name, NAMES, field="names")
        start = last_event_id if last_event_id is not None else after
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        return EventSourceResponse(keeper.broadcast.stream(job=job, after=start, past=past, names=wanted), headers=headers)

    return router
