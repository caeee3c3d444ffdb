"""The baseline: clients that look each second."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence

import psycopg

from bench.streaming.database import POLLER, Asking, url_of
from pyworker.local.cluster import Cluster

LOOKING = 30.0  # seconds
LOOK = "select max(id) from freshness.events where data_type = 'bench_quote' and symbol = %s"


async def poll(cluster: Cluster, asking: Asking, symbols: Sequence[str]) -> tuple[list[float], int]:
    """Look each second for each symbol; returns the latencies (s) and the number of looks."""
    added: dict[str, float] = {}
    latencies: list[float] = []

    async def look(symbol: str) -> None:
        async with await psycopg.AsyncConnection.connect(
            url_of(cluster, POLLER), autocommit=True
        ) as poller:
            await asyncio.sleep(random.random())  # noqa: S311
            last = None
            for _ in range(int(LOOKING)):
                answer = await poller.execute(LOOK, [symbol])
                [found] = await answer.fetchone() or (None,)
                if symbol in added and found != last:
                    latencies.append(time.perf_counter() - added.pop(symbol))
                last = found
                await asyncio.sleep(1)

    pollers = [asyncio.create_task(look(symbol)) for symbol in symbols]
    await asyncio.sleep(2)
    for symbol in symbols:
        added[symbol] = time.perf_counter()
        await asking.add(symbol)
        await asyncio.sleep((LOOKING - 5) / len(symbols))
    await asyncio.gather(*pollers)
    return latencies, await asking.count(POLLER)
