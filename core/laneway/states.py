"""The states of tasks and jobs, and every decision about them: this module is the only source.

A task is one item of a job. Things happen to it (`TaskEvent`), and the table below says for every pair of state and event what
follows: a new state, nothing (`STAY`: the event is true already, or comes too late to matter), or a refusal with the reason a person
reads. The table is total; a test asserts it, and the diagram in the documentation is drawn from it.

A job has no state of its own. It is derived from how many of its tasks are in which state and from what was asked of it (`Asked`),
so job and tasks can never disagree. What people may ask of a job in which state stands in `JOB_TABLE`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class TaskState(str, Enum):
    """Where a task is."""

    PENDING = "pending"  # waits on a dependency or a sync
    QUEUED = "queued"
    BOOTING = "booting"  # leased to a lane, its process not yet reported
    EXECUTING = "executing"
    DONE = "done"
    FAILED = "failed"
    ONHOLD = "onhold"
    EXCLUDED = "excluded"


class TaskEvent(str, Enum):
    """What happens to a task."""

    RELEASE = "release"  # what it waited for is there
    LEASE = "lease"  # handed to a lane
    START = "start"  # its process runs
    SUCCEED = "succeed"  # its expected files are there
    RETRY = "retry"  # its bucket failed, tries are left
    FAIL = "fail"  # its bucket failed, no try is left
    GIVE_BACK = "give-back"  # its attempt ended through no fault of its own
    HOLD = "hold"
    UNHOLD = "unhold"
    EXCLUDE = "exclude"
    INCLUDE = "include"
    REQUEUE = "requeue"  # a person wants it rendered again
    MARK_DONE = "mark-done"


class JobState(str, Enum):
    """Where a job is."""

    INIT = "init"
    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"
    ABORTED = "aborted"


class JobEvent(str, Enum):
    """What people ask of a job."""

    PAUSE = "pause"
    RESUME = "resume"
    ABORT = "abort"
    RETRY = "retry"
    EDIT = "edit"
    DELETE = "delete"


class Asked(str, Enum):
    """What stands asked of a job, beside its tasks."""

    RUN = "run"
    PAUSE = "pause"
    ABORT = "abort"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An event that is not legal in a state, and why."""

    why: str


class Stay(Enum):
    """The one value `STAY`: the event changes nothing and is not an error."""

    STAY = "stay"


STAY = Stay.STAY

_S, _E = TaskState, TaskEvent
_OVER = "it has ended; requeue it to run it again"
_ACTIVE = "a lane is at work on it; stop its attempt first"
_IDLE = "no lane is at work on it"
_HELD = "it is on hold; release it first"
_OUT = "it is excluded; include it first"
_WAITS = "it waits for what it depends on"

TASK_TABLE: Mapping[TaskState, Mapping[TaskEvent, TaskState | Stay | Refusal]] = {
    _S.PENDING: {
        _E.RELEASE: _S.QUEUED,
        _E.LEASE: Refusal(_WAITS),
        _E.START: Refusal(_IDLE),
        _E.SUCCEED: Refusal(_IDLE),
        _E.RETRY: Refusal(_IDLE),
        _E.FAIL: Refusal(_IDLE),
        _E.GIVE_BACK: Refusal(_IDLE),
        _E.HOLD: _S.ONHOLD,
        _E.UNHOLD: STAY,
        _E.EXCLUDE: _S.EXCLUDED,
        _E.INCLUDE: STAY,
        _E.REQUEUE: STAY,
        _E.MARK_DONE: _S.DONE,
    },
    _S.QUEUED: {
        _E.RELEASE: STAY,
        _E.LEASE: _S.BOOTING,
        _E.START: Refusal(_IDLE),
        _E.SUCCEED: Refusal(_IDLE),
        _E.RETRY: Refusal(_IDLE),
        _E.FAIL: Refusal(_IDLE),
        _E.GIVE_BACK: Refusal(_IDLE),
        _E.HOLD: _S.ONHOLD,
        _E.UNHOLD: STAY,
        _E.EXCLUDE: _S.EXCLUDED,
        _E.INCLUDE: STAY,
        _E.REQUEUE: STAY,
        _E.MARK_DONE: _S.DONE,
    },
    _S.BOOTING: {
        _E.RELEASE: STAY,
        _E.LEASE: Refusal(_ACTIVE),
        _E.START: _S.EXECUTING,
        _E.SUCCEED: _S.DONE,  # a bucket of a few milliseconds is reported once, at its end
        _E.RETRY: _S.QUEUED,
        _E.FAIL: _S.FAILED,
        _E.GIVE_BACK: _S.QUEUED,
        _E.HOLD: Refusal(_ACTIVE),
        _E.UNHOLD: STAY,
        _E.EXCLUDE: Refusal(_ACTIVE),
        _E.INCLUDE: STAY,
        _E.REQUEUE: Refusal(_ACTIVE),
        _E.MARK_DONE: Refusal(_ACTIVE),
    },
    _S.EXECUTING: {
        _E.RELEASE: STAY,
        _E.LEASE: Refusal(_ACTIVE),
        _E.START: STAY,
        _E.SUCCEED: _S.DONE,
        _E.RETRY: _S.QUEUED,
        _E.FAIL: _S.FAILED,
        _E.GIVE_BACK: _S.QUEUED,
        _E.HOLD: Refusal(_ACTIVE),
        _E.UNHOLD: STAY,
        _E.EXCLUDE: Refusal(_ACTIVE),
        _E.INCLUDE: STAY,
        _E.REQUEUE: Refusal(_ACTIVE),
        _E.MARK_DONE: Refusal(_ACTIVE),
    },
    _S.DONE: {
        _E.RELEASE: STAY,
        _E.LEASE: Refusal(_OVER),
        _E.START: Refusal(_OVER),
        _E.SUCCEED: STAY,  # the same good news again: progress, then the end of its bucket
        _E.RETRY: STAY,  # a bucket that fails keeps its finished tasks
        _E.FAIL: STAY,
        _E.GIVE_BACK: STAY,
        _E.HOLD: Refusal(_OVER),
        _E.UNHOLD: STAY,
        _E.EXCLUDE: Refusal(_OVER),
        _E.INCLUDE: STAY,
        _E.REQUEUE: _S.QUEUED,
        _E.MARK_DONE: STAY,
    },
    _S.FAILED: {
        _E.RELEASE: STAY,
        _E.LEASE: Refusal(_OVER),
        _E.START: Refusal(_OVER),
        _E.SUCCEED: Refusal(_OVER),
        _E.RETRY: Refusal(_OVER),
        _E.FAIL: STAY,
        _E.GIVE_BACK: Refusal(_OVER),
        _E.HOLD: _S.ONHOLD,
        _E.UNHOLD: STAY,
        _E.EXCLUDE: _S.EXCLUDED,
        _E.INCLUDE: STAY,
        _E.REQUEUE: _S.QUEUED,
        _E.MARK_DONE: _S.DONE,
    },
    _S.ONHOLD: {
        _E.RELEASE: STAY,
        _E.LEASE: Refusal(_HELD),
        _E.START: Refusal(_HELD),
        _E.SUCCEED: Refusal(_HELD),
        _E.RETRY: Refusal(_HELD),
        _E.FAIL: Refusal(_HELD),
        _E.GIVE_BACK: Refusal(_HELD),
        _E.HOLD: STAY,
        _E.UNHOLD: _S.QUEUED,
        _E.EXCLUDE: _S.EXCLUDED,
        _E.INCLUDE: STAY,
        _E.REQUEUE: _S.QUEUED,
        _E.MARK_DONE: _S.DONE,
    },
    _S.EXCLUDED: {
        _E.RELEASE: STAY,
        _E.LEASE: Refusal(_OUT),
        _E.START: Refusal(_OUT),
        _E.SUCCEED: Refusal(_OUT),
        _E.RETRY: Refusal(_OUT),
        _E.FAIL: Refusal(_OUT),
        _E.GIVE_BACK: Refusal(_OUT),
        _E.HOLD: Refusal(_OUT),
        _E.UNHOLD: STAY,
        _E.EXCLUDE: STAY,
        _E.INCLUDE: _S.QUEUED,
        _E.REQUEUE: _S.QUEUED,
        _E.MARK_DONE: _S.DONE,
    },
}

