"""Every public error of Laneway, in one place, under one root.

`UserError` and what derives from it can be mended by whoever reads it: the text says what is wrong, where, and what to do, and
a form or a terminal prints it verbatim. Anything else that is raised is a bug.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


class LanewayError(Exception):
    """The root of Laneway's errors. `code` is a stable word for scripts."""

    code = "error"


class UserError(LanewayError):
    """Something that its reader can mend.

    `field` names the place (a payload key such as `settings.task_bucketsize`, an option, a file), `value` what stood there
    and `fix` what to do about it.
    """

    code = "invalid"

    def __init__(self, message: str, *, field: str | None = None, value: object = None, fix: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.value = None if value is None else _short(value)
        self.fix = fix

    def __str__(self) -> str:
        text = self.message if self.field is None else f"{self.field}: {self.message}"
        return text if self.fix is None else f"{text} {self.fix}"

    def as_dict(self) -> dict[str, str | None]:
        """The error as the API sends it."""
        return {"code": self.code, "message": self.message, "field": self.field, "value": self.value, "fix": self.fix}


class RangeError(UserError):
    """A frame range that cannot be read; `position` is the offset of the offending character in the text."""

    code = "bad_range"

    def __init__(self, message: str, *, text: str, position: int = 0, fix: str | None = None, field: str | None = None) -> None:
        super().__init__(message, field=field, value=text, fix=fix)
        self.text = text
        self.position = position


class PayloadError(UserError):
    """A payload with one or more faults; `problems` lists them all, the first of them is this error's own text."""

    code = "bad_payload"

    def __init__(self, problems: Sequence[UserError]) -> None:
        first = problems[0]
        super().__init__(first.message, field=first.field, value=first.value, fix=first.fix)
        self.code = first.code
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join(UserError.__str__(problem) for problem in self.problems)


class UnknownNameError(UserError):
    """A name that is not known; the text offers the nearest known one, or lists them."""

    code = "unknown_name"

    def __init__(self, kind: str, name: str, known: Iterable[str], *, field: str | None = None) -> None:
        names = sorted(known)
        near = get_close_matches(name, names, n=1, cutoff=0.6)
        known_ones = f"Known: {', '.join(names) or 'none'}."
        fix = f"Did you mean {near[0]!r}? {known_ones}" if near else known_ones
        super().__init__(f"unknown {kind} {_short(name)!r}.", field=field, value=name, fix=fix)
        self.near = near[0] if near else None


class NotFoundError(UserError):
    """A job, attempt, server or file that does not exist."""

    code = "not_found"


class ConflictError(UserError):
    """What was asked is not possible in the present state; nothing was changed."""

    code = "conflict"


class IllegalTransitionError(ConflictError):
    """An event that the state tables refuse. Nothing was changed."""

    code = "illegal_transition"

    def __init__(self, subject: str, state: str, event: str, why: str) -> None:
        super().__init__(f"{subject} is {state}: {why}", field="state", value=state)
        self.subject, self.state, self.event = subject, state, event


class StaleAttemptError(LanewayError):
    """A report about an attempt that is over or belongs to another server; it is refused and changes nothing."""

    code = "stale_attempt"

    def __init__(self, attempt: int, why: str) -> None:
        super().__init__(f"attempt {attempt}: {why}")
        self.attempt, self.why = attempt, why


class AccessError(UserError):
    """A missing or wrong token."""

    code = "access"


class UnreachableError(UserError):
    """The dispatcher does not answer."""

    code = "unreachable"


class StoreError(UserError):
    """The dispatcher's database cannot be read or written (disk full, not a database, newer than this program)."""

    code = "store"


class EngineError(UserError):
    """An engine file or an engine's configuration is wrong, or its application cannot be run here.

    Raised while a bucket is prepared it fails the bucket; with `retry=False` (the default) trying again is pointless.
    """

    code = "engine"

    def __init__(
        self, message: str, *, field: str | None = None, value: object = None, fix: str | None = None, retry: bool = False
    ) -> None:
        super().__init__(message, field=field, value=value, fix=fix)
        self.retry = retry


def _short(value: object, limit: int = 120) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
