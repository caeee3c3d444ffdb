"""A worker that logs in with the least rights: a member of freshness_worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from pyworker.figures import read_figures
from pyworker.queue.calls import open_calls
from pyworker.queue.status import StatusQueue
from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType
from tests.fixtures.servers import WOULD_BREAK, Database
from tests.worker.processes import fetch_over_http, running_worker
from tests.worker.provider import Provider
from tests.worker.states import price, settled, watch
from tests.worker.waiting import wait_until


@pytest.fixture
def url_of_a_member(database: Database) -> Iterator[str]:
    """The database for a role that is in freshness_worker, and in nothing else."""
    if database.superuser_url is None:
        pytest.skip(WOULD_BREAK)
    name = f"worker_{uuid4().hex[:8]}"
    with psycopg.connect(database.superuser_url, autocommit=True) as admin:
        role = Identifier(name)
        admin.execute(
            SQL("create role {} login password 'a-password' in role freshness_worker").format(role)
        )
        yield database.url.replace("://postgres:postgres@", f"://{name}:a-password@", 1)
        admin.execute(SQL("drop role {}").format(role))


def test_a_member_of_the_role_does_all_of_a_worker_s_work(
    connection: Connection,
    quotes: DataType,
    provider: Provider,
    url_of_a_member: str,
    tmp_path: Path,
) -> None:
    """It runs the sweep, is woken, claims, stores rows past row level security, and leaves."""
    connection.execute(f"alter table {quotes.table} enable row level security")
    connection.execute("delete from freshness.sweeps")
    fetch_over_http(tmp_path, provider.url, quotes.name)
    with running_worker(tmp_path, "w", DATABASE_URL=url_of_a_member) as worker:
        swept = "select exists (select from freshness.sweeps)"
        wait_until(lambda: connection.execute(swept).fetchone() == (True,))
        wait_until(lambda: connection.execute(ASLEEP).fetchone() == (True,))
        watch(connection, quotes, "AAPL")
        wait_until(lambda: settled(connection, quotes, "AAPL"))
        assert price(connection, quotes, "AAPL") == 1
        assert worker.stop() == 0
    assert [line for line in worker.log().splitlines() if '"error"' in line] == []


async def test_a_member_of_the_role_reads_the_figures_of_operators(
    quotes: DataType, url_of_a_member: str
) -> None:
    """For status, metrics and readiness of a process that has no more rights."""
    async with open_calls(url_of_a_member, 1) as calls:
        queue = StatusQueue(calls)
        await queue.ask_for_nothing()
        figures = await read_figures(queue)
    assert quotes.name in {record["data_type"] for record in figures.status.data_types}
    assert figures.processes.pg_queue_usage_percent >= 0


def test_a_member_of_the_role_reaches_nothing_else(
    connection: Connection, quotes: DataType, url_of_a_member: str
) -> None:
    """Its password leaks: no row of data, no watch, no job can be read or written with it."""
    connection.execute(f"revoke all on {quotes.table} from public")
    with psycopg.connect(url_of_a_member, autocommit=True) as member:
        for statement in (
            f"select * from {quotes.table}",
            f"insert into {quotes.table} (symbol) values ('A')",
            "select * from freshness.watches",
            "update freshness.jobs set fence = 1",
            "delete from freshness.events",
            "select freshness.sweep()",
            "select public.get_or_queue('a', 'b')",
            "select public.on_card_add('a', array['b'])",
            "create table freshness.mine ()",
            "create table public.mine ()",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                member.execute(statement.encode())


ASLEEP = "select exists (select from freshness.sleepers where asleep_until > clock_timestamp())"
