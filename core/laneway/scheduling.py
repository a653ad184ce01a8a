"""Which job is next, and which server takes it.

Jobs that have a bucket to hand out stand in one sorted list per *need* (what they require of a lane), best first. The rank is the
queue's priority, then the job's, then how many lanes the job has, then its age: so equal jobs share the lanes, one bucket at a
time, and between equal shares the older job goes first. Servers with a free lane stand in one ring per need. A decision looks
at the best job of each need and takes a server from that need's ring, so its cost depends on how many different needs there are and
not on tasks, jobs or lanes.

Today a need is an engine and its version. Filters, pools and limits get their place here: they become part of the need (what a
server can or cannot do) or of `Order.best`'s choice between jobs (what others hold at the moment).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from sortedcontainers import SortedDict, SortedList

from laneway.job import Job
from laneway.model import ServerInfo


class Need(NamedTuple):
    """What a job requires of a lane."""

    engine: str
    version: str | None = None

    @classmethod
    def of(cls, job: Job) -> Need:
        """The need of a job."""
        return cls(job.spec.engine, job.spec.version)

    def met_by(self, info: ServerInfo) -> bool:
        """Whether a server's lanes can do it. Version `3.4` is met by `3.4` and by `3.4.1`."""
        offer = info.engines.get(self.engine)
        if offer is None or not offer.available:
            return False
        return self.version is None or (offer.version is not None and f"{offer.version}.".startswith(f"{self.version}."))


Rank = tuple[int, int, int, int]


def rank_of(job: Job) -> Rank:
    """The rank of a job; the smallest goes first. Ids grow with age, so the id stands for it."""
    return (-job.spec.queue_priority, -job.spec.priority, len(job.running), job.id)


class Order:
    """The jobs that have a bucket to hand out, best first, per need."""

    def __init__(self) -> None:
        self._lists: dict[Need, SortedList[Rank]] = {}

    def __iter__(self) -> Iterator[tuple[Need, SortedList[Rank]]]:
        return iter(self._lists.items())

    def __bool__(self) -> bool:
        return bool(self._lists)

    def place(self, job: Job) -> None:
        """Put a job where it belongs now, or take it out when it has nothing to hand out."""
        rank = rank_of(job) if job.ready else None
        if rank == job.rank:
            return
        if job.rank is not None:
            self._drop(job, job.rank)
        if rank is not None:
            need = Need.of(job)
            ranks = self._lists.get(need)
            if ranks is None:
                ranks = self._lists[need] = SortedList()
            ranks.add(rank)
        job.rank = rank

    def remove(self, job: Job) -> None:
        """Take a job out."""
        if job.rank is not None:
            self._drop(job, job.rank)
            job.rank = None

    def _drop(self, job: Job, rank: Rank) -> None:
        need = Need.of(job)
        ranks = self._lists[need]
        ranks.remove(rank)
        if not ranks:
            del self._lists[need]


class Ring:
    """Servers with a free lane, per need: those that a need can use are found without a look at the others.

    A server that was given a bucket goes to the end of its ring, so work spreads over servers before it fills one.
    """

    def __init__(self) -> None:
        self._able: dict[Need, set[str]] = {}  # online servers that meet a need
        self._free: dict[Need, dict[str, None]] = {}
        self._needs: dict[str, list[Need]] = {}  # the needs that an online server meets
        self._idle: set[str] = set()
        self._online: SortedDict[str, ServerInfo] = SortedDict()

    def learn(self, need: Need) -> None:
        """A need that was not seen before: find the servers for it."""
        if need in self._able:
            return
        self._able[need] = {server for server, info in self._online.items() if need.met_by(info)}
        self._free[need] = {server: None for server in self._online if server in self._able[need] and server in self._idle}
        for server in self._able[need]:
            self._needs[server].append(need)

    def join(self, info: ServerInfo) -> None:
        """A server comes online (or says anew what it offers); it has no free lane until `free` says so."""
        self.leave(info.server)
        self._online[info.server] = info
        self._needs[info.server] = [need for need in self._able if need.met_by(info)]
        for need in self._needs[info.server]:
            self._able[need].add(info.server)

    def leave(self, server: str) -> None:
        """A server goes offline."""
        if server not in self._online:
            return
        self.busy(server)
        for need in self._needs.pop(server):
            self._able[need].discard(server)
        del self._online[server]

    def free(self, server: str) -> None:
        """The server has a free lane; it goes to the end of its rings."""
        if server not in self._online:
            return
        self._idle.add(server)
        for need in self._needs[server]:
            ring = self._free[need]
            ring.pop(server, None)
            ring[server] = None

    def busy(self, server: str) -> None:
        """The server has no free lane."""
        if server not in self._idle:
            return
        self._idle.discard(server)
        for need in self._needs[server]:
            self._free[need].pop(server, None)

    def idle(self, need: Need) -> dict[str, None]:
        """The servers with a free lane that meet a need, longest idle first."""
        return self._free.get(need, {})

    def able(self, need: Need) -> set[str]:
        """The online servers that meet a need."""
        return self._able.get(need, set())


def best(order: Order, ring: Ring, job_of: Callable[[int], Job]) -> tuple[Job, str] | None:
    """The next bucket's job and server, or None when nothing that waits fits a free lane."""
    chosen: tuple[Rank, Job, str] | None = None
    for need, ranks in order:
        idle = ring.idle(need)
        if not idle:
            continue
        for rank in ranks:
            if chosen is not None and rank >= chosen[0]:
                break
            job = job_of(rank[3])
            server = server_for(job, idle, ring.able(need))
            if server is not None:
                chosen = (rank, job, server)
                break
    return None if chosen is None else (chosen[1], chosen[2])


AVOID_AFTER = 3  # buckets of a job that a server failed before fresh buckets of that job avoid it as well


def server_for(job: Job, idle: dict[str, None], able: set[str]) -> str | None:
    """The server for a job's next bucket.

    A bucket that failed goes to a server that has not failed this job, and after `AVOID_AFTER` failures so does every bucket of the
    job, for as long as there is such a server online.
    """
    if not job.failed_on:
        return next(iter(idle))
    again = bool(job.tries) and job.tries.at(job.next_bucket()[0]) > 0
    bad = {server for server, failures in job.failed_on.items() if again or failures >= AVOID_AFTER}
    if bad.issuperset(able):
        return next(iter(idle))
    return next((server for server in idle if server not in bad), None)
