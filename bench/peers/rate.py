"""Requests at an even pace."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from bench.peers.peer import Peer
from bench.peers.workers import Worker

PER_SECOND = 20
LONGEST_WAIT = 30.0


def request_at_rate(
    peer: Peer, url: str, names: Sequence[str], rate: float = PER_SECOND
) -> dict[str, float]:
    """Request the named jobs one after the other; return when each was committed (epoch)."""
    receipts = asyncio.run(_request(peer, url, names, rate))
    return dict(zip(names, peer.committed(url, receipts), strict=True))


def started(workers: Sequence[Worker], names: Sequence[str]) -> dict[str, float]:
    """Wait until each named job has been started by a worker; return when it was (epoch).

    Raises:
        RuntimeError: one of them was not.
    """
    wanted = set(names)
    deadline = time.monotonic() + LONGEST_WAIT
    while time.monotonic() < deadline:
        begun: dict[str, float] = {}
        for worker in workers:
            begun |= worker.started()
        if wanted <= begun.keys():
            return {name: begun[name] for name in names}
        time.sleep(0.1)
    raise RuntimeError(f"{len(wanted - begun.keys())} jobs were never started")


async def _request(peer: Peer, url: str, names: Sequence[str], rate: float) -> list[str]:
    receipts = []
    async with peer.requester(url) as request:
        next_at = time.monotonic()
        for name in names:
            await asyncio.sleep(next_at - time.monotonic())
            receipts.append(await request(name))
            next_at += 1 / rate
    return receipts
