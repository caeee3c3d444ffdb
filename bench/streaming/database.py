"""The cluster of the measurement: who asks it, what is added, and how much it is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from bench.cluster import prepared_cluster
from pyworker.local.cluster import Cluster

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
Connection = psycopg.AsyncConnection[Any]


@contextmanager
def counting_cluster() -> Iterator[Cluster]:
    """Start a cluster that counts the statements of each role."""
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
        yield cluster


class Asking:
    """Adds events, and counts queries."""

    def __init__(self, adding: Connection, counting: Connection) -> None:
        self._adding = adding
        self._counting = counting

    async def add(self, symbol: str) -> None:
        """Let something become of a key."""
        await self._adding.execute(ADD, [symbol])

    async def count(self, role: str, like: str = "%") -> int:
        """Return how many statements a role has made, or those that look like this."""
        answer = await self._counting.execute(COUNT, [role, like])
        [count] = await answer.fetchone() or (0,)
        return int(count)


@asynccontextmanager
async def asking_of(cluster: Cluster) -> AsyncIterator[Asking]:
    """Connect."""
    connect = psycopg.AsyncConnection.connect
    async with (
        await connect(cluster.connection_string(), autocommit=True) as adding,
        await connect(cluster.connection_string("supabase_admin"), autocommit=True) as counting,
    ):
        yield Asking(adding, counting)


def url_of(cluster: Cluster, role: str) -> str:
    """Return where a role connects to."""
    return str(make_conninfo(cluster.connection_string(), user=role, password=PASSWORD))
