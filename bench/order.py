"""Who stays fresh when a source allows a third of the calls that all keys would need.

A simulation of forty minutes, second by second, with time-to-lives of a minute to a day and few
keys that many look at (Pareto). `order` is what freshness.due_jobs does; the others serve the same
load.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.figure import Figure

KEYS = 3000
OVERLOAD = 3.0
WARM_UP, SECONDS = 20 * 60, 40 * 60
TTLS = (60, 300, 3600, 86400)
SEED = 7


@dataclass(slots=True)
class Key:
    """A watched key: `fetched` is when its data is of, in simulated seconds."""

    ttl: int
    viewers: int
    fetched: float

    @property
    def due(self) -> float:
        """When it goes stale."""
        return self.fetched + self.ttl


Order = Callable[[Key, float], tuple[float, ...]]

ORDERS: dict[str, Order] = {
    "order": lambda key, now: (
        (now - key.due) // (10 * key.ttl),
        key.viewers * (now - key.fetched),
    ),
    "first_in_first_out": lambda key, now: (now - key.due,),
    "most_overdue_first": lambda key, now: ((now - key.due) / key.ttl,),
    "viewers_first": lambda key, now: (key.viewers, now - key.due),
}


def measure() -> Iterator[Figure]:
    """Simulate each order on the same keys."""
    shares = {name: _simulated(order) for name, order in ORDERS.items()}
    first = shares["first_in_first_out"]
    for name, (share, worst) in shares.items():
        is_ours = name == "order"
        yield Figure(
            f"{name}_viewers_fresh",
            share * 100,
            "%",
            baseline=first[0] * 100,
            target=90.0 if is_ours else None,
            better="higher",
        )
        yield Figure(
            f"{name}_worst_age",
            worst,
            "ttl",
            baseline=first[1],
            target=15.0 if is_ours else None,
        )


def _simulated(order: Order) -> tuple[float, float]:
    """Return the viewers' share of fresh data over the time, and the worst age in ttl."""
    chance = random.Random(SEED)  # noqa: S311 - no secret
    keys = [
        Key(ttl, min(int(chance.paretovariate(1.1)), 5000), -chance.uniform(0, ttl))
        for ttl in chance.choices(TTLS, k=KEYS)
    ]
    pace = sum(1 / key.ttl for key in keys) / OVERLOAD
    fresh = seen = worst = 0.0
    allowed = 0.0
    for now in range(WARM_UP + SECONDS):
        allowed = min(allowed + pace, max(pace, 1))
        calls = int(allowed)
        allowed -= calls
        due = [key for key in keys if key.due <= now]
        for key in sorted(due, key=lambda key: order(key, now), reverse=True)[:calls]:
            key.fetched = now
        if now >= WARM_UP and now % 10 == 0:
            fresh += sum(key.viewers for key in keys if key.due > now)
            seen += sum(key.viewers for key in keys)
            worst = max(worst, *((now - key.fetched) / key.ttl for key in keys))
    return fresh / seen, worst
