"""What people and scripts ask of jobs: submit, find, change, and look at their tasks and attempts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest, nsmallest
from itertools import islice
from typing import Any

from laneway import payload
from laneway.dispatcher.keeper import Keeper
from laneway.dispatcher.views import (
    AttemptList,
    AttemptView,
    JobList,
    JobView,
    RunView,
    Submitted,
    TaskList,
    TaskView,
    ended_view,
    job_view,
    running_view,
)
from laneway.engine.sequence import has_token
from laneway.errors import NotFoundError, PayloadError, UnknownNameError, UserError
from laneway.events import Abort, Delete, Edit, Pause, Resume, Retry, Submit
from laneway.frames import Frames
from laneway.job import Job
from laneway.model import EngineInfo, JobSpec
from laneway.spans import Span, Spans
from laneway.states import JobState, TaskState

_FIX_INPUT = "Check its name; a job that it comes from belongs into `depends_on`."
MAX_RUNS = 10_000  # of a job that lies in very many pieces

_SORT: Mapping[str, Callable[[Job], Any]] = {
    "id": lambda job: job.id,
    "name": lambda job: job.spec.name.casefold(),
    "user": lambda job: job.spec.user.casefold(),
    "engine": lambda job: job.spec.engine,
    "state": lambda job: job.state.value,
    "priority": lambda job: (job.spec.queue_priority, job.spec.priority),
    "created": lambda job: job.created,
    "started": lambda job: job.started or 0.0,
    "finished": lambda job: job.finished or 0.0,
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which jobs are looked for; what is empty does not matter. `name` is a part of the name, whatever its case."""

    states: frozenset[str] = frozenset()
    user: str | None = None
    engine: str | None = None
    name: str | None = None

    def filter(self, jobs: Iterable[Job]) -> Iterable[Job]:
        """The jobs that fit."""
        if self.states:
            jobs = (job for job in jobs if job.state.value in self.states)
        if self.user is not None:
            jobs = (job for job in jobs if job.spec.user == self.user)
        if self.engine is not None:
            jobs = (job for job in jobs if job.spec.engine == self.engine)
        if self.name is not None:
            part = self.name.casefold()
            jobs = (job for job in jobs if part in job.spec.name.casefold())
        return jobs

    def __bool__(self) -> bool:
        return bool(self.states) or any(one is not None for one in (self.user, self.engine, self.name))


