"""Bytes of the write-ahead log for each job while one worker drains, history kept.

Without full-page images, which depend on the time since the last checkpoint: the server writes none
meanwhile. Ours store no data rows: their source confirms what is stored.
"""

from __future__ import annotations

from collections.abc import Iterator

from bench.drain import drain
from bench.figure import Figure
from bench.peers.databases import Databases, databases
from bench.peers.ours import Ours
from bench.peers.peer import Peer
from bench.peers.pgmq_style import PgmqStyle
from bench.peers.pgqueuer import Pgqueuer
from bench.peers.procrastinate import Procrastinate

JOBS = 4_000
CONCURRENCY = 10


def measure() -> Iterator[Figure]:
    """Measure ours against pgqueuer, and the others alone."""
    with databases() as made:
        made.set("full_page_writes", "off")
        # What it writes comes at no known moment.
        made.set("autovacuum", "off")
        theirs = _bytes(made, Pgqueuer())
        yield Figure("wal_of_a_job", _bytes(made, Ours()), "B", theirs, target=1_000)
        for peer in (Procrastinate(), PgmqStyle()):
            yield Figure(f"wal_of_a_job_{peer.name}", _bytes(made, peer), "B")


def _bytes(made: Databases, peer: Peer) -> float:
    url = made.create(peer)
    peer.fill(url, JOBS)
    made.analyze(url)
    before = made.wal_position()
    done, _ = drain(peer, url, JOBS, CONCURRENCY)
    return (made.wal_position() - before) / done
