"""The state tables are total, and read as they should."""

from __future__ import annotations

import pytest

from laneway.errors import IllegalTransitionError
from laneway.states import ACTIVE, JOB_TABLE, TASK_TABLE, Asked, JobEvent, JobState, TaskEvent, TaskState
from laneway.transitions import asked_after, job_state, task_after, task_follows

S, E, J, A = TaskState, TaskEvent, JobState, JobEvent


def test_every_pair_of_task_state_and_event_is_decided() -> None:
    assert {(state, event) for state in TASK_TABLE for event in TASK_TABLE[state]} == {(s, e) for s in S for e in E}


def test_every_pair_of_job_state_and_event_is_decided() -> None:
    assert {(state, event) for state in JOB_TABLE for event in JOB_TABLE[state]} == {(j, a) for j in J for a in A}


STORIES = [
    "pending > release --> queued",
    "queued > lease --> booting",
    "booting > start --> executing",
    "booting > succeed --> done",
    "executing > succeed --> done",
    "executing > retry --> queued",
    "executing > fail --> failed",
    "executing > give-back --> queued",
    "done > give-back --> done",
    "done > fail --> done",
    "done > requeue --> queued",
    "failed > requeue --> queued",
    "failed > mark-done --> done",
    "queued > hold --> onhold",
    "onhold > unhold --> queued",
    "excluded > include --> queued",
]


@pytest.mark.parametrize("story", STORIES, ids=STORIES)
def test_task_story(story: str) -> None:
    state, event, after = story.replace(" --> ", " > ").split(" > ")
    assert task_after(S(state), E(event)) is S(after)


REFUSED = ["pending > lease", "done > lease", "executing > hold", "executing > requeue", "onhold > lease", "excluded > lease"]


@pytest.mark.parametrize("story", REFUSED, ids=REFUSED)
def test_refused_task_event_names_subject_state_and_event(story: str) -> None:
    state, event = story.split(" > ")
    with pytest.raises(IllegalTransitionError) as caught:
        task_after(S(state), E(event), "item 7 of job 3")
    assert (caught.value.subject, caught.value.state, caught.value.event) == ("item 7 of job 3", state, event)
    assert "item 7 of job 3" in str(caught.value)


def test_done_is_left_only_when_a_person_asks() -> None:
    leaving = {event for event in E if task_follows(S.DONE, event) is not None}
    assert leaving == {E.REQUEUE}


def test_only_what_is_queued_can_be_leased() -> None:
    assert {state for state in S if task_follows(state, E.LEASE)} == {S.QUEUED}


def test_people_never_change_a_task_that_a_lane_is_at_work_on() -> None:
    people = {E.HOLD, E.UNHOLD, E.EXCLUDE, E.INCLUDE, E.REQUEUE, E.MARK_DONE}
    assert not any(task_follows(state, event) for state in ACTIVE for event in people)


JOBS = [
    ("nothing yet", {}, Asked.RUN, J.INIT),
    ("all queued", {S.QUEUED: 3}, Asked.RUN, J.WAITING),
    ("one runs", {S.QUEUED: 2, S.EXECUTING: 1}, Asked.RUN, J.RUNNING),
    ("one boots", {S.DONE: 2, S.BOOTING: 1}, Asked.RUN, J.RUNNING),
    ("all done", {S.DONE: 3}, Asked.RUN, J.DONE),
    ("all excluded", {S.EXCLUDED: 3}, Asked.RUN, J.DONE),
    ("one failed, the rest done", {S.DONE: 2, S.FAILED: 1}, Asked.RUN, J.FAILED),
    ("one failed, one waits", {S.QUEUED: 1, S.FAILED: 1}, Asked.RUN, J.WAITING),
    ("paused while one runs", {S.QUEUED: 2, S.EXECUTING: 1}, Asked.PAUSE, J.PAUSED),
    ("aborted while one runs", {S.QUEUED: 2, S.EXECUTING: 1}, Asked.ABORT, J.ABORTED),
    ("all done before the abort came", {S.DONE: 3}, Asked.ABORT, J.DONE),
    ("the rest is on hold", {S.DONE: 2, S.ONHOLD: 1}, Asked.RUN, J.WAITING),
]


@pytest.mark.parametrize(("counts", "asked", "state"), [case[1:] for case in JOBS], ids=[case[0] for case in JOBS])
def test_job_state_follows_from_its_tasks(counts: dict[TaskState, int], asked: Asked, state: JobState) -> None:
    assert job_state(counts, asked) is state


def test_an_aborted_job_is_resumed_and_a_done_one_is_not() -> None:
    assert asked_after(J.ABORTED, Asked.ABORT, A.RESUME) is Asked.RUN
    with pytest.raises(IllegalTransitionError, match="done"):
        asked_after(J.DONE, Asked.RUN, A.RESUME)
