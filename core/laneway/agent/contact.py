"""When an agent must end its renderers, because the dispatcher may have given their tasks to somebody else. Pure.

The dispatcher renews this server's leases when a request *arrives*, so contact counts from when an answered request was sent. To know
that it is down counts as contact too: a dispatcher that does not run cannot lease again, and one that starts waits a whole lease before
it gives up old attempts. A refused connection alone does not tell that (see `peer`). Silence is what is dangerous: a cut wire looks
the same as a dispatcher that has given up on us. After `SAFE` of a lease without contact the renderers are ended, so that they are
gone when the lease is over.
"""

from __future__ import annotations

from dataclasses import dataclass

SAFE = 0.8
DEFAULT_LEASE = 60.0


@dataclass(slots=True)
class Contact:
    """Times are seconds of one clock that never goes back and that counts while the computer sleeps."""

    last: float
    lease: float = DEFAULT_LEASE

    def heard(self, sent: float, lease: float | None = None) -> bool:
        """A request that was sent at `sent` was answered; returns whether the length of a lease is another than before."""
        self.last = max(self.last, sent)
        if lease is None or lease <= 0 or lease == self.lease:
            return False
        self.lease = lease
        return True

    def down(self, now: float) -> None:
        """The dispatcher certainly does not run."""
        self.last = max(self.last, now)

    @property
    def deadline(self) -> float:
        """When the renderers must be told to end."""
        return self.last + self.lease * SAFE

    @property
    def grace(self) -> float:
        """How long a renderer may take to end by itself after the deadline, so that it is gone before the lease is over."""
        return min(5.0, self.lease * (1 - SAFE) / 2)

    @property
    def wait(self) -> float:
        """How long a poll may stay open: short enough that a hanging dispatcher has most of a lease to come back."""
        return min(20.0, self.lease / 6)

    @property
    def patience(self) -> float:
        """How long past its `wait` an answer may take until the connection counts as dead."""
        return min(10.0, self.lease / 5)
