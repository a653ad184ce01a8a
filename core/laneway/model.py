"""The frozen types that every part of Laneway shares. No I/O, standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Json: TypeAlias = "None | bool | int | float | str | list[Json] | dict[str, Json]"


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What an engine's configuration block says, read without running the file. Extensions are lower case with their dot."""

    name: str
    description: str = ""
    items: bool = True
    multiple_inputs: bool = False
    input_required: bool = True
    extensions: tuple[str, ...] = ()
    binary_extensions: tuple[str, ...] = ()
    default_range: str | None = None
    default_bucketsize: int = 1
    max_bucketsize: int = 0  # 0: no maximum
    parameters: Mapping[str, Json] = field(default_factory=dict)
    versions: tuple[str, ...] = ()
    path: str = ""


@dataclass(frozen=True, slots=True)
class Depends:
    """A job waits for another: `on` all of it or `item` by item, `when` it is `done` or merely `finished`."""

    job: int
    on: Literal["all", "item"] = "all"
    when: Literal["done", "finished"] = "done"


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a job. Times are seconds; a bucket size of 0 means all items in one bucket, a limit of 0 means none."""

    task_bucketsize: int = 1
    task_max_retries: int = 2
    task_retry_delay: float = 5.0
    task_timeout: float = 0.0
    max_lanes: int = 0


@dataclass(frozen=True, slots=True)
class JobSpec:
    """A payload after validation: every default filled in, every name known. The plan is `first` followed by the rest of `range`."""

    name: str
    engine: str
    version: str | None = None
    input: tuple[str, ...] = ()
    output: str | None = None
    range: str | None = None
    items: bool = True  # one task per item of the range; False: one per input, numbered from 0
    priority_range: str | None = None
    parameters: Mapping[str, Json] = field(default_factory=dict)
    envs: Mapping[str, Json] = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)
    queue: str = "medium"
    queue_priority: int = 500
    priority: int = 500
    depends_on: tuple[Depends, ...] = ()
    dependencies: tuple[str, ...] = ()
    description: str = ""
    metadata: Mapping[str, Json] = field(default_factory=dict)
    hold: bool = False
    user: str = ""


@dataclass(frozen=True, slots=True)
class EngineOffer:
    """Whether a server can run an engine: its executable and version, or the reason why not."""

    available: bool
    version: str | None = None
    executable: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What an agent says of its server when it joins. `ram` is in bytes; lanes are numbered from 1."""

    server: str
    boot: str
    hostname: str
    lanes: int
    os: str = "linux"
    site: str = "main"
    cores: int = 1
    ram: int = 0
    version: str = ""
    addresses: tuple[str, ...] = ()
    engines: Mapping[str, EngineOffer] = field(default_factory=dict)
    held: tuple[int, ...] = ()
    data_folder: str = ""
