"""What our triggers add to somebody else's writes to a data table.

Watched: each key has its job; unwatched: none has one. The rows become fresher. The baseline is
the same table without our triggers, in the same run.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import psycopg

from bench.cluster import prepared_cluster
from bench.figure import Figure
from bench.pgbench import latency, medians_of_pairs
from pyworker.local.cluster import Cluster

ROWS = 10_000
STATEMENTS = 8
"""Of all rows in one run: few enough that what they leave for vacuum does not slow them down."""

TRIGGERS = ("bare", "watched", "unwatched")
ONE_ROW = f"""
\\set n random(1, {ROWS})
update public.bench_{{table}} set price = price + 1, fetched_at = now() where symbol = 'S' || :n;
"""
FILL = (
    "insert into public.bench_{table}"
    f" select 'S' || n, n, now() from generate_series(1, {ROWS}) as n"
)
ALL_ROWS = "update public.bench_{table} set price = price + 1, fetched_at = now();"


def measure() -> Iterator[Figure]:
    """Measure pairs on a cluster of their own."""
    with prepared_cluster() as cluster:
        _create(cluster)
        for table, one_row, all_rows in (("watched", 1.15, 1.25), ("unwatched", 1.10, 1.20)):
            for name, updates, target in (
                ("1_row", _updates_of_one_row, one_row),
                ("10000_rows", _updates_of_all_rows, all_rows),
            ):
                value, baseline = medians_of_pairs(
                    partial(updates, cluster, table), partial(updates, cluster, "bare")
                )
                label = f"data_update_{name}_{table}"
                yield Figure(label, value, "ms", baseline, target=target, of="ratio")


def _updates_of_one_row(cluster: Cluster, table: str) -> float:
    _tidy(cluster, table)
    return latency(cluster, ONE_ROW.format(table=table), clients=4)


def _updates_of_all_rows(cluster: Cluster, table: str) -> float:
    _tidy(cluster, table)
    return latency(cluster, ALL_ROWS.format(table=table), clients=1, transactions=STATEMENTS)


def _tidy(cluster: Cluster, table: str) -> None:
    """Fill the table anew, unnoticed: what earlier runs have left in it would favour one side."""
    url = cluster.connection_string(user="supabase_admin")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute(f"truncate public.bench_{table}".encode())
        connection.execute(FILL.format(table=table).encode())
        connection.execute(f"vacuum analyze public.bench_{table}".encode())
        connection.execute("checkpoint")


def _create(cluster: Cluster) -> None:
    with psycopg.connect(cluster.connection_string(), autocommit=True) as connection:
        for table in TRIGGERS:
            connection.execute(
                f"create table public.bench_{table}"
                " (symbol text primary key, price numeric, fetched_at timestamptz);"
                f"{FILL.format(table=table)};"
                f" select freshness.register_data_type('{table}', 'public.bench_{table}',"
                f" ttl => '1 hour', triggers => {table != 'bare'})".encode()
            )
        connection.execute(
            "insert into freshness.watches (data_type, symbol, watcher, lease_until)"
            " select 'watched', symbol, 'bench', now() + interval '1 day'"
            " from public.bench_watched"
        )
        connection.execute("select count(*) from freshness.reconsider('watched')")
