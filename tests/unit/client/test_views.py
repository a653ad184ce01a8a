"""The client's views against the dispatcher's, so that neither can drift from the other."""

from __future__ import annotations

from dataclasses import fields

import pytest

from laneway.client import views as client
from laneway.dispatcher import views as dispatcher

PAIRS = [
    (dispatcher.JobView, client.JobView),
    (dispatcher.TaskView, client.TaskView),
    (dispatcher.RunView, client.RunView),
    (dispatcher.AttemptView, client.AttemptView),
    (dispatcher.RowView, client.HistoryView),
    (dispatcher.ServerView, client.ServerView),
    (dispatcher.LaneView, client.LaneView),
    (dispatcher.EngineView, client.EngineView),
]


@pytest.mark.parametrize(("sent", "known"), PAIRS, ids=[sent.__name__ for sent, _ in PAIRS])
def test_every_key_that_is_sent_is_known(sent: type, known: type) -> None:
    assert {field.name for field in fields(sent)} - {"data"} <= {field.name for field in fields(known)}
