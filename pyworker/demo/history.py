"""What happened during a run: interests, refreshes, and when fetches started."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from pyworker.job import Key

Way = Literal["card", "subscription"]

# Kinds of freshness.events that end a refresh, and whether data is up to date after it.
SUCCESSES = frozenset({"fresh", "unchanged", "superseded"})
ENDS = SUCCESSES | {"missing", "stale", "failed", "retry_after", "taken_over", "handed_back"}


@dataclass(slots=True)
class Interest:
    """Somebody's interest in a key, from `at` until `left` (None: still there).

    `at` is the last moment before its commit that can be observed, so that times counted from
    here are too long rather than too short. `first`: nobody else watched the key then. All
    moments of this module are seconds of this machine's clock.
    """

    key: Key
    way: Way
    at: float
    first: bool
    left: float | None = None


@dataclass(slots=True)
class Refresh:
    """One attempt to bring a key up to date; `kind` is that of the event that ended it."""

    key: Key
    began: float
    ended: float | None = None
    kind: str | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the data is up to date after it."""
        return self.kind in SUCCESSES


class Event(NamedTuple):
    """A row of freshness.events."""

    id: int
    at: float
    kind: str
    key: Key
    fence: int
    seconds: float | None
    message: str | None


@dataclass(slots=True)
class History:
    """All that is known of a run; events may come twice and out of order."""

    interests: list[Interest] = field(default_factory=list)
    refreshes: dict[int, Refresh] = field(default_factory=dict)
    starts: dict[Key, list[float]] = field(default_factory=dict)
    calls: int = 0
    refused: int = 0
    overlapping_calls: int = 0
    last_event: int = 0

    def add_events(self, events: Iterable[Event]) -> None:
        """Take in events; a refresh is known by its fence, which is never used twice."""
        for event in events:
            self.last_event = max(self.last_event, event.id)
            refresh = self.refreshes.setdefault(event.fence, Refresh(event.key, event.at))
            if event.kind in ENDS:
                refresh.ended, refresh.kind = event.at, event.kind
                if event.seconds is not None:
                    refresh.began = event.at - event.seconds
            elif refresh.ended is None:
                refresh.began = event.at

    def add_start(self, key: Key, at: float) -> None:
        """Take in the start of a fetch."""
        self.starts.setdefault(key, []).append(at)

    def watched_keys(self) -> list[Key]:
        """Return the keys that anybody was interested in."""
        return list(dict.fromkeys(interest.key for interest in self.interests))

    def refreshes_of(self, key: Key) -> list[Refresh]:
        """Return the refreshes of a key by their beginning."""
        return sorted((r for r in self.refreshes.values() if r.key == key), key=lambda r: r.began)
