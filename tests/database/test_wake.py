"""Workers are told at the commit, and only when there is something to do soon."""

from __future__ import annotations

from datetime import datetime

from tests.fixtures.connections import Connect, Connection
from tests.fixtures.data_types import DataType
from tests.fixtures.subscriptions import Subscriber

WATCH = "select freshness.watch(array[%s], array[%s], 'user:1')"


def _heard(listening: Connection, quotes: DataType) -> list[str]:
    """Payloads so far; a last notification of our own tells that all earlier ones are here."""
    mark = f"mark {quotes.name}"
    listening.execute("select pg_notify('freshness_work', %s)", [mark])
    payloads: list[str] = []
    for notification in listening.notifies(timeout=10):
        if notification.payload == mark:
            break
        payloads.append(notification.payload)
    return payloads


def test_interest_in_stale_data_wakes_a_worker_at_the_commit(
    connection: Connection,
    quotes: DataType,
    subscribe: Subscriber,
    connect: Connect,
) -> None:
    """Once for each statement, with the moment at which something is due."""
    listening = connect()
    listening.execute("listen freshness_work")
    with connection.transaction():
        connection.execute(WATCH, [quotes.name, "AAPL"])
        assert _heard(listening, quotes) == []
    (payload,) = _heard(listening, quotes)
    assert datetime.fromisoformat(payload).tzinfo is not None
    subscribe(quotes.table, "symbol=eq.IBM")
    assert len(_heard(listening, quotes)) == 1


def test_interest_in_fresh_data_wakes_nobody(
    connection: Connection,
    quotes: DataType,
    subscribe: Subscriber,
    connect: Connect,
) -> None:
    """Its deadline is further away than a worker's next look."""
    listening = connect()
    listening.execute("listen freshness_work")
    quotes.store(connection, "AAPL", 0)
    connection.execute(WATCH, [quotes.name, "AAPL"])
    subscribe(quotes.table, "symbol=eq.AAPL")
    assert _heard(listening, quotes) == []


def test_a_watch_on_a_key_that_is_kept_warm_wakes_a_worker_if_it_is_stale(
    connection: Connection,
    quotes: DataType,
    connect: Connect,
) -> None:
    """Its job waits for the moment at which it goes away, which a viewer must not wait for."""
    listening = connect()
    listening.execute("listen freshness_work")
    connection.execute(
        "insert into freshness.jobs (data_type, symbol, run_at, unwatched_at)"
        " values (%s, 'AAPL', now() + interval '1 minute', now())",
        [quotes.name],
    )
    connection.execute(WATCH, [quotes.name, "AAPL"])
    assert len(_heard(listening, quotes)) == 1
