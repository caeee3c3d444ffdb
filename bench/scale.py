"""1,000,000 watched keys and 2,000,000 subscriptions: load, sweep, and serve deadlines.

Not among the parts that run by default: it takes about five minutes and some gigabytes
(BENCH_KEYS for another number of keys). A time-to-live of one hour makes keys / 3,600 deadlines a
second; they are served for half a minute.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg

from bench.cluster import prepared_cluster
from bench.figure import Figure, percentile
from bench.worker_process import worker_process

SUBSCRIPTIONS_OF_A_KEY = 2
SERVED, FIRST = 30.0, 15.0
CLAIMS = 50
LONGEST_SWEEP = 60.0

PUBLISH = """
grant select on public.bench_quotes to authenticated;
alter publication supabase_realtime add table public.bench_quotes;
"""
STORE = """
insert into public.bench_quotes
select 'S' || n, 1, clock_timestamp() from generate_series(1, %s::integer) as n
"""
SUBSCRIBE = """
insert into realtime.subscription (subscription_id, entity, filters, claims)
select
    gen_random_uuid(), 'public.bench_quotes',
    array[row('symbol', 'eq', 'S' || n, false)::realtime.user_defined_filter],
    '{"role": "authenticated"}'
from generate_series(1, %s::integer) as n, generate_series(1, %s::integer)
"""
GROW_OLD = """
update public.bench_quotes
set fetched_at = clock_timestamp() - interval '1 hour'
    + make_interval(secs => %s + substr(symbol, 2)::float8 / %s)
where symbol = any (array(select 'S' || n from generate_series(1, %s::integer) as n))
"""
DEADLINES = """
select symbol, extract(epoch from fetched_at + interval '1 hour')::float8
from public.bench_quotes
where symbol = any (array(select 'S' || n from generate_series(1, %s::integer) as n))
"""
CLAIM = "select from freshness.claim(%s, array['bench_quote'], 10)"


def measure() -> Iterator[Figure]:
    """Build it up, and let a worker serve it."""
    keys = int(os.environ.get("BENCH_KEYS", "1000000"))
    with (
        prepared_cluster() as cluster,
        worker_process(cluster.connection_string()) as fetches,
        psycopg.connect(cluster.connection_string(), autocommit=True) as postgres,
        psycopg.connect(cluster.connection_string("supabase_admin"), autocommit=True) as admin,
    ):
        postgres.execute(PUBLISH)
        # Nothing but the sweep is to notice these.
        admin.execute("set session_replication_role = replica")
        yield Figure("scale_store_rows", _timed(admin, STORE, [keys]), "s")
        loaded = _timed(admin, SUBSCRIBE, [keys, SUBSCRIPTIONS_OF_A_KEY])
        yield Figure("scale_store_subscriptions", loaded, "s")
        admin.execute("analyze public.bench_quotes")
        admin.execute("analyze realtime.subscription")
        yield Figure("scale_sweep_first", _sweep(postgres), "s")
        # As autovacuum would, once it has come round.
        admin.execute("vacuum analyze freshness.jobs, freshness.watches")
        yield Figure("scale_sweep_again", _sweep(postgres), "s")
        yield Figure("scale_claim_of_nothing", _claim(postgres), "ms")

        rate = keys / 3600
        served = max(int(rate * SERVED), 1)
        postgres.execute(GROW_OLD, [FIRST, rate, served])
        deadlines: dict[str, float] = dict(postgres.execute(DEADLINES, [served]).fetchall())
        late = _served(fetches, deadlines)
        yield Figure("scale_deadlines", rate, "per s")
        for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0)):
            yield Figure(f"scale_lateness_{name}", percentile(late, share), "ms")
        size = postgres.execute("select pg_database_size(current_database())").fetchone() or (0,)
        yield Figure("scale_database", size[0] / 2**30, "GiB")


def _sweep(connection: psycopg.Connection[Any]) -> float:
    total = 0.0
    # A sweep stops after a minute; pg_cron calls it again.
    while True:
        seconds = _timed(connection, "select freshness.sweep()", [])
        total += seconds
        if seconds < LONGEST_SWEEP:
            return total


def _claim(connection: psycopg.Connection[Any]) -> float:
    [worker] = connection.execute("select freshness.announce_worker('bench')").fetchone() or (0,)
    times = [_timed(connection, CLAIM, [worker]) * 1000 for _ in range(CLAIMS)]
    connection.execute("select freshness.dismiss_worker(%s)", [worker])
    return statistics.median(times)


def _served(fetches: Path, deadlines: dict[str, float]) -> list[float]:
    give_up = max(deadlines.values()) + 30
    while time.time() < give_up:
        time.sleep(1)
        lines = [line.split() for line in reversed(fetches.read_text().splitlines())]
        begun = {symbol: float(at) for at, symbol in lines}
        if deadlines.keys() <= begun.keys():
            return [(begun[symbol] - due) * 1000 for symbol, due in deadlines.items()]
    raise RuntimeError(f"{len(deadlines.keys() - begun.keys())} keys were never fetched")


def _timed(
    connection: psycopg.Connection[Any], statement: str, parameters: Sequence[object]
) -> float:
    began = time.perf_counter()
    connection.execute(statement.encode(), parameters)
    return time.perf_counter() - began
