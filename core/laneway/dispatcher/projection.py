"""The farm's objects as the records that the store keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, cast

from laneway import payload
from laneway.board import Server
from laneway.dispatcher.store import AttemptRecord, JobRecord, ServerRecord
from laneway.events import Row
from laneway.farm import Farm
from laneway.job import Attempt
from laneway.model import EngineOffer, Json, ServerInfo


def attempt_record(farm: Farm, attempt: Attempt, row: Row) -> AttemptRecord:
    """An attempt that is over, as the row that ended it says."""
    server = farm.servers.get(attempt.server)
    hostname = "" if server is None else server.info.hostname
    said = cast("Mapping[str, Any]", row.data)
    if row.kind != "finished":  # nobody has heard of its end
        return AttemptRecord(
            attempt.id,
            attempt.job,
            attempt.number,
            attempt.lo,
            attempt.hi,
            attempt.items,
            "lost",
            attempt.server,
            hostname,
            attempt.lane,
            attempt.created,
            attempt.started,
            row.at,
            attempt.fraction,
            reason=row.reason or None,
        )
    return AttemptRecord(
        attempt.id,
        attempt.job,
        attempt.number,
        attempt.lo,
        attempt.hi,
        attempt.items,
        said["outcome"],
        attempt.server,
        hostname,
        attempt.lane,
        attempt.created,
        attempt.started or said["started"] or None,
        said["at"],
        1.0 if said["outcome"] == "done" else attempt.fraction,
        said["exit"],
        said["signal"],
        said["reason"],
        said["cpu_seconds"],
        said["max_rss"],
        said["log_bytes"],
        tuple(said["commandline"]),
    )


def job_record(farm: Farm, job_id: int) -> JobRecord:
    """A job with a snapshot that contains every row so far."""
    job = farm.jobs[job_id]
    return JobRecord(job.id, job.created, payload.render(job.spec), farm.snapshot(job_id), farm.seq)


def server_record(server: Server) -> ServerRecord:
    """A server as it joined."""
    info = cast("dict[str, Json]", asdict(server.info))
    info["addresses"] = list(server.info.addresses)
    info["held"] = []
    return ServerRecord(server.info.server, {"number": server.number, "info": info})


def server_from(record: ServerRecord) -> tuple[ServerInfo, int]:
    """The counterpart of `server_record`: the server and its number."""
    kept = cast("Mapping[str, Any]", record.info)
    info = dict(kept["info"])
    info["engines"] = {name: EngineOffer(**offer) for name, offer in info["engines"].items()}
    info["addresses"] = tuple(info["addresses"])
    info["held"] = tuple(info["held"])
    return ServerInfo(**info), kept["number"]
