"""A renderer's output as text for a terminal or a file. Pure."""

from __future__ import annotations

import codecs
import re

from laneway.cli.human import shorten

LONGEST = 64 * 1024  # characters of one line; longer ones are broken
# A colour, which stays; or any other escape sequence or control character but tab, line feed and carriage return.
_SPECIAL = re.compile(
    r"(\x1b\[[0-9;]*m)"
    r"|\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])"
    r"|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
)


class LogText:
    """Bytes in, text out, piece by piece.

    What cannot be decoded becomes a replacement character, colours stay, what would steer the terminal goes. A line that overwrites
    itself with carriage returns comes out once, in its last state; with `overwrite`, the terminal's columns, its states are also
    shown as they come.
    """

    def __init__(self, *, overwrite: int = 0) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._line = ""
        self._overwrite = overwrite

    def feed(self, data: bytes) -> str:
        """The text that can be shown now."""
        return self._text(self._decoder.decode(data))

    def end(self) -> str:
        """What is left at the end of the log, with a line end."""
        out = self._text(self._decoder.decode(b"", final=True))
        line, self._line = self._line, ""
        shown = _last_state(line)
        return out + (f"{self._erase()}{shown}\n" if shown else "")

    def _text(self, text: str) -> str:
        if "\r" not in text and "\n" not in text and len(self._line) + len(text) < LONGEST:
            self._line += text
            return self._transient()
        *lines, self._line = (self._line + text).split("\n")
        out = [f"{self._erase()}{_last_state(line)}\n" for line in lines]
        if len(self._line) >= LONGEST:
            # Keep what may still be overwritten small, however long a renderer goes on without a line end.
            shown = _last_state(self._line)
            if len(shown) >= LONGEST:
                out.append(f"{self._erase()}{shown}\n")
                shown = ""
            self._line = shown + ("\r" if self._line.endswith("\r") and shown else "")
        return "".join(out) + self._transient()

    def _transient(self) -> str:
        """The unfinished line, to be written over later."""
        if not self._overwrite or not self._line:
            return ""
        return f"{self._erase()}{shorten(_last_state(self._line), self._overwrite - 1)}"

    def _erase(self) -> str:
        return "\r\x1b[K" if self._overwrite else ""


def _last_state(line: str) -> str:
    """What is left of a line after its carriage returns, without what steers the terminal."""
    states = [state for state in line.split("\r") if state.strip()]
    return _safe(states[-1]) if states else ""


def _safe(text: str) -> str:
    return _SPECIAL.sub(lambda match: match[1] or "", text)
