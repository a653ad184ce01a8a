"""What only the store on disc can do, and suffer."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from dataclasses import fields
from pathlib import Path

import pytest

from laneway.dispatcher import sqlite as module
from laneway.dispatcher.schema import migrations, open_database
from laneway.dispatcher.sqlite import SqliteStore
from laneway.dispatcher.store import AttemptRecord, Batch, JobRecord, ServerRecord
from laneway.errors import StoreError
from laneway.events import Row


def row(seq: int, reason: str = "") -> Row:
    return Row(seq, 5.0, "leased", 1, reason=reason, replay=True)


@pytest.mark.parametrize(
    ("table", "record"),
    [
        pytest.param("history", Row, id="rows"),
        pytest.param("attempts", AttemptRecord, id="attempts"),
        pytest.param("jobs", JobRecord, id="jobs"),
        pytest.param("servers", ServerRecord, id="servers"),
    ],
)
def test_columns_stand_in_the_order_of_the_fields(tmp_path: Path, table: str, record: type) -> None:
    database = open_database(tmp_path / "x.db")
    columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
    assert columns == [field.name for field in fields(record)]
    database.close()


def test_commits_are_synced_to_the_disc(tmp_path: Path) -> None:
    database = open_database(tmp_path / "x.db")
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert database.execute("PRAGMA synchronous").fetchone() == (2,), "FULL"
    database.close()


def test_migrations_are_numbered_without_gaps() -> None:
    assert [number for number, _ in migrations()] == list(range(1, len(migrations()) + 1))


async def test_a_database_of_a_newer_laneway_is_refused(tmp_path: Path) -> None:
    open_database(tmp_path / "laneway.db").close()
    newer = sqlite3.connect(tmp_path / "laneway.db")
    newer.execute("PRAGMA user_version = 9999")
    newer.close()
    with pytest.raises(StoreError, match=r"newer Laneway \(schema 9999"):
        SqliteStore(tmp_path)
    newer = sqlite3.connect(tmp_path / "laneway.db")
    newer.execute("PRAGMA user_version = 1")
    newer.close()
    await SqliteStore(tmp_path).close()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(
            b"this is no database, but long enough to look like a file of some kind" * 20, "not a database", id="no database"
        ),
        pytest.param(None, "another program", id="another program's"),
    ],
)
def test_a_file_that_is_not_ours_is_refused(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "laneway.db"
    if content is None:
        other = sqlite3.connect(path)
        other.execute("CREATE TABLE mine (x)")
        other.close()
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=said):
        SqliteStore(tmp_path)
    assert path.read_bytes() == before, "it is left alone"


async def test_a_damaged_database_is_refused(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    store.append(Batch([row(seq, "x" * 500) for seq in range(1, 500)]))
    await store.durable()
    await store.close()
    path = tmp_path / "laneway.db"
    with path.open("r+b") as file:
        for page in range(8, 40):
            file.seek(page * 4096 + 8)
            file.write(os.urandom(200))
    with pytest.raises(StoreError, match=r"damaged|malformed"):
        SqliteStore(tmp_path)


async def test_two_dispatchers_never_share_a_folder(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    with pytest.raises(StoreError, match=rf"another dispatcher \(process {os.getpid()}\)"):
        SqliteStore(tmp_path)
    await store.close()
    await SqliteStore(tmp_path).close()


async def test_a_full_disc_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    monkeypatch.setattr(module, "RETRY_AFTER", 0.02)
    store = SqliteStore(tmp_path)
    (pages,) = store._database.execute("PRAGMA page_count").fetchone()
    store._database.execute(f"PRAGMA max_page_count = {pages + 2}")
    told: list[int] = []
    store.append(Batch([row(seq, "x" * 1000) for seq in range(1, 100)]), lambda: told.append(1))
    waiting = asyncio.ensure_future(store.durable())
    with pytest.raises(StoreError, match="full") as caught:
        await asyncio.wait_for(waiting, 5)
    assert "Make room" in str(caught.value)
    trouble = store.trouble or ""
    assert "full" in trouble
    store.append(Batch([row(100)]), lambda: told.append(2))
    with pytest.raises(StoreError, match="full"):
        await asyncio.wait_for(store.durable(), 5)
    assert len(told) == 0
    await asyncio.to_thread(make_room, store)
    await asyncio.wait_for(store.durable(), 5)
    assert told == [1, 2]
    assert store.trouble is None
    assert len(await store.history(limit=1000)) == 100
    await store.close()


def make_room(store: SqliteStore) -> None:
    """The writer uses the connection every now and then; between its transactions this gets its turn."""
    for _ in range(1000):
        if store._database.execute("PRAGMA max_page_count = 1000000").fetchone() == (1000000,):
            return


async def test_what_cannot_be_written_at_all_is_fatal(tmp_path: Path) -> None:
    failures: list[BaseException] = []
    store = SqliteStore(tmp_path, on_fatal=failures.append)
    store.append(Batch([row(1)]))
    store.append(Batch([row(1)]))  # the same number twice: a bug
    with pytest.raises(StoreError, match="UNIQUE"):
        await store.durable()
    assert len(failures) == 1
    with pytest.raises(StoreError, match="cannot be written any more"):
        store.append(Batch([row(2)]))
    await store.close()


CHILD = """
    import asyncio, sys
    from pathlib import Path
    from laneway.dispatcher.sqlite import SqliteStore
    from laneway.dispatcher.store import Batch
    from laneway.events import Row

    async def main():
        store = SqliteStore(Path(sys.argv[1]))
        seq = store.load().last_seq
        while True:
            for _ in range(3):
                seq += 1
                store.append(Batch([Row(seq, 5.0, "leased", 1, replay=True)]))
            await store.durable()
            print(seq, flush=True)

    asyncio.run(main())
"""


def test_nothing_acknowledged_is_lost_by_kill_9(tmp_path: Path) -> None:
    total = 0
    for _ in range(3):
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(CHILD), str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        line = [child.stdout.readline() for _ in range(100)][-1]
        child.send_signal(signal.SIGKILL)
        acknowledged = [int(line), *(int(rest) for rest in child.stdout.read().split("\n")[:-1])][-1]
        child.stdout.close()
        child.wait()
        assert acknowledged >= total + 300
        database = sqlite3.connect(tmp_path / "laneway.db")
        kept = [seq for (seq,) in database.execute("SELECT seq FROM history ORDER BY seq")]
        database.close()
        assert kept == list(range(1, len(kept) + 1)), "without gaps"
        assert len(kept) >= acknowledged
        total = len(kept)
