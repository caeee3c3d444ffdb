"""A subscription or a key that cannot be read costs itself, and nobody else in the inbox."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fixtures.connections import Connect, Connection
from tests.fixtures.data_types import SCHEMA, DataType, Register
from tests.fixtures.subscriptions import Subscriber
from tests.fixtures.workers import Worker


@pytest.fixture
def hourly(register: Register) -> DataType:
    """A data type whose rows are fresh for an hour."""
    return register(ttl="1 hour")


def _symbols(connection: Connection, key: DataType) -> list[str]:
    """Symbols that have a job."""
    rows = connection.execute(
        "select symbol from freshness.jobs where data_type = %s order by symbol", [key.name]
    )
    return [row[0] for row in rows.fetchall()]


def _told(connection: Connection, after: int) -> list[str]:
    """What was said of subscriptions since an event."""
    rows = connection.execute(
        "select message from freshness.events where id > %s and kind in ('error', 'ignored')",
        [after],
    )
    return [row[0] for row in rows.fetchall()]


def _last_event(connection: Connection) -> int:
    row = connection.execute("select coalesce(max(id), 0) from freshness.events").fetchone()
    return int(row[0]) if row else 0


def _inbox(connection: Connection) -> list[str]:
    return [row[0] for row in connection.execute("select reason from freshness.pulls").fetchall()]


def test_a_symbol_that_is_too_long_when_written_out_names_no_key(
    connection: Connection,
    register: Register,
    hourly: DataType,
    subscribe: Subscriber,
    worker: Worker,
) -> None:
    """1e300 has five characters, and as a number 301."""
    last = _last_event(connection)
    numbers = register("symbol numeric primary key, price numeric, fetched_at timestamptz")
    hourly.store(connection, "A", 0)
    subscribe(hourly.table, "symbol=eq.A")
    subscribe(numbers.table, "symbol=eq.1e300")
    connection.execute("update freshness.pulls set due_at = clock_timestamp()")
    assert worker.claim(hourly.name, numbers.name) == []
    assert _symbols(connection, hourly) == ["A"]
    (told,) = _told(connection, last)
    assert "names no valid symbol" in told


@pytest.fixture
def listed(connection: Connection, register: Register) -> Iterator[DataType]:
    """A data type whose symbols' type has a check that will raise for BAD."""
    connection.execute(
        f"create function {SCHEMA}.is_listed(text) returns boolean language sql"
        " as $$ select true $$;"
        f" create domain {SCHEMA}.listed as text check ({SCHEMA}.is_listed(value))"
    )
    made = register(f"symbol {SCHEMA}.listed primary key, price numeric, fetched_at timestamptz")
    yield made
    made.drop(connection)
    connection.execute(f"drop domain {SCHEMA}.listed; drop function {SCHEMA}.is_listed")


def _list_no_bad_ones(connection: Connection) -> None:
    """Let the check raise, and forget what was watched before."""
    connection.execute(
        f"create or replace function {SCHEMA}.is_listed(text) returns boolean language plpgsql as"
        " $$ begin if $1 = 'BAD' then raise 'not listed'; end if; return true; end $$;"
        " delete from freshness.watches; delete from freshness.jobs; delete from freshness.pulls"
    )


def test_a_subscription_that_cannot_be_read_is_told_once_and_the_others_are_folded(
    connection: Connection,
    listed: DataType,
    hourly: DataType,
    subscribe: Subscriber,
    worker: Worker,
) -> None:
    """By the same claim: those to its own table, and to others."""
    last = _last_event(connection)
    hourly.store(connection, "A", 0)
    subscribed = [
        *subscribe(hourly.table, "symbol=eq.A"),
        *subscribe(listed.table, "symbol=eq.GOOD"),
        *subscribe(listed.table, "symbol=eq.BAD"),
        *subscribe(listed.table, "symbol=in.(FINE,NICE)"),
    ]
    _list_no_bad_ones(connection)
    connection.execute(
        "insert into freshness.pulls (subscription_row, reason) select unnest(%s), 'locked'",
        [subscribed],
    )
    claimed = worker.claim(hourly.name, listed.name)
    assert {job.symbol for job in claimed} == {"GOOD", "FINE", "NICE"}
    assert _symbols(connection, hourly) == ["A"]
    assert _inbox(connection) == []
    (told,) = _told(connection, last)
    assert told == f"subscription {subscribed[2]} cannot be read: P0001 not listed"


