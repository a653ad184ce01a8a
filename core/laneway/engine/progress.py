"""How far a bucket is: what an engine reads from a line, and what follows for the bucket as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from laneway.frames import Frames


@dataclass(frozen=True, slots=True)
class Progress:
    """What one line of output says.

    `fraction` (0 to 1) is of `item` where that is given, otherwise of the running process; `done` names an item whose files are
    complete; `note` is a few words for people ("denoising").
    """

    fraction: float | None = None
    item: int | None = None
    done: int | None = None
    note: str | None = None


class Tracker:
    """Adds up what the lines say; its `fraction` never goes back."""

    __slots__ = ("_finished", "_total", "fraction", "item", "note")

    def __init__(self, total: int) -> None:
        self._total = max(total, 1)
        self._finished: dict[int, None] = {}  # a set that keeps its order
        self.fraction = 0.0
        self.item: int | None = None
        self.note: str | None = None

    @property
    def finished(self) -> Sequence[int]:
        """The finished items in the order in which they came."""
        return list(self._finished)

    def done_text(self) -> str:
        """The finished items as a frame range; empty when there are none."""
        return str(Frames.of(sorted(self._finished))) if self._finished else ""

    def is_done(self, item: int) -> bool:
        return item in self._finished

    def finish(self, item: int) -> None:
        """`item` is complete, its files were checked."""
        self._finished[item] = None
        self._raise_to(len(self._finished) / self._total)

    def forget(self, item: int) -> None:
        """`item` turned out not to be complete after all."""
        self._finished.pop(item, None)

    def advance(self, said: Progress, before: int, size: int) -> bool:
        """Notes `said` by a process that covers `size` items after `before` others; true when something changed."""
        old = (self.fraction, self.item, self.note)
        if said.item is not None:
            self.item = said.item
        if said.note is not None:
            self.note = said.note
        if said.fraction is not None:
            part = min(max(said.fraction, 0.0), 1.0)
            if said.item is None:
                self._raise_to((before + part * size) / self._total)
            elif not self.is_done(said.item):
                self._raise_to((len(self._finished) + part) / self._total)
        return (self.fraction, self.item, self.note) != old

    def _raise_to(self, fraction: float) -> None:
        self.fraction = min(max(self.fraction, fraction), 1.0)
