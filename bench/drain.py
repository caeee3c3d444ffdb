"""How many due jobs a second one worker ends, history kept, beside others on the same cluster.

20,000 jobs (BENCH_JOBS for another number), handlers that do nothing. Ours are watched keys whose
rows are stale, of a source with a budget: each claim finds out whether they are wanted, stale and
allowed, and which come first. A batch is what one claim takes at the most. pgqueuer runs all that
it has taken, without a limit; ours claims half of its slots at a time when much is due, so it has
two batches of them: while one is fetched the other is told and claimed. procrastinate runs as many
as a batch has at once. From the first call of the handler to the end of the last job. What
takes longer than 15 seconds is cut off there.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator

from bench.figure import Figure
from bench.peers.databases import Databases, databases
from bench.peers.ours import Ours
from bench.peers.peer import Peer
from bench.peers.pgmq_style import PgmqStyle
from bench.peers.pgqueuer import Pgqueuer
from bench.peers.procrastinate import Procrastinate
from bench.peers.workers import workers

BATCHES = (10, 100)
PAIRS = 3
LONGEST = 15.0
PROCRASTINATE_JOBS = 4_000


def measure() -> Iterator[Figure]:
    """Measure pairs of ours and pgqueuer, and the others once."""
    jobs = int(os.environ.get("BENCH_JOBS", "20000"))
    with databases() as made:
        ours, pgqueuer = Ours(), Pgqueuer()
        for batch in BATCHES:
            pairs = [
                (_rate(made, ours, jobs, batch), _rate(made, pgqueuer, jobs, batch))
                for _ in range(PAIRS)
            ]
            value = statistics.median(one for one, _ in pairs)
            ratio = statistics.median(one / other for one, other in pairs)
            yield Figure(
                f"drain_batch_{batch}",
                value,
                "jobs/s",
                value / ratio,
                target=1.5,
                of="ratio",
                better="higher",
            )
        for peer, number in ((PgmqStyle(), jobs), (Procrastinate(), PROCRASTINATE_JOBS)):
            for batch in BATCHES:
                yield Figure(
                    f"drain_{peer.name}_batch_{batch}",
                    _rate(made, peer, min(number, jobs), batch),
                    "jobs/s",
                    better="higher",
                )


def drain(peer: Peer, url: str, jobs: int, batch: int) -> tuple[int, float]:
    """Let one worker end the jobs; return how many it ended, and in how many seconds."""
    with workers(peer, url, batch=batch) as [worker]:
        deadline = time.monotonic() + LONGEST
        while time.monotonic() < deadline:
            done, last = peer.ended(url, worker.calls)
            if done >= jobs:
                break
            time.sleep(0.2)
        done, last = peer.ended(url, worker.calls)
        with worker.calls.open() as calls:
            first = calls.readline().split()
    if not done or not first:
        raise RuntimeError(f"{peer.name} ended nothing within {LONGEST:.0f} s")
    return done, last - float(first[0])


def _rate(made: Databases, peer: Peer, jobs: int, batch: int) -> float:
    url = made.create(peer)
    peer.fill(url, jobs)
    made.analyze(url)
    done, seconds = drain(peer, url, jobs, batch)
    return done / seconds
