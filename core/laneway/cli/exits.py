"""Exit codes, which scripts rely on: they never change their meaning."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from laneway.errors import (
    AccessError,
    ConflictError,
    LanewayError,
    NotFoundError,
    StaleAttemptError,
    StoreError,
    UnreachableError,
    UserError,
)


class Code(IntEnum):
    """How a command ended."""

    OK = 0
    JOB_FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    REFUSED = 4
    UNREACHABLE = 5
    GONE = 6
    BUG = 70
    TIMED_OUT = 124
    INTERRUPTED = 130
    PIPE_CLOSED = 141


MEANING = {
    Code.OK: "it worked; with --wait: every job is done",
    Code.JOB_FAILED: "a job that was waited for has failed; up, agent: it could not start",
    Code.USAGE: "the command line or the payload is wrong",
    Code.NOT_FOUND: "there is no such job, attempt, log or file",
    Code.REFUSED: "not possible in the job's present state",
    Code.UNREACHABLE: "no dispatcher answers, it cannot save, or it refuses the token",
    Code.GONE: "a job was aborted or deleted while it was waited for",
    Code.BUG: "a bug in Laneway",
    Code.TIMED_OUT: "`wait --timeout` is over",
    Code.INTERRUPTED: "interrupted with Ctrl-C; jobs go on",
    Code.PIPE_CLOSED: "whoever read the output has gone",
}

_CODES: tuple[tuple[type[LanewayError], Code], ...] = (
    (NotFoundError, Code.NOT_FOUND),
    (ConflictError, Code.REFUSED),
    (StaleAttemptError, Code.REFUSED),
    (UnreachableError, Code.UNREACHABLE),
    (AccessError, Code.UNREACHABLE),
    (StoreError, Code.UNREACHABLE),
    (UserError, Code.USAGE),
)


def code_of(error: LanewayError) -> Code:
    """The exit code of an error."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), Code.BUG)


def code_of_states(states: Iterable[str]) -> Code:
    """The exit code of jobs that were waited for; a failure outweighs an abort."""
    found = set(states)
    if "failed" in found:
        return Code.JOB_FAILED
    return Code.OK if found <= {"done"} else Code.GONE
