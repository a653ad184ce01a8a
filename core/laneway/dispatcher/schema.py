"""Open the dispatcher's database: create it, bring an older one up to date, refuse what is not ours or too new.

`PRAGMA application_id` tells a Laneway database from any other, `PRAGMA user_version` is the number of the last migration.
Migrations are the files `migrations/NNNN_name.sql`; each runs in one transaction with the change of the version.
"""

from __future__ import annotations

import sqlite3
from importlib import resources
from pathlib import Path

from laneway.errors import StoreError

APPLICATION_ID = 0x4C414E45  # "LANE"
CHECK_AT_START = 64 << 20  # bytes; a larger database is checked while the dispatcher already serves


def migrations() -> list[tuple[int, str]]:
    """Number and text of every migration, in order."""
    folder = resources.files("laneway.dispatcher") / "migrations"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return [(int(file.name.split("_", 1)[0]), file.read_text(encoding="utf-8")) for file in files]


def open_database(path: Path) -> sqlite3.Connection:
    """The connection that writes, its schema up to date.

    Raises `StoreError` for a file that is no database, belongs to another program, is damaged or was written by a newer Laneway.
    """
    try:
        database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=64)
    except sqlite3.Error as exc:
        raise _refusal(path, f"cannot be opened: {exc}.", "Check the folder's permissions.") from exc
    try:
        _prepare(database, path)
    except sqlite3.DatabaseError as exc:
        database.close()
        raise _refusal(path, f"cannot be used: {exc}.", "Move it away, or name another folder with --data.") from exc
    except StoreError:
        database.close()
        raise
    return database


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that only reads."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False)


def check(database: sqlite3.Connection, path: Path) -> None:
    """Look for damage; raises `StoreError`. Takes about a second for every few hundred megabytes."""
    found = [row[0] for row in database.execute("PRAGMA quick_check(5)")]
    if found != ["ok"]:
        raise _refusal(path, f"is damaged: {'; '.join(found)}.", "Restore it from a backup, or move it away to start anew.")


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    known = migrations()
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != APPLICATION_ID and (tables or version):
        raise _refusal(path, "is a database of another program.", "Name another folder with --data.")
    if version > known[-1][0]:
        raise _refusal(
            path,
            f"was written by a newer Laneway (schema {version}, this one knows {known[-1][0]}).",
            "Update Laneway, or name another folder with --data.",
        )
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("PRAGMA wal_autocheckpoint = 4000")  # pages: the same few are written again and again under load
    for number, script in known:
        if number > version:
            database.executescript(
                f"BEGIN IMMEDIATE; {script}; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {number}; COMMIT;"
            )
    if path.stat().st_size < CHECK_AT_START:
        check(database, path)


def _refusal(path: Path, what: str, fix: str) -> StoreError:
    return StoreError(f"the database {path} {what}", field="data", value=str(path), fix=fix)
