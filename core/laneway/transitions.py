"""What follows when something happens to a task or is asked of a job: pure functions over the tables in `laneway.states`."""

from __future__ import annotations

from collections.abc import Mapping

from laneway.errors import IllegalTransitionError
from laneway.states import (
    JOB_TABLE,
    STAY,
    TASK_TABLE,
    Asked,
    JobEvent,
    JobState,
    Refusal,
    Stay,
    TaskEvent,
    TaskState,
)


def task_after(state: TaskState, event: TaskEvent, subject: str = "the task") -> TaskState:
    """The state of a task after an event; the same state where the event changes nothing.

    Raises `IllegalTransitionError`, which names `subject`, for what the table refuses.
    """
    follows = TASK_TABLE[state][event]
    if isinstance(follows, Refusal):
        raise IllegalTransitionError(subject, state.value, event.value, follows.why)
    return state if isinstance(follows, Stay) else follows


def task_follows(state: TaskState, event: TaskEvent) -> TaskState | None:
    """The state that an event leads to, or None where it changes nothing or is refused: for acting on many tasks at once."""
    follows = TASK_TABLE[state][event]
    return follows if isinstance(follows, TaskState) and follows is not state else None


def asked_after(state: JobState, asked: Asked, event: JobEvent, subject: str = "the job") -> Asked:
    """What stands asked of a job after somebody asks `event` of it; raises `IllegalTransitionError` where that is refused."""
    follows = JOB_TABLE[state][event]
    if isinstance(follows, Refusal):
        raise IllegalTransitionError(subject, state.value, event.value, follows.why)
    return asked if follows is STAY or isinstance(follows, Stay) else follows


def job_state(counts: Mapping[TaskState, int], asked: Asked) -> JobState:
    """A job's state, derived from how many of its tasks are in which state and from what was asked of it.

    What was asked wins over what runs: an aborted job whose processes are still being ended is `aborted`, a paused one whose
    lanes finish their buckets is `paused`. A job whose tasks have all ended is never `paused`.
    """

    def count(state: TaskState) -> int:
        return counts.get(state, 0)

    active = count(TaskState.BOOTING) + count(TaskState.EXECUTING)
    waiting = count(TaskState.PENDING) + count(TaskState.QUEUED) + count(TaskState.ONHOLD)
    if active + waiting == 0:
        if count(TaskState.FAILED):
            return JobState.FAILED
        if count(TaskState.DONE) + count(TaskState.EXCLUDED):
            return JobState.DONE
        return JobState.INIT
    if asked is Asked.ABORT:
        return JobState.ABORTED
    if asked is Asked.PAUSE:
        return JobState.PAUSED
    return JobState.RUNNING if active else JobState.WAITING
