"""Ours: watched keys of one data type, whose source has a budget that is never used up."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg

from bench.cluster import MIGRATIONS
from bench.peers.peer import Peer, Requester
from pyworker.local.migrations import apply_migrations
from pyworker.local.platform import install_platform

SCHEMA = """
create table public.bench_quotes (symbol text primary key, price numeric, fetched_at timestamptz);
select freshness.register_source('bench', calls_per_minute => 1000000000);
select freshness.register_data_type('bench_quote', 'public.bench_quotes', ttl => '1 hour');
"""
BUDGET = "update freshness.data_types set source = 'bench' where name = 'bench_quote'"
STORE = """
insert into public.bench_quotes
select 'S' || n, 1, clock_timestamp() - %s::interval from generate_series(1, %s::integer) as n
"""
WATCH = """
select count(*) from freshness.watch(
    array(select 'bench_quote' from public.bench_quotes),
    array(select symbol from public.bench_quotes), 'bench', '1 hour'
)
"""
REQUEST = """
select pg_current_xact_id()::text from freshness.request('bench_quote', array[%s], true)
"""
ENDED = """
select count(*), coalesce(extract(epoch from max(happened_at))::float8, 0)
from freshness.events
where kind = 'unchanged'
"""


class Ours(Peer):
    """This project.

    Args:
        has_budget: whether the keys' source has one, as large as it may be.
        heartbeat_limit: in seconds.
    """

    name = "ours"

    def __init__(self, *, has_budget: bool = True, heartbeat_limit: float = 15) -> None:
        self.has_budget = has_budget
        self.heartbeat_limit = heartbeat_limit

    def install(self, url: str) -> None:
        """As `supabase db push` does; with one data type."""
        administrator = url.replace("//postgres:", "//supabase_admin:")
        install_platform(administrator)
        apply_migrations(url, MIGRATIONS)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(SCHEMA)
            if self.has_budget:
                connection.execute(BUDGET)

    def fill(self, url: str, jobs: int) -> None:
        """Watch keys whose rows have gone stale."""
        self._watch(url, jobs, "2 hours")

    def watch_fresh(self, url: str, keys: int) -> None:
        """Watch keys S1, S2 ... whose rows are fresh: they can be requested."""
        self._watch(url, keys, "0")

    def _watch(self, url: str, keys: int, age: str) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(STORE, [age, keys])
            connection.execute(WATCH)
            connection.execute("select freshness.sweep()")

    def command(self, batch: int) -> Sequence[str]:
        """`freshness run`."""
        del batch
        return (sys.executable, "-m", "pyworker.cli", "run")

    def environment(self, batch: int) -> dict[str, str]:
        """Its settings."""
        return {
            "FRESHNESS_REFRESHERS": "bench.peers.ours_refreshers",
            # In a rush a claim takes half of the slots.
            "FRESHNESS_CONCURRENCY": str(2 * batch),
            "FRESHNESS_HEARTBEAT_LIMIT": str(self.heartbeat_limit),
            "FRESHNESS_FETCH_TIMEOUT": "3600",
            "FRESHNESS_SHUTDOWN_TIMEOUT": "0",
        }

    @asynccontextmanager
    async def requester(self, url: str) -> AsyncIterator[Requester]:
        """Refresh now."""
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:

            async def request(name: str) -> str:
                found = await (await connection.execute(REQUEST, [name])).fetchone()
                assert found is not None
                return str(found[0])

            yield request

    def ended(self, url: str, starts: Path) -> tuple[int, float]:
        """By the history."""
        del starts
        with psycopg.connect(url) as connection:
            return connection.execute(ENDED).fetchone() or (0, 0.0)
