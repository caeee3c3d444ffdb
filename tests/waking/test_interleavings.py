"""No order of the steps of producers and workers loses a wake: all orders, on real connections."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import pytest

from tests.fixtures.connections import Connect, Connection
from tests.fixtures.data_types import DataType
from tests.waking.sleeper import Producer, Sleeper, Watcher


def interleavings(*sequences: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield every order of all steps that keeps the order within each sequence."""
    left = [sequence for sequence in sequences if sequence]
    if not left:
        yield ()
    for sequence in left:
        others = [other for other in left if other is not sequence]
        for rest in interleavings(sequence[1:], *others):
            yield (sequence[0], *rest)


def run(order: Sequence[str], steps: dict[str, Callable[[], None]]) -> None:
    """Take the steps in this order."""
    for name in order:
        steps[name]()


PRODUCER = ("begin", "write", "gate", "commit")
READING_PRODUCER = ("begin", "read", "write", "gate", "commit")
WATCHER = ("begin", "watch", "commit")


def producer_steps(producer: Producer) -> dict[str, Callable[[], None]]:
    """Name a producer's steps."""
    return {name: getattr(producer, name) for name in READING_PRODUCER}


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read", "serializable"])
def test_one_worker_falls_asleep_while_a_job_is_written(
    connect: Connect, quotes: DataType, connection: Connection, isolation: str
) -> None:
    """In all 56 orders it sees the job, or is told of it."""
    sleeper = Sleeper(connect, quotes.name)
    producing = connect()
    orders = list(interleavings(READING_PRODUCER, ("arm", "settle 1", "settle 2")))
    for order in orders:
        sleeper.wake_up()
        producer = Producer(producing, quotes.name, isolation)
        steps = {
            **producer_steps(producer),
            "arm": sleeper.arm,
            "settle 1": sleeper.settle,
            "settle 2": sleeper.settle,
        }
        run(order, steps)
        sleeper.settle()
        told = sleeper.heard()
        assert sleeper.saw_something_due or told, f"lost in the order {order}"
        connection.execute("delete from freshness.jobs where data_type = %s", [quotes.name])
        connection.execute("delete from freshness.sleepers where channel = %s", [sleeper.channel])
    assert len(orders) == 56
    sleeper.leave()


def test_a_key_is_watched_whose_job_is_due_at_that_very_moment(
    connect: Connect, quotes: DataType, connection: Connection
) -> None:
    """In all 35 orders of a worker that drops the job as unwanted, its viewer's key is fetched.

    Nobody watched the key, and its time to be kept warm is over. Either the claim keeps the job, or
    the pull is left, which the next claim folds: the worker is told, or looks at once again.
    """
    sleeper = Sleeper(connect, quotes.name)
    watching = connect()
    orders = list(interleavings(WATCHER, ("claim", "arm", "settle 1", "settle 2")))
    for order in orders:
        sleeper.wake_up()
        connection.execute(
            "insert into freshness.jobs (data_type, symbol, run_at, unwatched_at)"
            " values (%s, 'DUE', clock_timestamp(), clock_timestamp() - interval '1 hour')",
            [quotes.name],
        )
        watcher = Watcher(watching, quotes.name, "DUE")
        claimed: list[str] = []
        steps: dict[str, Callable[[], None]] = {
            **{name: getattr(watcher, name) for name in WATCHER},
            "claim": partial(_claim, sleeper, claimed),
            "arm": sleeper.arm,
            "settle 1": sleeper.settle,
            "settle 2": sleeper.settle,
        }
        run(order, steps)
        sleeper.settle()
        assert claimed or sleeper.heard() or not sleeper.sleeps(), f"lost in the order {order}"
        if not claimed:
            assert sleeper.claim() == ["DUE"], f"nothing to fetch in the order {order}"
        for table in ("jobs", "watches", "pulls"):
            connection.execute(
                f"delete from freshness.{table} where data_type = %s".encode(), [quotes.name]
            )
        connection.execute("delete from freshness.sleepers where channel = %s", [sleeper.channel])
    assert len(orders) == 35
    sleeper.leave()


def _claim(sleeper: Sleeper, claimed: list[str]) -> None:
    claimed += sleeper.claim()


