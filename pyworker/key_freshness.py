"""How fresh a key is, as those who ask for it see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pyworker.job import Row


@dataclass(frozen=True, slots=True)
class KeyFreshness:
    """The state of a key's data.

    `status` is fresh, stale, missing (there are no rows), failed (it is set aside after failing),
    or refreshing, while nothing fresh is stored. `age` is in seconds, since the data's timestamp
    or since a source confirmed it; `error` says what holds the key up. `fresh_until` and `age` are
    None when nothing is known of them.
    """

    data_type: str
    symbol: str
    status: str
    age: float | None
    fresh_until: datetime | None
    error: str | None

    @property
    def is_fresh(self) -> bool:
        """Whether the data is there, and fresh."""
        return self.status == "fresh"


@dataclass(frozen=True, slots=True)
class StoredRows:
    """The stored rows of a key, newest first, and how fresh they are.

    `queued` says whether a refresh was queued by asking. The values in the rows are those of JSON.
    """

    data_type: str
    symbol: str
    status: str
    age: float | None
    fresh_until: datetime | None
    queued: bool
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class WaitState:
    """What the database says of one wait; `place` is its number (1 is the first) in the call.

    `since` is when "refresh now" was asked for, None for "make sure it is fresh".
    """

    place: int
    symbol: str
    status: str
    age: float | None
    fresh_until: datetime | None
    error: str | None
    is_over: bool
    since: datetime | None
