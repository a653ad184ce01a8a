"""Last reports that could not be delivered, kept in a file so that a restarted agent can still deliver them.

One JSON line each, appended only while the dispatcher is away or when the agent stops; in normal running the file does not exist.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path

import orjson

from laneway.agent.wire import Report

log = logging.getLogger(__name__)


class Spool:
    """The file `reports.jsonl` in `folder`. A disk that takes nothing costs the copy, never the report: it stays in memory.

    `dispatcher` is the id of the one whose attempts are reported of: another one counts its attempts from 1 too.
    """

    def __init__(self, folder: Path) -> None:
        self.dispatcher: str | None = None
        self._path = folder / "reports.jsonl"
        self._kept: set[int] = set()
        self._complained = False

    def load(self) -> list[Report]:
        """What an earlier run left; a line that was cut off by its death is passed over."""
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        reports: dict[int, Report] = {}
        for line in lines:
            try:
                kept = orjson.loads(line)
                dispatcher = kept.pop("dispatcher", None)
                report: Report = kept
                reports[report["attempt"]] = report
                self.dispatcher = dispatcher
            except (ValueError, KeyError, TypeError, AttributeError):
                log.warning("%s: passed over a line that is not a report", self._path)
        self._kept = set(reports)
        return list(reports.values())

    def keep(self, reports: Iterable[Report]) -> None:
        """Appends those that are not in the file yet, and waits until the disk has them."""
        new = [report for report in reports if report["attempt"] not in self._kept]
        if not new:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                owner = {} if self.dispatcher is None else {"dispatcher": self.dispatcher}
                file.write(b"".join(orjson.dumps({**owner, **report}) + b"\n" for report in new))
                file.flush()
                os.fsync(file.fileno())
        except OSError as exc:
            if not self._complained:
                log.warning("undelivered reports cannot be kept on disk (%s); a restart of this agent would lose them", exc)
            self._complained = True
            return
        self._kept.update(report["attempt"] for report in new)

    def clear(self) -> None:
        """Everything was delivered."""
        if self._kept:
            self._kept.clear()
            self._path.unlink(missing_ok=True)
