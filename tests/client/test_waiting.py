"""Waiting for keys: by signals, shared, and over when there is nothing to wait for."""

from __future__ import annotations

import asyncio

import pytest

from pyworker import Client, Job, KeyFreshness, Missing, NotFreshInTime, RefreshFailed, SyncContext
from pyworker.context import Context
from pyworker.errors import InvalidRequest
from pyworker.refreshers import Refresher
from tests.client.conftest import Listeners
from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType, Register
from tests.fixtures.servers import Database
from tests.worker.in_process import Recorder, working
from tests.worker.waiting import until


async def test_fresh_data_is_not_waited_for(
    connection: Connection, client: Client, quotes: DataType, listeners: Listeners
) -> None:
    quotes.store(connection, "AAPL", 10)
    state = await client.wait_until_fresh(quotes.name, "AAPL", timeout=5)
    assert (state.status, state.is_fresh, state.error) == ("fresh", True, None)
    assert state.age == pytest.approx(10, abs=5)
    assert listeners() == 0


async def test_ten_tasks_share_one_fetch_and_are_released_by_it(
    database: Database, client: Client, quotes: DataType, listeners: Listeners, recorder: Recorder
) -> None:
    recorder.held = True
    async with working(database.url, Refresher(quotes.name, recorder)):
        waiting = [
            asyncio.create_task(client.wait_until_fresh(quotes.name, "AAPL", timeout=20))
            for _ in range(10)
        ]
        await recorder.fetched(1)
        await until(lambda: listeners() == 1)
        assert not any(task.done() for task in waiting)
        recorder.let_go(1)
        states = await asyncio.gather(*waiting)
    assert {state.status for state in states} == {"fresh"}
    assert recorder.symbols == ["AAPL"]
    assert listeners() == 0


async def test_a_fetch_under_way_is_not_enough_for_refresh_now(
    database: Database, connection: Connection, client: Client, quotes: DataType, recorder: Recorder
) -> None:
    """Whoever asks to refresh now waits for the fetch that begins after it, others for this."""
    recorder.held = True
    async with working(database.url, Refresher(quotes.name, recorder)):
        plain = asyncio.create_task(client.wait_until_fresh(quotes.name, "AAPL", timeout=20))
        await recorder.fetched(1)
        late = [
            asyncio.create_task(
                client.wait_until_fresh(quotes.name, "AAPL", timeout=20, refresh_now=True)
            )
            for _ in range(3)
        ]
        required = "select from freshness.jobs where data_type = %s and required_as_of is not null"
        await until(lambda: connection.execute(required, [quotes.name]).fetchone() is not None)
        recorder.let_go(1)
        assert (await plain).is_fresh
        await recorder.fetched(2)
        assert not any(task.done() for task in late)
        recorder.let_go(1)
        assert all(state.is_fresh for state in await asyncio.gather(*late))
    assert recorder.symbols == ["AAPL", "AAPL"]


async def test_at_the_limit_the_error_says_what_is_known(
    connection: Connection, client: Client, quotes: DataType, listeners: Listeners
) -> None:
    quotes.store(connection, "AAPL", 100)
    with pytest.raises(TimeoutError) as caught:
        await client.wait_until_fresh(quotes.name, "AAPL", timeout=0.2)
    assert isinstance(caught.value, NotFreshInTime)
    state = caught.value.state
    assert isinstance(state, KeyFreshness)
    assert state.status == "stale"
    assert state.age == pytest.approx(100, abs=5)
    await until(lambda: listeners() == 0)


async def test_a_source_without_such_rows_ends_the_wait(
    database: Database, client: Client, quotes: DataType
) -> None:
    async def nothing(_job: Job, _context: Context) -> Missing:
        return Missing()

    async with working(database.url, Refresher(quotes.name, nothing)):
        state = await client.wait_until_fresh(quotes.name, "AAPL", timeout=20)
    assert state.status == "missing"