def test_two_workers_fall_asleep_while_a_job_is_written(
    connect: Connect, quotes: DataType, connection: Connection
) -> None:
    """In all 420 orders one of them sees the job, or is told of it."""
    first, second = Sleeper(connect, quotes.name), Sleeper(connect, quotes.name)
    producing = connect()
    orders = list(interleavings(PRODUCER, ("arm 1", "settle 1"), ("arm 2", "settle 2")))
    for order in orders:
        producer = Producer(producing, quotes.name, "read committed")
        for sleeper in (first, second):
            sleeper.wake_up()
        steps = {
            **producer_steps(producer),
            "arm 1": first.arm,
            "settle 1": first.settle,
            "arm 2": second.arm,
            "settle 2": second.settle,
        }
        run(order, steps)
        for sleeper in (first, second):
            sleeper.settle()
        seen = [sleeper.saw_something_due or bool(sleeper.heard()) for sleeper in (first, second)]
        assert any(seen), f"lost in the order {order}"
        connection.execute("delete from freshness.jobs where data_type = %s", [quotes.name])
        connection.execute(
            "delete from freshness.sleepers where channel = any (%s)",
            [[first.channel, second.channel]],
        )
    assert len(orders) == 420
    first.leave()
    second.leave()


def test_a_worker_that_stays_awake_goes_to_sleep_while_a_job_is_written(
    connect: Connect, quotes: DataType, connection: Connection
) -> None:
    """In all 70 orders it sees the job, or is told of it."""
    sleeper = Sleeper(connect, quotes.name)
    producing = connect()
    orders = list(interleavings(PRODUCER, ("stay awake", "arm", "settle 1", "settle 2")))
    for order in orders:
        # Asleep until it was told something else.
        sleeper.wake_up()
        sleeper.arm()
        sleeper.settle()
        sleeper.wake_up()
        producer = Producer(producing, quotes.name, "read committed")
        steps = {
            **producer_steps(producer),
            "stay awake": sleeper.stay_awake,
            "arm": sleeper.arm,
            "settle 1": sleeper.settle,
            "settle 2": sleeper.settle,
        }
        run(order, steps)
        sleeper.settle()
        told = sleeper.heard()
        assert sleeper.saw_something_due or told, f"lost in the order {order}"
        connection.execute("delete from freshness.jobs where data_type = %s", [quotes.name])
        connection.execute("delete from freshness.sleepers where channel = %s", [sleeper.channel])
    assert len(orders) == 70
    sleeper.leave()


def test_nobody_tells_a_worker_that_stays_awake(
    connect: Connect, quotes: DataType, connection: Connection
) -> None:
    """So a rush of requests costs one signal, not one each."""
    sleeper = Sleeper(connect, quotes.name)
    sleeper.arm()
    sleeper.settle()
    sleeper.stay_awake()
    producer = Producer(connection, quotes.name, "read committed")
    producer.begin()
    producer.write()
    producer.gate()
    producer.commit()
    assert sleeper.heard() == []
    sleeper.leave()


def test_a_worker_gets_full_while_a_job_is_written(
    connect: Connect, quotes: DataType, connection: Connection
) -> None:
    """In all 5 orders the other one, which slept without end, learns of the job.

    The one that is full is told in some of them; it hands on what it hears.
    """
    full, other = Sleeper(connect, quotes.name), Sleeper(connect, quotes.name)
    producing = connect()
    for order in interleavings(PRODUCER, ("fill",)):
        for sleeper in (full, other):
            sleeper.wake_up()
            sleeper.arm()
            sleeper.settle()
            sleeper.settle()
            assert sleeper.asleep_until is not None
        producer = Producer(producing, quotes.name, "read committed")
        run(order, {**producer_steps(producer), "fill": full.fill})
        if full.heard():
            connection.execute("select freshness.hand_on(%s)", [[quotes.name]])
        assert other.heard(), f"lost in the order {order}"
        connection.execute("delete from freshness.jobs where data_type = %s", [quotes.name])
    full.leave()
    other.leave()


def test_two_timekeepers_never_both_leave_the_time_to_the_other(
    connect: Connect, quotes: DataType, connection: Connection
) -> None:
    """In all 70 orders of arming anew at the same time, one of them keeps it."""
    sleepers = [Sleeper(connect, quotes.name) for _ in range(2)]
    Producer(connection, quotes.name, "read committed").write(60)
    steps = ("begin_to_arm", "commit_arming", "settle", "settle")
    sequences = [[f"{step} {number}" for step in steps] for number in range(2)]
    orders = list(interleavings(*sequences))
    for order in orders:
        for sleeper in sleepers:
            sleeper.wake_up()
            sleeper.begin_to_arm()
        for sleeper in sleepers:
            sleeper.commit_arming()
        for step in order:
            name, number = step.rsplit(" ", 1)
            getattr(sleepers[int(number)], name)()
        for sleeper in sleepers:
            for _ in range(3):
                sleeper.settle()
        asleep = [sleeper.asleep_until for sleeper in sleepers]
        assert None not in asleep
        assert min(filter(None, asleep)) < float("inf"), f"nobody keeps the time in {order}"
        connection.execute(
            "delete from freshness.sleepers where channel = any (%s)",
            [[sleeper.channel for sleeper in sleepers]],
        )
    assert len(orders) == 70
    for sleeper in sleepers:
        sleeper.leave()
