"""A worker that lost its fence can neither write nor finish."""

from __future__ import annotations

import threading

import pytest
from psycopg import errors

from tests.fixtures.connections import Connect, Connection
from tests.fixtures.data_types import DataType
from tests.fixtures.waiting import wait_for_lock
from tests.fixtures.workers import Announce, Claimed, Worker

FENCE_LOST = "is no longer this worker"


@pytest.fixture
def lost(connection: Connection, quotes: DataType, announce: Announce) -> tuple[Worker, Claimed]:
    """A worker that was silent for too long, with the job that it ran; another one has it now."""
    quotes.store(connection, "AAPL", 3600)
    connection.execute("select freshness.request(%s, array['AAPL'])", [quotes.name])
    silent, other = announce(), announce()
    (job,) = silent.claim(quotes.name)
    silent.miss_heartbeats()
    (taken,) = other.claim(quotes.name)
    assert taken.fence > job.fence
    return silent, job


def test_a_worker_that_lost_its_fence_cannot_finish(
    connection: Connection, quotes: DataType, lost: tuple[Worker, Claimed]
) -> None:
    """Its rows are not stored, and the other one's refresh goes on."""
    silent, job = lost
    with pytest.raises(errors.DatabaseError, match=FENCE_LOST) as raised:
        silent.finish(job, {"price": 9})
    assert raised.value.sqlstate == "FR003"
    assert connection.execute(f"select price from {quotes.table}").fetchone() == (1,)
    assert _state(connection, quotes) == "running"


def test_a_worker_that_lost_its_fence_cannot_fail(
    connection: Connection, quotes: DataType, lost: tuple[Worker, Claimed]
) -> None:
    """Its error says nothing about the refresh that runs now."""
    silent, job = lost
    assert silent.fail(job, "late") is None
    assert _state(connection, quotes) == "running"


def test_a_fence_that_is_lost_while_the_rows_are_written_takes_them_back(
    connection: Connection,
    quotes: DataType,
    announce: Announce,
    connect: Connect,
) -> None:
    """The fence is checked last: the rows were written when the job was taken over."""
    quotes.store(connection, "AAPL", 3600)
    connection.execute("select freshness.request(%s, array['AAPL'])", [quotes.name])
    slow = announce(connect())
    (job,) = slow.claim(quotes.name)
    holder = connect()
    holder.autocommit = False
    holder.execute(f"select 1 from {quotes.table} for update")

    raised: list[BaseException] = []

    def finish() -> None:
        try:
            slow.finish(job, {"price": 9})
        except errors.DatabaseError as error:
            raised.append(error)

    slow.miss_heartbeats()
    thread = threading.Thread(target=finish)
    thread.start()
    wait_for_lock(connection, slow.connection)
    assert len(announce().claim(quotes.name)) == 1
    holder.rollback()
    thread.join(timeout=10)
    assert [FENCE_LOST in str(error) for error in raised] == [True]
    assert connection.execute(f"select price from {quotes.table}").fetchone() == (1,)
    assert _state(connection, quotes) == "running"


def test_a_fence_that_is_lost_while_many_refreshes_end_takes_their_rows_back(
    connection: Connection,
    quotes: DataType,
    announce: Announce,
    connect: Connect,
) -> None:
    """The job is being taken over as the statement that wrote the rows comes to it."""
    quotes.store(connection, "AAPL", 3600)
    connection.execute("select freshness.request(%s, array['AAPL'])", [quotes.name])
    slow = announce(connect())
    (job,) = slow.claim(quotes.name)
    holder = connect()
    holder.autocommit = False
    holder.execute(
        "update freshness.jobs set fence = nextval('freshness.fences') where data_type = %s",
        [quotes.name],
    )

    raised: list[BaseException] = []

    def finish() -> None:
        try:
            slow.connection.execute(
                f"select freshness.ends_{quotes.name}(array[%s], array[%s], %s, null, null, null)",
                [job.symbol, job.fence, ['[{"price": 9}]']],
            )
        except errors.DatabaseError as error:
            raised.append(error)

    thread = threading.Thread(target=finish)
    thread.start()
    wait_for_lock(connection, slow.connection)
    holder.commit()
    thread.join(timeout=10)
    assert [FENCE_LOST in str(error) for error in raised] == [True]
    assert connection.execute(f"select price from {quotes.table}").fetchone() == (1,)
    assert _state(connection, quotes) == "running"


def test_a_worker_that_is_only_slow_keeps_its_fence(
    connection: Connection, quotes: DataType, announce: Announce
) -> None:
    """Its heartbeat counts, not how long the refresh takes."""
    connection.execute("select freshness.request(%s, array['AAPL'])", [quotes.name])
    slow, other = announce(), announce()
    (job,) = slow.claim(quotes.name)
    slow.miss_heartbeats()
    connection.execute("select freshness.heartbeat(%s)", [slow.number])
    assert other.claim(quotes.name) == []
    assert slow.finish(job, {"price": 2}) == "fresh"


def _state(connection: Connection, quotes: DataType) -> str:
    row = connection.execute(
        "select state::text from freshness.jobs where data_type = %s", [quotes.name]
    ).fetchone()
    assert row is not None
    return str(row[0])
