"""How much of the time that keys were watched their data was fresh."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyworker.demo.history import History

Span = tuple[float, float]


def fresh_share(history: History, ttls: Mapping[str, float], until: float) -> float | None:
    """Return the share (0 to 1) of watched time with fresh data; None when nobody watched.

    Data is fresh from the end of the refresh that brought it until its ttl after that refresh's
    beginning. Several viewers of a key at once count once.
    """
    watched = fresh = 0.0
    for key in history.watched_keys():
        watches = union(
            [
                (interest.at, until if interest.left is None else interest.left)
                for interest in history.interests
                if interest.key == key
            ]
        )
        fresh_spans = union(
            [
                (refresh.ended, refresh.began + ttls[key.data_type])
                for refresh in history.refreshes_of(key)
                if refresh.succeeded and refresh.ended is not None
            ]
        )
        watched += sum(end - start for start, end in watches)
        fresh += _shared(watches, fresh_spans)
    return fresh / watched if watched > 0 else None


def union(spans: Sequence[Span]) -> list[Span]:
    """Return the same time as spans that do not touch, in order; empty ones are dropped."""
    joined: list[Span] = []
    for start, end in sorted(spans):
        if end <= start:
            continue
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def _shared(some: Sequence[Span], others: Sequence[Span]) -> float:
    return sum(
        max(min(end, other_end) - max(start, other_start), 0.0)
        for start, end in some
        for other_start, other_end in others
    )