def test_a_subscription_that_cannot_be_read_keeps_no_sweep_from_the_others(
    connection: Connection, listed: DataType, subscribe: Subscriber
) -> None:
    """Nor does it lose the watch that it had."""
    last = _last_event(connection)
    subscribe(listed.table, "symbol=in.(GOOD,FINE)")
    subscribe(listed.table, "symbol=eq.BAD")
    _list_no_bad_ones(connection)
    connection.execute("select freshness.sweep()")
    assert _symbols(connection, listed) == ["FINE", "GOOD"]
    connection.execute(
        "insert into freshness.watches (data_type, symbol, watcher, subscription_row,"
        " subscription_id) select %s, 'OLD', 'realtime:' || id, id, subscription_id"
        " from realtime.subscription where entity = %s::regclass order by id desc limit 1",
        [listed.name, listed.table],
    )
    connection.execute("select freshness.sweep()")
    assert _symbols(connection, listed) == ["FINE", "GOOD", "OLD"]
    assert _told(connection, last) == []


def test_an_assertion_in_a_function_of_a_data_type_fails_its_own_key(
    connection: Connection,
    register: Register,
    hourly: DataType,
    subscribe: Subscriber,
    worker: Worker,
) -> None:
    """Not the subscriber's statement, and not the claim, though handlers of errors pass it over."""
    connection.execute(
        f"create or replace function {SCHEMA}.until(timestamptz, interval) returns timestamptz"
        " language plpgsql as $$ begin assert false, 'never'; end $$"
    )
    broken = register(deadline_function=f"{SCHEMA}.until")
    broken.store(connection, "A", 0)
    subscribe(broken.table, "symbol=eq.A")
    subscribe(hourly.table, "symbol=eq.X")
    claimed = worker.claim(hourly.name, broken.name)
    assert [job.data_type for job in claimed] == [hourly.name]
    row = connection.execute(
        "select state, last_error from freshness.jobs where data_type = %s", [broken.name]
    ).fetchone()
    assert row == ("failed", "P0004 never")


def test_a_table_that_is_locked_keeps_its_own_subscribers_waiting(
    connect: Connect,
    register: Register,
    hourly: DataType,
    subscribe: Subscriber,
    worker: Worker,
) -> None:
    """Nothing of it is made due or set aside meanwhile."""
    connection, locked = worker.connection, register(ttl="1 hour")
    waiting = "select max(id) from freshness.pulls"
    for key in (hourly, locked):
        key.store(connection, "A", 0)
        subscribe(key.table, "symbol=eq.A")
    connection.execute("update freshness.pulls set due_at = clock_timestamp()")
    with connect().transaction() as held:
        held.connection.execute(f"lock table {locked.table} in access exclusive mode")
        assert worker.claim(hourly.name, locked.name) == []
        assert _symbols(connection, hourly) == ["A"]
        assert _symbols(connection, locked) == []
        tries = connection.execute(waiting).fetchone()
        assert _inbox(connection) == ["locked"]
        connection.execute("select freshness.request(%s, array['B'])", [hourly.name])
        assert [job.symbol for job in worker.claim(hourly.name)] == ["B"]
        assert tries == connection.execute(waiting).fetchone(), "not tried again within a second"
    connection.execute("update freshness.pulls set due_at = clock_timestamp()")
    assert worker.claim(hourly.name, locked.name) == []
    assert _symbols(connection, locked) == ["A"]
