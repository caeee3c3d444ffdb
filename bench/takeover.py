"""How long after a worker is killed in mid fetch another one starts its job.

Two workers, one of which is sent SIGKILL while it holds the job; at the default heartbeat limit
and at the shortest. The baseline is pgqueuer with its default of 30 seconds, at the same time.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from bench.figure import Figure
from bench.peers.databases import databases
from bench.peers.ours import Ours
from bench.peers.peer import Peer
from bench.peers.pgqueuer import Pgqueuer
from bench.peers.rate import request_at_rate, started
from bench.peers.workers import Worker, workers

DEFAULT_LIMIT, SHORTEST_LIMIT = 15.0, 1.0
SHORT_KILLS = 5
MID_FETCH = 1.3
LONGEST = 90.0


def measure() -> Iterator[Figure]:
    """Kill one worker of each, and several with the shortest limit."""
    ours, shortest = Ours(heartbeat_limit=DEFAULT_LIMIT), Ours(heartbeat_limit=SHORTEST_LIMIT)
    pgqueuer = Pgqueuer()
    with databases() as made:
        shortest_url = made.create(shortest)
        times = [_taken_over(shortest, shortest_url, n) for n in range(SHORT_KILLS)]
        yield Figure("takeover_shortest_limit", max(times), "s", target=2)
        urls = {peer: made.create(peer) for peer in (ours, pgqueuer)}
        with ThreadPoolExecutor() as threads:
            waits = [threads.submit(_taken_over, peer, url) for peer, url in urls.items()]
            value, theirs = (wait.result() for wait in waits)
        yield Figure("takeover_default_limit", value, "s", theirs, target=DEFAULT_LIMIT)


def _taken_over(peer: Peer, url: str, number: int = 0) -> float:
    name = f"HELD{number}"
    with workers(peer, url, 2) as running:
        request_at_rate(peer, url, [name])
        started(running, [name])
        [holder] = [worker for worker in running if name in worker.started()]
        [other] = [worker for worker in running if worker is not holder]
        time.sleep(MID_FETCH)
        holder.process.send_signal(signal.SIGKILL)
        killed = time.time()
        return _start_of(other, name) - killed


def _start_of(worker: Worker, name: str) -> float:
    deadline = time.monotonic() + LONGEST
    while time.monotonic() < deadline:
        if (at := worker.started().get(name)) is not None:
            return at
        time.sleep(0.05)
    raise RuntimeError(f"{name} was not taken over within {LONGEST:.0f} s")
