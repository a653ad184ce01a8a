"""What every route needs: answers as JSON, bodies within bounds, and who asks."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import orjson
from fastapi import Depends, Path, Query, Request
from starlette.responses import Response

from laneway.dispatcher.access import read_body
from laneway.dispatcher.wire import ACTION, ActionBody

Answers: TypeAlias = dict[int | str, dict[str, Any]]

MAX_ID = 2**63 - 1
MAX_USER = 200

Number = Annotated[int, Path(ge=1, le=MAX_ID)]
Limit = Annotated[int, Query(ge=1, le=1000)]
Offset = Annotated[int, Query(ge=0, le=2**53)]
After = Annotated[int, Query(ge=0, le=MAX_ID)]


def json(view: object, status: int = 200) -> Response:
    """A view as an answer. Views are dataclasses, which orjson writes itself; FastAPI's checks of its own answers are left out."""
    return Response(orjson.dumps(view), status, media_type="application/json")


def errors(*statuses: int) -> Answers:
    """The errors of a route, for the document; every route may also answer 401 and 503."""
    return {status: {"description": _MEANING[status], "content": _ERROR} for status in sorted({401, 422, 503, *statuses})}


# A reference and not a `model`: FastAPI would build one for each status of each route, a third of its time to start.
_ERROR: dict[str, Any] = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorBody"}}}
_MEANING = {
    400: "The body is not JSON.",
    401: "The token is missing or wrong.",
    404: "There is no such thing.",
    409: "Not possible in the present state; nothing was changed.",
    413: "The body is too large.",
    422: "Something in the request is wrong; each fault is named.",
    503: "Nothing can be saved at the moment (the dispatcher's disc is full).",
}


async def body_of(request: Request) -> bytes:
    """The raw body."""
    return await read_body(request.receive)


async def action_of(request: Request) -> ActionBody:
    """The body of an action on a job; an empty one says nothing."""
    body = await read_body(request.receive)
    return ACTION.read(body) if body.strip() else ActionBody()


async def user_of(request: Request) -> str:
    """Who asks, as the client says (`X-Laneway-User`); empty when it does not."""
    said = request.headers.get("x-laneway-user", "").encode("latin-1").decode("utf-8", "replace")
    return "".join(char for char in said if char.isprintable())[:MAX_USER].strip()


Body = Annotated[bytes, Depends(body_of)]
Action = Annotated[ActionBody, Depends(action_of)]
User = Annotated[str, Depends(user_of)]


def actor(user: str, action: ActionBody) -> str:
    """Who does something and why, for the history."""
    if not action.reason:
        return user
    return f"{user or 'somebody'}: {action.reason.strip()}"
