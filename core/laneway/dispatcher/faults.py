"""Errors as HTTP answers: one shape for all of them, and the status that goes with each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson
from starlette.responses import Response

from laneway.dispatcher.wire import MalformedError, TooLargeError
from laneway.errors import (
    AccessError,
    ConflictError,
    LanewayError,
    NotFoundError,
    PayloadError,
    StaleAttemptError,
    StoreError,
    UserError,
)


@dataclass(frozen=True)
class ErrorView:
    """What is wrong, where, and what to do about it."""

    code: str
    message: str
    field: str | None = None
    value: str | None = None
    fix: str | None = None


@dataclass(frozen=True)
class ErrorBody:
    """An error; `errors` lists every fault of a body, `error` is the first of them."""

    error: ErrorView
    errors: list[ErrorView]


_STATUS: Sequence[tuple[type[LanewayError], int]] = (
    (MalformedError, 400),
    (TooLargeError, 413),
    (AccessError, 401),
    (NotFoundError, 404),
    (ConflictError, 409),
    (StaleAttemptError, 409),
    (StoreError, 503),
    (UserError, 422),
)


def status_of(error: LanewayError) -> int:
    """The HTTP status of an error."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def answer(error: LanewayError, status: int | None = None, headers: Mapping[str, str] | None = None) -> Response:
    """The answer that an error becomes."""
    problems = error.problems if isinstance(error, PayloadError) else (error,)
    errors = [_view(problem) for problem in problems]
    body = orjson.dumps({"error": errors[0], "errors": errors})
    return Response(body, status or status_of(error), headers, "application/json")


def _view(error: LanewayError) -> dict[str, str | None]:
    if isinstance(error, UserError):
        return {key: _clean(value) for key, value in error.as_dict().items()}
    return {"code": error.code, "message": _clean(str(error)), "field": None, "value": None, "fix": None}


def _clean(value: str | None) -> str | None:
    """Without the halves of characters that a URL can smuggle in and UTF-8 cannot hold."""
    return None if value is None else value.encode("utf-8", "replace").decode()
