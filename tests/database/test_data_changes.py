"""Whoever else writes the data: a key whose rows call for an earlier refresh gets it."""

from __future__ import annotations

import pytest

from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType
from tests.fixtures.workers import Worker

CHANGES = {
    "deleted": "delete from {table}",
    "gone back": "update {table} set fetched_at = now() - interval '1 hour'",
    "renamed": "update {table} set symbol = 'IBM'",
    "without a time": "update {table} set fetched_at = null",
}


@pytest.fixture
def watched(connection: Connection, quotes: DataType) -> DataType:
    """Quotes with a fresh row that somebody watches."""
    quotes.store(connection, "AAPL", 1)
    connection.execute("select freshness.watch(array[%s], array['AAPL'], 'user:1')", [quotes.name])
    return quotes


@pytest.mark.parametrize("change", list(CHANGES))
def test_a_row_that_somebody_made_stale_is_fetched_at_once(
    connection: Connection, watched: DataType, worker: Worker, change: str
) -> None:
    """Its key did not have to wait for the old row's deadline."""
    assert worker.claim(watched.name) == []
    connection.execute(CHANGES[change].format(table=watched.table).encode())
    assert [job.symbol for job in worker.claim(watched.name)] == ["AAPL"]


@pytest.mark.parametrize("change", list(CHANGES))
def test_a_row_that_we_fetched_and_somebody_made_stale_is_fetched_again(
    connection: Connection, watched: DataType, worker: Worker, change: str
) -> None:
    """That the source was asked a moment ago does not make up for a row that is gone."""
    connection.execute("select freshness.request(%s, array['AAPL'], true)", [watched.name])
    (job,) = worker.claim(watched.name)
    worker.finish(job, {"price": 2})
    assert worker.claim(watched.name) == []
    connection.execute(CHANGES[change].format(table=watched.table).encode())
    assert [job.symbol for job in worker.claim(watched.name)] == ["AAPL"]


@pytest.mark.parametrize("change", list(CHANGES))
def test_a_row_that_somebody_made_stale_during_its_refresh_is_not_forgotten(
    connection: Connection, watched: DataType, worker: Worker, change: str
) -> None:
    """When the refresh fails, the key is due again, not at the deadline of the row that was."""
    connection.execute("select freshness.request(%s, array['AAPL'], true)", [watched.name])
    (job,) = worker.claim(watched.name)
    connection.execute(CHANGES[change].format(table=watched.table).encode())
    assert worker.claim(watched.name) == []
    worker.fail(job, "boom")
    connection.execute(
        "update freshness.jobs set not_before = null where data_type = %s", [watched.name]
    )
    assert [job.symbol for job in worker.claim(watched.name)] == ["AAPL"]


def test_rows_that_became_fresher_cost_no_fetch(
    connection: Connection, watched: DataType, worker: Worker
) -> None:
    """The claim looks before it hands out."""
    connection.execute(
        "update freshness.jobs set run_at = now() where data_type = %s", [watched.name]
    )
    watched.store(connection, "AAPL", 0)
    assert worker.claim(watched.name) == []


def test_a_writer_never_fails_because_of_us(connection: Connection, watched: DataType) -> None:
    """Whatever is wrong with the registry."""
    connection.execute(f"alter table {watched.table} rename column fetched_at to at")
    connection.execute(f"delete from {watched.table}")
    connection.execute(f"alter table {watched.table} rename column symbol to ticker")
    assert connection.execute(f"insert into {watched.table} (ticker) values ('IBM')").rowcount == 1


def test_a_table_that_was_truncated_is_filled_again(
    connection: Connection, watched: DataType, worker: Worker
) -> None:
    """One pull stands for all keys."""
    connection.execute(f"truncate {watched.table}".encode())
    assert [job.symbol for job in worker.claim(watched.name)] == ["AAPL"]


@pytest.mark.parametrize("rows", [1_200, 10_200])
def test_all_of_many_rows_that_one_statement_made_stale_are_due(
    connection: Connection, quotes: DataType, rows: int
) -> None:
    """The first are judged, others only noted, and of very many all keys are looked at."""
    connection.execute(
        f"insert into {quotes.table} select 'S' || n, 1, clock_timestamp() + interval '50 seconds'"
        f" from generate_series(1, {rows + 100}) as n".encode()
    )
    connection.execute(
        f"select count(*) from freshness.watch(array(select '{quotes.name}' from {quotes.table}),"
        f" array(select symbol from {quotes.table}), 'user:1', '1 hour')".encode()
    )
    connection.execute(
        f"update {quotes.table} set fetched_at = clock_timestamp() - interval '1 hour'"
        f" where substr(symbol, 2)::integer <= {rows}".encode()
    )
    while connection.execute("select freshness.fold_pulls()").fetchone() != (0,):
        pass
    due = "select count(*) from freshness.jobs where data_type = %s and due_at <= now()"
    assert connection.execute(due, [quotes.name]).fetchone() == (rows,)
