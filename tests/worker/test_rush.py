"""Much at once: the worker stays awake, claims while it fetches, and loses nothing."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pyworker.database import Pool, open_pool
from pyworker.errors import DatabaseUnavailable
from pyworker.job import Job, Turned
from pyworker.listener import Listener
from pyworker.queue.calls import Calls
from pyworker.queue.looks import LookQueue
from pyworker.refreshers import Context, Refresher
from pyworker.rush import Rush
from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType
from tests.fixtures.servers import Database
from tests.worker.in_process import Recorder, working
from tests.worker.modes import LISTEN, way_to
from tests.worker.processes import running_worker
from tests.worker.states import settled, watch
from tests.worker.test_handing_over import FORGET, REMEMBER, SLEEPERS, asleep, request, runs
from tests.worker.waiting import until, wait_until

pytestmark = pytest.mark.usefixtures("mode")

CLIENTS, EACH = 6, 60
SYMBOLS = [f"S{number}" for number in range(40)]
QUICK = """
from pyworker import refresher

@refresher("{name}")
async def fetch(job, context):
    return [{{"price": 1}}]
"""
ENDED = "select count(*) from freshness.events where data_type = %s and kind = 'fresh'"
RUNNING = "select count(*) from freshness.jobs where data_type = %s and state = 'running'"


class Watched(LookQueue):
    """Notes what each claim asked for and got; can be closed, and then answers none.

    With `loses` the next full answer in a rush does not arrive.
    """

    def __init__(self, pool: Pool) -> None:
        super().__init__(Calls(pool))
        self.claims: list[tuple[int, int]] = []
        self.loses = False
        self.claiming = 0
        self.open = asyncio.Event()
        self.open.set()

    async def turn(self, *arguments: Any, **named: Any) -> Turned:
        """Make the turn, and note it."""
        limit = arguments[2]
        self.claiming = limit
        try:
            turned = await super().turn(*arguments, **named)
            await self.open.wait()
        finally:
            self.claiming = 0
        if limit > 0:
            self.claims.append((limit, len(turned.jobs)))
        if self.loses and limit == len(turned.jobs) == 2:
            self.loses = False
            raise DatabaseUnavailable("the connection was lost")
        return turned


@asynccontextmanager
async def rushing(
    database: Database, *refreshers: Refresher, **options: Any
) -> AsyncIterator[tuple[Watched, Listener]]:
    """Run a worker with 4 slots whose looks are watched."""
    async with open_pool(way_to(database.url), 1) as pool:
        looks = Watched(pool)
        async with working(database.url, *refreshers, looks=looks, **options) as listener:
            yield looks, listener


def all_settled(connection: Connection, quotes: DataType, *symbols: str) -> bool:
    """Say whether each key was fetched."""
    return all(settled(connection, quotes, symbol) for symbol in symbols or SYMBOLS)


def test_a_rush_lasts_from_a_full_claim_to_one_that_is_not() -> None:
    """Few that were all that was asked for neither begin nor end it."""
    rush = Rush(10, 1)
    assert rush.limit(10) == 10
    rush.note(4, 4)
    assert rush.limit(10) == 10
    rush.note(5, 5)
    assert [rush.limit(free) for free in (10, 5, 3, 0)] == [5, 5, 3, 0]
    rush.note(1, 1)
    assert rush.limit(10) == 5
    rush.note(5, 4)
    assert rush.limit(10) == 10


def test_a_claim_takes_no_less_than_a_refresher_fetches_at_once() -> None:
    """It was told how many it can: less would be more calls."""
    rush = Rush(10, 8)
    rush.note(10, 10)
    assert rush.limit(10) == 8


async def test_in_a_rush_half_of_the_slots_are_claimed_while_the_others_fetch(
    database: Database, connection: Connection, quotes: DataType, recorder: Recorder
) -> None:
    """No more than there are run at once, and each key is fetched once."""
    async with rushing(database, Refresher(quotes.name, recorder)) as (looks, _):
        watch(connection, quotes, *SYMBOLS)
        await until(lambda: all_settled(connection, quotes))
    assert (2, 2) in looks.claims
    assert recorder.most_at_once <= 4
    assert sorted(recorder.symbols) == sorted(SYMBOLS)


async def test_no_slot_stays_empty_in_a_rush(
    database: Database, connection: Connection, quotes: DataType, recorder: Recorder
) -> None:
    """With fetches that take their time: all slots are taken again, however many ended at once."""
    recorder.held = True
    async with rushing(database, Refresher(quotes.name, recorder)):
        watch(connection, quotes, *SYMBOLS)
        begun = 4
        for ended in (1, 4, 3, 2, 4):
            await recorder.fetched(begun)
            recorder.let_go(ended)
            begun += ended
        assert len(await recorder.fetched(begun)) == begun
        recorder.let_go(len(SYMBOLS))
        await until(lambda: all_settled(connection, quotes))
    assert recorder.most_at_once == 4


async def test_a_large_batch_is_not_cut_in_a_rush(
    database: Database, connection: Connection, quotes: DataType
) -> None:
    """Its refresher can take as many keys as there are slots."""
    sizes: list[int] = []

    async def fetch(jobs: Sequence[Job], _context: Context) -> dict[str, Any]:
        sizes.append(len(jobs))
        return {job.symbol: [{"price": 1}] for job in jobs}

    async with rushing(database, Refresher(quotes.name, fetch, max_batch=4)):
        watch(connection, quotes, *SYMBOLS)
        await until(lambda: all_settled(connection, quotes))
    assert sizes == [4] * 10


async def test_a_claim_that_is_lost_in_a_rush_loses_nothing(
    database: Database, connection: Connection, quotes: DataType, recorder: Recorder
) -> None:
    """What it took is handed back, and what was running goes on."""
    async with rushing(database, Refresher(quotes.name, recorder)) as (looks, _):
        looks.loses = True
        watch(connection, quotes, *SYMBOLS)
        await until(lambda: all_settled(connection, quotes))
        assert not looks.loses
    assert sorted(recorder.symbols) == sorted(SYMBOLS)


@pytest.mark.mode(LISTEN)
async def test_doubt_in_a_rush_waits_for_the_claim(
    database: Database, connection: Connection, quotes: DataType, recorder: Recorder
) -> None:
    """What the claim brings is known by then, and goes on under the new id."""
    async with rushing(database, Refresher(quotes.name, recorder)) as (looks, listener):
        watch(connection, quotes, *SYMBOLS)
        looks.open.clear()
        await until(lambda: looks.claiming)
        connection.execute("select pg_notify(%s, '{')", [listener.channel])
        # Whatever it hears it has heard by now.
        await asyncio.sleep(0.1)
        looks.open.set()
        await until(lambda: all_settled(connection, quotes))
    assert sorted(recorder.symbols) == sorted(SYMBOLS)


@pytest.mark.mode(LISTEN)
async def test_a_rush_ends_asleep(
    database: Database, connection: Connection, quotes: DataType, recorder: Recorder
) -> None:
    """Whoever requests something right after it is heard."""
    async with rushing(database, Refresher(quotes.name, recorder)):
        for word in ("FIRST", "SECOND"):
            symbols = [f"{word}{number}" for number in range(20)]
            watch(connection, quotes, *symbols)
            await until(lambda asked=symbols: all_settled(connection, quotes, *asked))  # type: ignore[misc]
            await asleep(connection, quotes)
            request(connection, quotes, word)
            await until(lambda asked=word: settled(connection, quotes, asked), 5)  # type: ignore[misc]


@pytest.mark.mode(LISTEN)
async def test_what_is_handed_over_in_a_rush_waits_for_the_claim(
    database: Database, connection: Connection, quotes: DataType, recorder: Recorder
) -> None:
    """The claim took half of the slots: there is one for it, although it could have taken all."""
    recorder.held = True
    async with rushing(database, Refresher(quotes.name, recorder)) as (looks, _):
        await asleep(connection, quotes)
        connection.execute(SLEEPERS)
        watch(connection, quotes, *SYMBOLS)
        await recorder.fetched(4)
        looks.open.clear()
        recorder.let_go(4)
        await until(lambda: looks.claiming == 2)
        with connection.transaction():
            connection.execute(REMEMBER)
            request(connection, quotes, "LATER")
            assert runs(connection, quotes, "LATER")
            connection.execute(FORGET)
        # Whatever it hears it has heard by now.
        await asyncio.sleep(0.1)
        assert len(recorder.jobs) == 4
        looks.open.set()
        assert "LATER" in await recorder.fetched(7)
        recorder.let_go(len(SYMBOLS))
        await until(lambda: all_settled(connection, quotes, *SYMBOLS, "LATER"))
    assert recorder.most_at_once == 4
    assert sorted(recorder.symbols) == sorted([*SYMBOLS, "LATER"])


@pytest.mark.parametrize("signals", [1, 2])
def test_a_worker_that_is_told_to_end_in_a_rush_leaves_nothing_running(
    database: Database, connection: Connection, quotes: DataType, tmp_path: Path, signals: int
) -> None:
    """Finished, or handed back at once."""
    (tmp_path / "quick.py").write_text(QUICK.format(name=quotes.name))
    settings = {"DATABASE_URL": database.url, "FRESHNESS_REFRESHERS": "quick"}
    with running_worker(tmp_path, "w", **settings) as worker:
        watch(connection, quotes, *(f"S{number}" for number in range(2000)))
        wait_until(lambda: (connection.execute(ENDED, [quotes.name]).fetchone() or (0,))[0] > 50)
        for _ in range(signals):
            worker.process.send_signal(signal.SIGTERM)
        assert worker.process.wait(20) == 0, worker.log()
    assert connection.execute(RUNNING, [quotes.name]).fetchone() == (0,)
    assert "Traceback" not in worker.log()


@pytest.mark.parametrize("concurrency", [2, 100])
async def test_none_of_many_requests_is_lost(
    database: Database, quotes: DataType, recorder: Recorder, concurrency: int
) -> None:
    """With a slot always free, and with slots that are always taken."""

    async def request(client: int) -> None:
        async with await psycopg.AsyncConnection.connect(
            database.url, autocommit=True
        ) as connection:
            for number in range(EACH):
                await connection.execute(
                    "select from freshness.request(%s, array[%s])",
                    [quotes.name, f"S{client}-{number}"],
                )

    async with working(database.url, Refresher(quotes.name, recorder), concurrency=concurrency):
        async with asyncio.TaskGroup() as group:
            for client in range(CLIENTS):
                group.create_task(request(client))
        await until(lambda: len(recorder.jobs) >= CLIENTS * EACH)
    assert len(set(recorder.symbols)) == len(recorder.symbols) == CLIENTS * EACH
