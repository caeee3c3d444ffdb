"""A subscription is stored within 300 ms whatever is wrong with us, and the reason is on record."""

from __future__ import annotations

import time
from collections.abc import Iterator
from uuid import UUID, uuid1

import psycopg
import pytest

from pyworker.local.realtime import realtime_subscribe
from tests.fixtures.data_types import DataType, create_data_type
from tests.fixtures.servers import as_superuser
from tests.fixtures.subscriptions import CLAIMS
from tests.fixtures.workers import announce_worker

LIMIT = 0.3


class Broken:
    """A database for one test, with a data type, Realtime's connection and a session that locks."""

    def __init__(self, url: str) -> None:
        self.postgres = psycopg.connect(url, autocommit=True)
        self.realtime = psycopg.connect(as_superuser(url), autocommit=True)
        # What is held up for good fails, instead of waiting for a lock that this test holds.
        self.realtime.execute("set statement_timeout = '10s'")
        self.locking = psycopg.connect(as_superuser(url))
        self.quotes = create_data_type(self.postgres)
        self.warnings: list[str] = []
        self.realtime.add_notice_handler(
            lambda notice: self.warnings.append(notice.message_primary or "")
        )
        # The first call in a session reads the catalog and plans, which Realtime's pool has done.
        self.subscribe("WARM")

    def subscribe(self, symbol: str, quotes: DataType | None = None) -> float:
        """Subscribe to a symbol and return how many seconds that took."""
        schema, table = (quotes or self.quotes).table.split(".")
        started = time.perf_counter()
        rows = realtime_subscribe(
            self.realtime,
            subscription_id=self.identity(),
            schema=schema,
            table=table,
            filters=[("symbol", "eq", symbol)],
            claims=CLAIMS,
        )
        taken = time.perf_counter() - started
        assert len(rows) == 1
        return taken

    def insert(self, symbol: str) -> float:
        """Subscribe, the published table looked up before; return how many seconds that took.

        The look-up is Realtime's own, and on Postgres 17 it waits for whoever locks a
        published table, with or without us.
        """
        started = time.perf_counter()
        inserted = self.realtime.execute(
            "insert into realtime.subscription (subscription_id, entity, filters, claims)"
            " select %s, entity, array[row('symbol', 'eq', %s, false)"
            "::realtime.user_defined_filter], claims from realtime.subscription limit 1",
            [self.identity(), symbol],
        )
        assert inserted.rowcount == 1
        return time.perf_counter() - started

    def identity(self) -> UUID:
        """A client's own id for a binding."""
        return uuid1()

    def lock(self, *tables: str) -> None:
        """Lock tables against everybody, until `unlock`."""
        for table in tables:
            self.locking.execute(f"lock table {table} in access exclusive mode")

    def unlock(self) -> None:
        """Give the locked tables free."""
        self.locking.rollback()

    def execute(self, statement: str) -> None:
        """Break something."""
        with psycopg.connect(self.postgres.info.dsn, password="postgres") as connection:
            connection.execute(statement.encode())

    def reasons(self) -> list[str]:
        """What is on record: the inbox' reasons and the events' messages."""
        return [
            row[0]
            for row in self.postgres.execute(
                "select reason from freshness.pulls"
                " union all select message from freshness.events where kind in ('ignored', 'error')"
            )
        ]

    def claimed(self) -> list[str]:
        """Symbols that a worker gets now."""
        return sorted(job.symbol for job in announce_worker(self.postgres).claim(self.quotes.name))

    def close(self) -> None:
        """Close all connections."""
        for connection in (self.locking, self.realtime, self.postgres):
            connection.close()


@pytest.fixture
def broken(own_database: str) -> Iterator[Broken]:
    """A database that may be broken."""
    opened = Broken(own_database)
    yield opened
    opened.close()


@pytest.mark.parametrize("table", ["jobs", "watches", "events"])
def test_a_locked_table_does_not_hold_up_a_subscription(broken: Broken, table: str) -> None:
    """The reason lies in the inbox, and the next claim makes up for it."""
    broken.lock(f"freshness.{table}")
    assert broken.subscribe("AAPL") < LIMIT
    broken.unlock()
    if table != "events":
        assert broken.reasons() == ["55P03 canceling statement due to lock timeout"]
    assert broken.claimed() == ["AAPL", "WARM"]


def test_a_locked_registry_does_not_hold_up_a_subscription(broken: Broken) -> None:
    """Nor does the table that says which tables are ours."""
    broken.lock("freshness.data_types")
    assert broken.subscribe("AAPL") < LIMIT
    broken.unlock()
    assert broken.claimed() == ["AAPL", "WARM"]


def test_a_locked_inbox_does_not_hold_up_a_subscription(broken: Broken) -> None:
    """The server log has the reason, and the sweep finds the subscription."""
    broken.lock("freshness.pulls")
    assert broken.subscribe("AAPL") < LIMIT
    assert broken.warnings == [], "a new key does not need the inbox"
    assert broken.subscribe("WARM") < LIMIT
    broken.unlock()
    assert ["lock timeout" in warning for warning in broken.warnings] == [True]
    broken.execute("select freshness.sweep()")
    assert broken.claimed() == ["AAPL", "WARM"]


