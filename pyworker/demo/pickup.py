"""From the commit of an interest to the start of the fetch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pyworker.demo.history import History, Interest, Refresh

# Data that goes stale this close (seconds) to an interest may be fetched for either reason.
MARGIN = 0.05
# What an interest hands to a sleeping worker counts as begun this much (seconds) before its commit.
HANDED_OVER = 0.02
# After so long (seconds) an interest that is still there counts as overlooked.
PATIENCE = 2.0


@dataclass(slots=True)
class Pickups:
    """Milliseconds of each way in, and how many interests no fetch was started for."""

    by_card: list[float] = field(default_factory=list)
    by_subscription: list[float] = field(default_factory=list)
    unanswered: int = 0

    @property
    def milliseconds(self) -> list[float]:
        """All of them."""
        return self.by_card + self.by_subscription


def measure_pickups(history: History, ttls: Mapping[str, float], until: float) -> Pickups:
    """Measure each interest that had to start a fetch.

    Those are the first ones in keys whose data was stale or missing, with no fetch under way and
    none held back after a failure. The fetch starts when the worker logs
    that it does.

    Args:
        history: what happened.
        ttls: seconds for each data type.
        until: the end of the time looked at; what is younger than `PATIENCE` may yet be answered.
    """
    pickups = Pickups()
    refreshes = {key: history.refreshes_of(key) for key in history.watched_keys()}
    for interest in history.interests:
        key = interest.key
        if not interest.first or not _needs_fetch(interest, refreshes[key], ttls[key.data_type]):
            continue
        end = until if interest.left is None else interest.left
        start = _first_after(history.starts.get(key, ()), interest.at)
        if start is not None and start <= end + MARGIN:
            milliseconds = (start - interest.at) * 1000
            is_card = interest.way == "card"
            (pickups.by_card if is_card else pickups.by_subscription).append(milliseconds)
        elif end - interest.at >= PATIENCE:
            pickups.unanswered += 1
    return pickups


def percentile(values: Sequence[float], share: float) -> float | None:
    """Return the smallest value that at least this share of all does not exceed; None for none."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(-(-len(ordered) * round(share * 100) // 100), 1) - 1]


def _needs_fetch(interest: Interest, refreshes: Sequence[Refresh], ttl: float) -> bool:
    before = [refresh for refresh in refreshes if refresh.began < interest.at - HANDED_OVER]
    if not before:
        return True
    last = before[-1]
    if last.ended is None or last.ended > interest.at:
        return False
    # Its rows are as of its beginning. One that failed is tried again when its backoff is over.
    return last.succeeded and last.began + ttl + MARGIN < interest.at


def _first_after(moments: Sequence[float], at: float) -> float | None:
    return min((moment for moment in moments if moment >= at), default=None)