class Jobs:
    """The jobs of a farm. Whatever changes something returns when the change is durable.

    `present` tells whether a path is there; None where this computer cannot know, because servers elsewhere may see other disks.
    """

    def __init__(
        self, keeper: Keeper, engines: Mapping[str, EngineInfo], *, present: Callable[[str], bool] | None = None
    ) -> None:
        self._keeper = keeper
        self._engines = engines
        self._present = present

    # -- changing --

    async def submit(self, raw: object, *, user: str = "", key: str | None = None, dry_run: bool = False) -> Submitted:
        """Make a job of a payload. With a `key` that has made one already, that one is returned instead."""
        keeper = self._keeper
        if not dry_run and (made := self._made(key)) is not None:
            return await self._again(made)
        spec = payload.parse(raw, self._engines, user=user)
        await self._check_inputs(spec)
        if dry_run:
            self._check_depends([one.job for one in spec.depends_on])
            return Submitted(None, self._warnings(spec.engine, spec.version))
        if (made := self._made(key)) is not None:  # the same request, while the inputs were looked for
            return await self._again(made)
        keeper.willing()
        number = keeper.farm.next_job
        keeper.do(Submit(number, spec), actor=spec.user, key=key)
        await keeper.durable()
        return Submitted(job_view(keeper.farm, self._job(number)), self._warnings(spec.engine, spec.version))

    def _made(self, key: str | None) -> Job | None:
        """The job that a key has made already."""
        return None if key is None else self._keeper.farm.jobs.get(self._keeper.submissions.get(key, 0))

    async def _again(self, made: Job) -> Submitted:
        await self._keeper.durable()
        return Submitted(job_view(self._keeper.farm, made), [])

    async def _check_inputs(self, spec: JobSpec) -> None:
        """Refuse inputs that are not there, as far as is known here: an earlier job may make them, and sequences are the engine's."""
        if self._present is None or spec.depends_on:
            return
        missing = [path for path in spec.input if not has_token(path) and not await asyncio.to_thread(self._present, path)]
        if missing:
            raise PayloadError(
                [UserError("there is no such file.", field="input", value=path, fix=_FIX_INPUT) for path in missing]
            )

    async def edit(self, number: int, raw: object, *, actor: str = "") -> JobView:
        """Change a job."""
        changes = payload.parse_edit(raw, self._job(number).spec, self._engines)
        return await self._do(Edit(number, changes), actor)

    async def pause(self, number: int, *, actor: str = "") -> JobView:
        """Hand out nothing more of it."""
        return await self._do(Pause(number), actor)

    async def resume(self, number: int, *, actor: str = "") -> JobView:
        """Let it go on."""
        return await self._do(Resume(number), actor)

    async def abort(self, number: int, *, actor: str = "") -> JobView:
        """End what runs of it and hand out nothing more."""
        return await self._do(Abort(number), actor)

    async def retry(self, number: int, items: str | None, *, actor: str = "") -> JobView:
        """Render again what failed, or the items of a range."""
        return await self._do(Retry(number, items), actor)

    async def delete(self, number: int, *, actor: str = "") -> None:
        """Remove it with its history and its logs."""
        self._job(number)
        self._keeper.willing()
        self._keeper.do(Delete(number), actor=actor)
        await self._keeper.durable()

    async def _do(self, event: Edit | Pause | Resume | Abort | Retry, actor: str) -> JobView:
        job = self._job(event.job)
        self._keeper.willing()
        self._keeper.do(event, actor=actor)
        await self._keeper.durable()
        return job_view(self._keeper.farm, job)

    # -- looking --

    def show(self, number: int) -> JobView:
        """One job."""
        return job_view(self._keeper.farm, self._job(number))

    def find(self, wanted: Wanted, *, sort: str = "-id", limit: int = 50, offset: int = 0) -> JobList:
        """A page of the jobs that fit; `sort` is a key, with `-` before it for descending order."""
        unknown = wanted.states - {state.value for state in JobState}
        if unknown:
            raise UnknownNameError("state", min(unknown), [state.value for state in JobState], field="state")
        key = sort.removeprefix("-")
        if key not in _SORT:
            raise UnknownNameError("sort key", key, _SORT, field="sort")
        jobs = self._keeper.farm.jobs
        descending = sort.startswith("-")
        if key == "id" and not wanted:  # jobs are kept by growing id
            ids = reversed(jobs) if descending else iter(jobs)
            page = [jobs[number] for number in islice(ids, offset, offset + limit)]
            total = len(jobs)
        else:
            found = list(wanted.filter(jobs.values()))
            total = len(found)
            pick = nlargest if descending else nsmallest
            page = pick(offset + limit, found, key=_SORT[key])[offset:]
        return JobList([job_view(self._keeper.farm, job) for job in page], total)

    async def tasks(
        self, number: int, *, state: str | None = None, items: str | None = None, limit: int = 100, offset: int = 0
    ) -> TaskList:
        """A page of a job's tasks, in a state or of a range where that is given. The cost follows the page and the job's runs."""
        job = self._job(number)
        wanted: list[Span] = [(0, job.total)]
        if items is not None:
            wanted = job.plan.positions(Frames.parse(items))
        if state is not None:
            if state not in {one.value for one in TaskState}:
                raise UnknownNameError("state", state, [one.value for one in TaskState], field="state")
            wanted = list(Spans(job.spans(TaskState(state))).intersection(wanted))
        total = sum(hi - lo for lo, hi in wanted)
        page = _page(wanted, offset, limit)
        newest = await self._newest(job, page)
        states = [(lo, hi, one) for one in TaskState for whole in page for lo, hi in Spans(job.spans(one)).within(*whole)]
        tasks = [self._task(job, at, one, newest.get(at)) for lo, hi, one in sorted(states) for at in range(lo, hi)]
        return TaskList(tasks, _runs(job), total)

    async def attempts(self, number: int, *, item: int | None = None, limit: int = 100, offset: int = 0) -> AttemptList:
        """A page of a job's attempts, or of those that had an item: first those at work, then those over, newest first."""
        job, farm, store = self._job(number), self._keeper.farm, self._keeper.store
        if item is not None:
            at = self._position(job, item)
            working = [one for one in job.running.values() if one.lo <= at < one.hi]
            views = [running_view(farm, one) for one in working]
            await self._keeper.readable()
            over = await store.attempts_at(number, [(at, at + 1)], widest=await self._widest(job))
            views += [ended_view(record) for record in over if record.id not in {one.id for one in working}]
            return AttemptList(views[offset : offset + limit], len(views))
        working = sorted(job.running.values(), key=lambda one: -one.id)
        views = [running_view(farm, one) for one in working[offset : offset + limit]]
        await self._keeper.readable()
        count = await store.attempt_count(number)
        if len(views) < limit:
            rest = await store.attempts(number, limit=limit - len(views), offset=max(0, offset - len(working)))
            views += [ended_view(record) for record in rest if record.id not in {one.id for one in working}]
        return AttemptList(views, len(working) + count)

    async def attempt(self, attempt: int) -> AttemptView:
        """One attempt, at work or over."""
        working = self._keeper.farm.attempts.get(attempt)
        if working is not None:
            return running_view(self._keeper.farm, working)
        await self._keeper.readable()
        record = await self._keeper.store.attempt(attempt)
        if record is None or record.job not in self._keeper.farm.jobs:
            raise NotFoundError(f"there is no attempt {attempt}.", field="attempt", value=attempt)
        return ended_view(record)

    async def newest_attempt(self, number: int, item: int | None) -> int:
        """The newest attempt of a job, or of one of its items; raises `NotFoundError` when there is none."""
        found = await self.attempts(number, item=item, limit=1)
        if not found.attempts:
            what = f"job {number}" if item is None else f"item {item} of job {number}"
            raise NotFoundError(f"{what} has not been started, so there is no log.", field="job", value=number)
        return found.attempts[0].id

    # -- inside --

    def _job(self, number: int) -> Job:
        return self._keeper.farm.job(number)

    def _position(self, job: Job, item: int) -> int:
        try:
            return job.plan.index(item)
        except ValueError as exc:
            raise NotFoundError(
                f"job {job.id} has no item {item}.", field="item", value=item, fix=f"Its range is {job.plan}."[:200]
            ) from exc

    def _check_depends(self, numbers: Sequence[int]) -> None:
        missing = [number for number in numbers if number not in self._keeper.farm.jobs]
        if missing:
            raise PayloadError([UserError(f"there is no job {one}.", field="depends_on", value=one) for one in missing])

    def _warnings(self, engine: str, version: str | None) -> list[str]:
        """What stands in the way of a new job, as far as it can be seen now."""
        servers = [server for server in self._keeper.farm.servers.values() if server.online]
        if not servers:
            return ["no server is online: the job waits until one joins"]
        offers = [offer for server in servers if (offer := server.info.engines.get(engine)) is not None and offer.available]
        if not offers:
            return [f"no server that is online can run {engine}: the job waits until one can"]
        if version is not None and not any(f"{offer.version}.".startswith(f"{version}.") for offer in offers):
            return [f"no server that is online has {engine} {version}: the job waits until one has"]
        return []

    async def _widest(self, job: Job) -> int:
        """The longest bucket that the job has had. The keeper knows it of jobs that it has seen from the start."""
        known = self._keeper.widest
        if job.id not in known:
            over = await self._keeper.store.widest(job.id)
            known[job.id] = max([over, *(one.hi - one.lo for one in job.running.values())])
        return known[job.id]

    async def _newest(self, job: Job, page: Sequence[Span]) -> dict[int, tuple[int, str | None]]:
        """For each position of the page its newest attempt, and why that ended."""
        newest: dict[int, tuple[int, str | None]] = {}
        if page:
            await self._keeper.readable()
            records = await self._keeper.store.attempts_at(job.id, page, widest=await self._widest(job))
            positions = Spans(page)
            for record in records:
                for part_lo, part_hi in positions.within(record.lo, record.hi):
                    for at in range(part_lo, part_hi):
                        newest.setdefault(at, (record.id, record.reason))
        for attempt in job.running.values():
            for lo, hi in Spans(page).within(attempt.lo, attempt.hi):
                newest.update((at, (attempt.id, attempt.stopping or attempt.note)) for at in range(lo, hi))
        return newest

    def _task(self, job: Job, at: int, state: TaskState, newest: tuple[int, str | None] | None) -> TaskView:
        attempt, reason = newest or (None, None)
        if state is TaskState.DONE:
            reason = None
        tries = job.numbers.at(at) + (
            state in (TaskState.BOOTING, TaskState.EXECUTING) or (state is TaskState.DONE and attempt is not None)
        )
        return TaskView(job.plan[at], state.value, attempt, tries, reason)


def _page(spans: Sequence[Span], offset: int, limit: int) -> list[Span]:
    """The positions from `offset` on, `limit` of them."""
    page: list[Span] = []
    for lo, hi in spans:
        size = hi - lo
        if offset >= size:
            offset -= size
            continue
        take = min(size - offset, limit)
        page.append((lo + offset, lo + offset + take))
        offset, limit = 0, limit - take
        if limit == 0:
            break
    return page


def _runs(job: Job) -> list[RunView]:
    pieces = sorted((lo, hi, state) for state in TaskState for lo, hi in job.spans(state))
    return [RunView(job.items(lo, hi), state.value) for lo, hi, state in pieces[:MAX_RUNS]]
