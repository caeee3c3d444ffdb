"""Each setting of long polling does what it says."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from itertools import pairwise

import pytest

from pyworker.long_poll import LongPoll
from pyworker.pauses import Pauses
from pyworker.queue.looks import LookQueue
from pyworker.refreshers import Refresher
from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType, Register
from tests.fixtures.servers import Database
from tests.fixtures.subscriptions import Subscriber
from tests.worker.in_process import Recorder, working
from tests.worker.states import settled, watch
from tests.worker.waiting import until


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts the looks of workers that poll, as `looks`."""
    counter = Counter[str]()
    look = LookQueue.next_moment

    async def counted(queue: LookQueue, worker: int, data_types: list[str]) -> float | None:
        counter["looks"] += 1
        return await look(queue, worker, data_types)

    monkeypatch.setattr(LookQueue, "next_moment", counted)
    return counter


def test_pauses_are_short_for_three_empty_looks_and_then_grow() -> None:
    pauses = Pauses(duration=60, threshold=3)
    found: list[float] = []
    for _ in range(14):
        found.append(pauses.next(5))
        pauses.looked(found=False)
    assert found[:3] == [0.01] * 3
    for earlier, later in pairwise(found[3:11]):
        assert 1.7 * earlier < later < 2.3 * earlier
    assert all(4.5 <= pause <= 5 for pause in found[12:])


def test_work_that_is_found_makes_the_pauses_short_again() -> None:
    pauses = Pauses(duration=60, threshold=1)
    pauses.looked(found=False)
    assert pauses.next(5) > 0.01
    pauses.looked(found=True)
    assert pauses.next(5) == 0.01


def test_the_pauses_grow_after_the_aggressive_time_whatever_the_looks() -> None:
    pauses = Pauses(duration=0, threshold=1000)
    assert not pauses.is_aggressive
    assert pauses.next(5) > 0.01


def test_the_first_error_is_followed_at_once_and_the_next_ones_are_not() -> None:
    """A database that stays away is not asked in quick succession for ever."""
    pauses = Pauses(duration=60, threshold=3)
    for _ in range(5):
        pauses.looked(found=False)
    assert pauses.next(5) > 0.01
    pauses.failed()
    assert pauses.next(5) == 0.01
    for _ in range(5):
        pauses.failed()
    assert pauses.next(5) > 0.01


@pytest.mark.parametrize(("threshold", "fewest", "most"), [(0, 3, 12), (1_000_000, 20, 1000)])
async def test_aggressive_looks_end_at_the_threshold(
    database: Database,
    quotes: DataType,
    recorder: Recorder,
    looks: Counter[str],
    *,
    threshold: int,
    fewest: int,
    most: int,
) -> None:
    """In the second after its start; without any, the looks get rarer from the first on."""
    how = LongPoll(enabled=False, aggressive_exit_threshold=threshold, aggressive_poll_duration=60)
    async with working(database.url, Refresher(quotes.name, recorder), long_poll=how):
        await asyncio.sleep(1)
    assert fewest <= looks["looks"] <= most


async def test_aggressive_looks_end_with_their_time(
    database: Database, quotes: DataType, recorder: Recorder, looks: Counter[str]
) -> None:
    how = LongPoll(enabled=False, aggressive_exit_threshold=1_000_000, aggressive_poll_duration=0.3)
    async with working(database.url, Refresher(quotes.name, recorder), long_poll=how):
        await asyncio.sleep(1.5)
        soon = looks["looks"]
        await asyncio.sleep(1)
        assert looks["looks"] - soon <= 3


async def test_an_idle_worker_that_polls_looks_ever_more_rarely(
    database: Database, quotes: DataType, recorder: Recorder, looks: Counter[str]
) -> None:
    """With the defaults: as often in a second of the first three as in all that follow."""
    async with working(
        database.url, Refresher(quotes.name, recorder), long_poll=LongPoll(enabled=False)
    ):
        await asyncio.sleep(3)
        first = looks["looks"]
        await asyncio.sleep(3)
    assert first <= 14
    assert looks["looks"] - first <= 2


async def test_what_nobody_was_told_of_is_seen_within_the_longest_wait(
    database: Database, connection: Connection, quotes: DataType, recorder: Recorder
) -> None:
    """Somebody changed the job by hand: no notification, and the worker slept for a minute."""
    how = LongPoll(max_wait_time=0.5)
    async with working(database.url, Refresher(quotes.name, recorder), long_poll=how):
        watch(connection, quotes, "AAPL")
        await until(lambda: settled(connection, quotes, "AAPL"))
        quotes.store(connection, "AAPL", 90)
        connection.execute(
            "update freshness.jobs set run_at = clock_timestamp() where data_type = %s",
            [quotes.name],
        )
        began = time.monotonic()
        await recorder.fetched(2)
    assert time.monotonic() - began < 0.5 + 1


@pytest.mark.parametrize(("grace", "is_ahead"), [(0, False), (0.02, True)])
async def test_the_timer_rings_ahead_of_deadlines_within_its_grace_period_only(
    database: Database,
    connection: Connection,
    quotes: DataType,
    recorder: Recorder,
    *,
    grace: float,
    is_ahead: bool,
) -> None:
    """Without any no job is claimed before its deadline; with it some are, once it is measured."""
    symbols = [f"S{number}" for number in range(30)]
    for number, symbol in enumerate(symbols):
        quotes.store(connection, symbol, 59 - number / 20)
    how = LongPoll(timer_grace_period=grace)
    async with working(database.url, Refresher(quotes.name, recorder), long_poll=how):
        watch(connection, quotes, *symbols)
        await recorder.fetched(len(symbols))
    ahead = [(job.due_at - job.started_at).total_seconds() for job in recorder.jobs]
    assert max(ahead) <= max(grace, 0) + 0.001
    assert any(seconds > 0 for seconds in ahead) == is_ahead


async def test_a_subscriber_to_a_fresh_key_who_has_waited_for_others_is_noticed_at_the_next_look(
    database: Database,
    connection: Connection,
    register: Register,
    subscribe: Subscriber,
    recorder: Recorder,
) -> None:
    """Nobody is told of it, and nothing is fetched."""
    hourly = register(ttl="1 hour")
    hourly.store(connection, "AAPL", 0)
    how = LongPoll(max_wait_time=0.5)
    async with working(database.url, Refresher(hourly.name, recorder), long_poll=how):
        subscribe(hourly.table, "symbol=eq.AAPL")
        connection.execute("update freshness.pulls set due_at = clock_timestamp()")
        began = time.monotonic()
        await until(lambda: settled(connection, hourly, "AAPL"))
    assert time.monotonic() - began < 0.5 + 1
    assert recorder.symbols == []
