"""Realtime wipes its table and all clients subscribe again, in any order, at once."""

from __future__ import annotations

from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType
from tests.fixtures.subscriptions import Subscriber
from tests.fixtures.workers import Worker

SUBSCRIPTIONS = 20_000
STATEMENTS = 200

INSERT = """
    insert into realtime.subscription (subscription_id, entity, filters, claims)
    select
        gen_random_uuid(), %s::regclass,
        array[row('symbol', 'eq', 'S' || n, false)::realtime.user_defined_filter],
        '{"role": "authenticated"}'
    from generate_series(1, %s::integer) as n
    where n %% %s::integer = %s::integer
    order by random()
"""


def test_subscriptions_that_come_back_start_no_fetch_and_lose_nothing(
    connection: Connection, quotes: DataType, subscribe: Subscriber, worker: Worker
) -> None:
    """Each key keeps its job, and each that was watched is watched afterwards."""
    connection.execute(
        f"insert into {quotes.table} select 'S' || n, n, now() + interval '50 seconds'"
        f" from generate_series(1, {SUBSCRIPTIONS}) as n".encode()
    )
    for _ in range(2):
        _wipe(subscribe, quotes)
        for number in range(STATEMENTS):
            subscribe.connection.execute(INSERT, [quotes.table, SUBSCRIPTIONS, STATEMENTS, number])
        assert worker.claim(quotes.name) == []
    kept = connection.execute(
        "select count(*), count(*) filter (where unwatched_at is not null)"
        " from freshness.jobs where data_type = %s",
        [quotes.name],
    ).fetchone()
    assert kept == (SUBSCRIPTIONS, 0)
    while connection.execute("select freshness.fold_pulls()").fetchone() != (0,):
        pass
    watched = connection.execute(
        "select count(*) from freshness.live_watches(%s, array("
        "select symbol from freshness.jobs where data_type = %s))",
        [quotes.name, quotes.name],
    ).fetchone()
    assert watched == (SUBSCRIPTIONS,)
    _wipe(subscribe, quotes)


def _wipe(subscribe: Subscriber, quotes: DataType) -> None:
    subscribe.connection.execute(
        "delete from realtime.subscription where entity = %s::regclass", [quotes.table]
    )
