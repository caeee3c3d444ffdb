"""A job that is handed to a sleeper begins once, whatever that does meanwhile: all orders."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from tests.fixtures.connections import Connect, Connection
from tests.fixtures.data_types import DataType
from tests.fixtures.waiting import wait_for_lock
from tests.waking.hands import (
    CLEAR,
    FIRST,
    PRODUCER,
    RUNNING,
    Hands,
    Steps,
    all_respond,
    steps_of,
)
from tests.waking.sleeper import Producer
from tests.waking.test_interleavings import interleavings, run


def test_a_sleeper_is_handed_what_is_due(
    connect: Connect, connection: Connection, quotes: DataType, one: Hands
) -> None:
    """It runs for the sleeper when that hears of it, and the sleeper goes on sleeping."""
    one.sleep()
    producer = Producer(connect(), quotes.name, "read committed")
    run(PRODUCER, steps_of(producer))
    jobs, told = one.sleeper.handed()
    assert [(job["worker"], job["symbol"]) for job in jobs] == [
        (one.sleeper.number, producer.symbol)
    ]
    assert told == []
    running = connection.execute(RUNNING, [quotes.name]).fetchall()
    assert running == [(job["worker"], job["fence"]) for job in jobs]
    assert one.sleeper.sleeps()


@dataclass
class Place:
    """Where a test takes place."""

    connect: Connect
    connection: Connection
    quotes: DataType


@pytest.fixture
def place(connect: Connect, connection: Connection, quotes: DataType) -> Place:
    """Connections, and a data type."""
    return Place(connect, connection, quotes)


def in_all_orders(place: Place, actions: Steps, one: Hands, others: Sequence[Hands] = ()) -> int:
    """Hand a job over while a worker does something; returns the number of orders.

    In each of them the job begins once.
    """
    producing = place.connect()
    orders = list(interleavings(PRODUCER, tuple(actions)))
    for order in orders:
        one.sleep()
        for each in others:
            each.sleep()
        producer = Producer(producing, place.quotes.name, "read committed")
        run(order, {**steps_of(producer), **actions})
        all_respond(place.connection, place.quotes, one, *others)
        begun = [symbol for each in (one, *others) for symbol in each.begun]
        assert begun == [producer.symbol], f"{begun} in the order {order}"
        place.connection.execute(CLEAR, [place.quotes.name])
    return len(orders)


def test_it_claims_meanwhile(place: Place, one: Hands) -> None:
    assert in_all_orders(place, {"claim": one.claim, "again": one.claim}, one) == 15


def test_it_gets_full_meanwhile(place: Place, one: Hands, other: Hands) -> None:
    """What it has no slot for the other one is told of."""
    assert in_all_orders(place, {"fill": one.fill}, one, [other]) == 5


def test_it_is_renewed_meanwhile(place: Place, one: Hands) -> None:
    """What runs for the id that it had goes back; under the new one it claims it."""

    def renew() -> None:
        one.sleeper.renew()
        one.claim()
        one.sleeper.wake_up()
        one.sleeper.arm()

    assert in_all_orders(place, {"renew": renew}, one) == 5


def test_it_leaves_meanwhile(
    connect: Connect, connection: Connection, quotes: DataType, other: Hands
) -> None:
    """Whether it hears of the job or is gone by then: the other one takes it."""
    producing = connect()
    for hears in (True, False):
        for order in interleavings(PRODUCER, ("leave",)):
            one = Hands(connect, quotes)
            one.sleep()
            other.sleep()
            connection.execute(FIRST, [one.sleeper.channel])
            producer = Producer(producing, quotes.name, "read committed")
            run(order, {**steps_of(producer), "leave": one.leave})
            all_respond(connection, quotes, *((one, other) if hears else (other,)))
            if not other.begun:
                # Nobody could tell it: it looks each half minute.
                assert not hears, f"told nobody in the order {order}"
                assert other.sleeper.look(), f"sees nothing in the order {order}"
                other.claim()
            assert other.begun == [producer.symbol], f"lost in the order {order}"
            connection.execute(CLEAR, [quotes.name])


def test_it_falls_asleep_meanwhile(
    connect: Connect, connection: Connection, quotes: DataType, one: Hands
) -> None:
    """In all 35 orders it is handed the job, or sees it, or is told of it."""
    producing = connect()
    orders = list(interleavings(PRODUCER, ("arm", "settle 1", "settle 2")))
    sleeper = one.sleeper
    for order in orders:
        sleeper.wake_up()
        one.begun = []
        producer = Producer(producing, quotes.name, "read committed")
        actions: Steps = {
            "arm": sleeper.arm,
            "settle 1": sleeper.settle,
            "settle 2": sleeper.settle,
        }
        run(order, {**steps_of(producer), **actions})
        sleeper.settle()
        one.respond(connection, quotes)
        if sleeper.saw_something_due and not one.begun:
            one.claim()
        assert one.begun == [producer.symbol], f"{one.begun} in the order {order}"
        connection.execute(CLEAR, [quotes.name])
        connection.execute("delete from freshness.sleepers where channel = %s", [sleeper.channel])
    assert len(orders) == 35


def test_two_hand_over_at_the_same_time(
    connect: Connect, connection: Connection, quotes: DataType, one: Hands
) -> None:
    """In all 70 orders both jobs begin, and neither writer waits for the other."""
    producing = [connect(), connect()]
    for each in producing:
        each.execute("set statement_timeout = '5 s'")
    steps = [tuple(f"{name}{number}" for name in PRODUCER) for number in range(2)]
    orders = list(interleavings(*steps))
    for order in orders:
        one.sleep()
        producers = [Producer(each, quotes.name, "read committed") for each in producing]
        run(order, {**steps_of(producers[0], "0"), **steps_of(producers[1], "1")})
        all_respond(connection, quotes, one)
        wanted = sorted(producer.symbol for producer in producers)
        assert sorted(one.begun) == wanted, f"{one.begun} in the order {order}"
        connection.execute(CLEAR, [quotes.name])
    assert len(orders) == 70


def test_what_was_fetched_while_the_writer_waited_is_not_handed_over(
    connect: Connect, connection: Connection, quotes: DataType, one: Hands
) -> None:
    """It asks for a fresh key, and looked when it was stale: the claim looks again, and sees it."""
    ask = "select from freshness.request(%s, array['AAPL'])"
    connection.execute(ask, [quotes.name])
    one.claim()
    one.sleep()
    [fence] = connection.execute(RUNNING, [quotes.name]).fetchall()[0][1:]
    finishing, asking = connect(), connect()
    finishing.execute("begin")
    finishing.execute(
        "select freshness.finish(%s, 'AAPL', %s, '[{\"price\": 2}]')", [quotes.name, fence]
    )
    # Asked for anew, whereas the one that runs has been heeded.
    thread = threading.Thread(target=asking.execute, args=[ask, [quotes.name]])
    thread.start()
    wait_for_lock(connection, asking)
    finishing.execute("commit")
    thread.join(timeout=10)
    one.respond(connection, quotes)
    assert one.begun == []
    quotes.store(connection, "AAPL", 3600)
    connection.execute(ask, [quotes.name])
    assert [job["symbol"] for job in one.sleeper.handed()[0]] == ["AAPL"]


def test_one_transaction_at_a_time_hands_over_to_a_worker(
    connect: Connect, quotes: DataType, one: Hands
) -> None:
    """Whoever comes while one is under way tells it: nobody knows how many slots it has."""
    one.sleep()
    producers = [Producer(connect(), quotes.name, "read committed") for _ in range(2)]
    for step in PRODUCER:
        for producer in producers:
            getattr(producer, step)()
    jobs, told = one.sleeper.handed()
    assert (len(jobs), len(told)) == (1, 1)


def test_what_is_rolled_back_is_handed_to_nobody(
    connect: Connect, quotes: DataType, one: Hands
) -> None:
    """Neither with the transaction, nor with a part of it, after which it may hand over again."""
    one.sleep()
    producing = connect()
    producer = Producer(producing, quotes.name, "read committed")
    run(PRODUCER[:-1], steps_of(producer))
    producer.roll_back()
    assert one.sleeper.handed() == ([], [])
    producer.begin()
    producing.execute("savepoint part")
    run(("write", "hand_over"), steps_of(producer))
    producing.execute("rollback to savepoint part")
    run(("write", "hand_over", "commit"), steps_of(producer))
    jobs, told = one.sleeper.handed()
    assert [job["symbol"] for job in jobs] == [producer.symbol]
    assert told == []


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
def test_whoever_reads_the_past_hands_over_nothing(
    connect: Connect, quotes: DataType, one: Hands, isolation: str
) -> None:
    """It cannot know who is asleep."""
    one.sleep()
    run(PRODUCER, steps_of(Producer(connect(), quotes.name, isolation)))
    jobs, told = one.sleeper.handed()
    assert (jobs, len(told)) == ([], 1)


def test_a_killed_sleeper_keeps_a_job_for_its_heartbeat_limit(
    connect: Connect, connection: Connection, quotes: DataType, other: Hands
) -> None:
    """It was silent for long before, as who sleeps is: its time counts from the handing over."""
    one = Hands(connect, quotes)
    one.sleep()
    aged = "update freshness.workers set seen_at = seen_at - interval '1 hour' where id = %s"
    connection.execute(aged, [one.sleeper.number])
    producer = Producer(connect(), quotes.name, "read committed")
    run(PRODUCER, steps_of(producer))
    one.sleeper.die()
    other.claim()
    assert other.begun == []
    ahead = _seconds_until_it_is_missed(connection, other)
    assert 10 < ahead <= 15
    connection.execute(
        "update freshness.jobs set started_at = started_at - interval '15 s' where worker = %s",
        [one.sleeper.number],
    )
    other.claim()
    assert other.begun == [producer.symbol]


def _seconds_until_it_is_missed(connection: Connection, worker: Hands) -> Any:
    row = connection.execute(
        "select freshness.seconds_until(freshness.next_missed_heartbeat(%s))",
        [worker.sleeper.number],
    ).fetchone()
    return row and row[0]
