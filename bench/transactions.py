"""Transactions for each job at 20 jobs a second, with one worker and with eight.

As the server counts them, without the request's own, and without what the workers do anyway: that
is measured before, with no job. BENCH_PEERS=all measures all other queues with eight workers;
otherwise pgqueuer alone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from bench.figure import Figure
from bench.peers.databases import Databases, databases
from bench.peers.ours import Ours
from bench.peers.peer import Peer
from bench.peers.pgmq_style import PgmqStyle
from bench.peers.pgqueuer import Pgqueuer
from bench.peers.procrastinate import Procrastinate
from bench.peers.rate import request_at_rate, started
from bench.peers.workers import workers

JOBS = 200
MANY = 8
# Idle connections report what they did up to ten seconds later.
REPORTED = 10.5
IDLE = 20.0


def measure() -> Iterator[Figure]:
    """Measure ours with one worker and with eight, and others with eight."""
    ours, pgqueuer = Ours(has_budget=False), Pgqueuer()
    others: tuple[Peer, ...] = (Procrastinate(), PgmqStyle())
    with databases() as made:
        theirs = _transactions_of_a_job(made, pgqueuer, MANY)
        for count in (1, MANY):
            value = _transactions_of_a_job(made, ours, count)
            baseline = theirs if count == MANY else None
            yield Figure(f"transactions_of_a_job_{count}_workers", value, "", baseline, target=3)
        for peer in others if os.environ.get("BENCH_PEERS") == "all" else ():
            value = _transactions_of_a_job(made, peer, MANY)
            yield Figure(f"transactions_of_a_job_{peer.name}_{MANY}_workers", value, "")


def _transactions_of_a_job(made: Databases, peer: Peer, count: int) -> float:
    url = made.create(peer)
    names = [f"S{n}" for n in range(1, JOBS + 1)]
    if isinstance(peer, Ours):
        peer.watch_fresh(url, JOBS)
    with workers(peer, url, count) as running:
        time.sleep(REPORTED)
        before, began = made.transactions(url), time.monotonic()
        time.sleep(IDLE)
        idle, ended = made.transactions(url), time.monotonic()
        idle_rate = (idle - before) / (ended - began)
        request_at_rate(peer, url, names)
        started(running, names)
        time.sleep(REPORTED)
        total = made.transactions(url) - idle
        # One transaction asked when the requests were committed.
        return (total - idle_rate * (time.monotonic() - ended) - JOBS - 1) / JOBS
