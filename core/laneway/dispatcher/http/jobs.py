"""Routes: jobs, their tasks, attempts and history."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from laneway.dispatcher.access import PREFIX
from laneway.dispatcher.http.answers import Action, After, Body, Limit, Number, Offset, User, actor, errors, json
from laneway.dispatcher.http.document import PAYLOAD_EXAMPLES, body
from laneway.dispatcher.jobs import Jobs, Wanted
from laneway.dispatcher.keeper import Keeper
from laneway.dispatcher.views import (
    AttemptList,
    AttemptView,
    History,
    JobList,
    JobView,
    Submitted,
    TaskList,
    row_view,
)
from laneway.dispatcher.wire import read_json

Key = Annotated[str | None, Header(max_length=200, description="Repeating a submission with the same key makes no second job.")]
Item = Annotated[int | None, Query(ge=-(2**53), le=2**53)]


def routes(jobs: Jobs, keeper: Keeper) -> APIRouter:
    """The routes, around a service."""
    router = APIRouter(prefix=PREFIX, tags=["jobs"])

    @router.post(
        "/jobs",
        status_code=201,
        response_model=Submitted,
        responses={200: {"model": Submitted, "description": "A dry run: the payload is good."}, **errors(400, 413)},
        openapi_extra=body("Payload", examples=PAYLOAD_EXAMPLES),
    )
    async def submit(raw: Body, user: User, dry_run: bool = False, idempotency_key: Key = None) -> Response:
        """Submit a job."""
        made = await jobs.submit(read_json(raw), user=user, key=idempotency_key or None, dry_run=dry_run)
        return json(made, 200 if dry_run else 201)

    @router.get("/jobs", response_model=JobList, responses=errors())
    async def find(
        state: Annotated[
            str | None, Query(description="one or several, separated by commas", examples=["running,waiting"])
        ] = None,
        user: str | None = None,
        engine: str | None = None,
        name: Annotated[str | None, Query(description="a part of the name")] = None,
        sort: Annotated[str, Query(description="id, name, user, engine, state, priority, created, started, finished")] = "-id",
        limit: Limit = 50,
        offset: Offset = 0,
    ) -> Response:
        """List jobs."""
        states = frozenset(filter(None, (state or "").split(",")))
        return json(jobs.find(Wanted(states, user, engine, name), sort=sort, limit=limit, offset=offset))

    @router.get("/jobs/{number}", response_model=JobView, responses=errors(404))
    async def show(number: Number) -> Response:
        """Show a job."""
        return json(jobs.show(number))

    @router.patch("/jobs/{number}", response_model=JobView, responses=errors(400, 404, 409, 413), openapi_extra=body("Changes"))
    async def edit(number: Number, raw: Body, user: User) -> Response:
        """Change a job: its name, description, metadata, priority, queue or settings."""
        return json(await jobs.edit(number, read_json(raw), actor=user))

    @router.delete("/jobs/{number}", status_code=204, response_class=Response, responses=errors(404, 409))
    async def delete(number: Number, user: User) -> Response:
        """Delete a job with its history and its logs. What it rendered stays."""
        await jobs.delete(number, actor=user)
        return Response(status_code=204)

    act: dict[str, Any] = {
        "response_model": JobView,
        "responses": errors(400, 404, 409, 413),
        "openapi_extra": body("Action", required=False),
    }

    @router.post("/jobs/{number}/pause", **act)
    async def pause(number: Number, action: Action, user: User) -> Response:
        """Hand out nothing more of a job; what runs may finish."""
        return json(await jobs.pause(number, actor=actor(user, action)))

    @router.post("/jobs/{number}/resume", **act)
    async def resume(number: Number, action: Action, user: User) -> Response:
        """Let a paused or aborted job go on."""
        return json(await jobs.resume(number, actor=actor(user, action)))

    @router.post("/jobs/{number}/abort", **act)
    async def abort(number: Number, action: Action, user: User) -> Response:
        """End what runs of a job, and hand out nothing more."""
        return json(await jobs.abort(number, actor=actor(user, action)))

    @router.post("/jobs/{number}/retry", **act)
    async def retry(number: Number, action: Action, user: User) -> Response:
        """Render again what failed, or the items of `range` whatever became of them."""
        return json(await jobs.retry(number, action.range, actor=actor(user, action)))

    @router.get("/jobs/{number}/tasks", response_model=TaskList, responses=errors(404))
    async def tasks(
        number: Number,
        state: str | None = None,
        range: Annotated[str | None, Query(examples=["1-10"])] = None,
        limit: Limit = 100,
        offset: Offset = 0,
    ) -> Response:
        """List the tasks of a job in the order in which they are rendered, and the whole job as runs."""
        return json(await jobs.tasks(number, state=state, items=range, limit=limit, offset=offset))

    @router.get("/jobs/{number}/attempts", response_model=AttemptList, responses=errors(404))
    async def attempts(number: Number, item: Item = None, limit: Limit = 100, offset: Offset = 0) -> Response:
        """List the attempts of a job, or of one of its items: those at work, then those over, newest first."""
        return json(await jobs.attempts(number, item=item, limit=limit, offset=offset))

    @router.get("/attempts/{attempt}", response_model=AttemptView, responses=errors(404))
    async def attempt(attempt: Number) -> Response:
        """Show an attempt."""
        return json(await jobs.attempt(attempt))

    @router.get("/jobs/{number}/history", response_model=History, responses=errors(404))
    async def history(number: Number, after: After = 0, limit: Limit = 100) -> Response:
        """What has happened to a job, oldest first."""
        keeper.farm.job(number)
        rows = await keeper.store.history(job=number, after=after, limit=limit)
        return json(History([row_view(row) for row in rows], rows[-1].seq if rows else after))

    return router
