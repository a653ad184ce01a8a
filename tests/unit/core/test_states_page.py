"""The diagram and the page in docs/ are drawn from the tables that run."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_docs_show_the_tables_that_run() -> None:
    draw = runpy.run_path(str(ROOT / "tools" / "draw_states.py"))
    assert (ROOT / "docs" / "states.md").read_text() == draw["page"](), "run tools/draw_states.py"
    assert (ROOT / "docs" / "img" / "task-states.dot").read_text() == draw["dot"](), "run tools/draw_states.py"
