"""Live events (server-sent events), with reconnection that loses nothing the dispatcher has kept."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from laneway.client.views import EventView
from laneway.client.wire import FIRST_PAUSE, LONGEST_PAUSE, Wire
from laneway.errors import LanewayError, StoreError, UnreachableError

if TYPE_CHECKING:
    import requests

SILENCE = 45.0  # seconds; the dispatcher sends a comment well within it, so longer means that the connection is dead
LONGEST_EVENT = 16 * 1024 * 1024


class Decoder:
    """Bytes in, (event id, event name, data) out; what the format allows and the dispatcher never sends is not covered."""

    def __init__(self) -> None:
        self._buffer = b""
        self._name = ""
        self._data: list[str] = []
        self.last_id: str | None = None

    def feed(self, chunk: bytes) -> Iterator[tuple[str | None, str, str]]:
        """The events that `chunk` completes. An id without data is remembered: it says where the stream stands."""
        *lines, self._buffer = (self._buffer + chunk).split(b"\n")
        if len(self._buffer) > LONGEST_EVENT:
            raise UnreachableError("the event stream is not one of a Laneway dispatcher.")
        for raw in lines:
            line = raw.rstrip(b"\r").decode("utf-8", "replace")
            if line:
                self._field(*line.partition(":")[::2])
                continue
            name, data = self._name or "message", "\n".join(self._data)
            had_data = bool(self._data)
            self._name = ""
            self._data.clear()
            if had_data:
                yield self.last_id, name, data

    def _field(self, key: str, value: str) -> None:
        value = value.removeprefix(" ")
        if key == "id":
            self.last_id = value
        elif key == "event":
            self._name = value
        elif key == "data":
            self._data.append(value)


class EventStream(Iterator[EventView]):
    """Events as they happen, without end; from the history when `after` (a seq) is given, only some with `names` (by comma).

    A broken connection is made anew where it broke off. `opened(True)` is called once a connection stands, `opened(False)` when
    it is lost. Iterating raises UnreachableError when the dispatcher stays away longer than `patience` seconds. `close` may be
    called from another thread, also while this one waits for the next event: the iteration then ends.
    """

    def __init__(
        self,
        wire: Wire,
        *,
        job: int | None = None,
        after: int | None = None,
        patience: float | None = None,
        opened: Callable[[bool], None] | None = None,
        names: str | None = None,
    ) -> None:
        self._wire, self._job, self._names = wire, job, names
        self._last = None if after is None else str(after)
        self._patience = wire.patience if patience is None else patience
        self._opened = opened or (lambda _: None)
        self._closed = threading.Event()
        self._response: requests.Response | None = None
        self._events = self._forever()

    def __next__(self) -> EventView:
        return next(self._events)

    def __enter__(self) -> EventStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the iteration and the connection."""
        self._closed.set()
        response = self._response
        if response is not None:
            _interrupt(response)

    def _forever(self) -> Iterator[EventView]:
        heard, pause = time.monotonic(), FIRST_PAUSE
        while not self._closed.is_set():
            trouble: LanewayError = UnreachableError("the dispatcher ends every event stream at once.")
            try:
                for event in self._connection():
                    heard, pause = time.monotonic(), FIRST_PAUSE
                    if event is not None:
                        yield event
            except (UnreachableError, StoreError) as exc:
                trouble = exc
            if self._closed.is_set():
                return
            if time.monotonic() - heard > self._patience:
                raise trouble
            self._closed.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
            self._wire.relocate()

    def _connection(self) -> Iterator[EventView | None]:
        """The events of one connection; None for a sign of life that is no event."""
        decoder = Decoder()
        decoder.last_id = self._last
        head = {"Accept": "text/event-stream", "Accept-Encoding": "identity"}
        if self._last is not None:
            head["Last-Event-ID"] = self._last
        response = self._response = self._wire.call(
            "GET",
            "/events",
            params={"job": self._job, "after": self._last, "names": self._names},
            headers=head,
            stream=True,
            read_timeout=SILENCE,
            patience=0.0,
        )
        try:
            if self._closed.is_set():
                return
            self._opened(True)
            for chunk in _chunks(response):
                yield None
                for _, name, data in decoder.feed(chunk):
                    # What was handed out counts as heard, so the place is kept before the next one is asked for.
                    self._last = decoder.last_id
                    yield EventView.from_data({**_object(data), "name": name})
                self._last = decoder.last_id
                if self._closed.is_set():
                    return
        finally:
            self._response = None
            response.close()
            self._opened(False)


def _interrupt(response: requests.Response) -> None:
    """Wake up whoever reads this response. Closing it would wait for that reader instead."""
    sock = getattr(getattr(response.raw, "connection", None), "sock", None)
    if sock is not None:
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the other side was faster


def _chunks(response: requests.Response) -> Iterator[bytes]:
    """What arrives, as it arrives; ends when the connection does. An answer without chunks can only be read byte by byte."""
    import requests

    chunked = getattr(response.raw, "chunked", False)
    try:
        yield from response.iter_content(None if chunked else 1)
    except (requests.RequestException, OSError, AttributeError):
        return  # AttributeError: closed by another thread in the middle of a read


def _object(data: str) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
