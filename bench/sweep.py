"""How long a sweep takes that finds every key without a watch and without a job, and all stale.

The baselines are the documents' design over the same subscriptions, in the same run.
`sweep_1000_keys` is compared with their loop as the functions that they name have it: symbol by
symbol and data type by data type, with the subscriptions read anew at each of the two steps.
`sweep_1000_keys_read_once` is compared with the kindest reading of their drawing: one that reads
them once, and then goes from key to key.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from bench.cluster import prepared_cluster
from bench.figure import Figure
from bench.pgbench import medians_of_pairs

Connection = psycopg.Connection[Any]

DOCUMENTS = Path(__file__).parent / "documents" / "design.sql"
PAIRS = 5
SMALL = 1_000
SCHEMA = """
create table public.bench_quotes (symbol text primary key, price numeric, fetched_at timestamptz);
grant select on public.bench_quotes to authenticated;
select freshness.register_data_type('bench_quote', 'public.bench_quotes', ttl => '1 minute');
"""
STORE = """
insert into public.bench_quotes
select 'S' || n, n, now() - interval '1 hour' from generate_series(1, %s::integer) as n
"""
SUBSCRIBE = """
insert into realtime.subscription (subscription_id, entity, filters, claims)
select
    gen_random_uuid(), 'public.bench_quotes',
    array[row('symbol', 'eq', 'S' || n, false)::realtime.user_defined_filter],
    jsonb_build_object('role', 'authenticated', 'sub', gen_random_uuid())
from generate_series(1, %s::integer) as n
"""


def measure() -> Iterator[Figure]:
    """Measure with 1,000, 5,000, 10,000 and 100,000 keys, on a cluster of its own."""
    with (
        prepared_cluster() as cluster,
        psycopg.connect(cluster.connection_string(), autocommit=True) as postgres,
        psycopg.connect(cluster.connection_string("supabase_admin"), autocommit=True) as admin,
    ):
        postgres.execute(SCHEMA)
        postgres.execute(DOCUMENTS.read_text().encode())
        # Nothing but the sweep is to notice these subscriptions.
        admin.execute("set session_replication_role = replica")

        _fill(postgres, admin, SMALL)
        sweep = partial(_first, postgres)
        first, loop = medians_of_pairs(sweep, partial(_documents, postgres, "stale_data"))
        yield Figure("sweep_1000_keys", first, "ms", loop, target=0.01, of="ratio")
        first, once = medians_of_pairs(sweep, partial(_documents, postgres, "reading_once"))
        yield Figure("sweep_1000_keys_read_once", first, "ms", once, of="ratio")

        for keys, target in ((5_000, 150.0), (10_000, None)):
            first, _ = _medians(postgres, admin, keys)
            yield Figure(f"sweep_{keys}_keys", first, "ms", target=target)
        small = first
        first, again = _medians(postgres, admin, 100_000)
        yield Figure("sweep_100000_keys_first", first, "ms", target=3_000)
        yield Figure("sweep_100000_keys_again", again, "ms", target=500)
        yield Figure("sweep_100000_keys_to_10000", first, "ms", small, target=13, of="ratio")
        again = _again_when_fresh(postgres)
        yield Figure("sweep_100000_keys_again_when_fresh", again, "ms", target=500)


def _fill(postgres: Connection, admin: Connection, keys: int) -> None:
    admin.execute("truncate realtime.subscription")
    postgres.execute("truncate public.bench_quotes")
    postgres.execute(STORE, [keys])
    admin.execute(SUBSCRIBE, [keys])
    postgres.execute("analyze public.bench_quotes")
    admin.execute("analyze realtime.subscription")


def _medians(postgres: Connection, admin: Connection, keys: int) -> tuple[float, float]:
    _fill(postgres, admin, keys)
    pairs = [_first_and_again(postgres) for _ in range(PAIRS)]
    first, again = zip(*pairs, strict=True)
    return statistics.median(first), statistics.median(again)


def _again_when_fresh(postgres: Connection) -> float:
    """Measure again with the same keys, all of which wait for their deadline."""
    postgres.execute("alter table public.bench_quotes disable trigger user")
    postgres.execute("update public.bench_quotes set fetched_at = now()")
    postgres.execute("vacuum analyze public.bench_quotes")
    postgres.execute("update freshness.data_types set ttl = '1 hour' where name = 'bench_quote'")
    _first(postgres)
    return statistics.median(_timed(postgres, "select freshness.sweep()") for _ in range(PAIRS))


def _first_and_again(postgres: Connection) -> tuple[float, float]:
    return _first(postgres), _timed(postgres, "select freshness.sweep()")


def _first(postgres: Connection) -> float:
    postgres.execute("truncate freshness.jobs, freshness.watches, freshness.pulls")
    return _timed(postgres, "select freshness.sweep()")


def _documents(postgres: Connection, function: str) -> float:
    postgres.execute("truncate documents.jobs")
    return _timed(postgres, f"select documents.check_and_queue_{function}()")


def _timed(connection: Connection, statement: str) -> float:
    began = time.perf_counter()
    connection.execute(statement.encode()).fetchall()
    return (time.perf_counter() - began) * 1000
