"""The worker fetches what is due, when it is due, as much at once as it may, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from pyworker.refreshers import Refresher
from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType, Register, create_data_type
from tests.fixtures.servers import Database
from tests.fixtures.subscriptions import Subscriber
from tests.worker.in_process import Recorder, working
from tests.worker.states import ACTIVITY, job, price, settled, watch
from tests.worker.waiting import until, until_quiet

pytestmark = pytest.mark.usefixtures("mode")


async def test_a_stale_key_is_fetched_when_somebody_subscribes_to_it(
    database: Database,
    connection: Connection,
    quotes: DataType,
    subscribe: Subscriber,
    recorder: Recorder,
) -> None:
    """A signal wakes the worker, which would otherwise look after half a minute."""
    quotes.store(connection, "AAPL", 90)
    async with working(database.url, Refresher(quotes.name, recorder)):
        subscribe(quotes.table, "symbol=eq.AAPL")
        await until(lambda: settled(connection, quotes, "AAPL"))
    assert recorder.symbols == ["AAPL"]


async def test_a_stale_key_is_fetched_when_a_card_is_added(
    database: Database, connection: Connection, quotes: DataType, recorder: Recorder
) -> None:
    async with working(database.url, Refresher(quotes.name, recorder)):
        watch(connection, quotes, "AAPL", "MSFT")
        await until(lambda: all(settled(connection, quotes, key) for key in ("AAPL", "MSFT")))
    assert sorted(recorder.symbols) == ["AAPL", "MSFT"]


async def test_what_was_due_before_the_worker_started_is_fetched(
    database: Database, connection: Connection, quotes: DataType, recorder: Recorder
) -> None:
    watch(connection, quotes, "AAPL")
    async with working(database.url, Refresher(quotes.name, recorder)):
        await until(lambda: settled(connection, quotes, "AAPL"))
    assert recorder.symbols == ["AAPL"]


async def test_a_key_is_fetched_again_at_its_deadline(
    database: Database, connection: Connection, register: Register, recorder: Recorder
) -> None:
    """Nobody asks again; the deadline is one time-to-live after the start of the last fetch."""
    quotes = register(ttl="1 second")
    async with working(database.url, Refresher(quotes.name, recorder)):
        watch(connection, quotes, "AAPL")
        await recorder.fetched(3)
    first, second, third = recorder.jobs[:3]
    assert second.due_at == first.started_at + timedelta(seconds=1)
    assert third.due_at == second.started_at + timedelta(seconds=1)


async def test_fresh_data_is_not_fetched(
    database: Database, connection: Connection, quotes: DataType, recorder: Recorder
) -> None:
    """The key that is asked for later, and is stale, is the only one fetched."""
    quotes.store(connection, "AAPL", 10)
    async with working(database.url, Refresher(quotes.name, recorder)):
        watch(connection, quotes, "AAPL")
        watch(connection, quotes, "MSFT")
        await until(lambda: settled(connection, quotes, "MSFT"))
    assert recorder.symbols == ["MSFT"]
    assert price(connection, quotes, "AAPL") == 1


async def test_as_many_fetches_run_at_once_as_allowed_and_never_more(
    database: Database, connection: Connection, quotes: DataType, recorder: Recorder
) -> None:
    recorder.held = True
    async with working(database.url, Refresher(quotes.name, recorder), concurrency=3):
        watch(connection, quotes, *(f"S{number}" for number in range(10)))
        await recorder.fetched(3)
        assert recorder.running.total() == 3
        recorder.let_go(10)
        await recorder.fetched(10)
        await until(lambda: recorder.running.total() == 0)
    assert recorder.most_at_once == 3
    assert len(set(recorder.symbols)) == 10


async def test_the_end_of_a_fetch_makes_room_for_the_next(
    database: Database, connection: Connection, quotes: DataType, recorder: Recorder
) -> None:
    """Only one is let go, and exactly one more begins."""
    recorder.held = True
    async with working(database.url, Refresher(quotes.name, recorder), concurrency=2):
        watch(connection, quotes, "A", "B", "C", "D")
        await recorder.fetched(2)
        recorder.let_go(1)
        await recorder.fetched(3)
        assert recorder.running.total() == 2
        recorder.let_go(3)
        await recorder.fetched(4)
    assert recorder.most_at_once == 2


async def test_many_due_keys_are_worked_off_without_a_pause(
    database: Database, connection: Connection, quotes: DataType, recorder: Recorder
) -> None:
    """However the ends of fetches fall between the looks, none of these gets lost."""
    symbols = [f"S{number}" for number in range(150)]
    async with working(database.url, Refresher(quotes.name, recorder), concurrency=3):
        watch(connection, quotes, *symbols)
        await recorder.fetched(150)
    assert sorted(recorder.symbols) == sorted(symbols)


async def test_other_keys_are_fetched_while_a_slow_one_runs(
    database: Database, connection: Connection, quotes: DataType, recorder: Recorder
) -> None:
    recorder.held = True
    async with working(database.url, Refresher(quotes.name, recorder), concurrency=2):
        watch(connection, quotes, "SLOW")
        await recorder.fetched(1)
        recorder.held = False
        watch(connection, quotes, "QUICK")
        await until(lambda: settled(connection, quotes, "QUICK"))
        assert recorder.running["SLOW"] == 1
        recorder.let_go(1)


async def test_data_types_without_a_refresher_are_left_to_other_workers(
    database: Database, connection: Connection, register: Register, recorder: Recorder
) -> None:
    own, foreign = register(), register()
    async with working(database.url, Refresher(own.name, recorder)):
        watch(connection, foreign, "AAPL")
        watch(connection, own, "AAPL")
        await until(lambda: settled(connection, own, "AAPL"))
    assert [each.data_type for each in recorder.jobs] == [own.name]
    found = job(connection, foreign, "AAPL", "j.state::text, j.due_at <= clock_timestamp()")
    assert found == ("scheduled", True)


@pytest.mark.mode("listen")
async def test_an_idle_worker_makes_no_query(
    own_database: str, connect: Callable[[str], Connection], recorder: Recorder
) -> None:
    """After its first looks its connections are untouched for two seconds."""
    connection = connect(own_database)
    quotes = create_data_type(connection)
    quotes.store(connection, "AAPL", 10)
    async with working(own_database, Refresher(quotes.name, recorder)):
        watch(connection, quotes, "AAPL", "MSFT")
        await until(lambda: settled(connection, quotes, "MSFT"))
        await until_quiet(lambda: connection.execute(ACTIVITY).fetchone(), 2)
    assert recorder.symbols == ["MSFT"]


@pytest.mark.mode("listen")
async def test_due_keys_of_others_keep_no_worker_busy(
    own_database: str, connect: Callable[[str], Connection], recorder: Recorder
) -> None:
    """What a worker has no refresher for does not make it look again and again."""
    connection = connect(own_database)
    own, foreign = create_data_type(connection), create_data_type(connection)
    async with working(own_database, Refresher(own.name, recorder)):
        watch(connection, foreign, "AAPL")
        await until_quiet(lambda: connection.execute(ACTIVITY).fetchone(), 2)
    assert recorder.jobs == []


async def test_a_key_that_another_transaction_holds_is_fetched_when_it_lets_go(
    database: Database,
    connection: Connection,
    quotes: DataType,
    connect: Callable[[str], Connection],
    recorder: Recorder,
) -> None:
    watch(connection, quotes, "AAPL")
    other = connect(database.url)
    other.execute("begin")
    other.execute("select from freshness.jobs where data_type = %s for update", [quotes.name])
    async with working(database.url, Refresher(quotes.name, recorder)):
        watch(connection, quotes, "MSFT")
        await until(lambda: settled(connection, quotes, "MSFT"))
        assert recorder.symbols == ["MSFT"]
        other.execute("commit")
        await until(lambda: settled(connection, quotes, "AAPL"))
    assert recorder.symbols == ["MSFT", "AAPL"]
