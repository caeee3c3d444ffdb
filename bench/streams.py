"""2,000 streams on one process, as pages have them, and what they ask of the database.

Latencies are from before the statement that adds an event until a client has read it, by one
clock. Streams of 200 keys, ten to each, and then all of one key. Statements are counted by
pg_stat_statements, those of the endpoint's own role. The baseline of 50 streams are 50 clients that
look each second.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence

from bench.figure import Figure, percentile
from bench.streaming.clients import Heard, open_streams
from bench.streaming.database import ENDPOINT, Asking, asking_of, counting_cluster, url_of
from bench.streaming.endpoint import memory_of, running_endpoint
from bench.streaming.polling import LOOKING, poll
from pyworker.local.cluster import Cluster

STREAMS, SPREAD, EVENTS, EVENTS_TO_ALL = 2000, 200, 400, 20
AT_ONCE = 1000
FEW = 50
IDLE = 30.0


def measure() -> Iterator[Figure]:
    """Measure on a cluster and with an endpoint of its own."""
    with counting_cluster() as cluster:
        yield from asyncio.run(_few(cluster))
        yield from asyncio.run(_many(cluster))


async def _many(cluster: Cluster) -> Sequence[Figure]:
    heard = Heard()
    figures: list[Figure] = []
    symbols = [f"S{n % SPREAD}" for n in range(STREAMS)]
    with running_endpoint(url_of(cluster, ENDPOINT)) as (port, process):
        async with asking_of(cluster) as asking:
            async with open_streams(port, symbols[:FEW], heard):
                await asyncio.sleep(1)
            await asyncio.sleep(1)
            before, asked = memory_of(process), await asking.count(ENDPOINT, "%open_streams%")
            async with open_streams(port, symbols[:AT_ONCE], heard) as seconds:
                asked = await asking.count(ENDPOINT, "%open_streams%") - asked
                figures.append(Figure("streams_1000_joined_in", seconds, "s"))
                figures.append(Figure("streams_1000_joined_by", asked, "queries", target=20))
                async with open_streams(port, symbols[AT_ONCE:], heard):
                    await asyncio.sleep(2)
                    used = (memory_of(process) - before) / STREAMS
                    figures.append(Figure("streams_memory", used, "KB a stream", target=40))
                    asked = await asking.count(ENDPOINT)
                    await asyncio.sleep(IDLE)
                    asked = await asking.count(ENDPOINT) - asked
                    figures.append(Figure("streams_idle", asked, "queries in 30 s", target=3))
                    spread = await _tell(asking, heard, symbols, STREAMS // SPREAD, events=EVENTS)
                    figures += _latencies("streams_event", spread)
            async with open_streams(port, symbols[:1] * STREAMS, heard):
                await asyncio.sleep(2)
                to_all = await _tell(asking, heard, symbols[:1], STREAMS, events=EVENTS_TO_ALL)
                figures += _latencies("streams_event_to_all", to_all)
    return figures


async def _few(cluster: Cluster) -> Sequence[Figure]:
    heard = Heard()
    symbols = [f"S{n}" for n in range(FEW)]
    async with asking_of(cluster) as asking:
        with running_endpoint(url_of(cluster, ENDPOINT)) as (port, _):
            async with open_streams(port, symbols, heard):
                asked = await asking.count(ENDPOINT)
                streamed = await _tell(asking, heard, symbols, 1, events=FEW, pause=LOOKING / FEW)
                queries = await asking.count(ENDPOINT) - asked
        polled, polls = await poll(cluster, asking, symbols)
    median = 1000 * percentile(polled, 0.5)
    return [
        Figure("streams_50", queries, "queries", baseline=polls, target=0.01, of="ratio"),
        Figure(
            "streams_50_latency_p50",
            1000 * percentile(streamed, 0.5),
            "ms",
            baseline=median,
            target=0.1,
            of="ratio",
        ),
    ]


async def _tell(
    asking: Asking,
    heard: Heard,
    symbols: Sequence[str],
    streams: int,
    *,
    events: int,
    pause: float = 0.0,
) -> list[float]:
    """Add events one after the other, each heard by so many streams; returns the latencies (s)."""
    latencies: list[float] = []
    for number in range(events):
        symbol = symbols[number % len(symbols)]
        heard.expect(symbol, streams)
        begun = time.perf_counter()
        await asking.add(symbol)
        await heard.by_all()
        latencies += [moment - begun for moment in heard.moments]
        await asyncio.sleep(max(begun + pause - time.perf_counter(), 0))
    return latencies


def _latencies(name: str, seconds: Sequence[float]) -> list[Figure]:
    return [
        Figure(f"{name}_p50", 1000 * percentile(seconds, 0.5), "ms", target=100),
        Figure(f"{name}_p99", 1000 * percentile(seconds, 0.99), "ms", target=400),
    ]
