"""One sleeper is woken, the others sleep on; and nobody for what is far away."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.fixtures.connections import Connect, Connection
from tests.fixtures.data_types import DataType
from tests.waking.sleeper import Producer, Sleeper
from tests.worker.waiting import wait_until


@pytest.fixture
def sleepers(connect: Connect, quotes: DataType) -> Iterator[list[Sleeper]]:
    """Three workers that have settled."""
    made = [Sleeper(connect, quotes.name) for _ in range(3)]
    for sleeper in made:
        fall_asleep(sleeper)
    yield made
    for sleeper in made:
        sleeper.leave()


def fall_asleep(sleeper: Sleeper) -> None:
    """Arm, and settle as often as it takes with nobody else writing."""
    sleeper.arm()
    for _ in range(3):
        sleeper.settle()
    assert sleeper.asleep_until is not None


def wait_until_its_backend_is_gone(connection: Connection, sleeper: Sleeper) -> None:
    """Return when the backend has noticed the end of its connection, which it does by itself."""
    gone = "select count(*) = 0 from pg_stat_activity as a join freshness.sleepers as s"
    gone += " on s.listener = a.pid where s.channel = %s"
    wait_until(lambda: connection.execute(gone, [sleeper.channel]).fetchone() == (True,))


def produce(connection: Connection, quotes: DataType, seconds: float) -> None:
    """Write a job that is due in so many seconds, in a transaction."""
    producer = Producer(connection, quotes.name, "read committed")
    producer.begin()
    producer.write(seconds)
    producer.gate()
    producer.commit()


@pytest.mark.parametrize("seconds", [0, 10])
def test_one_sleeper_is_told_and_the_others_hear_nothing(
    sleepers: list[Sleeper], connection: Connection, quotes: DataType, seconds: float
) -> None:
    produce(connection, quotes, seconds)
    assert sorted(len(sleeper.heard()) for sleeper in sleepers) == [0, 0, 1]


def test_nobody_is_told_of_what_is_far_away(
    sleepers: list[Sleeper], connection: Connection, quotes: DataType
) -> None:
    produce(connection, quotes, 60)
    assert [sleeper.heard() for sleeper in sleepers] == [[], [], []]


def test_nobody_is_told_when_somebody_wakes_by_then_anyway(
    connect: Connect, connection: Connection, quotes: DataType
) -> None:
    """The timekeeper sleeps until the first of two deadlines, and the second is later."""
    produce(connection, quotes, 5)
    timekeeper, deputy = Sleeper(connect, quotes.name), Sleeper(connect, quotes.name)
    fall_asleep(timekeeper)
    fall_asleep(deputy)
    assert timekeeper.asleep_until is not None
    assert timekeeper.asleep_until < float("inf")
    assert deputy.asleep_until == pytest.approx(timekeeper.asleep_until + 1, abs=0.3)

    produce(connection, quotes, 10)
    assert (timekeeper.heard(), deputy.heard()) == ([], [])

    produce(connection, quotes, 1)
    assert (len(timekeeper.heard()), deputy.heard()) == (1, [])
    timekeeper.leave()
    deputy.leave()


def test_a_worker_of_another_data_type_is_not_told(
    connect: Connect, sleepers: list[Sleeper], connection: Connection, quotes: DataType
) -> None:
    stranger = Sleeper(connect, "another_data_type")
    fall_asleep(stranger)
    produce(connection, quotes, 0)
    assert stranger.heard() == []
    assert sum(len(sleeper.heard()) for sleeper in sleepers) == 1
    stranger.leave()


def test_a_timekeeper_that_leaves_hands_on_the_time(
    connect: Connect, connection: Connection, quotes: DataType
) -> None:
    produce(connection, quotes, 5)
    timekeeper, deputy = Sleeper(connect, quotes.name), Sleeper(connect, quotes.name)
    fall_asleep(timekeeper)
    fall_asleep(deputy)
    timekeeper.leave()
    assert len(deputy.heard()) == 1
    deputy.leave()


def test_a_timekeeper_that_was_killed_is_removed_at_another_ones_look(
    connect: Connect, connection: Connection, quotes: DataType
) -> None:
    """Then the deputy, whose look comes within half a minute, keeps the time itself."""
    produce(connection, quotes, 20)
    timekeeper, deputy = Sleeper(connect, quotes.name), Sleeper(connect, quotes.name)
    fall_asleep(timekeeper)
    fall_asleep(deputy)
    timekeeper.die()
    wait_until_its_backend_is_gone(connection, timekeeper)
    deputy.wake_up()
    fall_asleep(deputy)
    until = "select extract(epoch from due_at)::float8 from freshness.jobs where data_type = %s"
    [due_at] = connection.execute(until, [quotes.name]).fetchone() or (None,)
    assert deputy.asleep_until == pytest.approx(due_at, abs=0.3)
    deputy.leave()


def test_one_of_the_others_wakes_a_second_after_the_timekeeper_should_have(
    connect: Connect, connection: Connection, quotes: DataType
) -> None:
    """One is enough: the third sleeps on."""
    produce(connection, quotes, 5)
    timekeeper = Sleeper(connect, quotes.name)
    fall_asleep(timekeeper)
    others = [Sleeper(connect, quotes.name) for _ in range(2)]
    for sleeper in sorted(others, key=lambda each: each.channel):
        fall_asleep(sleeper)
    first, second = sorted(others, key=lambda each: each.channel)
    assert timekeeper.asleep_until is not None
    assert first.asleep_until == pytest.approx(timekeeper.asleep_until + 1, abs=0.3)
    assert second.asleep_until == float("inf")
    for sleeper in (timekeeper, *others):
        sleeper.leave()


def test_a_sleeper_is_told_when_a_worker_would_have_missed_its_heartbeat(
    sleepers: list[Sleeper], connection: Connection, quotes: DataType
) -> None:
    """Once for many claims: whoever was told looks by then, and only one is told."""
    claimer, *others = sleepers
    # As when none of them was heard of for a while.
    connection.execute("update freshness.sleepers set rings_at = null")
    told = []
    for _ in range(2):
        connection.execute(
            "insert into freshness.jobs (data_type, symbol, run_at, requested_at)"
            " values (%s, %s, clock_timestamp(), now())",
            [quotes.name, str(uuid4())],
        )
        assert len(claimer.claim()) == 1
        told.append([sleeper for sleeper in others if sleeper.heard()])
        for sleeper in told[-1]:
            sleeper.wake_up()
            fall_asleep(sleeper)
            assert sleeper.asleep_until != float("inf")
    assert [len(those) for those in told] == [1, 0]


def test_one_that_is_long_overdue_does_not_swallow_wakes(
    connect: Connect, connection: Connection, quotes: DataType
) -> None:
    """It was killed as it woke, and seems to be awake."""
    dead, deputy = Sleeper(connect, quotes.name), Sleeper(connect, quotes.name)
    fall_asleep(dead)
    fall_asleep(deputy)
    connection.execute(
        "update freshness.sleepers set asleep_until = clock_timestamp() - interval '3 seconds'"
        " where channel = %s",
        [dead.channel],
    )
    produce(connection, quotes, 0)
    assert (dead.heard(), len(deputy.heard())) == ([], 1)
    dead.leave()
    deputy.leave()


def test_a_sleeper_that_was_killed_is_not_told_and_another_one_is(
    connect: Connect, connection: Connection, quotes: DataType
) -> None:
    """It slept for less long than the other, and its row is still there."""
    produce(connection, quotes, 20)
    dead, deputy = Sleeper(connect, quotes.name), Sleeper(connect, quotes.name)
    fall_asleep(dead)
    fall_asleep(deputy)
    dead.die()
    wait_until_its_backend_is_gone(connection, dead)
    produce(connection, quotes, 0)
    assert len(deputy.heard()) == 1
    deputy.leave()


def test_a_long_foreign_transaction_does_not_keep_workers_awake(
    connect: Connect, connection: Connection, quotes: DataType
) -> None:
    """It has an older transaction id, but has written no job."""
    foreign = connect()
    foreign.execute("begin")
    foreign.execute("create temporary table somebody_works_for_long ()")
    sleeper = Sleeper(connect, quotes.name)
    fall_asleep(sleeper)
    produce(connection, quotes, 0)
    assert len(sleeper.heard()) == 1
    foreign.execute("rollback")
    sleeper.leave()


def test_a_long_transaction_that_has_written_a_job_is_waited_for(
    connect: Connect, connection: Connection, quotes: DataType
) -> None:
    """It read the gate before the worker armed, so nobody would tell of its job."""
    producer = Producer(connect(), quotes.name, "read committed")
    producer.begin()
    producer.write()
    producer.gate()
    sleeper = Sleeper(connect, quotes.name)
    sleeper.arm()
    for _ in range(4):
        sleeper.settle()
        assert sleeper.asleep_until is None
    producer.commit()
    sleeper.settle()
    assert sleeper.saw_something_due
    connection.execute("delete from freshness.jobs where data_type = %s", [quotes.name])
    sleeper.leave()
