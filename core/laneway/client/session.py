"""The client's one class: everything that a script, a host application or the command line asks of a dispatcher."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from laneway.client import waiting
from laneway.client.events import EventStream
from laneway.client.views import (
    AttemptView,
    EngineView,
    EventView,
    HistoryView,
    JobView,
    LaneView,
    LogChunk,
    Page,
    RunView,
    ServerView,
    Submitted,
    TaskPage,
    TaskView,
    View,
)
from laneway.client.wire import Wire
from laneway.errors import NotFoundError
from laneway.locate import Located, locate
from laneway.model import Json

V = TypeVar("V", bound=View)
LOG_PIECE = 64 * 1024
LOG_WAIT = 20.0  # seconds that the dispatcher holds a request for more of a log


class Session:
    """A connection to a dispatcher, found as `laneway.locate.locate` says. Nothing is sent before the first call.

    Every method raises the errors of `laneway.errors`: UnreachableError once the dispatcher has not answered for `patience`
    seconds, AccessError, NotFoundError, ConflictError, PayloadError. `on_trouble` gets one line of text when a call has to be
    repeated. `user` (by default whoever runs this program) owns what is submitted and stands in the history. A session may be shared
    between threads.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        data: Path | str | None = None,
        *,
        patience: float = 10.0,
        on_trouble: Callable[[str], None] | None = None,
        user: str | None = None,
    ) -> None:
        self._wire = Wire(lambda: locate(url, token, data), patience=patience, on_trouble=on_trouble, user=user)

    @property
    def located(self) -> Located:
        """Where the dispatcher is, with the token."""
        return self._wire.where

    @property
    def on_trouble(self) -> Callable[[str], None] | None:
        """What is told when a call has to be repeated."""
        return self._wire.on_trouble

    @on_trouble.setter
    def on_trouble(self, tell: Callable[[str], None] | None) -> None:
        self._wire.on_trouble = tell

    def close(self) -> None:
        """Let go of the connections; the session may be used again."""
        self._wire.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # -- jobs

    def submit(self, payload: Mapping[str, Json], *, dry_run: bool = False) -> Submitted:
        """Make a job of a payload; `dry_run` only has the dispatcher check it.

        Each submission carries a key of its own, so that repeating it after a lost answer gives the job that it already made.
        """
        answer = self._wire.json(
            "POST",
            "/jobs",
            params={"dry_run": True} if dry_run else None,
            body=payload,
            headers={"Idempotency-Key": os.urandom(16).hex()},
        )
        made = answer.get("job")
        return Submitted(
            job=JobView.from_data(made) if made and not dry_run else None,
            warnings=tuple(answer.get("warnings") or ()),
            data=answer,
        )

    def jobs(
        self,
        *,
        state: str | Iterable[str] | None = None,
        user: str | None = None,
        engine: str | None = None,
        name: str | None = None,
        limit: int = 50,
        offset: int = 0,
        sort: str = "-id",
    ) -> Page[JobView]:
        """Jobs that fit; `name` is a part of the name, `sort` a key with `-` before it for descending order."""
        states = state if state is None or isinstance(state, str) else ",".join(state)
        return self._page(
            JobView,
            "jobs",
            "/jobs",
            {"state": states, "user": user, "engine": engine, "name": name, "limit": limit, "offset": offset, "sort": sort},
        )

    def job(self, job: int, *, patience: float | None = None) -> JobView:
        """One job."""
        return JobView.from_data(_inner(self._wire.json("GET", f"/jobs/{job:d}", patience=patience), "job"))

    def edit(self, job: int, changes: Mapping[str, Json]) -> JobView:
        """Change a job: payload keys with their new values."""
        return JobView.from_data(_inner(self._wire.json("PATCH", f"/jobs/{job:d}", body=changes), "job"))

    def pause(self, job: int, reason: str | None = None) -> JobView:
        """Hand out nothing more of a job; what runs goes on."""
        return self._act(job, "pause", reason)

    def resume(self, job: int, reason: str | None = None) -> JobView:
        """Let a paused or aborted job go on."""
        return self._act(job, "resume", reason)

    def abort(self, job: int, reason: str | None = None) -> JobView:
        """End what runs of a job and hand out nothing more."""
        return self._act(job, "abort", reason)

    def retry(
        self,
        job: int,
        range: str | None = None,
        reason: str | None = None,
    ) -> JobView:
        """Render again what failed, or the items of `range` in whatever state they are."""
        return self._act(job, "retry", reason, range=range)

    def delete(self, job: int) -> None:
        """Delete a job, its history and its logs; what it rendered stays."""
        asked = time.monotonic()
        try:
            self._wire.call("DELETE", f"/jobs/{job:d}")
        except NotFoundError:
            if self._wire.repeated_since(asked):
                return  # an earlier try of this very call deleted it, and its answer was lost
            raise

    def tasks(
        self,
        job: int,
        *,
        state: str | None = None,
        range: str | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> TaskPage:
        """Tasks of a job, and the whole job as runs of equal state."""
        params = {"state": state, "range": range, "limit": limit, "offset": offset}
        answer = self._wire.json("GET", f"/jobs/{job:d}/tasks", params=params)
        return TaskPage(
            items=_views(TaskView, answer.get("tasks")),
            total=answer.get("total", 0),
            runs=_views(RunView, answer.get("runs")),
            data=answer,
        )

    def attempts(
        self,
        job: int,
        *,
        item: int | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> Page[AttemptView]:
        """Attempts of a job, of one item where `item` is given; newest first."""
        params = {"item": item, "limit": limit, "offset": offset}
        return self._page(AttemptView, "attempts", f"/jobs/{job:d}/attempts", params)

    def attempt(self, attempt: int) -> AttemptView:
        """One attempt."""
        return AttemptView.from_data(_inner(self._wire.json("GET", f"/attempts/{attempt:d}"), "attempt"))

    def history(
        self,
        job: int | None = None,
        *,
        after: int | None = None,
        limit: int = 100,
    ) -> Page[HistoryView]:
        """What happened, oldest first: to one job, or to the whole farm after row `after`."""
        path = "/history" if job is None else f"/jobs/{job:d}/history"
        return self._page(HistoryView, "history", path, {"after": after, "limit": limit})

    # -- logs

    def log(
        self,
        job: int | None = None,
        item: int | None = None,
        attempt: int | None = None,
        offset: int = 0,
        *,
        limit: int = LOG_PIECE,
        wait: float = 0,
    ) -> LogChunk:
        """A piece of the log of an attempt, or of the newest attempt of a job or of one of its items.

        A negative `offset` counts from the end. With `wait` the answer is held for so many seconds until there is something.
        """
        params = {"offset": offset, "limit": limit, "wait": wait or None, "item": None if attempt else item}
        if attempt is None and job is None:
            raise TypeError("log() needs a job or an attempt")
        path = f"/attempts/{attempt:d}/log" if attempt is not None else f"/jobs/{job:d}/log"
        response = self._wire.call("GET", path, params=params, read_timeout=wait + 60)
        head, data = response.headers, response.content
        start = int(head.get("X-Log-Offset", max(offset, 0)))
        following = int(head.get("X-Log-Next", start + len(data)))
        size = int(head.get("X-Log-Size", following))
        return LogChunk(
            data=data,
            offset=start,
            next=following,
            size=size,
            complete=head.get("X-Log-Complete") == "1" and following >= size,
            attempt=int(head["X-Attempt"]) if "X-Attempt" in head else attempt,
        )

    def follow_log(
        self,
        job: int | None = None,
        item: int | None = None,
        attempt: int | None = None,
        offset: int = 0,
    ) -> Iterator[LogChunk]:
        """The log of one attempt from `offset` on, piece by piece as it is written, until the attempt has ended."""
        chunk = self.log(job, item, attempt, offset)
        while True:
            if chunk.data:
                yield chunk
            if chunk.complete:
                return
            before, asked = chunk, time.monotonic()
            chunk = self.log(job, item, chunk.attempt, chunk.next, wait=LOG_WAIT)
            if not chunk.data and not chunk.complete and time.monotonic() - asked < 0.2:
                time.sleep(0.5)  # the agent that holds the log is away: the dispatcher answers at once, with nothing
            if chunk.attempt is None:
                chunk = LogChunk(**{**chunk.__dict__, "attempt": before.attempt})

    # -- the farm

    def servers(self) -> Page[ServerView]:
        """The computers that offer lanes."""
        return self._page(ServerView, "servers", "/servers", {})

    def lanes(self) -> Page[LaneView]:
        """Every lane and what it does."""
        return self._page(LaneView, "lanes", "/lanes", {})

    def engines(self) -> Page[EngineView]:
        """The engines that the dispatcher knows."""
        return self._page(EngineView, "engines", "/engines", {})

    def health(self) -> dict[str, Any]:
        """How the dispatcher is; answered without a token."""
        return self._wire.json("GET", "/health")

    def events(self, *, job: int | None = None, after: int | None = None, patience: float | None = None) -> EventStream:
        """Events as they happen, without end; after a lost connection it goes on where it broke off."""
        return EventStream(self._wire, job=job, after=after, patience=patience)

    def wait(
        self,
        ids: Iterable[int],
        timeout: float | None = None,
        on_update: Callable[[JobView], None] | None = None,
        on_event: Callable[[EventView], None] | None = None,
    ) -> list[JobView]:
        """Block until all these jobs are over, and return them; see `laneway.client.waiting.wait`."""
        return waiting.wait(self, self._wire, ids, timeout=timeout, on_update=on_update, on_event=on_event)

    # -- inside

    def _act(self, job: int, verb: str, reason: str | None, **more: str | None) -> JobView:
        body = {key: value for key, value in {"reason": reason, **more}.items() if value is not None}
        # Repeating a retry could meet its own effect: the items already run again, which is a refusal.
        answer = self._wire.json("POST", f"/jobs/{job:d}/{verb}", body=body, repeatable=verb != "retry")
        return JobView.from_data(_inner(answer, "job"))

    def _page(self, kind: type[V], key: str, path: str, params: Mapping[str, Any]) -> Page[V]:
        answer = self._wire.json("GET", path, params=params)
        items = _views(kind, answer.get(key))
        return Page(items=items, total=answer.get("total", len(items)), data=answer)


def _views(kind: type[V], rows: object) -> tuple[V, ...]:
    return tuple(kind.from_data(row) for row in rows) if isinstance(rows, list) else ()


def _inner(answer: dict[str, Any], key: str) -> dict[str, Any]:
    inner = answer.get(key)
    return inner if isinstance(inner, dict) else answer
