"""A row with a timestamp in the future neither counts as fresh for ever nor fails a refresh."""

from __future__ import annotations

import pytest

from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType, Register
from tests.fixtures.workers import Worker

DAY = 86400


def test_a_key_whose_row_is_from_tomorrow_is_due_now(
    connection: Connection, quotes: DataType, worker: Worker
) -> None:
    """Nobody knows how old it is."""
    quotes.store(connection, "AAPL", -DAY)
    connection.execute("select freshness.watch(array[%s], array['AAPL'], 'user:1')", [quotes.name])
    (job,) = worker.claim(quotes.name)
    assert worker.finish(job, {"price": 2}) == "fresh"
    assert _is_waiting_for_a_minute(connection, quotes)


@pytest.mark.parametrize("age", [-30, -DAY])
@pytest.mark.parametrize("write_mode", ["upsert", "append", "replace"])
def test_a_refresh_goes_through_over_a_row_from_the_future(
    connection: Connection, register: Register, worker: Worker, age: int, write_mode: str
) -> None:
    """Whether it is half a minute or a day ahead."""
    quotes = register(
        "symbol text, price numeric, fetched_at timestamptz, "
        + ("primary key (symbol, price)" if write_mode == "append" else "primary key (symbol)"),
        write_mode=write_mode,
    )
    connection.execute(
        f"insert into {quotes.table} values"
        " ('AAPL', 1, clock_timestamp() - make_interval(secs => %s::double precision))",
        [age],
    )
    connection.execute("select freshness.request(%s, array['AAPL'], true)", [quotes.name])
    (job,) = worker.claim(quotes.name)
    assert worker.finish(job, {"price": 2}) == "fresh"
    assert _is_waiting_for_a_minute(connection, quotes)
    assert connection.execute(
        f"select count(*) from {quotes.table} where price = 2"
    ).fetchone() == (1,)


def test_a_refresher_that_returns_a_time_in_the_future_is_asked_again_a_ttl_later(
    connection: Connection, quotes: DataType, worker: Worker
) -> None:
    """Its clock does not decide."""
    for price in (2, 3):
        connection.execute("select freshness.request(%s, array['AAPL'], true)", [quotes.name])
        (job,) = worker.claim(quotes.name)
        worker.finish(job, {"price": price, "fetched_at": "2999-01-01T00:00:00Z"})
        assert _is_waiting_for_a_minute(connection, quotes)
        assert connection.execute(f"select price from {quotes.table}").fetchone() == (price,)


def test_one_row_from_the_future_does_not_hide_that_the_others_are_old(
    connection: Connection, register: Register, worker: Worker
) -> None:
    """The newest row that can be true counts."""
    quotes = register(
        "symbol text, price numeric, fetched_at timestamptz, primary key (symbol, fetched_at)"
    )
    connection.execute(
        f"insert into {quotes.table} values ('AAPL', 1, now() - interval '1 hour'),"
        " ('AAPL', 1, now() + interval '1 day')"
    )
    connection.execute("select freshness.watch(array[%s], array['AAPL'], 'user:1')", [quotes.name])
    (job,) = worker.claim(quotes.name)
    assert worker.finish(job, {"price": 2}) == "fresh"


def _is_waiting_for_a_minute(connection: Connection, quotes: DataType) -> bool:
    row = connection.execute(
        "select state = 'scheduled' and due_at between clock_timestamp() + interval '50 seconds'"
        " and clock_timestamp() + interval '60 seconds' from freshness.jobs where data_type = %s",
        [quotes.name],
    ).fetchone()
    return row == (True,)
