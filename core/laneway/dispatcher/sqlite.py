"""The store on SQLite: one connection that writes, in a thread of its own, and a few that read.

Group commit: while one transaction is on its way to the disc everything that is appended gathers, and becomes the next one. So the
number of syncs follows the disc's speed and not the number of changes, and the event loop is woken once per transaction.

When the disc is full (or the database cannot be written for another reason that may pass) the transaction is kept and tried
again; `trouble` says why, and who waits on it is told after `PATIENCE` seconds. Anything else that goes wrong while
writing means that memory and disc differ: `on_fatal` is called, and the dispatcher has to start again from the disc.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import orjson

from laneway.dispatcher import records
from laneway.dispatcher.lock import FolderLock
from laneway.dispatcher.schema import CHECK_AT_START, check, open_database, open_reader
from laneway.dispatcher.store import AttemptRecord, Batch, Saved, ServerRecord
from laneway.errors import StoreError
from laneway.events import Row
from laneway.spans import Span

PATIENCE = 10.0  # seconds that somebody waits for a disc that is full
RETRY_AFTER = 0.5  # seconds between attempts to write
PURGE_AT_ONCE = 2000  # rows of deleted jobs removed in one transaction, between others

log = logging.getLogger("laneway.store")
T = TypeVar("T")


@dataclass(slots=True)
class _Group:
    """One transaction: its batches, and who wants to know."""

    batches: list[Batch] = field(default_factory=list)
    thens: list[Callable[[], None]] = field(default_factory=list)
    waiters: list[asyncio.Future[None]] = field(default_factory=list)


class SqliteStore:
    """A `Store` in the file `laneway.db` of a data folder, which it locks.

    Raises `StoreError` when the folder is in use or the file is not what it should be.
    """

    def __init__(self, folder: Path, *, on_fatal: Callable[[BaseException], None] | None = None) -> None:
        self.path = folder / "laneway.db"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # payloads may hold secrets
            self._lock = FolderLock(folder / "dispatcher.lock")
        except OSError as exc:
            raise StoreError(
                f"the data folder {folder} cannot be used: {exc.strerror}.",
                field="data",
                value=str(folder),
                fix="Name another.",
            ) from exc
        try:
            self._database = open_database(self.path)
        except BaseException:
            self._lock.close()
            raise
        self._on_fatal = on_fatal
        self._failed: BaseException | None = None
        self._trouble: str | None = None
        self._open = _Group()
        self._flying: _Group | None = None
        self._scheduled = False
        self._closing = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._work: queue.SimpleQueue[records.Packed | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="laneway-store", daemon=True)
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="laneway-read")
        if self.path.stat().st_size >= CHECK_AT_START:
            self._pool.submit(self._check_later)

    # -- writing, on the loop --

    @property
    def trouble(self) -> str | None:
        return self._trouble

    def append(self, batch: Batch, then: Callable[[], None] | None = None) -> None:
        if self._failed is not None:
            raise StoreError("the database cannot be written any more.", fix="Restart the dispatcher.") from self._failed
        self._open.batches.append(batch)
        if then is not None:
            self._open.thens.append(then)
        if self._flying is None and not self._scheduled:
            self._scheduled = True
            self._started_loop().call_soon(self._flush)  # what else this turn of the loop appends goes with it

    async def durable(self) -> None:
        group = self._open if self._open.batches else self._flying
        if group is None:
            if self._failed is not None:
                raise StoreError("the database cannot be written any more.", fix="Restart the dispatcher.")
            return
        waiter = self._started_loop().create_future()
        group.waiters.append(waiter)
        if self._trouble is not None:
            self._started_loop().call_later(PATIENCE, self._give_up, [waiter])
        await waiter

    async def close(self) -> None:
        try:
            if self._failed is None:
                await self.durable()
        finally:
            self._closing.set()
            if self._writer.is_alive():
                self._work.put(None)
                await asyncio.to_thread(self._writer.join)
            self._pool.shutdown()
            for reader in self._readers:
                reader.close()
            self._database.close()
            self._lock.close()

    def _started_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._writer.start()
        return self._loop

    def _flush(self) -> None:
        self._scheduled = False
        if self._open.batches and self._flying is None:
            self._flying, self._open = self._open, _Group()
            self._work.put(records.Packed.of(self._flying.batches))

    def _committed(self) -> None:
        group, self._flying, self._trouble = self._flying, None, None
        assert group is not None
        for then in group.thens:
            then()
        for waiter in group.waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._flush()

    def _stalled(self, reason: str) -> None:
        if self._trouble is None and self._loop is not None and self._flying is not None:
            log.error("cannot write %s: %s; trying again", self.path, reason)
            self._loop.call_later(PATIENCE, self._give_up, self._flying.waiters)
            self._loop.call_later(PATIENCE, self._give_up, self._open.waiters)
        self._trouble = reason

    def _give_up(self, waiters: list[asyncio.Future[None]]) -> None:
        if self._trouble is not None:
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_exception(
                        StoreError(
                            f"it could not be saved: {self._trouble}.",
                            fix="Make room on the dispatcher's disc; it goes on by itself.",
                        )
                    )

    def _broken(self, error: BaseException) -> None:
        self._failed = error
        waiters = self._open.waiters + (self._flying.waiters if self._flying else [])
        for waiter in waiters:
            if not waiter.done():
                waiter.set_exception(StoreError(f"it could not be saved: {error}.", fix="Restart the dispatcher."))
        if self._on_fatal is not None:
            self._on_fatal(error)

    # -- writing, in the thread --

    def _write(self) -> None:
        loop = self._loop
        assert loop is not None
        purging = self._has_doomed()
        while True:
            try:
                packed = self._work.get_nowait() if purging else self._work.get()
            except queue.Empty:
                purging = self._purge()
                continue
            if packed is None:
                return
            try:
                if not self._commit_stubbornly(packed, loop):
                    return
            except Exception as error:  # whatever it is, memory and disc now differ
                log.critical("cannot write %s", self.path, exc_info=True)
                loop.call_soon_threadsafe(self._broken, error)
                return
            purging = purging or packed.deletes
            loop.call_soon_threadsafe(self._committed)

    def _commit_stubbornly(self, packed: records.Packed, loop: asyncio.AbstractEventLoop) -> bool:
        """Commit; where the disc is full try again until it works (True) or the store closes (False)."""
        while True:
            try:
                self._commit(packed)
                return True
            except sqlite3.OperationalError as error:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                loop.call_soon_threadsafe(self._stalled, str(error))
                if self._closing.wait(RETRY_AFTER):
                    return False

    def _commit(self, packed: records.Packed) -> None:
        database = self._database
        database.execute("BEGIN")
        for statement, values in packed.statements:
            database.executemany(statement, values)
        database.execute("COMMIT")

    def _has_doomed(self) -> bool:
        return self._database.execute(records.NEXT_DOOMED).fetchone() is not None

    def _purge(self) -> bool:
        """Remove a little of what deleted jobs left; whether there is more."""
        database = self._database
        try:
            found = database.execute(records.NEXT_DOOMED).fetchone()
            if found is None:
                return False
            database.execute("BEGIN")
            gone = sum(
                database.execute(statement, (found[0], PURGE_AT_ONCE)).rowcount
                for statement in (records.PURGE_ATTEMPTS, records.PURGE_ROWS)
            )
            if gone == 0:
                database.execute(records.PURGED, found)
            database.execute("COMMIT")
        except sqlite3.OperationalError:  # no room even to delete: after the next commit it goes on
            if database.in_transaction:
                database.execute("ROLLBACK")
            return False
        return True

    # -- reading --

    def load(self) -> Saved:
        database = self._database
        (last,) = database.execute(records.LAST_SEQ).fetchone()
        (last_attempt,) = database.execute(records.LAST_ATTEMPT).fetchone()
        return Saved(
            [records.unpack_job(row) for row in database.execute(records.JOBS)],
            [records.unpack_row(row) for row in database.execute(records.REPLAY)],
            [ServerRecord(row[0], orjson.loads(row[1])) for row in database.execute(records.SERVERS)],
            dict(database.execute(records.META)),
            dict(database.execute(records.SUBMISSIONS)),
            last,
            last_attempt,
        )

    async def history(self, *, job: int | None = None, after: int = 0, limit: int = 100) -> Sequence[Row]:
        if job is None:
            return await self._read(records.HISTORY, (after, limit), records.unpack_row)
        return await self._read(records.HISTORY_OF_JOB, (job, after, limit), records.unpack_row)

    async def attempts(self, job: int, *, limit: int = 100, offset: int = 0) -> Sequence[AttemptRecord]:
        return await self._read(records.ATTEMPTS, (job, limit, offset), records.unpack_attempt)

    async def attempts_at(self, job: int, spans: Sequence[Span], *, widest: int) -> Sequence[AttemptRecord]:
        def run() -> list[AttemptRecord]:
            rows = (row for lo, hi in spans for row in self._reader().execute(records.ATTEMPTS_AT, (job, lo - widest, hi, lo)))
            found = {record.id: record for record in map(records.unpack_attempt, rows)}
            return [found[key] for key in sorted(found, reverse=True)]

        return await asyncio.get_running_loop().run_in_executor(self._pool, run)

    async def widest(self, job: int) -> int:
        return (await self._read(records.WIDEST, (job,), _number))[0]

    async def attempt_count(self, job: int) -> int:
        return (await self._read(records.ATTEMPT_COUNT, (job,), _number))[0]

    async def attempt(self, attempt: int) -> AttemptRecord | None:
        found = await self._read(records.ATTEMPT, (attempt,), records.unpack_attempt)
        return found[0] if found else None

    async def _read(self, query: str, values: Sequence[object], unpack: Callable[[Sequence[object]], T]) -> list[T]:
        def run() -> list[T]:
            return [unpack(row) for row in self._reader().execute(query, tuple(values))]

        return await asyncio.get_running_loop().run_in_executor(self._pool, run)

    def _reader(self) -> sqlite3.Connection:
        reader: sqlite3.Connection | None = getattr(self._local, "reader", None)
        if reader is None:
            reader = self._local.reader = open_reader(self.path)
            self._readers.append(reader)
        return reader

    def _check_later(self) -> None:
        try:
            check(self._reader(), self.path)
        except StoreError as error:
            log.critical("%s", error)
            if self._on_fatal is not None and self._loop is not None:
                self._loop.call_soon_threadsafe(self._on_fatal, error)


def _number(row: Sequence[object]) -> int:
    return int(str(row[0]))
