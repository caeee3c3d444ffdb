"""Transactions a second with eight idle workers, above those of a database that nobody uses.

Ours wait alone, since a worker falls asleep only when nobody on the server is writing; then the
others wait at the same time, each in its database. For a minute each (BENCH_SECONDS for another
time). As the server counts them; it does not vacuum meanwhile, which it would count too.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack

from bench.figure import Figure
from bench.peers.databases import Databases, databases
from bench.peers.ours import Ours
from bench.peers.peer import Peer
from bench.peers.pgmq_style import PgmqStyle
from bench.peers.pgqueuer import Pgqueuer
from bench.peers.procrastinate import Procrastinate
from bench.peers.workers import workers

KEYS = 1_000
WORKERS = 8
# Idle connections report what they did up to ten seconds later; a start goes on for a while.
SETTLED = 30.0


def measure() -> Iterator[Figure]:
    """Count for a minute. Ours have a thousand watched keys, all fresh for an hour."""
    ours, pgqueuer = Ours(), Pgqueuer()
    others: tuple[Peer, ...] = (pgqueuer, Procrastinate(), PgmqStyle())
    with databases() as made:
        untouched = made.create()
        made.set("autovacuum", "off")
        own, rates = _count(made, untouched, (ours,))
        own_beside_others, rates_of_others = _count(made, untouched, others)
    rates = {peer: rate - own for peer, rate in rates.items()} | {
        peer: rate - own_beside_others for peer, rate in rates_of_others.items()
    }
    yield Figure(
        f"idle_transactions_{WORKERS}_workers", rates[ours], "per s", rates[pgqueuer], target=0.3
    )
    for peer in others:
        yield Figure(f"idle_transactions_{peer.name}_{WORKERS}_workers", rates[peer], "per s")
    yield Figure("idle_transactions_of_the_server", own, "per s")


def _count(
    made: Databases, untouched: str, peers: tuple[Peer, ...]
) -> tuple[float, dict[Peer, float]]:
    """Return the rate of the untouched database, and that of each peer's; per second."""
    seconds = float(os.environ.get("BENCH_SECONDS", "60"))
    with ExitStack() as running:
        urls = {peer: made.create(peer) for peer in peers}
        for peer, url in urls.items():
            if isinstance(peer, Ours):
                peer.watch_fresh(url, KEYS)
            running.enter_context(workers(peer, url, WORKERS))
        time.sleep(SETTLED)
        counted = [untouched, *urls.values()]
        began = time.monotonic()
        before = [made.transactions(url) for url in counted]
        time.sleep(seconds)
        after = [made.transactions(url) for url in counted]
        elapsed = time.monotonic() - began
    own, *rates = ((b - a) / elapsed for a, b in zip(before, after, strict=True))
    return own, dict(zip(peers, rates, strict=True))
