"""How long after a request is committed its handler starts, 20 a second, beside pgqueuer.

Each has one idle worker, all the time; they are asked in turns of 5 seconds (BENCH_SECONDS for the
time that each is asked for in all, 40 by default). From the commit, as Postgres stamps it, to the
first line of the handler, by the same machine's clock.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from bench.figure import Figure, percentile
from bench.peers.databases import databases
from bench.peers.ours import Ours
from bench.peers.peer import Peer
from bench.peers.pgqueuer import Pgqueuer
from bench.peers.rate import PER_SECOND, request_at_rate, started
from bench.peers.workers import Worker, workers

TURN = 5 * PER_SECOND


def measure() -> Iterator[Figure]:
    """Ask one and the other in turn."""
    turns = max(int(float(os.environ.get("BENCH_SECONDS", "40")) * PER_SECOND) // TURN, 1)
    ours, pgqueuer = Ours(has_budget=False), Pgqueuer()
    with databases() as made:
        our_url, their_url = made.create(ours), made.create(pgqueuer)
        ours.watch_fresh(our_url, (turns + 1) * TURN)
        with workers(ours, our_url) as our_workers, workers(pgqueuer, their_url) as their_workers:
            our_waits: list[float] = []
            their_waits: list[float] = []
            # The first turn warms up.
            for turn in range(turns + 1):
                names = [f"S{turn * TURN + n}" for n in range(1, TURN + 1)]
                one = _waits(ours, our_url, our_workers, names)
                other = _waits(pgqueuer, their_url, their_workers, names)
                if turn:
                    our_waits += one
                    their_waits += other
    for share, target in ((0.5, 0.6), (0.99, 0.9)):
        yield Figure(
            f"pickup_request_p{share * 100:.0f}",
            percentile(our_waits, share),
            "ms",
            percentile(their_waits, share),
            target=target,
            of="ratio",
        )


def _waits(peer: Peer, url: str, by: Sequence[Worker], names: Sequence[str]) -> list[float]:
    committed = request_at_rate(peer, url, names)
    begun = started(by, names)
    return [(begun[name] - committed[name]) * 1000 for name in names]
