"""How fast a job goes and how long it will take, from what was seen of it. Pure: times come from outside."""

from __future__ import annotations

from collections import deque

from laneway.client.views import JobView

WINDOW = 90.0  # seconds that the rate looks back; long enough for slow frames to count, short enough to follow a change
SHORTEST = 2.0  # seconds; less is no rate yet


class Meter:
    """The rate of one job."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque()
        self._job: JobView | None = None

    def add(self, job: JobView, now: float) -> None:
        """Take note of a job as it is `now` (epoch seconds)."""
        done = job.progress * job.tasks
        if self._seen and done < self._seen[-1][1]:
            self._seen.clear()  # frames were sent back; what was before is no measure
        self._job = job
        self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[1][0] > WINDOW:
            self._seen.popleft()

    def per_minute(self) -> float | None:
        """Items a minute, parts of items counted; None while nothing can be said."""
        if self._job is None or len(self._seen) == 0:
            return None
        (first, before), (last, after) = self._seen[0], self._seen[-1]
        if last - first < SHORTEST or after <= before:
            if self._job.started is None or last - self._job.started < SHORTEST:
                return None
            first, before = self._job.started, 0.0  # watched for too short a time: the job's own start is the measure
        return (after - before) * 60 / (last - first) or None

    def left(self) -> float | None:
        """Seconds until it is done at this rate."""
        rate = self.per_minute()
        if rate is None or self._job is None:
            return None
        return max(0.0, self._job.tasks * (1 - self._job.progress)) * 60 / rate
