"""The figures of a run, from what was recorded of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyworker.demo.freshness_share import fresh_share
from pyworker.demo.history import History
from pyworker.demo.pickup import measure_pickups, percentile

Figures = dict[str, Any]


def figures(
    history: History, ttls: Mapping[str, float], began: float, until: float, duplicate_rows: int = 0
) -> Figures:
    """Return the figures by name; times in milliseconds unless they are named otherwise.

    Args:
        history: what happened.
        ttls: seconds for each data type.
        began: the moment at which the run began.
        until: the moment at which it ended, or now.
        duplicate_rows: keys with more than one job in the database, which cannot be.
    """
    pickups = measure_pickups(history, ttls, until)
    ended = [refresh for refresh in history.refreshes.values() if refresh.ended is not None]
    took = [(r.ended - r.began) * 1000 for r in ended if r.succeeded and r.ended is not None]
    share = fresh_share(history, ttls, until)
    return {
        "cards": _count(history, "card"),
        "subscriptions": _count(history, "subscription"),
        "keys": len(history.watched_keys()),
        "refreshes": sum(refresh.succeeded for refresh in ended),
        "provider_calls": history.calls,
        "provider_429": history.refused,
        "pickups": len(pickups.milliseconds),
        "pickup_ms_p50": _rounded(percentile(pickups.milliseconds, 0.5)),
        "pickup_ms_p99": _rounded(percentile(pickups.milliseconds, 0.99)),
        "pickup_ms_p50_card": _rounded(percentile(pickups.by_card, 0.5)),
        "pickup_ms_p50_subscription": _rounded(percentile(pickups.by_subscription, 0.5)),
        "refresh_ms_p50": _rounded(percentile(took, 0.5)),
        "duplicate_jobs": duplicate_rows + overlapping_refreshes(history),
        "overlapping_calls": history.overlapping_calls,
        "failed": sum(refresh.kind == "failed" for refresh in ended),
        "unanswered": pickups.unanswered,
        "fresh_share": None if share is None else round(share, 4),
        "seconds": round(until - began, 1),
    }


def overlapping_refreshes(history: History) -> int:
    """Count refreshes that began while another one of the same key was under way."""
    overlapping = 0
    for key in {refresh.key for refresh in history.refreshes.values()}:
        busy_until = float("-inf")
        for refresh in history.refreshes_of(key):
            overlapping += refresh.began < busy_until
            busy_until = max(busy_until, refresh.began if refresh.ended is None else refresh.ended)
    return overlapping


def shortcoming(history: History, result: Figures, fresh_now: Mapping[Any, bool]) -> str | None:
    """Return what was not as it must be, in one line, or None.

    Args:
        history: what happened.
        result: its figures.
        fresh_now: the keys that were watched at the end, with whether their data is fresh.
    """
    refreshed = {refresh.key for refresh in history.refreshes.values() if refresh.succeeded}
    never = [key for key in history.watched_keys() if key not in refreshed]
    stale = [key for key, is_fresh in fresh_now.items() if not is_fresh]
    if not history.interests:
        return "nobody watched anything"
    if never:
        return f"never refreshed: {_names(never)}"
    if stale:
        return f"not fresh at the end: {_names(stale)}"
    if result["duplicate_jobs"] or result["overlapping_calls"]:
        return "a key was fetched twice at once"
    if result["unanswered"]:
        return f"{result['unanswered']} interests in stale data started no fetch"
    return None


def _count(history: History, way: str) -> int:
    return sum(interest.way == way for interest in history.interests)


def _names(keys: list[Any]) -> str:
    return ", ".join(f"{key.data_type} {key.symbol}" for key in keys)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
