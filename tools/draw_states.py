"""Draws the states from the tables that run: docs/states.md and docs/img/task-states.{dot,svg,png}.

Needs Graphviz' `dot` for the pictures; the other two are text, and a test holds them to the tables.
"""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from laneway.states import JOB_TABLE, TASK_TABLE, Asked, JobEvent, JobState, Refusal, TaskEvent, TaskState

DOCS = Path(__file__).resolve().parents[1] / "docs"
PEOPLE = {
    TaskEvent.HOLD,
    TaskEvent.UNHOLD,
    TaskEvent.EXCLUDE,
    TaskEvent.INCLUDE,
    TaskEvent.REQUEUE,
    TaskEvent.MARK_DONE,
}
FILL = {
    TaskState.PENDING: "#e8e8ee",
    TaskState.QUEUED: "#d7e3f4",
    TaskState.BOOTING: "#fdecc8",
    TaskState.EXECUTING: "#ffd98a",
    TaskState.DONE: "#bfe5c7",
    TaskState.FAILED: "#f4c1bd",
    TaskState.ONHOLD: "#e5d8f0",
    TaskState.EXCLUDED: "#dddddd",
}


def dot() -> str:
    """The diagram as DOT: what lanes and the dispatcher do in black, a person's `requeue` in grey; docs/states.md has the rest."""
    edges: dict[tuple[TaskState, TaskState], list[TaskEvent]] = defaultdict(list)
    for state, row in TASK_TABLE.items():
        for event, follows in row.items():
            drawn = event not in PEOPLE or (event is TaskEvent.REQUEUE and state in (TaskState.DONE, TaskState.FAILED))
            if isinstance(follows, TaskState) and drawn:
                edges[state, follows].append(event)
    lines = [
        "digraph task_states {",
        '  graph [rankdir=LR, bgcolor="white", pad=0.3, nodesep=0.55, ranksep=0.8, fontname="Helvetica"];',
        '  node [shape=box, style="rounded,filled", fontname="Helvetica", fontsize=14, penwidth=0, margin="0.2,0.12"];',
        '  edge [fontname="Helvetica", fontsize=10, arrowsize=0.7];',
        "  {rank=same; done; failed}",
    ]
    drawn_states = {state for pair in edges for state in pair}
    lines += [f'  {state.value} [fillcolor="{FILL[state]}"];' for state in TaskState if state in drawn_states]
    for (state, follows), events in edges.items():
        people = set(events) <= PEOPLE
        look = 'color="#9a9aa5", fontcolor="#77777f", style=dashed' if people else 'color="#333333", fontcolor="#222222"'
        label = "\\n".join(event.value for event in events)
        back = ", constraint=false" if follows is TaskState.QUEUED and state is not TaskState.PENDING else ""
        lines.append(f'  {state.value} -> {follows.value} [label="{label}", {look}{back}];')
    return "\n".join([*lines, "}", ""])


def _task_cell(state: TaskState, event: TaskEvent) -> str:
    follows = TASK_TABLE[state][event]
    if isinstance(follows, Refusal):
        return "refused"
    return f"**{follows.value}**" if isinstance(follows, TaskState) else "–"


def _job_cell(state: JobState, event: JobEvent) -> str:
    follows = JOB_TABLE[state][event]
    if isinstance(follows, Refusal):
        return f"refused: {follows.why}"
    return f"**{follows.value}**" if isinstance(follows, Asked) else "allowed"


def page() -> str:
    """docs/states.md: both tables, whole."""
    task_head = "| | " + " | ".join(state.value for state in TaskState) + " |"
    task_rows = [
        f"| `{event.value}` | " + " | ".join(_task_cell(state, event) for state in TaskState) + " |" for event in TaskEvent
    ]
    job_head = "| | " + " | ".join(event.value for event in JobEvent) + " |"
    job_rows = [
        f"| **{state.value}** | " + " | ".join(_job_cell(state, event) for event in JobEvent) + " |" for state in JobState
    ]
    return "\n".join(
        [
            "# States",
            "",
            "Drawn from `core/laneway/states.py`, the tables that run, by `tools/draw_states.py`. Do not edit this page.",
            "",
            "![The states of a task](img/task-states.svg)",
            "",
            "## Tasks",
            "",
            "What follows when something happens (row) to a task in a state (column). `–` means that nothing changes.",
            "",
            task_head,
            "|---" * (len(TaskState) + 1) + "|",
            *task_rows,
            "",
            "## Jobs",
            "",
            "A job's state is derived from its tasks and from what was asked of it. What may be asked of a job (column) in a",
            "state (row), and what then stands asked:",
            "",
            job_head,
            "|---" * (len(JobEvent) + 1) + "|",
            *job_rows,
            "",
        ]
    )


def main() -> int:
    """Writes the files."""
    (DOCS / "img").mkdir(parents=True, exist_ok=True)
    (DOCS / "states.md").write_text(page())
    source = DOCS / "img" / "task-states.dot"
    source.write_text(dot())
    for kind in ("svg", "png"):
        options = ["-Gdpi=110"] if kind == "png" else []
        subprocess.run(["dot", f"-T{kind}", *options, str(source), "-o", str(source.with_suffix(f".{kind}"))], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
