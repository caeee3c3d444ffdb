"""Transactions a second with eight idle workers, above those of a database that nobody uses.

All queues wait at the same time, each in its database, for a minute (BENCH_SECONDS for another
time). As the server counts them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack

from bench.figure import Figure
from bench.peers.databases import databases
from bench.peers.ours import Ours
from bench.peers.peer import Peer
from bench.peers.pgmq_style import PgmqStyle
from bench.peers.pgqueuer import Pgqueuer
from bench.peers.procrastinate import Procrastinate
from bench.peers.workers import workers

KEYS = 1_000
WORKERS = 8
# Idle connections report what they did up to ten seconds later.
REPORTED = 10.5


def measure() -> Iterator[Figure]:
    """Count for a minute. Ours have a thousand watched keys, all fresh for an hour."""
    seconds = float(os.environ.get("BENCH_SECONDS", "60"))
    ours = Ours()
    peers: tuple[Peer, ...] = (ours, Pgqueuer(), Procrastinate(), PgmqStyle())
    with databases() as made, ExitStack() as running:
        urls = {peer: made.create(peer) for peer in peers}
        untouched = made.create()
        ours.watch_fresh(urls[ours], KEYS)
        for peer, url in urls.items():
            running.enter_context(workers(peer, url, WORKERS))
        time.sleep(REPORTED)
        counted = [untouched, *urls.values()]
        began = time.monotonic()
        before = [made.transactions(url) for url in counted]
        time.sleep(seconds)
        after = [made.transactions(url) for url in counted]
        elapsed = time.monotonic() - began
    own, value, *others = ((b - a) / elapsed for a, b in zip(before, after, strict=True))
    yield Figure(
        f"idle_transactions_{WORKERS}_workers", value - own, "per s", others[0] - own, target=0.3
    )
    for peer, rate in zip(peers[1:], others, strict=True):
        yield Figure(f"idle_transactions_{peer.name}_{WORKERS}_workers", rate - own, "per s")
    yield Figure("idle_transactions_of_the_server", own, "per s")
