"""The agent's requests to the dispatcher, and what their failures mean."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import aiohttp
import orjson

from laneway.agent.wire import Answer, Report
from laneway.errors import AccessError, ConflictError, UnreachableError, UserError
from laneway.locate import Located

CONNECT_PATIENCE = 5.0
# Seconds until an idle connection is closed here: before the dispatcher (5 s) does it in the middle of a request.
IDLE_LIMIT = 4.0


class RefusedError(UnreachableError):
    """Nobody listens at the dispatcher's address."""

    code = "refused"


class HungUpError(UnreachableError):
    """The connection was closed before the answer."""


class UnknownServerError(ConflictError):
    """The dispatcher does not know this server: join again."""

    code = "unknown_server"


class SupersededError(ConflictError):
    """Another agent has joined under this server's id."""

    code = "superseded"


class Connection:
    """Speaks for one boot of one server. `find` says where the dispatcher is; it is asked again after every failure.

    Every request raises RefusedError, UnreachableError (no answer, or none that helps: 5xx), AccessError (401, 403),
    UnknownServerError, SupersededError, or UserError with the dispatcher's own words.
    """

    def __init__(self, find: Callable[[], Located], *, server: str, boot: str) -> None:
        self._find = find
        self._server = server
        self._boot = boot
        self._located: Located | None = None
        self._stale = True
        self._headers: dict[str, str] = {}
        self._session: aiohttp.ClientSession | None = None

    @property
    def url(self) -> str:
        """The dispatcher's address as far as it is known."""
        return self._located.url if self._located is not None else "the dispatcher"

    async def join(self, body: Mapping[str, Any], *, patience: float) -> Answer:
        """Says who this server is."""
        return await self._ask("join", body, patience=patience)

    async def poll(self, known: Sequence[int], *, wait: float, patience: float) -> Answer:
        """Asks for work; answered when there is some, or after `wait` seconds."""
        body = {"boot": self._boot, "known": known, "wait": wait}
        return await self._ask(f"{self._server}/poll", body, patience=wait + patience)

    async def report(self, reports: Sequence[Report], *, patience: float) -> Answer:
        """Delivers reports; the answer means that they are durable."""
        return await self._ask(f"{self._server}/report", {"boot": self._boot, "reports": reports}, patience=patience)

    async def leave(self, *, patience: float) -> None:
        """Says that this server stops."""
        await self._ask(f"{self._server}/leave", {"boot": self._boot}, patience=patience)

    async def send_log(self, request: str, data: bytes, *, offset: int, size: int, complete: bool) -> None:
        """Answers a request for a part of a log."""
        query = f"offset={offset}&size={size}&complete={int(complete)}"
        await self._post(f"{self._server}/logs/{request}?{query}", data, "application/octet-stream", patience=30.0)

    async def close(self) -> None:
        """Closes the sockets."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _ask(self, path: str, body: Mapping[str, Any], *, patience: float) -> Answer:
        data = await self._post(path, orjson.dumps(body), "application/json", patience=patience)
        try:
            answer: Answer = orjson.loads(data) if data else {}
        except ValueError as exc:
            raise UnreachableError(f"{self.url} does not answer like a dispatcher.", fix="Check the address.") from exc
        return answer

    async def _post(self, path: str, data: bytes, content: str, *, patience: float) -> bytes:
        try:
            try:
                return await self._send(path, data, content, patience=patience)
            except HungUpError:  # an idle connection that the other side had closed, most often; every request may be repeated
                return await self._send(path, data, content, patience=patience)
        except UnreachableError:
            self._stale = True
            raise

    async def _send(self, path: str, data: bytes, content: str, *, patience: float) -> bytes:
        if self._stale:
            self._locate()
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(keepalive_timeout=IDLE_LIMIT),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=("Accept-Encoding",),
            )
        timeout = aiohttp.ClientTimeout(total=patience, sock_connect=CONNECT_PATIENCE)
        headers = {**self._headers, "Content-Type": content}
        try:
            url = f"{self.url}/api/v1/agents/{path}"
            async with self._session.post(url, data=data, headers=headers, timeout=timeout) as response:
                text = await response.read()
                if response.status < 300:
                    return text
                raise _error(response.status, text, self.url)
        except (aiohttp.ServerDisconnectedError, ConnectionResetError, BrokenPipeError) as exc:
            raise HungUpError(f"{self.url} hung up.") from exc
        except aiohttp.ClientConnectorError as exc:
            if refused(exc.os_error):
                raise RefusedError(f"nobody listens at {self.url}.") from exc
            raise UnreachableError(f"{self.url} cannot be reached: {exc.os_error.strerror or exc.os_error}.") from exc
        except asyncio.TimeoutError as exc:
            raise UnreachableError(f"{self.url} did not answer within {patience:.0f} s.") from exc
        except aiohttp.ClientError as exc:
            if isinstance(exc, OSError) and exc.errno in (errno.ECONNRESET, errno.EPIPE):
                raise HungUpError(f"{self.url} hung up.") from exc
            raise UnreachableError(f"{self.url}: {exc}.") from exc

    def _locate(self) -> None:
        """A dispatcher that was stopped leaves no note behind: then the address that it had is as good as any."""
        try:
            self._located = self._find()
        except UserError:
            if self._located is None:
                raise
        else:
            self._headers = {"Authorization": f"Bearer {self._located.token}"}
        self._stale = False


def refused(error: OSError) -> bool:
    """Whether every address of the host refused (asyncio sums several failures up in one text)."""
    if error.errno is not None:
        return error.errno == errno.ECONNREFUSED
    text = str(error)
    return "Multiple exceptions" in text and text.count("[Errno ") == text.count(f"[Errno {errno.ECONNREFUSED}]")


def _error(status: int, body: bytes, url: str) -> UserError:
    """What an answer that is not a success means."""
    try:
        error: dict[str, Any] = orjson.loads(body)["error"]
        code, message = str(error["code"]), str(error["message"])
    except (ValueError, KeyError, TypeError):
        error, code, message = {}, "", f"{url} answers {status}."
    fix = error.get("fix")
    if status in (401, 403):
        return AccessError(
            f"{url} refuses this agent's token.", field="token", fix=fix or "Pass the dispatcher's with --token."
        )
    if code == "unknown_server":
        return UnknownServerError(message, fix=fix)
    if code == "superseded":
        return SupersededError(message, fix=fix)
    if status >= 500 or status == 429:
        return UnreachableError(f"{url} answers {status}: {message}", fix=fix)
    return UserError(message, field=error.get("field"), value=error.get("value"), fix=fix)
