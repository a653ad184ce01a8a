"""Rows and records as SQLite holds them, and every statement that writes or reads them.

A record's columns stand in the table in the order of its fields; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import orjson

from laneway.dispatcher.store import AttemptRecord, Batch, JobRecord, ServerRecord
from laneway.events import Row

Values = tuple[object, ...]

PUT_ROW = "INSERT INTO history VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
PUT_ATTEMPT = "INSERT OR REPLACE INTO attempts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
PUT_JOB = "INSERT OR REPLACE INTO jobs VALUES (?, ?, ?, ?, ?)"
PUT_SERVER = "INSERT OR REPLACE INTO servers VALUES (?, ?)"
PUT_META = "INSERT OR REPLACE INTO meta VALUES (?, ?)"
PUT_SUBMISSION = "INSERT OR REPLACE INTO submissions VALUES (?, ?)"
DROP_JOB = "DELETE FROM jobs WHERE id = ?"
DROP_SUBMISSION = "DELETE FROM submissions WHERE job = ?"
DOOM_JOB = "INSERT OR IGNORE INTO doomed VALUES (?)"

NEXT_DOOMED = "SELECT job FROM doomed LIMIT 1"
PURGE_ATTEMPTS = "DELETE FROM attempts WHERE id IN (SELECT id FROM attempts WHERE job = ? LIMIT ?)"
PURGE_ROWS = "DELETE FROM history WHERE seq IN (SELECT seq FROM history WHERE job = ? AND kind <> 'deleted' LIMIT ?)"
PURGED = "DELETE FROM doomed WHERE job = ?"

JOBS = "SELECT * FROM jobs ORDER BY id"
REPLAY = "SELECT h.* FROM jobs j CROSS JOIN history h ON h.job = j.id AND h.seq > j.seq WHERE h.replay ORDER BY h.seq"
SERVERS = "SELECT * FROM servers"
META = "SELECT * FROM meta"
SUBMISSIONS = "SELECT * FROM submissions"
LAST_SEQ = "SELECT coalesce(max(seq), 0) FROM history"
LAST_ATTEMPT = "SELECT coalesce(max(id), 0) FROM attempts"
HISTORY = "SELECT * FROM history WHERE seq > ? ORDER BY seq LIMIT ?"
HISTORY_OF_JOB = "SELECT * FROM history WHERE job = ? AND seq > ? ORDER BY seq LIMIT ?"
ATTEMPTS = "SELECT * FROM attempts WHERE job = ? ORDER BY id DESC LIMIT ? OFFSET ?"
ATTEMPTS_AT = "SELECT * FROM attempts WHERE job = ? AND lo > ? AND lo < ? AND hi > ? ORDER BY id DESC LIMIT 10000"
ATTEMPT_COUNT = "SELECT count(*) FROM attempts WHERE job = ?"
WIDEST = "SELECT coalesce(max(hi - lo), 0) FROM attempts WHERE job = ?"
ATTEMPT = "SELECT * FROM attempts WHERE id = ?"


def text(value: object) -> str:
    """JSON as the database keeps it."""
    return orjson.dumps(value).decode()


def pack_row(row: Row) -> Values:
    """A history row's columns."""
    data = text(row.data) if row.data else "{}"
    return (
        row.seq,
        row.at,
        row.kind,
        row.job,
        row.attempt,
        row.server,
        row.items,
        row.reason,
        row.actor,
        data,
        row.replay,
    )


def unpack_row(values: Sequence[object]) -> Row:
    """The counterpart of `pack_row`."""
    *plain, data, replay = values
    return Row(*plain, orjson.loads(data), bool(replay))  # type: ignore[arg-type,call-arg]  # columns in the order of the fields


def pack_attempt(record: AttemptRecord) -> Values:
    """An attempt's columns."""
    return (*(getattr(record, name) for name in _PLAIN_ATTEMPT), text(record.commandline) if record.commandline else "[]")


def unpack_attempt(values: Sequence[object]) -> AttemptRecord:
    """The counterpart of `pack_attempt`."""
    *plain, commandline = values
    return AttemptRecord(*plain, tuple(orjson.loads(commandline)))  # type: ignore[arg-type,call-arg]  # columns in the order of the fields


def pack_job(record: JobRecord) -> Values:
    """A job's columns."""
    return (record.id, record.created, text(record.payload), text(record.snapshot), record.seq)


def unpack_job(values: Sequence[object]) -> JobRecord:
    """The counterpart of `pack_job`."""
    number, created, payload, snapshot, seq = values
    return JobRecord(number, created, orjson.loads(payload), orjson.loads(snapshot), seq)  # type: ignore[arg-type]  # the columns' types


_PLAIN_ATTEMPT = tuple(f.name for f in fields(AttemptRecord))[:-1]


@dataclass(slots=True)
class Packed:
    """Several batches as the values of a few statements, ready for one transaction; `deletes` tells whether a job goes."""

    statements: list[tuple[str, list[Values]]]
    deletes: bool

    @classmethod
    def of(cls, batches: Iterable[Batch]) -> Packed:
        """Put batches together in order; of what is written twice only the last stays."""
        rows: list[Values] = []
        ended: list[Values] = []
        jobs: dict[int, JobRecord] = {}
        servers: dict[str, ServerRecord] = {}
        deleted: list[Values] = []
        meta: dict[str, int] = {}
        submissions: dict[str, int] = {}
        for batch in batches:
            rows.extend(map(pack_row, batch.rows))
            ended.extend(map(pack_attempt, batch.ended))
            jobs.update((job.id, job) for job in batch.jobs)
            servers.update((server.id, server) for server in batch.servers)
            deleted.extend((job,) for job in batch.deleted)
            meta.update(batch.meta)
            submissions.update(batch.submissions)
        found: list[tuple[str, list[Values]]] = [
            (PUT_ROW, rows),
            (PUT_ATTEMPT, ended),
            (PUT_JOB, [pack_job(job) for job in jobs.values()]),
            (PUT_SERVER, [(server.id, text(server.info)) for server in servers.values()]),
            (PUT_SUBMISSION, list(submissions.items())),
            (DROP_JOB, deleted),
            (DROP_SUBMISSION, deleted),
            (DOOM_JOB, deleted),
            (PUT_META, list(meta.items())),
        ]
        return cls([(statement, values) for statement, values in found if values], bool(deleted))
