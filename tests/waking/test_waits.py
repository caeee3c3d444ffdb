"""No order of the steps loses the end of a refresh for somebody who begins to wait for it."""

from __future__ import annotations

import pytest

from tests.fixtures.connections import Connect, Connection
from tests.fixtures.data_types import DataType
from tests.fixtures.workers import Announce
from tests.waking.test_interleavings import interleavings
from tests.waking.waiter import Ender, Waiter

WAITER = ("waiter begin", "waiter ask", "waiter commit")
ENDER = ("ender begin", "ender store", "ender move", "ender note", "ender commit")

RUNNING = """
    insert into freshness.jobs
    (data_type, symbol, run_at, state, worker, fence, started_at, requested_at)
    values (%s, 'AAPL', 'infinity', 'running', -1, 1, clock_timestamp(), %s)
"""


def tidy_up(connection: Connection, quotes: DataType) -> None:
    """Forget the key and who waits for it."""
    connection.execute("delete from freshness.jobs where data_type = %s", [quotes.name])
    connection.execute("delete from freshness.listeners where data_type = %s", [quotes.name])
    connection.execute(f"delete from {quotes.table}")


@pytest.mark.parametrize("requested_at", [None, "now"])
@pytest.mark.parametrize("isolation", ["read committed", "repeatable read", "serializable"])
def test_one_begins_to_wait_while_a_refresh_ends(
    connect: Connect,
    quotes: DataType,
    connection: Connection,
    isolation: str,
    requested_at: str | None,
) -> None:
    """In all 56 orders it sees the rows, or is told; also if somebody waits for them already."""
    waiter, ender = Waiter(connect, quotes), Ender(connect, quotes, isolation)
    orders = list(interleavings(ENDER, WAITER))
    for order in orders:
        connection.execute(RUNNING, [quotes.name, requested_at])
        waiter.is_over = ender.must_try_again = False
        for name in order:
            actor, step = name.split()
            taking = waiter if actor == "waiter" else ender
            taking.take(getattr(taking, step))
        waiter.end()
        ender.end()
        ender.try_again()
        told = waiter.was_told()
        assert waiter.is_over or told, f"lost in the order {order}"
        tidy_up(connection, quotes)
    assert len(orders) == 56
    waiter.close()
    ender.close()


def test_one_begins_to_wait_while_a_worker_finishes(
    connect: Connect, quotes: DataType, connection: Connection, announce: Announce
) -> None:
    """In all 20 orders it sees the rows, or is told: finish takes its steps in this order."""
    waiter, ender = Waiter(connect, quotes), Ender(connect, quotes, "read committed")
    worker = announce()
    orders = list(interleavings(("ender begin", "ender finish", "ender commit"), WAITER))
    for order in orders:
        connection.execute("select freshness.request(%s, array['AAPL'])", [quotes.name])
        assert len(worker.claim(quotes.name)) == 1
        waiter.is_over = False
        for name in order:
            actor, step = name.split()
            if step == "finish":
                ender.take(lambda: ender.finish(worker.number))
            else:
                taking = waiter if actor == "waiter" else ender
                taking.take(getattr(taking, step))
        waiter.end()
        ender.end()
        told = waiter.was_told()
        assert waiter.is_over or told, f"lost in the order {order}"
        tidy_up(connection, quotes)
    assert len(orders) == 20
    waiter.close()
    ender.close()


def test_nobody_is_told_of_keys_that_nobody_waits_for(
    connect: Connect, quotes: DataType, connection: Connection, announce: Announce
) -> None:
    """Nor of the start of a fetch whoever waits for its end."""
    waiter = Waiter(connect, quotes)
    worker = announce()
    connection.execute("select freshness.request(%s, array['MSFT'])", [quotes.name])
    [other] = worker.claim(quotes.name)
    waiter.ask()
    assert not waiter.is_over
    worker.finish(other, {"price": 1})
    [job] = worker.claim(quotes.name)
    assert not waiter.was_told()
    worker.finish(job, {"price": 1})
    assert waiter.was_told()
