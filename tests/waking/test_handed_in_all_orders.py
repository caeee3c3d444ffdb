"""Handing over between each two steps of whoever touches the sleeper or the job: all orders."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any

import psycopg

from tests.fixtures.connections import Connect, Connection
from tests.fixtures.data_types import DataType
from tests.waking.hands import (
    CLEAR,
    FIRST,
    PRODUCER,
    RUNNING,
    WAKE_ALL,
    Hands,
    Steps,
    all_respond,
    steps_of,
)
from tests.waking.sleeper import Producer
from tests.waking.test_interleavings import interleavings, run

# As if it had been silent for so long that others take over what it runs.
AGED = """
    with silent as (update freshness.workers set seen_at = seen_at - interval '1 minute')
    update freshness.jobs set started_at = started_at - interval '1 minute'
    where worker = %s and state = 'running'
"""
HAND_BACK = "select freshness.hand_back(%s, %s)"
ASK_NOW = "select freshness.request(%s, array['K'], true)"
RETRY = "select freshness.retry(%s, 'K')"


def test_it_goes_all_the_way_from_falling_asleep_to_getting_full(
    connect: Connect, connection: Connection, quotes: DataType, one: Hands, other: Hands
) -> None:
    """In all 210 orders, between any two steps, one of the two begins with the job, once."""
    producing = connect()
    mine = ("arm", "settle 1", "settle 2", "claim", "hand on", "disarm")
    orders = list(interleavings(PRODUCER, mine))
    for order in orders:
        other.sleep()
        one.begun, one.is_full = [], False
        one.sleeper.wake_up()
        producer = Producer(producing, quotes.name, "read committed")

        def hand_on() -> None:
            # It has taken the last slot that it had, and leaves the sleepers next.
            one.is_full = True
            connection.execute("select freshness.hand_on(%s)", [[quotes.name]])

        actions: Steps = {
            "arm": one.sleeper.arm,
            "settle 1": one.sleeper.settle,
            "settle 2": one.sleeper.settle,
            "claim": one.claim,
            "hand on": hand_on,
            "disarm": one.fill,
        }
        run(order, {**steps_of(producer), **actions})
        all_respond(connection, quotes, one, other)
        assert one.begun + other.begun == [producer.symbol], (
            f"{one.begun} and {other.begun} in the order {order}"
        )
        connection.execute(CLEAR, [quotes.name])
        connection.execute(WAKE_ALL, [quotes.name])
    assert len(orders) == 210


def test_what_is_handed_back_and_taken_over_begins_once(
    connect: Connect, connection: Connection, quotes: DataType, one: Hands, other: Hands
) -> None:
    """In all 180 orders of who refuses, takes over, asks once more and releases the key."""
    refusing, taking, asking, retrying = (connect() for _ in range(4))
    sequences = (
        ("hand back", "commit hand back"),
        ("take over",),
        ("ask", "commit ask"),
        ("retry",),
    )
    orders = list(interleavings(*sequences))
    for each in (refusing, taking, asking, retrying):
        each.execute("set lock_timeout = '5ms'")
    for order in orders:
        one.sleep()
        other.sleep()
        connection.execute(FIRST, [one.sleeper.channel])
        connection.execute("select freshness.request(%s, array['K'], true)", [quotes.name])
        [job], _ = one.sleeper.handed()
        connection.execute(AGED, [one.sleeper.number])

        def begin(who: Connection, statement: str, parameters: list[Any]) -> None:
            who.execute("begin")
            try:
                who.execute(statement.encode(), parameters)
            except psycopg.errors.LockNotAvailable:
                who.execute("rollback")

        def attempt(who: Connection, statement: str, parameters: list[Any]) -> None:
            with suppress(psycopg.errors.LockNotAvailable):
                who.execute(statement.encode(), parameters)

        actions: Steps = {
            "hand back": partial(begin, refusing, HAND_BACK, [job["worker"], [job["fence"]]]),
            "commit hand back": refusing.commit,
            "take over": partial(attempt, taking, "select freshness.take_over()", []),
            "ask": partial(begin, asking, ASK_NOW, [quotes.name]),
            "commit ask": asking.commit,
            "retry": partial(attempt, retrying, RETRY, [quotes.name]),
        }
        run(order, actions)
        # What was put off is tried again, as a worker does.
        refusing.execute(HAND_BACK, [job["worker"], [job["fence"]]])
        all_respond(connection, quotes, one, other)
        other.claim()
        running = connection.execute(RUNNING, [quotes.name]).fetchall()
        assert len(running) == 1, f"{running} in the order {order}"
        assert one.begun + other.begun == ["K"], (
            f"{one.begun} and {other.begun} in the order {order}"
        )
        assert running[0][1] != job["fence"], f"{running} in the order {order}"
        connection.execute(CLEAR, [quotes.name])
        connection.execute(WAKE_ALL, [quotes.name])
    assert len(orders) == 180
