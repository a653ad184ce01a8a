"""The ASGI application, put together: services around the farm, routes around the services, the gate around all."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from laneway import __version__
from laneway.dispatcher import faults
from laneway.dispatcher.access import PREFIX, Gate
from laneway.dispatcher.agents import Agents
from laneway.dispatcher.http import agents as agent_routes
from laneway.dispatcher.http import farm as farm_routes
from laneway.dispatcher.http import jobs as job_routes
from laneway.dispatcher.http import logs as log_routes
from laneway.dispatcher.http.document import add_schemas
from laneway.dispatcher.jobs import Jobs
from laneway.dispatcher.keeper import Keeper
from laneway.dispatcher.logs import Logs
from laneway.dispatcher.views import Health
from laneway.dispatcher.wire import fault
from laneway.errors import LanewayError, NotFoundError, PayloadError, UserError
from laneway.model import EngineInfo

log = logging.getLogger("laneway.dispatcher")

ABOUT = """Jobs, tasks, attempts, logs, servers, lanes and engines of a render farm.

Every request but `/health` needs `Authorization: Bearer TOKEN`; the token is the file `token` in the dispatcher's data folder.
Times are seconds since the epoch, frames are ranges such as `1-5,9`. An error is always
`{"error": {"code", "message", "field", "value", "fix"}, "errors": [...]}`."""


def build(
    keeper: Keeper,
    engines: Mapping[str, EngineInfo],
    *,
    token: str,
    health: Health,
    present: Callable[[str], bool] | None = None,
) -> Gate:
    """The application of a farm. `health` says which dispatcher this is, `present` whether an input is there (see `Jobs`)."""
    jobs, logs = Jobs(keeper, engines, present=present), Logs(keeper)
    agents = Agents(keeper, dispatcher=health.id, boot=health.boot)
    app = FastAPI(
        title="Laneway", version=__version__, description=ABOUT, docs_url="/docs", redoc_url=None, openapi_url="/openapi.json"
    )
    for router in (
        job_routes.routes(jobs, keeper),
        log_routes.routes(jobs, logs),
        farm_routes.routes(keeper, engines, health),
        agent_routes.routes(agents, logs),
    ):
        app.router.routes.extend(router.routes)  # include_router would make every route a second time, at the first request
    app.add_exception_handler(LanewayError, _stated)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _bug)
    _document(app)
    return Gate(app, token=token, hot={"poll": agents.poll, "report": agents.report})


def _document(app: FastAPI) -> None:
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = plain()
            add_schemas(document)
            document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            document["security"] = [{"token": []}]
            document["paths"][f"{PREFIX}/health"]["get"]["security"] = []
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]  # how FastAPI is told of another document


async def _stated(request: Request, error: Exception) -> Response:
    assert isinstance(error, LanewayError)
    return faults.answer(error)


async def _http(request: Request, error: Exception) -> Response:
    """Unknown paths and methods."""
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        stated: UserError = NotFoundError(f"there is no {request.url.path}.", field="path", fix="See /docs for what there is.")
    elif error.status_code == 405:
        stated = UserError(
            f"{request.method} is not possible here.",
            field="method",
            value=request.method,
            fix=f"Allowed: {(error.headers or {}).get('Allow', 'see /docs')}.",
        )
        stated.code = "method_not_allowed"
    else:
        stated = UserError(str(error.detail))
        stated.code = f"http_{error.status_code}"
    return faults.answer(stated, error.status_code, error.headers)


async def _invalid(request: Request, error: Exception) -> Response:
    """A path, query or header that is wrong."""
    assert isinstance(error, RequestValidationError)
    problems = [fault(tuple(one["loc"][1:]), one["msg"], one.get("input")) for one in error.errors()[:20]]
    return faults.answer(PayloadError(problems))


async def _gone(request: Request, error: Exception) -> Response:
    return Response(status_code=400)  # nobody is there to read it


async def _bug(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return faults.answer(LanewayError("the dispatcher failed; its log says more."))
