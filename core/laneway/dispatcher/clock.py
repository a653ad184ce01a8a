"""The dispatcher's time: epoch seconds that never jump.

Leases hang on it. If somebody sets the computer's clock, or the laptop sleeps, no server may lose its attempts because of that: so the
clock is read once, and from then on time passes as the monotonic clock says.
"""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], float]


def steady_clock() -> Clock:
    """A function that gives the epoch seconds."""
    start = time.time() - time.monotonic()
    return lambda: start + time.monotonic()
