"""The states of keys as streams say them, and the numbers that order them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class StreamState:
    """The state of a key at one moment.

    `status` is queued, refreshing, fresh, missing (the source has no such rows) or failed (held
    back until `due_at`); or stale, which follows from fresh when `fresh_until` has passed. Of two
    states of a key the one with the greater `version` is the later, whichever process says it.
    `looked_at` is a moment that the database's clock had reached when it answered.
    """

    data_type: str
    symbol: str
    status: str
    fresh_until: datetime | None
    due_at: datetime | None
    version: int
    looked_at: datetime | None = field(default=None, compare=False)

    def says_the_same(self, other: StreamState) -> bool:
        """Whether nothing has changed between the two that anybody would want to know."""
        statuses = {self.status, other.status}
        # What has gone stale is due: the database calls that queued.
        is_same = len(statuses) == 1 or statuses == {"stale", "queued"}
        return is_same and self.fresh_until == other.fresh_until


@dataclass(frozen=True, slots=True)
class OpenedKey:
    """What has become of one key of a stream that opens; `place` is its number in the call.

    `status` is also unknown_data_type, invalid_symbol or forbidden: then there is no `version`.
    """

    place: int
    symbol: str
    status: str
    fresh_until: datetime | None
    due_at: datetime | None
    version: int | None
    looked_at: datetime | None = None
