"""Rows that are stored are never replaced by older ones."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import pytest
from psycopg import errors

from tests.fixtures.connections import Connect, Connection
from tests.fixtures.data_types import DataType, Register
from tests.fixtures.waiting import wait_for_lock
from tests.fixtures.workers import Announce, Claimed, Worker


def _claim(worker: Worker, data_type: DataType) -> Claimed:
    worker.connection.execute("select freshness.request(%s, array['AAPL'], true)", [data_type.name])
    (job,) = worker.claim(data_type.name)
    return job


def _stored(connection: Connection, data_type: DataType) -> tuple[int, datetime]:
    row = connection.execute(f"select price::integer, fetched_at from {data_type.table}").fetchone()
    assert row is not None
    return row[0], row[1]


@pytest.mark.parametrize("write_mode", ["upsert", "append", "replace"])
def test_rows_older_than_what_the_fetch_began_from_fail_the_job(
    connection: Connection, register: Register, worker: Worker, write_mode: str
) -> None:
    """Data untouched."""
    quotes = register(write_mode=write_mode)
    quotes.store(connection, "AAPL", 3600)
    before = _stored(connection, quotes)
    job = _claim(worker, quotes)
    older = (before[1] - timedelta(seconds=1)).isoformat()
    with pytest.raises(errors.DatabaseError, match="older than the stored ones") as raised:
        worker.finish(job, {"price": 9, "fetched_at": older})
    assert raised.value.sqlstate == "FR006"
    assert _stored(connection, quotes) == before


@pytest.mark.parametrize("write_mode", ["upsert", "append", "replace"])
def test_newer_rows_of_somebody_else_stay(
    connection: Connection, register: Register, worker: Worker, write_mode: str
) -> None:
    """The refresh was superseded, which is a success."""
    quotes = register(write_mode=write_mode)
    quotes.store(connection, "AAPL", 3600)
    job = _claim(worker, quotes)
    quotes.store(connection, "AAPL", 0, price=5)
    before = _stored(connection, quotes)
    assert worker.finish(job, {"price": 9}) == "superseded"
    assert _stored(connection, quotes) == before


@pytest.mark.parametrize("write_mode", ["upsert", "replace"])
def test_newer_rows_that_are_committed_while_ours_wait_stay(
    connection: Connection,
    register: Register,
    announce: Announce,
    connect: Connect,
    write_mode: str,
) -> None:
    """They were not there when the refresh looked, but are when it writes."""
    quotes = register(write_mode=write_mode)
    quotes.store(connection, "AAPL", 3600)
    worker = announce(connect())
    job = _claim(worker, quotes)
    writer = connect()
    writer.autocommit = False
    quotes.store(writer, "AAPL", 0, price=5)
    thread = threading.Thread(target=worker.finish, args=(job, {"price": 9}))
    thread.start()
    wait_for_lock(connection, worker.connection)
    writer.commit()
    thread.join(timeout=10)
    assert _stored(connection, quotes)[0] == 5


def test_of_two_refreshes_the_later_one_stays(
    connection: Connection, quotes: DataType, announce: Announce
) -> None:
    """The one that began first comes last, and is turned away."""
    first, second = announce(), announce()
    early = _claim(first, quotes)
    first.miss_heartbeats()
    (late,) = second.claim(quotes.name)
    assert second.finish(late, {"price": 2}) == "fresh"
    with pytest.raises(errors.DatabaseError, match="no longer"):
        first.finish(early, {"price": 1})
    assert _stored(connection, quotes)[0] == 2
