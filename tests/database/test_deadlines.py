"""When a key is refreshed: ahead of its deadline, held back while its provider is closed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.fixtures.connections import Connect, Connection
from tests.fixtures.data_types import SCHEMA, DataType, Register
from tests.fixtures.workers import Worker

HOURS = f"""
    create function {SCHEMA}.opening_hours(symbol text) returns timestamptz
    language plpgsql stable as $$
    begin
        return case symbol
            when 'CLOSED' then date_trunc('hour', now()) + interval '2 hours'
            when 'NEVER' then 'infinity'
            when 'PAST' then '-infinity'
            when 'BAD' then symbol::timestamptz
        end;
    end
    $$
"""


@pytest.fixture
def market(connection: Connection, register: Register) -> Iterator[DataType]:
    """A data type with opening hours that depend on the symbol."""
    connection.execute(f"create schema if not exists {SCHEMA}")
    connection.execute(HOURS)
    yield register(not_before_function=f"{SCHEMA}.opening_hours")
    connection.execute(f"drop function if exists {SCHEMA}.opening_hours(text)")


def watch(connection: Connection, data_type: DataType, *symbols: str) -> None:
    """Take a lease on each key."""
    connection.execute(
        "select freshness.watch(array_fill(%s::text, array[cardinality(s)]), s, 'user:1')"
        " from (select %s::text[] as s) as given",
        [data_type.name, list(symbols)],
    )


def test_a_closed_provider_is_not_asked_before_it_opens(
    connection: Connection, market: DataType, worker: Worker
) -> None:
    """Nor does a request for a refresh now change that; a function that raises has its own key."""
    watch(connection, market, "CLOSED", "NEVER", "PAST", "OPEN", "BAD")
    connection.execute("select freshness.request(%s, array['CLOSED'], true)", [market.name])
    assert {job.symbol for job in worker.claim(market.name)} == {"OPEN", "PAST"}
    assert worker.claim(market.name) == []
    found = connection.execute(
        "select symbol, state::text, required_as_of is not null, last_error,"
        " not_before = date_trunc('hour', now()) + interval '2 hours',"
        " date_trunc('minute', not_before - clock_timestamp() + interval '1 second')"
        " from freshness.jobs where data_type = %s and state <> 'running' order by symbol",
        [market.name],
    ).fetchall()
    bad, closed, never = found
    assert bad[1] == "failed"
    assert "invalid input syntax" in bad[3]
    assert bad[5] == timedelta(minutes=1)
    assert closed[1:5] == ("scheduled", True, None, True)
    assert never[1:4] == ("scheduled", False, None)
    assert never[5] == timedelta(days=7)


def test_a_provider_that_opens_is_asked(
    connection: Connection, market: DataType, worker: Worker
) -> None:
    """The key that was held back goes on."""
    watch(connection, market, "CLOSED")
    assert worker.claim(market.name) == []
    connection.execute(
        "update freshness.jobs set not_before = clock_timestamp() where data_type = %s",
        [market.name],
    )
    connection.execute(
        f"create or replace function {SCHEMA}.opening_hours(symbol text) returns timestamptz"
        " language sql stable as 'select null::timestamptz'"
    )
    assert [job.symbol for job in worker.claim(market.name)] == ["CLOSED"]


def test_fresh_or_unwatched_keys_are_not_asked_about(
    connection: Connection, market: DataType, worker: Worker
) -> None:
    """The function would raise for this one."""
    market.store(connection, "BAD", 10)
    watch(connection, market, "BAD")
    connection.execute(
        "update freshness.jobs set run_at = clock_timestamp() where data_type = %s", [market.name]
    )
    assert worker.claim(market.name) == []
    assert states(connection, market) == [("BAD", "scheduled", None)]


def test_auto_starts_a_refresh_as_long_ahead_as_fetches_take(
    connection: Connection, register: Register, worker: Worker
) -> None:
    """Measured by finish; the next deadline has it."""
    quotes = register(refresh_ahead="auto")
    watch(connection, quotes, "AAPL")
    for _ in range(2):
        (job,) = worker.claim(quotes.name)
        connection.execute(
            "update freshness.jobs set started_at = started_at - interval '4 seconds',"
            " required_as_of = null"
            " where data_type = %s",
            [quotes.name],
        )
        assert worker.finish(job, {"price": 1}) == "fresh"
        ahead = connection.execute(
            "select fresh_until - run_at from freshness.jobs where data_type = %s", [quotes.name]
        ).fetchone()
        connection.execute("select freshness.request(%s, array['AAPL'], true)", [quotes.name])
    assert ahead is not None
    assert timedelta(seconds=4) <= ahead[0] < timedelta(seconds=5)


def test_measuring_waits_for_nobody(
    connection: Connection, connect: Connect, register: Register, worker: Worker
) -> None:
    """Somebody has changed the registry's row and not yet committed."""
    quotes = register(refresh_ahead="auto")
    watch(connection, quotes, "AAPL")
    (job,) = worker.claim(quotes.name)
    other = connect()
    with other.transaction():
        other.execute("update freshness.data_types set source = 'x' where name = %s", [quotes.name])
        connection.execute("set lock_timeout = '1s'")
        assert worker.finish(job, {"price": 1}) == "fresh"


def test_an_open_change_of_the_registry_holds_up_no_refresh(
    connection: Connection, connect: Connect, quotes: DataType, worker: Worker
) -> None:
    """And once it is committed, the running key is looked at again."""
    watch(connection, quotes, "AAPL")
    (job,) = worker.claim(quotes.name)
    other = connect()
    with other.transaction():
        other.execute(
            "update freshness.data_types set ttl = '20 seconds' where name = %s", [quotes.name]
        )
        connection.execute("set lock_timeout = '1s'")
        assert worker.finish(job, {"price": 1}) == "fresh"
    assert worker.claim(quotes.name) == []
    row = connection.execute(
        "select fresh_until - stored_at, run_at = fresh_until from freshness.jobs"
        " where data_type = %s",
        [quotes.name],
    ).fetchone()
    assert row == (timedelta(minutes=1), False) or row == (timedelta(seconds=20), True)
    assert seconds_left(connection, quotes) <= 20


def test_a_row_that_is_always_stale_is_not_fetched_without_end(
    connection: Connection, register: Register, worker: Worker
) -> None:
    """A deadline function that returns the past."""
    connection.execute(
        f"create or replace function {SCHEMA}.the_past(timestamptz, interval) returns timestamptz"
        " language sql stable as $$ select '-infinity'::timestamptz $$"
    )
    quotes = register(deadline_function=f"{SCHEMA}.the_past")
    watch(connection, quotes, "AAPL")
    (job,) = worker.claim(quotes.name)
    assert worker.finish(job, {"price": 1}) == "fresh"
    assert worker.claim(quotes.name) == []
    assert seconds_left(connection, quotes) > 50


def states(connection: Connection, data_type: DataType) -> list[tuple[str, str, str | None]]:
    """Symbol, state and error of each job."""
    return connection.execute(
        "select symbol, state::text, last_error from freshness.jobs where data_type = %s"
        " order by symbol",
        [data_type.name],
    ).fetchall()


def seconds_left(connection: Connection, data_type: DataType) -> float:
    """Until the data type's only job is due."""
    row = connection.execute(
        "select freshness.seconds_until(due_at) from freshness.jobs where data_type = %s",
        [data_type.name],
    ).fetchone()
    assert row is not None
    return float(row[0])
