"""A viewer of fresh data costs nothing: its key only gets its deadline."""

from __future__ import annotations

from pyworker.job import Key
from pyworker.queue.calls import Calls
from pyworker.queue.cards import CardQueue
from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType
from tests.fixtures.subscriptions import Subscriber

DEADLINE = """
    select j.state::text, j.run_at = r.fetched_at + interval '1 minute',
        (select count(*)::integer from freshness.pulls as p where p.data_type = j.data_type)
    from freshness.jobs as j join {table} as r on r.symbol = j.symbol where j.data_type = %s
"""


def test_a_subscription_to_fresh_data_queues_nothing(
    connection: Connection, quotes: DataType, subscribe: Subscriber
) -> None:
    """Its key waits for the moment at which the row goes stale."""
    quotes.store(connection, "AAPL", 10)
    subscribe(quotes.table, "symbol=eq.AAPL")
    assert _deadlines(connection, quotes) == [("scheduled", True, 0)]
    assert _claimed(connection, quotes) == []
    assert _deadlines(connection, quotes) == [("scheduled", True, 0)]


async def test_a_card_for_fresh_data_queues_nothing(
    connection: Connection, quotes: DataType, calls: Calls
) -> None:
    """The answer says fresh, and until when."""
    quotes.store(connection, "AAPL", 10)
    (state,) = await CardQueue(calls).add_cards(
        [Key(quotes.name, "AAPL")], "user:1", "service_role", 300
    )
    assert state.status == "fresh"
    assert state.fresh_until == state.due_at
    assert _deadlines(connection, quotes) == [("scheduled", True, 0)]
    assert _claimed(connection, quotes) == []
    assert _deadlines(connection, quotes) == [("scheduled", True, 0)]


def test_a_request_for_fresh_data_makes_no_job(connection: Connection, quotes: DataType) -> None:
    """What is stored satisfies it."""
    quotes.store(connection, "AAPL", 10)
    found = connection.execute(
        "select * from freshness.request(%s, array['AAPL'])", [quotes.name]
    ).fetchall()
    assert found == []
    assert _deadlines(connection, quotes) == []


def _deadlines(connection: Connection, quotes: DataType) -> list[tuple[str, bool, int]]:
    return connection.execute(
        DEADLINE.format(table=quotes.table).encode(), [quotes.name]
    ).fetchall()


def _claimed(connection: Connection, quotes: DataType) -> list[tuple[str]]:
    return connection.execute(
        "select c.symbol from freshness.announce_worker('test') as w"
        " cross join lateral freshness.claim(w, array[%s], 10) as c",
        [quotes.name],
    ).fetchall()
