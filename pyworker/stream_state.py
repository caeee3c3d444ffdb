"""The states of keys as streams say them, and the numbers that order them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class StreamState:
    """The state of a key at one moment.

    `status` is queued, refreshing, fresh, missing (the source has no such rows) or failed (held
    back until `due_at`). Of two states of a key the one with the greater `version` is the later,
    whichever process says it.
    """

    data_type: str
    symbol: str
    status: str
    fresh_until: datetime | None
    due_at: datetime | None
    version: int

    def says_the_same(self, other: StreamState) -> bool:
        """Whether nothing has changed between the two that anybody would want to know."""
        return self.status == other.status and self.fresh_until == other.fresh_until


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