async def test_a_key_that_is_set_aside_ends_the_wait(
    database: Database, client: Client, quotes: DataType
) -> None:
    """At once, with the reason; also for whoever comes later."""

    def refuse(_job: Job, _context: SyncContext) -> list[dict[str, int]]:
        raise RefreshFailed("there is no such company", permanent=True)

    async with working(database.url, Refresher(quotes.name, refuse, in_thread=True)):
        state = await client.wait_until_fresh(quotes.name, "AAPL", timeout=20)
    assert (state.status, state.error) == ("failed", "there is no such company")
    again = await client.wait_until_fresh(quotes.name, "AAPL", timeout=20)
    assert again.status == "failed"


async def test_rows_that_somebody_else_writes_end_the_wait(
    connection: Connection, client: Client, quotes: DataType, listeners: Listeners
) -> None:
    """Nobody is told of them: a look after five seconds, and one at the limit, sees them."""
    waiting = asyncio.create_task(client.wait_until_fresh(quotes.name, "AAPL", timeout=0.5))
    await until(lambda: listeners() == 1)
    quotes.store(connection, "AAPL", 0)
    assert (await waiting).is_fresh
    quotes.store(connection, "AAPL", 100)
    waiting = asyncio.create_task(client.wait_until_fresh(quotes.name, "AAPL", timeout=None))
    await until(lambda: listeners() == 1)
    quotes.store(connection, "AAPL", 0)
    async with asyncio.timeout(10):
        assert (await waiting).is_fresh


async def test_what_is_unknown_is_named(client: Client, register: Register) -> None:
    """A wrong symbol spoils nobody else's wait in the same look."""
    numbered = register("symbol integer primary key, price numeric, fetched_at timestamptz")
    with pytest.raises(InvalidRequest, match="not registered"):
        await client.wait_until_fresh("nothing of that name", "AAPL", timeout=5)
    answers = await asyncio.gather(
        client.wait_until_fresh(numbered.name, "x", timeout=1),
        client.wait_until_fresh(numbered.name, "7", timeout=1),
        return_exceptions=True,
    )
    assert isinstance(answers[0], InvalidRequest)
    assert isinstance(answers[1], NotFreshInTime)


async def test_symbols_are_those_of_the_table(
    database: Database, client: Client, register: Register, recorder: Recorder
) -> None:
    """Two spellings of one key share one fetch."""
    numbered = register("symbol integer primary key, price numeric, fetched_at timestamptz")
    async with working(database.url, Refresher(numbered.name, recorder)):
        states = await asyncio.gather(
            *(client.wait_until_fresh(numbered.name, symbol, timeout=20) for symbol in ("7", "07"))
        )
    assert [(state.symbol, state.status) for state in states] == [("7", "fresh")] * 2
    assert recorder.symbols == ["7"]


async def test_a_wait_that_is_cancelled_is_forgotten(
    client: Client, quotes: DataType, listeners: Listeners
) -> None:
    first = asyncio.create_task(client.wait_until_fresh(quotes.name, "AAPL"))
    other = asyncio.create_task(client.wait_until_fresh(quotes.name, "AAPL"))
    await until(lambda: listeners() == 1)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert listeners() == 1
    other.cancel()
    await until(lambda: listeners() == 0)


async def test_one_asks_without_waiting(
    connection: Connection, client: Client, quotes: DataType
) -> None:
    quotes.store(connection, "AAPL", 100, price=7)
    assert await client.request(quotes.name, "AAPL")
    assert not await client.request(quotes.name, "AAPL")
    assert await client.refresh_now(quotes.name, "AAPL")
    stored = await client.get_or_queue(quotes.name, "AAPL")
    assert (stored.status, [row["price"] for row in stored.rows]) == ("stale", [7])
    assert stored.fresh_until is not None


@pytest.mark.parametrize("symbol", ["A\0", "\ud800"], ids=["NUL", "half of a pair"])
async def test_what_is_no_text_is_refused_and_disturbs_nobody_else(
    client: Client, quotes: DataType, symbol: str
) -> None:
    """One look serves all who wait for a data type."""
    others = asyncio.create_task(client.wait_until_fresh(quotes.name, "AAPL", timeout=0.5))
    with pytest.raises(InvalidRequest):
        await client.wait_until_fresh(quotes.name, symbol, timeout=0.5)
    with pytest.raises(NotFreshInTime):
        await others
    for ask in (client.request, client.refresh_now, client.get_or_queue):
        with pytest.raises(InvalidRequest):
            await ask(quotes.name, symbol)
