"""Who may come in: a token that is made at the first start, and the gate in front of every request.

The gate also sends the agents' two hot requests, poll and report, straight to their answers: they are two thirds of all traffic, and
what FastAPI does for a request costs more than what the farm does. The same requests are part of the API's document.
"""

from __future__ import annotations

import hmac
import logging
import os
import secrets
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from laneway.dispatcher import faults
from laneway.dispatcher.wire import MAX_BODY, TooLargeError
from laneway.errors import AccessError, LanewayError, StoreError

PREFIX = "/api/v1"
PUBLIC = frozenset({f"{PREFIX}/health", "/docs", "/openapi.json"})
_AGENTS = f"{PREFIX}/agents/"

Hot = Callable[[str, bytes], Awaitable[bytes]]

log = logging.getLogger("laneway.dispatcher")


def token_in(folder: Path) -> str:
    """The token of a data folder; made where there is none. Raises `StoreError` for one that other users can read."""
    path = folder / "token"
    try:
        with path.open(encoding="utf-8") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            token = file.read(1000).strip()
    except FileNotFoundError:
        return _make_token(path)
    except (OSError, ValueError) as exc:
        raise StoreError(f"the token {path} cannot be read: {exc}.", field="data", fix="Delete it; a new one is made.") from exc
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise StoreError(
            f"{path} can be read by other users (mode {mode:04o}).",
            field="data",
            fix=f"Run `chmod 600 {path}`, or delete it if somebody may have used it; a new one is made.",
        )
    return token or _make_token(path)


def _make_token(path: Path) -> str:
    token = secrets.token_urlsafe(32)
    write_private(path, token + "\n")
    return token


def write_private(path: Path, text: str) -> None:
    """Write a file that only this user can read, whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


class Gate:
    """The outermost ASGI application. `hot` are the answers to agents' requests by their last path component."""

    def __init__(self, app: ASGIApp, *, token: str, hot: dict[str, Hot]) -> None:
        self._app = app
        self._expected = b"Bearer " + token.encode()
        self._hot = hot

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            else:
                await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        given, length = b"", b""
        for name, value in scope["headers"]:
            if name == b"authorization":
                given = value
            elif name == b"content-length":
                length = value
        if not hmac.compare_digest(given, self._expected) and path not in PUBLIC:
            await faults.answer(_refusal(given), headers={"WWW-Authenticate": "Bearer"})(scope, receive, send)
        elif length and (len(length) > 12 or int(length) > MAX_BODY):
            await faults.answer(TooLargeError())(scope, receive, send)  # the server throws away what still comes
        elif path.startswith(_AGENTS) and scope["method"] == "POST" and self._is_hot(path):
            await self._answer(path, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _is_hot(self, path: str) -> bool:
        server, _, verb = path[len(_AGENTS) :].partition("/")
        return verb in self._hot and bool(server)

    async def _answer(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        server, _, verb = path[len(_AGENTS) :].partition("/")
        try:
            body = await read_body(receive)
            answer = await self._hot[verb](server, body)
        except LanewayError as error:
            await faults.answer(error)(scope, receive, send)
            return
        except Exception:  # a bug must not end the agent's connection without a word
            log.exception("%s failed", path)
            await faults.answer(LanewayError("the dispatcher failed; its log says more."))(scope, receive, send)
            return
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


async def read_body(receive: Receive) -> bytes:
    """The body of a request; raises `TooLargeError` as soon as it is more than `MAX_BODY`."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        return body
    parts, size = [body], len(body)
    while message.get("more_body", False):
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_BODY:
            raise TooLargeError
    return b"".join(parts)


def _refusal(given: bytes) -> AccessError:
    fix = "Send `Authorization: Bearer TOKEN`; the token is the file `token` in the dispatcher's data folder."
    if not given:
        return AccessError("a token is needed.", field="Authorization", fix=fix)
    return AccessError("the token is not this dispatcher's.", field="Authorization", fix=fix)
