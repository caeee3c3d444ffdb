"""A sleeping worker is told at the commit, and only when there is something to do soon."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import pytest

from tests.fixtures.connections import Connect, Connection
from tests.fixtures.data_types import DataType
from tests.fixtures.subscriptions import Subscriber
from tests.waking.sleeper import Sleeper

WATCH = "select freshness.watch(array[%s], array[%s], 'user:1')"


@pytest.fixture
def sleeper(connect: Connect, quotes: DataType) -> Iterator[Sleeper]:
    """A worker that sleeps without end."""
    made = Sleeper(connect, quotes.name)
    made.arm()
    yield made
    made.leave()


def test_interest_in_stale_data_wakes_a_worker_at_the_commit(
    connection: Connection, quotes: DataType, subscribe: Subscriber, sleeper: Sleeper
) -> None:
    """Once for each statement, with the moment at which something is due."""
    with connection.transaction():
        connection.execute(WATCH, [quotes.name, "AAPL"])
        assert sleeper.heard() == []
    (payload,) = sleeper.heard()
    assert datetime.fromisoformat(payload).tzinfo is not None
    subscribe(quotes.table, "symbol=eq.IBM")
    assert len(sleeper.heard()) == 1


def test_interest_in_fresh_data_wakes_nobody(
    connection: Connection, quotes: DataType, subscribe: Subscriber, sleeper: Sleeper
) -> None:
    """Its deadline is further away than a worker's next look."""
    quotes.store(connection, "AAPL", 0)
    connection.execute(WATCH, [quotes.name, "AAPL"])
    subscribe(quotes.table, "symbol=eq.AAPL")
    assert sleeper.heard() == []


def test_a_watch_on_a_key_that_is_kept_warm_wakes_a_worker_if_it_is_stale(
    connection: Connection, quotes: DataType, sleeper: Sleeper
) -> None:
    """Its job waits for the moment at which it goes away, which a viewer must not wait for."""
    connection.execute(
        "insert into freshness.jobs (data_type, symbol, run_at, unwatched_at)"
        " values (%s, 'AAPL', now() + interval '1 minute', now())",
        [quotes.name],
    )
    connection.execute(WATCH, [quotes.name, "AAPL"])
    assert len(sleeper.heard()) == 1


def test_a_request_for_a_key_of_a_closed_source_wakes_nobody(
    connection: Connection, quotes: DataType, sleeper: Sleeper
) -> None:
    """Whoever found it closed wakes when it opens; once it is open, requests wake again."""
    connection.execute("select freshness.register_source(%s)", [quotes.name])
    try:
        connection.execute(
            "update freshness.data_types set source = name where name = %s", [quotes.name]
        )
        connection.execute(
            "update freshness.sources set opens_at = now() + interval '1 hour' where name = %s",
            [quotes.name],
        )
        connection.execute("select freshness.request(%s, array['AAPL'])", [quotes.name])
        assert sleeper.heard() == []
        connection.execute(
            "update freshness.sources set opens_at = now() where name = %s", [quotes.name]
        )
        connection.execute("select freshness.request(%s, array['IBM'])", [quotes.name])
        assert len(sleeper.heard()) == 1
    finally:
        connection.execute("select freshness.unregister_source(%s)", [quotes.name])
