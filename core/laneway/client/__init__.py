"""The Python client: submit, find, change and wait for jobs.

    from laneway.client import Session

    session = Session()                      # finds the dispatcher that `laneway up` started
    job = session.submit({"engine": "blender", "input": "/projects/shot.blend", "range": "1-48"})
    session.wait([job.id])

Standard library and requests only, so that the same code runs inside Nuke, Houdini, Maya and Blender; requests is loaded with
the first call.
"""

from __future__ import annotations

from laneway.client.session import Session
from laneway.client.views import (
    AttemptView,
    EngineView,
    EventView,
    HistoryView,
    JobView,
    LaneView,
    LogChunk,
    Page,
    RunView,
    ServerView,
    Submitted,
    TaskPage,
    TaskView,
)
from laneway.locate import Located, data_folder, locate

__all__ = [
    "AttemptView",
    "EngineView",
    "EventView",
    "HistoryView",
    "JobView",
    "LaneView",
    "Located",
    "LogChunk",
    "Page",
    "RunView",
    "ServerView",
    "Session",
    "Submitted",
    "TaskPage",
    "TaskView",
    "data_folder",
    "locate",
]