_J, _A = JobState, JobEvent
_ENDED = "it is done; `retry` with a range renders those items again"
_FAILED = "it has failed and nothing of it is left to run; `retry` renders what failed"
_ABORTED = "it was aborted; `resume` lets the rest run"
_RUNNING = "lanes are at work on it; abort it first"

# Per state and event: what stands asked of the job from now on, or STAY (allowed, and nothing asked changes), or a refusal.
JOB_TABLE: Mapping[JobState, Mapping[JobEvent, Asked | Stay | Refusal]] = {
    _J.INIT: {
        _A.PAUSE: Asked.PAUSE,
        _A.RESUME: STAY,
        _A.ABORT: Asked.ABORT,
        _A.RETRY: STAY,
        _A.EDIT: STAY,
        _A.DELETE: STAY,
    },
    _J.WAITING: {
        _A.PAUSE: Asked.PAUSE,
        _A.RESUME: STAY,
        _A.ABORT: Asked.ABORT,
        _A.RETRY: STAY,
        _A.EDIT: STAY,
        _A.DELETE: STAY,
    },
    _J.RUNNING: {
        _A.PAUSE: Asked.PAUSE,
        _A.RESUME: STAY,
        _A.ABORT: Asked.ABORT,
        _A.RETRY: STAY,
        _A.EDIT: STAY,
        _A.DELETE: Refusal(_RUNNING),
    },
    _J.PAUSED: {
        _A.PAUSE: STAY,
        _A.RESUME: Asked.RUN,
        _A.ABORT: Asked.ABORT,
        _A.RETRY: STAY,  # what is retried waits, like the rest, for the resume
        _A.EDIT: STAY,
        _A.DELETE: STAY,
    },
    _J.DONE: {
        _A.PAUSE: Refusal(_ENDED),
        _A.RESUME: Refusal(_ENDED),
        _A.ABORT: Refusal(_ENDED),
        _A.RETRY: Asked.RUN,
        _A.EDIT: STAY,
        _A.DELETE: STAY,
    },
    _J.FAILED: {
        _A.PAUSE: Refusal(_FAILED),
        _A.RESUME: Refusal(_FAILED),
        _A.ABORT: Refusal(_FAILED),
        _A.RETRY: Asked.RUN,
        _A.EDIT: STAY,
        _A.DELETE: STAY,
    },
    _J.ABORTED: {
        _A.PAUSE: Refusal(_ABORTED),
        _A.RESUME: Asked.RUN,
        _A.ABORT: STAY,
        _A.RETRY: Asked.RUN,
        _A.EDIT: STAY,
        _A.DELETE: STAY,
    },
}

ACTIVE = frozenset({TaskState.BOOTING, TaskState.EXECUTING})  # a lane is at work
OPEN = frozenset({TaskState.PENDING, TaskState.QUEUED, TaskState.BOOTING, TaskState.EXECUTING, TaskState.ONHOLD})
ENDED_JOB = frozenset({JobState.DONE, JobState.FAILED, JobState.ABORTED})
