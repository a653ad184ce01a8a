"""Answers that are no success, as the errors of `laneway.errors`: code, field, value and fix survive the wire."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from laneway.errors import (
    AccessError,
    ConflictError,
    LanewayError,
    NotFoundError,
    PayloadError,
    StoreError,
    UnreachableError,
    UserError,
)

_PLAIN: Mapping[int, type[UserError]] = {
    401: AccessError,
    403: AccessError,
    404: NotFoundError,
    409: ConflictError,
    503: StoreError,
}


def fault(status: int, body: object, *, url: str) -> LanewayError:
    """The error that an answer with this status and decoded body stands for (`body` is None where it was no JSON)."""
    stated = body.get("error") if isinstance(body, Mapping) else None
    if not isinstance(stated, Mapping):
        return _foreign(status, url)
    if status in _PLAIN:
        return _revive(_PLAIN[status], stated)
    if 400 <= status < 500:
        listed = body.get("errors") if isinstance(body, Mapping) else None
        problems = [p for p in listed if isinstance(p, Mapping)] if isinstance(listed, list) else []
        return PayloadError([_revive(UserError, p) for p in problems or [stated]])
    return LanewayError(f"the dispatcher failed: {stated.get('message') or status}. Its own log says more.")


def _revive(kind: type[UserError], stated: Mapping[Any, Any]) -> UserError:
    error = kind(
        str(stated.get("message") or "refused"), field=stated.get("field"), value=stated.get("value"), fix=stated.get("fix")
    )
    if stated.get("code"):
        error.code = str(stated["code"])
    return error


def _foreign(status: int, url: str) -> LanewayError:
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else ""
    if status == 503:
        return StoreError(f"the dispatcher at {url} is not ready ({status} {phrase}).", fix="Try again in a moment.")
    return UnreachableError(
        f"{url} answered {status} {phrase}, which is not how a Laneway dispatcher answers.",
        fix="Check --url: another program may listen there, or a proxy stand between.",
    )
