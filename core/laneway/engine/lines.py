"""Cutting a renderer's output into lines: by newline, carriage return and both, with bounded memory."""

from __future__ import annotations

import re

LINE_LIMIT = 64 * 1024
_ENDS = re.compile(rb"\r\n|\n|\r")


class Lines:
    """Feeds on chunks of raw bytes and gives back the lines completed by each of them, as text.

    Progress that ends in a carriage return only (ffmpeg, wget) counts as a line. A line longer than `limit` bytes is given out in
    pieces, so that a renderer which prints a gigabyte without a line end cannot fill the memory. Bytes that are not UTF-8 come out as
    replacement characters: the text is for reading progress, the log keeps the bytes.
    """

    __slots__ = ("_limit", "_rest")

    def __init__(self, limit: int = LINE_LIMIT) -> None:
        self._rest = b""
        self._limit = limit

    def feed(self, data: bytes) -> list[str]:
        """The non-empty lines that `data` completes."""
        if self._rest:
            data = self._rest + data
        # A carriage return at the very end may be the first half of \r\n; an empty line from the wrong guess is dropped anyway.
        parts = _ENDS.split(data)
        self._rest = parts.pop()
        while len(self._rest) >= self._limit:
            parts.append(self._rest[: self._limit])
            self._rest = self._rest[self._limit :]
        return [part.decode("utf-8", "replace") for part in parts if part]

    def finish(self) -> list[str]:
        """The last line, where the output does not end in a line end."""
        rest, self._rest = self._rest, b""
        return [rest.decode("utf-8", "replace")] if rest else []