def test_with_jobs_and_inbox_locked_the_server_log_has_the_reason(broken: Broken) -> None:
    """And the sweep finds the subscription."""
    broken.lock("freshness.jobs", "freshness.pulls")
    assert broken.subscribe("AAPL") < LIMIT
    broken.unlock()
    assert ["lock timeout" in warning for warning in broken.warnings] == [True]
    broken.execute("select freshness.sweep()")
    assert broken.claimed() == ["AAPL", "WARM"]


@pytest.mark.parametrize("data_types", [1, 3])
def test_a_locked_data_table_does_not_hold_up_a_subscription(
    broken: Broken, data_types: int
) -> None:
    """Also with our own tables locked, and when the table serves several data types."""
    for number in range(1, data_types):
        broken.execute(
            "select freshness.register_data_type("
            f"'other_{number}', '{broken.quotes.table}', ttl => '1 minute')"
        )
    broken.lock(broken.quotes.table)
    assert broken.insert("AAPL") < LIMIT
    broken.lock("freshness.jobs", "freshness.pulls")
    assert broken.insert("IBM") < LIMIT
    broken.unlock()
    broken.execute("select freshness.sweep()")
    assert broken.claimed() == ["AAPL", "IBM", "WARM"]


@pytest.mark.parametrize(
    "statement",
    [
        "drop table freshness.jobs, freshness.pulls, freshness.watches cascade",
        "drop table freshness.data_types cascade",
        "drop schema freshness cascade",
        "drop table freshness.data_types cascade; drop table freshness.pulls cascade",
    ],
)
def test_our_tables_may_be_gone(broken: Broken, statement: str) -> None:
    """Then a warning says so."""
    broken.execute(statement)
    assert broken.subscribe("AAPL") < LIMIT
    on_record = broken.warnings or broken.reasons()
    assert ["does not exist" in reason for reason in on_record] == [True]


def test_a_data_table_that_is_gone_leaves_the_others_alone(broken: Broken) -> None:
    """Its data type is still in the registry."""
    gone = create_data_type(broken.postgres)
    broken.execute(f"drop table {gone.table}")
    assert broken.subscribe("AAPL") < LIMIT
    assert broken.claimed() == ["AAPL", "WARM"]


def test_a_data_table_that_was_made_anew_is_on_record(broken: Broken) -> None:
    """The registry still means the old one, so that the subscription would go unnoticed."""
    columns = "symbol text primary key, price numeric, fetched_at timestamptz"
    broken.execute(
        f"drop table {broken.quotes.table}; create table {broken.quotes.table} ({columns});"
        f" grant select on {broken.quotes.table} to authenticated;"
        f" alter publication supabase_realtime add table {broken.quotes.table}"
    )
    assert broken.subscribe("AAPL") < LIMIT
    broken.execute("select freshness.sweep()")
    assert broken.claimed() == ["AAPL"] or broken.reasons() != []


def test_a_symbol_column_that_was_renamed_is_on_record(broken: Broken) -> None:
    """The filter names the column as it is now, the registry as it was."""
    broken.execute(f"alter table {broken.quotes.table} rename column symbol to ticker")
    schema, table = broken.quotes.table.split(".")
    started = time.perf_counter()
    rows = realtime_subscribe(
        broken.realtime,
        subscription_id=broken.identity(),
        schema=schema,
        table=table,
        filters=[("ticker", "eq", "AAPL")],
        claims=CLAIMS,
    )
    assert time.perf_counter() - started < LIMIT
    assert len(rows) == 1
    assert len(broken.reasons()) == 1


def test_a_ttl_that_is_null_is_no_obstacle(broken: Broken) -> None:
    """The key is due, since nobody knows until when it is fresh; and it does not spin."""
    broken.execute(
        "alter table freshness.data_types disable trigger user, alter column ttl drop not null;"
        " update freshness.data_types set ttl = null"
    )
    assert broken.subscribe("AAPL") < LIMIT
    worker = announce_worker(broken.postgres)
    jobs = worker.claim(broken.quotes.name)
    assert sorted(job.symbol for job in jobs) == ["AAPL", "WARM"]
    assert [worker.finish(job, {"price": 2}) for job in jobs] == ["fresh", "fresh"]
    assert worker.claim(broken.quotes.name) == []


def test_a_symbol_of_2000_characters_is_on_record(broken: Broken) -> None:
    """It is no symbol of ours, and no reason to turn a subscriber away."""
    assert broken.subscribe("x" * 2000) < LIMIT
    (reason,) = broken.reasons()
    assert "names no valid symbol" in reason
    assert broken.claimed() == ["WARM"]


def test_a_held_job_does_not_hold_up_a_subscription(broken: Broken) -> None:
    """Somebody works on the very job, its row locked."""
    broken.locking.execute("select 1 from freshness.jobs where symbol = 'WARM' for update")
    assert broken.subscribe("WARM") < LIMIT
    broken.unlock()
    assert broken.claimed() == ["WARM"]


def test_a_job_that_is_just_being_made_does_not_hold_up_a_subscription(broken: Broken) -> None:
    """Another subscriber's transaction is open."""
    broken.locking.execute(
        "insert into freshness.jobs (data_type, symbol, run_at) values (%s, 'AAPL', now())",
        [broken.quotes.name],
    )
    assert broken.subscribe("AAPL") < LIMIT
    broken.unlock()
    assert broken.claimed() == ["AAPL", "WARM"]
