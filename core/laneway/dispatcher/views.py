"""What the API answers, as frozen types; the OpenAPI document is made from them. Times are epoch seconds, items are range texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from laneway.board import Server
from laneway.dispatcher.store import AttemptRecord
from laneway.events import Row
from laneway.farm import Farm
from laneway.job import Attempt, Job
from laneway.model import Depends, EngineInfo, EngineOffer, Settings
from laneway.states import TaskState


@dataclass(frozen=True)
class JobView:
    """A job. `counts` has the number of its tasks by state, `progress` runs from 0 to 1, `running` is the lanes at work now."""

    id: int
    name: str
    engine: str
    version: str | None
    input: str | list[str] | None
    output: str | None
    range: str | None
    priority_range: str | None
    user: str
    state: str
    reason: str
    priority: int
    queue: str
    queue_priority: int
    bucket_size: int
    max_lanes: int
    tasks: int
    counts: dict[str, int]
    progress: float
    running: int
    created: float
    started: float | None
    finished: float | None
    depends_on: tuple[Depends, ...]
    dependencies: tuple[str, ...]
    description: str
    metadata: Mapping[str, object]
    settings: Settings
    parameters: Mapping[str, object]
    envs: Mapping[str, object]


@dataclass(frozen=True)
class Submitted:
    """A submission that was taken. `job` is null for a dry run; `warnings` are things that its sender should know."""

    job: JobView | None
    warnings: list[str]


@dataclass(frozen=True)
class JobList:
    """A page of jobs; `total` counts all that fit."""

    jobs: list[JobView]
    total: int


@dataclass(frozen=True)
class TaskView:
    """One task. `attempt` is the attempt at work on it, or the last one; `tries` counts its attempts."""

    item: int
    state: str
    attempt: int | None
    tries: int
    reason: str | None


@dataclass(frozen=True)
class RunView:
    """Neighbouring items in the same state."""

    items: str
    state: str


@dataclass(frozen=True)
class TaskList:
    """A page of tasks in the order in which they are rendered; `runs` is the whole job in few words."""

    tasks: list[TaskView]
    runs: list[RunView]
    total: int


@dataclass(frozen=True)
class AttemptView:
    """One try of a bucket on a lane. `max_rss` and `log_bytes` are bytes; what is only known at the end is null before."""

    id: int
    job: int
    number: int
    items: str
    state: str
    server: str
    hostname: str
    lane: int
    created: float
    started: float | None
    finished: float | None
    fraction: float
    exit: int | None
    signal: int | None
    reason: str | None
    cpu_seconds: float | None
    max_rss: int | None
    log_bytes: int | None
    commandline: tuple[str, ...]


@dataclass(frozen=True)
class AttemptList:
    """A page of attempts: those at work, then those that are over, newest first."""

    attempts: list[AttemptView]
    total: int


@dataclass(frozen=True)
class RowView:
    """A row of the history: what happened, when, by whom and why."""

    seq: int
    at: float
    kind: str
    job: int | None
    attempt: int | None
    server: str | None
    items: str
    reason: str
    actor: str
    data: Mapping[str, object]


@dataclass(frozen=True)
class History:
    """Rows, oldest first. `next` is what to pass as `after` to read on."""

    history: list[RowView]
    next: int


@dataclass(frozen=True)
class ServerView:
    """A computer that offers lanes. `ram` is bytes, `lanes` how many it has, `running` how many are at work."""

    server: str
    number: int
    hostname: str
    os: str
    site: str
    cores: int
    ram: int
    version: str
    addresses: tuple[str, ...]
    online: bool
    seen: float
    lanes: int
    running: int
    engines: Mapping[str, EngineOffer]


@dataclass(frozen=True)
class ServerList:
    """Every server."""

    servers: list[ServerView]
    total: int


@dataclass(frozen=True)
class LaneView:
    """One execution slot: `idle`, `leased`, `executing` or `offline`, and the bucket that it works on."""

    server: str
    hostname: str
    lane: int
    state: str
    job: int | None
    attempt: int | None
    items: str
    fraction: float


@dataclass(frozen=True)
class LaneList:
    """Every lane."""

    lanes: list[LaneView]
    total: int


@dataclass(frozen=True)
class EngineView:
    """An engine. `servers` are the names of the online servers that can run it."""

    name: str
    description: str
    items: bool
    multiple_inputs: bool
    input_required: bool
    extensions: tuple[str, ...]
    binary_extensions: tuple[str, ...]
    default_range: str | None
    default_bucketsize: int
    max_bucketsize: int
    parameters: Mapping[str, object]
    versions: tuple[str, ...]
    servers: list[str]


@dataclass(frozen=True)
class EngineList:
    """Every engine that the dispatcher knows."""

    engines: list[EngineView]
    total: int


@dataclass(frozen=True)
class Health:
    """How the dispatcher is. `ok` is false while nothing can be saved, and `trouble` says why."""

    ok: bool
    version: str
    id: str
    boot: str
    started: float
    trouble: str | None


def job_view(farm: Farm, job: Job) -> JobView:
    """A job as the API shows it."""
    spec = job.spec
    counts = {state.value: count for state, count in job.counts().items()}
    return JobView(
        id=job.id,
        name=spec.name,
        engine=spec.engine,
        version=spec.version,
        input=list(spec.input) if len(spec.input) > 1 else spec.input[0] if spec.input else None,
        output=spec.output,
        range=spec.range,
        priority_range=spec.priority_range,
        user=spec.user,
        state=job.state.value,
        reason=farm.reason(job),
        priority=spec.priority,
        queue=spec.queue,
        queue_priority=spec.queue_priority,
        bucket_size=spec.settings.task_bucketsize,
        max_lanes=spec.settings.max_lanes,
        tasks=job.total,
        counts=counts,
        progress=_progress(job, counts),
        running=len(job.running),
        created=job.created,
        started=job.started,
        finished=job.finished,
        depends_on=spec.depends_on,
        dependencies=spec.dependencies,
        description=spec.description,
        metadata=spec.metadata,
        settings=spec.settings,
        parameters=spec.parameters,
        envs=spec.envs,
    )


def _progress(job: Job, counts: Mapping[str, int]) -> float:
    """The done tasks, and of those at work what their attempts say; excluded tasks do not count."""
    total = job.total - counts["excluded"]
    if total <= 0:
        return 1.0
    done: float = counts["done"]
    for attempt in job.running.values():
        size = attempt.hi - attempt.lo
        done += max(0.0, attempt.fraction * size - (size - attempt.left))
    return round(min(1.0, done / total), 6)


def running_view(farm: Farm, attempt: Attempt) -> AttemptView:
    """An attempt at work."""
    server = farm.servers.get(attempt.server)
    return AttemptView(
        id=attempt.id,
        job=attempt.job,
        number=attempt.number,
        items=attempt.items,
        state="leased" if attempt.state is TaskState.BOOTING else "executing",
        server=attempt.server,
        hostname="" if server is None else server.info.hostname,
        lane=attempt.lane,
        created=attempt.created,
        started=attempt.started,
        finished=None,
        fraction=attempt.fraction,
        exit=None,
        signal=None,
        reason=attempt.stopping or attempt.note,
        cpu_seconds=None,
        max_rss=None,
        log_bytes=None,
        commandline=(),
    )


def ended_view(record: AttemptRecord) -> AttemptView:
    """An attempt that is over."""
    return AttemptView(
        id=record.id,
        job=record.job,
        number=record.number,
        items=record.items,
        state=record.state,
        server=record.server,
        hostname=record.hostname,
        lane=record.lane,
        created=record.created,
        started=record.started,
        finished=record.finished,
        fraction=record.fraction,
        exit=record.exit,
        signal=record.signal,
        reason=record.reason,
        cpu_seconds=record.cpu_seconds,
        max_rss=record.max_rss,
        log_bytes=record.log_bytes,
        commandline=record.commandline,
    )


def row_view(row: Row) -> RowView:
    """A row of the history."""
    return RowView(row.seq, row.at, row.kind, row.job, row.attempt, row.server, row.items, row.reason, row.actor, row.data)


def server_view(server: Server) -> ServerView:
    """A server."""
    info = server.info
    return ServerView(
        server=info.server,
        number=server.number,
        hostname=info.hostname,
        os=info.os,
        site=info.site,
        cores=info.cores,
        ram=info.ram,
        version=info.version,
        addresses=info.addresses,
        online=server.online,
        seen=server.seen,
        lanes=info.lanes,
        running=len(server.attempts),
        engines=info.engines,
    )


def lane_views(server: Server) -> list[LaneView]:
    """The lanes of a server."""
    views = []
    for number, attempt in server.lanes.items():
        if attempt is None:
            state = "idle" if server.online else "offline"
            views.append(LaneView(server.info.server, server.info.hostname, number, state, None, None, "", 0.0))
        else:
            state = "leased" if attempt.state is TaskState.BOOTING else "executing"
            views.append(
                LaneView(
                    server.info.server,
                    server.info.hostname,
                    number,
                    state,
                    attempt.job,
                    attempt.id,
                    attempt.items,
                    attempt.fraction,
                )
            )
    return views


def engine_view(farm: Farm, engine: EngineInfo) -> EngineView:
    """An engine, and who can run it."""
    able = [
        server.info.hostname
        for server in farm.servers.values()
        if server.online and (offer := server.info.engines.get(engine.name)) is not None and offer.available
    ]
    shown = asdict(engine)
    del shown["path"]
    return EngineView(**shown, servers=sorted(able))
