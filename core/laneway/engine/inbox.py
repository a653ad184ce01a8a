"""The orders that came in and have not been followed yet."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass

from laneway.model import Json


@dataclass(frozen=True, slots=True)
class Stop:
    """The order to end an attempt: `grace` seconds between asking and killing, and the reason that people will read."""

    attempt: int
    grace: float
    reason: str


class Inbox:
    """Cuts the byte stream of orders into messages. Stops are kept apart: they concern what runs now."""

    def __init__(self) -> None:
        self.messages: deque[dict[str, Json]] = deque()
        self.closed = False
        self._rest = b""
        self._stops: dict[int, Stop] = {}

    def feed(self, data: bytes) -> None:
        """Takes in what came; b"" means that nothing will come any more. A line that is no JSON object is ignored."""
        if not data:
            self.closed = True
            return
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            try:
                message = json.loads(line)
            except ValueError:
                continue
            if isinstance(message, dict):
                self._take(message)

    def _take(self, message: dict[str, Json]) -> None:
        if message.get("type") != "stop":
            self.messages.append(message)
            return
        attempt, grace = message.get("attempt"), message.get("grace", 5.0)
        if isinstance(attempt, int) and isinstance(grace, (int, float)):
            self._stops[attempt] = Stop(attempt, float(grace), str(message.get("reason") or "stopped"))

    def stop_for(self, attempt: int) -> Stop | None:
        """The order to end `attempt`, if there is one."""
        return self._stops.get(attempt) if self._stops else None

    def forget_stops(self) -> None:
        """Once nothing runs or waits, a stop that came too late has no meaning."""
        self._stops.clear()
