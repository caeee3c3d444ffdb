"""How long after somebody's interest is committed the fetch starts, with an idle worker.

From the commit of the transaction that stored the watch, as Postgres stamps it, to the first line
of the refresher, by the same machine's clock. The baseline is a bare NOTIFY from one connection to
another.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import jwt
import psycopg

from bench.cluster import prepared_cluster
from bench.figure import Figure, percentile
from pyworker.local.cluster import Cluster, free_port
from pyworker.local.realtime import realtime_subscribe

SAMPLES = 300
PAUSE = 0.02
SECRET = "a secret of the measurement, long enough for HS256"  # noqa: S105

REFRESHER = """
import os, time
from pyworker import refresher

@refresher("bench_quote")
async def quote(job, context):
    os.write(3, f"{time.time()} {job.symbol}\\n".encode())
    return [{"price": 1}]
"""

SCHEMA = """
create table public.bench_quotes (symbol text primary key, price numeric, fetched_at timestamptz);
grant select on public.bench_quotes to authenticated;
alter publication supabase_realtime add table public.bench_quotes;
select freshness.register_data_type('bench_quote', 'public.bench_quotes', ttl => '1 hour');
"""


def measure() -> Iterator[Figure]:
    """Measure both ways in, one after the other, on a cluster of their own."""
    with prepared_cluster() as cluster, _processes(cluster) as (endpoint, started):
        notify = asyncio.run(_bare_notify(cluster.connection_string()))
        yield Figure("bare_notify_p50", percentile(notify, 0.5), "ms")
        yield Figure("bare_notify_p99", percentile(notify, 0.99), "ms")
        for name, symbols in (
            ("subscription", _subscribe(cluster)),
            ("card", _add_cards(endpoint)),
        ):
            waits = _waits(cluster, symbols, started)
            for share, target in ((0.5, 5.0), (0.99, 25.0)):
                label = f"p{share * 100:.0f}"
                yield Figure(
                    f"pickup_{name}_{label}",
                    percentile(waits, share),
                    "ms",
                    baseline=percentile(notify, share),
                    target=target,
                )


def _subscribe(cluster: Cluster) -> set[str]:
    symbols = {uuid4().hex for _ in range(SAMPLES)}
    with psycopg.connect(cluster.connection_string(user="supabase_admin")) as connection:
        for symbol in symbols:
            realtime_subscribe(
                connection,
                subscription_id=uuid4(),
                table="bench_quotes",
                filters=[("symbol", "eq", symbol)],
                claims={"role": "authenticated"},
            )
            time.sleep(PAUSE)
    return symbols


def _add_cards(endpoint: str) -> set[str]:
    symbols = {uuid4().hex for _ in range(SAMPLES)}
    expiry = datetime.now(UTC) + timedelta(hours=1)
    token = jwt.encode({"sub": str(uuid4()), "role": "authenticated", "exp": expiry}, SECRET)
    with httpx.Client(headers={"Authorization": f"Bearer {token}"}) as client:
        for symbol in symbols:
            client.post(
                f"{endpoint}/functions/v1/on-card-add",
                json={"symbol": symbol, "dataTypes": ["bench_quote"]},
            ).raise_for_status()
            time.sleep(PAUSE)
    return symbols


async def _bare_notify(url: str) -> list[float]:
    waits = []
    async with (
        await psycopg.AsyncConnection.connect(url, autocommit=True) as listening,
        await psycopg.AsyncConnection.connect(url, autocommit=True) as sending,
    ):
        await listening.execute("listen bench")
        arrivals: asyncio.Queue[float] = asyncio.Queue()

        async def listen() -> None:
            async for _ in listening.notifies():
                arrivals.put_nowait(time.time())

        task = asyncio.create_task(listen())
        for _ in range(SAMPLES):
            began = time.time()
            await sending.execute("notify bench")
            waits.append((await asyncio.wait_for(arrivals.get(), 10) - began) * 1000)
            await asyncio.sleep(PAUSE)
        task.cancel()
        await asyncio.wait([task])
    return waits


def _waits(cluster: Cluster, symbols: set[str], started: Path) -> list[float]:
    with psycopg.connect(cluster.connection_string()) as connection:
        committed: dict[str, float] = dict(
            connection.execute(
                "select symbol, extract(epoch from pg_xact_commit_timestamp(xmin))::float8"
                " from freshness.watches"
            ).fetchall()
        )
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        lines = [line.split() for line in started.read_text().splitlines()]
        begun = {symbol: float(at) for at, symbol in lines}
        if symbols <= begun.keys():
            return [(begun[symbol] - committed[symbol]) * 1000 for symbol in symbols]
        time.sleep(0.05)
    raise RuntimeError(f"{len(symbols - begun.keys())} keys were never fetched")


@contextmanager
def _processes(cluster: Cluster) -> Iterator[tuple[str, Path]]:
    url = cluster.connection_string()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SCHEMA)
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bench_refreshers.py").write_text(REFRESHER)
        started = folder / "started"
        started.touch()
        environment = {
            **os.environ,
            "DATABASE_URL": url,
            "SUPABASE_JWT_SECRET": SECRET,
            "FRESHNESS_REFRESHERS": "bench_refreshers",
            "FRESHNESS_PORT": str(port),
            "PYTHONPATH": os.pathsep.join((name, str(Path(__file__).resolve().parents[1]))),
        }
        command = 'exec 3>>"$0" "$@"'
        processes = [
            subprocess.Popen(
                [
                    "/bin/sh",
                    "-c",
                    command,
                    str(started),
                    sys.executable,
                    "-m",
                    "pyworker.cli",
                    part,
                ],
                env=environment,
                cwd=folder,
                stderr=subprocess.DEVNULL,
            )
            for part in ("run", "serve")
        ]
        try:
            _wait_until_up(f"http://127.0.0.1:{port}/healthz", url)
            yield f"http://127.0.0.1:{port}", started
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(timeout=30)


def _wait_until_up(healthz: str, url: str) -> None:
    deadline = time.monotonic() + 30
    with psycopg.connect(url, autocommit=True) as connection:
        while time.monotonic() < deadline:
            listening = connection.execute(
                "select from pg_stat_activity where application_name = 'freshness listener'"
            ).fetchone()
            try:
                if listening is not None and httpx.get(healthz).is_success:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
    raise RuntimeError("worker and endpoint did not start within 30 s")
