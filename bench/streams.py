"""2,000 streams on one process, as pages have them, and what they ask of the database.

Latencies are from before the statement that adds an event until a client has read it, by one
clock. Streams of 200 keys, ten to each, and then all of one key. Statements are counted by
pg_stat_statements, those of the endpoint's own role. The baseline of 50 streams are 50 clients that
look each second.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
import psycopg
from psycopg.conninfo import make_conninfo

from bench.cluster import prepared_cluster
from bench.figure import Figure, percentile
from pyworker.local.cluster import Cluster

STREAMS, SPREAD, EVENTS, EVENTS_TO_ALL = 2000, 200, 400, 20
AT_ONCE = 1000
FEW, LOOKING = 50, 30.0
IDLE = 30.0
SECRET = "a secret of the measurement, long enough for HS256"  # noqa: S105

SCHEMA = """
create table public.bench_quotes (symbol text primary key, price numeric, fetched_at timestamptz);
insert into public.bench_quotes
select 'S' || n, 1, clock_timestamp() from generate_series(0, 199) as n;
grant select on public.bench_quotes to authenticated;
select freshness.register_data_type('bench_quote', 'public.bench_quotes', ttl => '1 day');
"""
ADD = """
insert into freshness.events (kind, data_type, symbol) values ('unchanged', 'bench_quote', %s)
"""
PASSWORD = "bench"  # noqa: S105
ENDPOINT, POLLER = "bench_endpoint", "bench_poller"
COUNTED = (
    "create extension pg_stat_statements",
    f"create role {ENDPOINT} login password '{PASSWORD}' in role freshness_worker",
    f"create role {POLLER} login password '{PASSWORD}' in role freshness_worker",
)
COUNT = """
select coalesce(sum(calls), 0)::integer from pg_stat_statements
where userid = %s::regrole and query like %s
"""
PROGRAM = """
import asyncio
from pyworker.settings import read_settings
from pyworker.web.server import serve
asyncio.run(serve(read_settings()))
"""
LOOK = "select max(id) from freshness.events where data_type = 'bench_quote' and symbol = %s"
Connection = psycopg.AsyncConnection[Any]


def measure() -> Iterator[Figure]:
    """Measure on a cluster and with an endpoint of its own."""
    with prepared_cluster() as cluster:
        administrator = cluster.connection_string("supabase_admin")
        with psycopg.connect(administrator, autocommit=True) as connection:
            connection.execute(
                "alter system set shared_preload_libraries = 'pg_cron', 'pg_stat_statements'"
            )
        cluster.restart()
        with psycopg.connect(administrator, autocommit=True) as connection:
            for statement in COUNTED:
                connection.execute(statement.encode())
        with psycopg.connect(cluster.connection_string(), autocommit=True) as connection:
            connection.execute(SCHEMA)
        yield from asyncio.run(_few(cluster))
        yield from asyncio.run(_many(cluster))


async def _many(cluster: Cluster) -> Sequence[Figure]:
    heard = _Heard()
    figures: list[Figure] = []
    symbols = [f"S{n % SPREAD}" for n in range(STREAMS)]
    with _endpoint(cluster) as (port, process):
        async with _asking(cluster) as asking:
            async with _streams(port, symbols[:FEW], heard):
                await asyncio.sleep(1)
            await asyncio.sleep(1)
            before, asked = _memory(process), await asking.count(ENDPOINT, "%open_streams%")
            async with _streams(port, symbols[:AT_ONCE], heard) as seconds:
                asked = await asking.count(ENDPOINT, "%open_streams%") - asked
                figures.append(Figure("streams_1000_joined_in", seconds, "s"))
                figures.append(Figure("streams_1000_joined_by", asked, "queries", target=20))
                async with _streams(port, symbols[AT_ONCE:], heard):
                    await asyncio.sleep(2)
                    used = (_memory(process) - before) / STREAMS
                    figures.append(Figure("streams_memory", used, "KB a stream", target=40))
                    asked = await asking.count(ENDPOINT)
                    await asyncio.sleep(IDLE)
                    asked = await asking.count(ENDPOINT) - asked
                    figures.append(Figure("streams_idle", asked, "queries in 30 s", target=3))
                    spread = await _tell(asking, heard, symbols, STREAMS // SPREAD, events=EVENTS)
                    figures += _latencies("streams_event", spread)
            async with _streams(port, symbols[:1] * STREAMS, heard):
                await asyncio.sleep(2)
                to_all = await _tell(asking, heard, symbols[:1], STREAMS, events=EVENTS_TO_ALL)
                figures += _latencies("streams_event_to_all", to_all)
    return figures


async def _few(cluster: Cluster) -> Sequence[Figure]:
    heard = _Heard()
    symbols = [f"S{n}" for n in range(FEW)]
    async with _asking(cluster) as asking:
        with _endpoint(cluster) as (port, _):
            async with _streams(port, symbols, heard):
                asked = await asking.count(ENDPOINT)
                streamed = await _tell(asking, heard, symbols, 1, events=FEW, pause=LOOKING / FEW)
                queries = await asking.count(ENDPOINT) - asked
        polled, polls = await _poll(cluster, asking, symbols)
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


class _Heard:
    """When each stream of a symbol has read the event that was added last."""

    def __init__(self) -> None:
        self.moments: list[float] = []
        self._symbol: str | None = None
        self._missing = 0
        self._all = asyncio.Event()

    def expect(self, symbol: str, streams: int) -> None:
        self.moments = []
        self._symbol, self._missing = symbol, streams
        self._all.clear()

    def hear(self, symbol: str) -> None:
        if symbol == self._symbol:
            self.moments.append(time.perf_counter())
            if len(self.moments) == self._missing:
                self._all.set()

    async def by_all(self) -> None:
        async with asyncio.timeout(20):
            await self._all.wait()


class _Asking:
    """Adds events, and counts queries."""

    def __init__(self, adding: Connection, counting: Connection) -> None:
        self._adding = adding
        self._counting = counting

    async def add(self, symbol: str) -> None:
        await self._adding.execute(ADD, [symbol])

    async def count(self, role: str, like: str = "%") -> int:
        answer = await self._counting.execute(COUNT, [role, like])
        [count] = await answer.fetchone() or (0,)
        return int(count)


@asynccontextmanager
async def _asking(cluster: Cluster) -> AsyncIterator[_Asking]:
    connect = psycopg.AsyncConnection.connect
    async with (
        await connect(cluster.connection_string(), autocommit=True) as adding,
        await connect(cluster.connection_string("supabase_admin"), autocommit=True) as counting,
    ):
        yield _Asking(adding, counting)


async def _tell(
    asking: _Asking,
    heard: _Heard,
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


async def _poll(
    cluster: Cluster, asking: _Asking, symbols: Sequence[str]
) -> tuple[list[float], int]:
    """Look each second for each symbol; returns the latencies (s) and the number of looks."""
    added: dict[str, float] = {}
    latencies: list[float] = []

    async def look(symbol: str) -> None:
        async with await psycopg.AsyncConnection.connect(
            _as(cluster, POLLER), autocommit=True
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


def _latencies(name: str, seconds: Sequence[float]) -> list[Figure]:
    return [
        Figure(f"{name}_p50", 1000 * percentile(seconds, 0.5), "ms", target=100),
        Figure(f"{name}_p99", 1000 * percentile(seconds, 0.99), "ms", target=400),
    ]


class _Client(asyncio.Protocol):
    """Reads one stream, and says when an event has come."""

    def __init__(
        self, request: bytes, symbol: str, heard: _Heard, is_in: Callable[[], None]
    ) -> None:
        self._request = request
        self._symbol = symbol
        self._heard = heard
        self._is_in = is_in
        self._waits = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self._waits and b"event: snapshot" in data:
            self._waits = False
            self._is_in()
        if b"event: unchanged" in data:
            self._heard.hear(self._symbol)


@asynccontextmanager
async def _streams(port: int, symbols: Sequence[str], heard: _Heard) -> AsyncIterator[float]:
    """Open a stream for each symbol; yields in how many seconds all were in."""
    loop = asyncio.get_running_loop()
    tokens = [_token() for _ in symbols]
    left = len(symbols)
    all_in = asyncio.Event()

    def is_in() -> None:
        nonlocal left
        left -= 1
        if not left:
            all_in.set()

    async def connect(symbol: str, token: str) -> asyncio.BaseTransport:
        request = (
            f"GET /functions/v1/refresh-events?symbol={symbol}&dataTypes=bench_quote HTTP/1.1\r\n"
            f"Host: endpoint\r\nAuthorization: Bearer {token}\r\n\r\n"
        ).encode()
        transport, _ = await loop.create_connection(
            lambda: _Client(request, symbol, heard, is_in), "127.0.0.1", port
        )
        return transport

    begun = time.perf_counter()
    made = await asyncio.gather(*map(connect, symbols, tokens))
    try:
        async with asyncio.timeout(60):
            await all_in.wait()
        yield time.perf_counter() - begun
    finally:
        for transport in made:
            transport.close()
        await asyncio.sleep(1)


def _token() -> str:
    """Return the token of a user of its own: how much each may watch is counted."""
    claims = {"role": "authenticated", "aud": "authenticated", "sub": str(uuid4())}
    return jwt.encode({**claims, "exp": datetime.now(UTC) + timedelta(hours=1)}, SECRET)


def _memory(process: int) -> float:
    """Return what a process holds in memory, in KB."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    assert found is not None
    return float(found[1])


def _as(cluster: Cluster, role: str) -> str:
    return str(make_conninfo(cluster.connection_string(), user=role, password=PASSWORD))


@contextmanager
def _endpoint(cluster: Cluster) -> Iterator[tuple[int, int]]:
    """Run an endpoint, its log going nowhere; yields its port and process id."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = int(found.getsockname()[1])
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env={
            "PATH": os.environ["PATH"],
            "DATABASE_URL": _as(cluster, ENDPOINT),
            "SUPABASE_JWT_SECRET": SECRET,
            "FRESHNESS_PORT": str(port),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(200):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.1)
        yield port, process.pid
    finally:
        process.kill()
        process.wait()
