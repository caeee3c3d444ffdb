"""Claims that run at the same time, on connections of their own."""

from __future__ import annotations

import threading

import pytest

from tests.fixtures.connections import Connect, Connection
from tests.fixtures.data_types import DataType, Register
from tests.fixtures.waiting import wait_for_lock
from tests.fixtures.workers import Announce, Worker

SYMBOLS = [f"S{n}" for n in range(1, 9)]


@pytest.fixture
def due(connection: Connection, quotes: DataType) -> DataType:
    """Eight keys that were asked for."""
    connection.execute("select freshness.request(%s, %s)", [quotes.name, SYMBOLS])
    return quotes


def test_two_claims_of_one_worker_do_not_wait_for_each_other(
    connect: Connect, due: DataType, announce: Announce
) -> None:
    """While one is not committed the other one takes what is left."""
    worker = announce()
    first, second = connect(), connect()
    second.execute("set lock_timeout = '100ms'")
    with first.transaction():
        taken = Worker(first, worker.number).claim(due.name, limit=4)
        others = Worker(second, worker.number).claim(due.name, limit=4)
    assert len(taken) == len(others) == 4
    assert {job.symbol for job in taken + others} == set(SYMBOLS)


def test_a_renewal_waits_for_the_claim_that_is_under_way(
    connection: Connection, connect: Connect, due: DataType, announce: Announce
) -> None:
    """So it hands back what that takes, and no job runs for a worker that is gone."""
    worker, holder = announce(), connect()
    renewer = connect()
    renewed: list[int] = []

    def renew() -> None:
        [[number]] = renewer.execute(
            "select freshness.renew_worker(%s, '{}')", [worker.number]
        ).fetchall()
        renewed.append(number)

    with holder.transaction():
        taken = Worker(holder, worker.number).claim(due.name, limit=4)
        thread = threading.Thread(target=renew)
        thread.start()
        wait_for_lock(connection, renewer)
    thread.join()
    assert len(taken) == 4
    running = connection.execute(
        "select count(*) from freshness.jobs where data_type = %s and state = 'running'",
        [due.name],
    ).fetchone()
    assert running == (0,)
    connection.execute("select freshness.dismiss_worker(%s)", renewed)


def test_a_key_that_spoils_the_statement_for_all_harms_itself_alone(
    connection: Connection, register: Register, announce: Announce
) -> None:
    """What is looked at together with it is claimed all the same, and once."""
    numbers = register("symbol integer primary key, price numeric, fetched_at timestamptz")
    connection.execute(
        "insert into freshness.jobs (data_type, symbol, run_at, requested_at)"
        " select %s, s, now(), now() from unnest(array['1', '2', 'TWO', '3']) as s",
        [numbers.name],
    )
    jobs = announce().claim(numbers.name)
    assert sorted(job.symbol for job in jobs) == ["1", "2", "3"]
    failed = connection.execute(
        "select symbol from freshness.jobs where data_type = %s and state = 'failed'",
        [numbers.name],
    ).fetchall()
    assert failed == [("TWO",)]


def test_claims_of_one_source_wait_for_each_other(
    connection: Connection, connect: Connect, due: DataType, announce: Announce
) -> None:
    """However much it allows: else each would count without what the other takes."""
    connection.execute("select freshness.register_source('plenty', calls_per_minute => 1000000)")
    connection.execute(
        "update freshness.data_types set source = 'plenty' where name = %s", [due.name]
    )
    worker, other, waiting = announce(), announce(), connect()
    others: list[str] = []

    def claim() -> None:
        others.extend(job.symbol for job in Worker(waiting, other.number).claim(due.name, limit=4))

    first = connect()
    with first.transaction():
        taken = Worker(first, worker.number).claim(due.name, limit=4)
        thread = threading.Thread(target=claim)
        thread.start()
        wait_for_lock(connection, waiting)
    thread.join()
    assert {job.symbol for job in taken} | set(others) == set(SYMBOLS)
    connection.execute("select freshness.unregister_source('plenty')")
