"""The HTTP side of the client: one call and its retries.

A dispatcher may be restarted at any moment, also on another port. So a call that cannot reach it is repeated with growing
pauses for as long as `patience` says, looking up each time where the dispatcher is now; but only a call that may be repeated:
where the answer was lost, nobody knows whether it was carried out. A connection that was refused was certainly not.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from laneway.client.faults import fault
from laneway.errors import LanewayError, PayloadError, StoreError, UnreachableError, UserError
from laneway.locate import START_FIX, Located, is_loopback

if TYPE_CHECKING:
    import requests

CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 60.0
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
Params = Mapping[str, "str | int | float | bool | None"]


class Wire:
    """Calls one dispatcher. Safe to share between threads: each has its own connections."""

    def __init__(
        self,
        find: Callable[[], Located],
        *,
        patience: float = 10.0,
        on_trouble: Callable[[str], None] | None = None,
        user: str | None = None,
    ) -> None:
        self._find = find
        self._where: Located | None = None
        self._local = threading.local()
        self._sessions: list[requests.Session] = []
        self._repeated = float("-inf")
        self._user = "".join(char for char in current_user() if char.isprintable()) if user is None else user
        self.patience = patience
        self.on_trouble = on_trouble

    @property
    def where(self) -> Located:
        """The dispatcher as it was last found."""
        if self._where is None:
            self._where = self._find()
        return self._where

    def json(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = True,
        patience: float | None = None,
    ) -> dict[str, Any]:
        """The JSON object that a call answers."""
        response = self.call(method, path, params=params, body=body, headers=headers, repeatable=repeatable, patience=patience)
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise fault(response.status_code, None, url=self.where.url)
        return answer

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = True,
        patience: float | None = None,
        stream: bool = False,
        read_timeout: float = READ_TIMEOUT,
    ) -> requests.Response:
        """The answer to a call; raises the error that the dispatcher named, or UnreachableError once `patience` is over."""
        content = None if body is None else encoded(body)
        deadline = time.monotonic() + (self.patience if patience is None else patience)
        pause, troubled = FIRST_PAUSE, False
        while True:
            try:
                return self._once(method, path, params, content, headers, stream, read_timeout)
            except _LostError as lost:
                if not (repeatable or lost.refused) or time.monotonic() + pause > deadline:
                    self.relocate()  # for the next call
                    raise lost.error from lost.__cause__
                error = lost.error
            if not troubled and self.on_trouble is not None:
                self.on_trouble(str(error.args[0]))
            troubled = True
            time.sleep(pause * random.uniform(0.75, 1.25))
            pause = min(pause * 2, LONGEST_PAUSE)
            self._repeated = time.monotonic()
            self.relocate()

    def repeated_since(self, moment: float) -> bool:
        """Whether a call had to be repeated since `moment` (monotonic seconds)."""
        return self._repeated >= moment

    def _once(
        self,
        method: str,
        path: str,
        params: Params | None,
        content: bytes | None,
        headers: Mapping[str, str] | None,
        stream: bool,
        read_timeout: float,
    ) -> requests.Response:
        import requests

        where = self.where
        # As bytes: a header is latin-1 to requests, and a name may hold any letter.
        sent: dict[str, str | bytes] = {
            "Accept": "*/*",
            "X-Laneway-User": self._user.encode("utf-8", "replace"),
            **(headers or {}),
        }
        if content is not None:
            sent["Content-Type"] = "application/json"
        asked = {name: _plain(value) for name, value in (params or {}).items() if value is not None}
        try:
            response = self._session(where.url).request(
                method,
                f"{where.url}/api/v1{path}",
                params=asked,
                data=content,
                headers=sent,
                auth=_Bearer(where.token),
                timeout=(CONNECT_TIMEOUT, read_timeout),
                stream=stream,
                allow_redirects=False,  # a redirect would turn POST into GET and carry the token elsewhere
            )
        except requests.RequestException as exc:
            raise _LostError(_unreachable(where, exc), refused=_was_refused(exc)) from exc
        if response.ok and not response.is_redirect:
            return response
        error = _stated(response, where.url)
        response.close()
        if isinstance(error, StoreError):  # 503: it cannot save at present, and has not
            raise _LostError(error, refused=True)
        raise error

    def _session(self, url: str) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            import requests

            session = self._local.session = requests.Session()
            # Proxies are for reaching others; asking the environment on every call costs more than a call to this computer.
            session.trust_env = not is_loopback(url)
            self._sessions.append(session)
        return session

    def relocate(self) -> None:
        """Look up again where the dispatcher is."""
        before = self._where
        try:
            self._where = self._find()
        except UserError:
            self._where = before  # between its death and its restart a dispatcher may be announced nowhere

    def release(self) -> None:
        """Let go of this thread's connections, before the thread ends."""
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is not None:
            self._sessions.remove(session)
            session.close()
            del self._local.session

    def close(self) -> None:
        """Let go of every connection."""
        for session in self._sessions:
            session.close()


class _LostError(Exception):
    def __init__(self, error: LanewayError, *, refused: bool) -> None:
        super().__init__(str(error))
        self.error, self.refused = error, refused


class _Bearer:
    """Sets the token; given as `auth` so that requests does not put a .netrc entry in its place."""

    def __init__(self, token: str) -> None:
        self.token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request


def current_user() -> str:
    """The name of whoever runs this program; empty where the computer does not know it."""
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a user id without a name, as in some containers
        return str(os.getuid()) if hasattr(os, "getuid") else ""


def encoded(body: object) -> bytes:
    """A body as JSON; raises PayloadError for what JSON cannot hold."""
    try:
        return json.dumps(body, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as exc:
        raise PayloadError([UserError(f"this cannot be written as JSON: {exc}.", field="payload")]) from exc


def _plain(value: str | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _stated(response: requests.Response, url: str) -> LanewayError:
    try:
        body = response.json()
    except ValueError:
        body = None
    return fault(response.status_code, body, url=url)


def _was_refused(exc: Exception) -> bool:
    """Whether the request certainly never left: the connection itself could not be made."""
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

    cause = getattr(exc.args[0], "reason", None) if exc.args else None
    return isinstance(cause, (NewConnectionError, ConnectTimeoutError))


def _unreachable(where: Located, exc: Exception) -> UnreachableError:
    cause: BaseException | None = exc
    while cause is not None:  # requests wraps urllib3 wraps OSError; the innermost says it shortest
        if isinstance(cause, OSError) and cause.strerror:
            return UnreachableError(f"the dispatcher at {where.url} does not answer: {cause.strerror}.", fix=START_FIX)
        cause = cause.__cause__ or cause.__context__
    return UnreachableError(f"the dispatcher at {where.url} does not answer ({type(exc).__name__}).", fix=START_FIX)
