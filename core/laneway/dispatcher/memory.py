"""A store that keeps everything in memory: for tests and for a farm that nobody needs tomorrow. It passes the contract's own suite.

Records go through the same JSON as on disc, so a test that passes here does not pass because objects were shared.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import orjson

from laneway.dispatcher import records
from laneway.dispatcher.store import AttemptRecord, Batch, Saved, ServerRecord
from laneway.events import Row
from laneway.spans import Span


class MemoryStore:
    """A `Store` without a disc. Set `trouble` to act as a disc that is full: what is appended waits until it is None again."""

    def __init__(self) -> None:
        self.jobs: dict[int, records.Values] = {}
        self.rows: list[records.Values] = []
        self.ended: dict[int, records.Values] = {}
        self.servers: dict[str, bytes] = {}
        self.meta: dict[str, int] = {}
        self.submissions: dict[str, int] = {}
        self._waiting: list[tuple[Batch, Callable[[], None] | None]] = []
        self._scheduled = False
        self._trouble: str | None = None
        self._written = asyncio.Event()

    @property
    def trouble(self) -> str | None:
        return self._trouble

    @trouble.setter
    def trouble(self, reason: str | None) -> None:
        self._trouble = reason
        if reason is None and self._waiting:
            self._schedule()

    def append(self, batch: Batch, then: Callable[[], None] | None = None) -> None:
        self._waiting.append((batch, then))
        self._schedule()

    async def durable(self) -> None:
        while self._waiting:
            self._written.clear()
            await self._written.wait()

    async def close(self) -> None:
        await self.durable()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._write)

    def _write(self) -> None:
        self._scheduled = False
        if self._trouble is not None:
            return
        waiting, self._waiting = self._waiting, []
        for batch, _ in waiting:
            self._keep(batch)
        for _, then in waiting:
            if then is not None:
                then()
        self._written.set()

    def _keep(self, batch: Batch) -> None:
        self.rows.extend(map(records.pack_row, batch.rows))
        self.ended.update((record.id, records.pack_attempt(record)) for record in batch.ended)
        self.jobs.update((record.id, records.pack_job(record)) for record in batch.jobs)
        self.servers.update((record.id, orjson.dumps(record.info)) for record in batch.servers)
        self.meta.update(batch.meta)
        self.submissions.update(batch.submissions)
        for job in batch.deleted:
            self.jobs.pop(job, None)
            self.submissions = {key: made for key, made in self.submissions.items() if made != job}
            self.rows = [row for row in self.rows if row[3] != job or row[2] == "deleted"]
            self.ended = {key: value for key, value in self.ended.items() if value[1] != job}

    def load(self) -> Saved:
        jobs = [records.unpack_job(self.jobs[key]) for key in sorted(self.jobs)]
        snapshots = {job.id: job.seq for job in jobs}
        rows = [
            row for row in map(records.unpack_row, self.rows) if row.replay and row.seq > snapshots.get(row.job or 0, row.seq)
        ]
        servers = [ServerRecord(key, orjson.loads(info)) for key, info in self.servers.items()]
        last = max((row.seq for row in map(records.unpack_row, self.rows)), default=0)
        return Saved(jobs, rows, servers, dict(self.meta), dict(self.submissions), last, max(self.ended, default=0))

    async def history(self, *, job: int | None = None, after: int = 0, limit: int = 100) -> Sequence[Row]:
        rows = (records.unpack_row(row) for row in self.rows if job is None or row[3] == job)
        return [row for row in rows if row.seq > after][:limit]

    async def attempts(self, job: int, *, limit: int = 100, offset: int = 0) -> Sequence[AttemptRecord]:
        return self._of(job)[offset : offset + limit]

    async def attempts_at(self, job: int, spans: Sequence[Span], *, widest: int) -> Sequence[AttemptRecord]:
        return [
            record
            for record in self._of(job)
            if any(record.lo > lo - widest and record.lo < hi and record.hi > lo for lo, hi in spans)
        ]

    async def widest(self, job: int) -> int:
        return max((record.hi - record.lo for record in self._of(job)), default=0)

    async def attempt_count(self, job: int) -> int:
        return len(self._of(job))

    async def attempt(self, attempt: int) -> AttemptRecord | None:
        values = self.ended.get(attempt)
        return None if values is None else records.unpack_attempt(values)

    def _of(self, job: int) -> list[AttemptRecord]:
        found = (records.unpack_attempt(values) for values in self.ended.values() if values[1] == job)
        return sorted(found, key=lambda record: -record.id)
