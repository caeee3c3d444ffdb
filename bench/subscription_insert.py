"""What our trigger adds to a subscriber's insert into realtime.subscription, 4 clients at a time.

The statement is Realtime's own. The baseline is the same without our trigger, in the same run.
"""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

from bench.cluster import prepared_cluster
from bench.figure import Figure
from bench.pgbench import latency, medians_of_pairs
from pyworker.local.cluster import Cluster

KEYS = 10_000
CLIENTS = 4

SCHEMA = f"""
create table public.bench_quotes (symbol text primary key, price numeric, fetched_at timestamptz);
grant select on public.bench_quotes to authenticated;
alter publication supabase_realtime add table public.bench_quotes;
insert into public.bench_quotes
select 'S' || n, n, clock_timestamp() from generate_series(1, {KEYS}) as n;
select freshness.register_data_type('bench_quote', 'public.bench_quotes', ttl => '1 hour');
"""

INSERT = f"""
\\set n random(1, {KEYS})
insert into realtime.subscription as existing
    (subscription_id, entity, filters, claims, action_filter, selected_columns)
select
    gen_random_uuid(),
    format('%I.%I', published.schemaname, published.tablename)::regclass,
    array[row('symbol', 'eq', 'S' || :n, false)::realtime.user_defined_filter],
    '{{"role": "authenticated"}}',
    '*',
    null
from pg_catalog.pg_publication_tables as published
where published.pubname = 'supabase_realtime'
    and published.schemaname like 'public'
    and published.tablename like 'bench_quotes'
on conflict (subscription_id, entity, filters, action_filter, coalesce(selected_columns, '{{}}'))
do update set claims = excluded.claims, created_at = now()
returning existing.id;
"""


def measure() -> Iterator[Figure]:
    """Measure pairs on a cluster of their own."""
    with prepared_cluster() as cluster:
        with psycopg.connect(cluster.connection_string(), autocommit=True) as connection:
            connection.execute(SCHEMA.encode())
        # Both find the caches filled.
        _inserts(cluster, "enable")
        _inserts(cluster, "disable")
        value, baseline = medians_of_pairs(
            lambda: _inserts(cluster, "enable"), lambda: _inserts(cluster, "disable")
        )
        yield Figure("subscription_insert", value, "ms", baseline, target=1.4, of="ratio")


def _inserts(cluster: Cluster, trigger: str) -> float:
    # Each run begins with the same tables; the pulls would be folded by a worker meanwhile.
    _execute(
        cluster,
        "truncate realtime.subscription, freshness.watches, freshness.jobs, freshness.pulls;"
        f" alter table realtime.subscription {trigger} trigger"
        " on_realtime_subscription_insert_trigger",
    )
    return latency(cluster, INSERT, clients=CLIENTS, user="supabase_admin")


def _execute(cluster: Cluster, statements: str) -> None:
    url = cluster.connection_string(user="supabase_admin")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statements.encode())
