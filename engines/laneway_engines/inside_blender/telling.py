"""How the script inside Blender speaks to the engine outside: one marked JSON line per fact, in between whatever Blender prints."""

from __future__ import annotations

import json
import sys

MARK = "@laneway "
FAULT_EXIT = 17


class FaultError(Exception):
    """The scene cannot be rendered as asked; the text is the reason that people read. Trying again is pointless."""


def tell(event: str, **facts: object) -> None:
    """Prints a fact. Blender may have left a line unfinished, so it starts with a line end of its own."""
    sys.stdout.write(f"\n{MARK}{json.dumps({'event': event, **facts})}\n")
    sys.stdout.flush()
