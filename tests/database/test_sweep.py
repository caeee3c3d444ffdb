"""The sweep: one at a time, waiting for nobody, finding nothing where nothing is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fixtures.connections import Connect, Connection
from tests.fixtures.data_types import DataType, Register
from tests.fixtures.subscriptions import Subscriber
from tests.fixtures.workers import Worker


def _sweep(connection: Connection) -> dict[str, Any] | None:
    row = connection.execute(
        "select case when s.id is not null then to_jsonb(s) end from freshness.sweep() as s"
    ).fetchone()
    assert row is not None
    swept: dict[str, Any] | None = row[0]
    return swept


def test_a_healthy_history_leaves_nothing_to_mend(
    connection: Connection, quotes: DataType, subscribe: Subscriber, worker: Worker
) -> None:
    """Subscriptions, leases, refreshes that end well and badly, viewers that leave."""
    _sweep(connection)
    for symbol in ("A", "B", "C"):
        subscribe(quotes.table, f"symbol=eq.{symbol}")
    subscribe(quotes.table, "symbol=in.(A,D)")
    connection.execute(
        "select freshness.watch(array[%s], array['E'], 'user:1')", [quotes.name]
    ).fetchall()
    good, bad, *others = worker.claim(quotes.name)
    worker.finish(good, {"price": 1})
    worker.fail(bad, "no")
    swept = _sweep(connection)
    assert swept is not None
    assert swept["mended"] == 0
    for job in others:
        worker.finish(job, {"price": 1})
    subscribe.leave(subscribe.bindings[:1])
    quotes.store(connection, "B", 3600)
    swept = _sweep(connection)
    assert swept is not None
    assert (swept["mended"], swept["watches_ended"]) == (0, 1)
    swept = _sweep(connection)
    assert swept is not None
    assert (swept["mended"], swept["watches_ended"], swept["keys_released"]) == (0, 0, 0)


def test_a_measured_refresh_ahead_is_nothing_to_mend(
    connection: Connection, register: Register
) -> None:
    """Deadlines that were set before it grew come earlier without having been missed."""
    quotes = register(refresh_ahead="auto")
    for symbol in ("A", "B"):
        quotes.store(connection, symbol, 0)
    connection.execute("select freshness.watch(array[%s], array['A'], 'user:1')", [quotes.name])
    _sweep(connection)
    connection.execute(
        "update freshness.data_types set refresh_ahead = '20 seconds' where name = %s",
        [quotes.name],
    )
    swept = _sweep(connection)
    assert swept is not None
    assert swept["mended"] == 0
    # Its viewers are counted, and it is moved on this occasion.
    connection.execute(
        "insert into freshness.watches (data_type, symbol, watcher, lease_until)"
        " values (%s, 'A', 'user:2', now() + interval '1 hour')",
        [quotes.name],
    )
    swept = _sweep(connection)
    assert swept is not None
    assert swept["mended"] == 0
    assert connection.execute(
        "select viewers, run_at < fresh_until - interval '19 seconds' from freshness.jobs"
        " where data_type = %s and symbol = 'A'",
        [quotes.name],
    ).fetchone() == (2, True)
    connection.execute(
        "update freshness.jobs set run_at = now() + interval '1 day' where data_type = %s",
        [quotes.name],
    )
    swept = _sweep(connection)
    assert swept is not None
    assert swept["jobs_mended"] == 1


def test_a_staleness_function_that_says_yes_is_nothing_to_mend(
    connection: Connection, register: Register, schema_of_the_tests: str
) -> None:
    """Nobody can know beforehand when it will; the sweep asks it, and makes the key due."""
    connection.execute(
        f"create table {schema_of_the_tests}.answer (is_stale boolean);"
        f"insert into {schema_of_the_tests}.answer values (false);"
        f"create function {schema_of_the_tests}.is_stale(timestamptz, integer) returns boolean"
        f" language sql stable as 'select is_stale from {schema_of_the_tests}.answer'"
    )
    quotes = register(staleness_function=f"{schema_of_the_tests}.is_stale")
    quotes.store(connection, "A", 0)
    connection.execute("select freshness.watch(array[%s], array['A'], 'user:1')", [quotes.name])
    _sweep(connection)
    for is_stale in (False, True):
        connection.execute(f"update {schema_of_the_tests}.answer set is_stale = %s", [is_stale])
        swept = _sweep(connection)
        assert swept is not None
        assert swept["mended"] == 0
        assert connection.execute(
            "select due_at <= clock_timestamp() from freshness.jobs where data_type = %s",
            [quotes.name],
        ).fetchone() == (is_stale,)
    connection.execute(
        "update freshness.jobs set run_at = now() + interval '1 day' where data_type = %s",
        [quotes.name],
    )
    swept = _sweep(connection)
    assert swept is not None
    assert swept["jobs_mended"] == 1


def test_one_sweep_runs_at_a_time(connection: Connection, connect: Connect) -> None:
    """Another one returns at once; the lock goes with the transaction."""
    other = connect()
    with other.transaction():
        assert other.execute("select freshness.begin_sweep()").fetchone() == (True,)
        assert _sweep(connection) is None
        assert connection.execute(
            "select public.check_and_queue_stale_data_from_presence_v2()"
        ).fetchone() == (0,)
    assert _sweep(connection) is not None


def test_what_somebody_holds_is_passed_over_and_the_rest_is_mended(
    connection: Connection, connect: Connect, quotes: DataType
) -> None:
    """A held job, and a key that a transaction still open has added: the next sweep mends them."""
    _sweep(connection)
    symbols = [f"S{number}" for number in range(20)]
    connection.execute(
        "insert into freshness.watches (data_type, symbol, watcher, lease_until)"
        " select %s, s, 'user:1', now() + interval '1 hour' from unnest(%s::text[]) as s",
        [quotes.name, symbols],
    )
    connection.execute(
        "insert into freshness.jobs (data_type, symbol, run_at, viewers)"
        " values (%s, 'S0', now() + interval '1 day', 1)",
        [quotes.name],
    )
    other = connect()
    with other.transaction():
        other.execute(
            "select from freshness.jobs where data_type = %s for update", [quotes.name]
        ).fetchall()
        other.execute(
            "insert into freshness.jobs (data_type, symbol, run_at) values (%s, 'S7', now())",
            [quotes.name],
        )
        swept = _sweep(connection)
        assert swept is not None
        assert (swept["jobs_mended"], swept["is_complete"]) == (18, False)
    swept = _sweep(connection)
    assert swept is not None
    assert (swept["jobs_mended"], swept["viewers_counted"], swept["is_complete"]) == (1, 1, True)


def test_what_pg_cron_runs_ends_in_many_transactions(
    connection: Connection, quotes: DataType
) -> None:
    """Each keeps few rows locked, and together they are one sweep."""
    row = connection.execute(
        "select command from cron.job where jobname = 'check-stale-data-v2'"
        if connection.execute("select to_regclass('cron.job')").fetchone() != (None,)
        else "select null"
    ).fetchone()
    if row is None or row[0] is None:
        pytest.skip("pg_cron is not installed: any worker runs the sweep instead")
    _sweep(connection)
    connection.execute(
        "insert into freshness.watches (data_type, symbol, watcher, lease_until)"
        " select %s, 'S' || n, 'user:1', now() + interval '1 hour'"
        " from generate_series(1, 12000) as n",
        [quotes.name],
    )
    connection.execute(row[0].encode())
    assert connection.execute(
        "select jobs_mended, is_complete from freshness.sweeps order by id desc limit 1"
    ).fetchone() == (12000, True)
    assert connection.execute("select from freshness.sweep_slices").fetchall() == []
    row = connection.execute(
        "select count(distinct xmin::text) >= 3 from freshness.jobs where data_type = %s",
        [quotes.name],
    ).fetchone()
    assert row == (True,)
