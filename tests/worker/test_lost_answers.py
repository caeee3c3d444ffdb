"""What the database did and could not tell: the worker neither keeps nor forgets a job by it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pyworker.database import open_pool
from pyworker.errors import DatabaseUnavailable
from pyworker.job import Ending, Sleeper, Turned
from pyworker.queue.calls import Calls
from pyworker.queue.looks import LookQueue
from pyworker.refreshers import Refresher
from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType
from tests.fixtures.servers import Database
from tests.worker.in_process import Recorder, working
from tests.worker.states import events, settled, watch
from tests.worker.waiting import until


class Deaf(LookQueue):
    """Does what it is asked for, and does not hear the first answer that brings jobs."""

    heard = True

    async def turn(
        self,
        worker: int,
        data_types: Sequence[str],
        limit: int,
        sleeper: Sleeper | None = None,
        lead: float = 0.0,
        *,
        endings: Sequence[Ending] = (),
        is_settled: bool = False,
    ) -> Turned:
        """Claim, and lose the connection on the way back."""
        turned = await super().turn(
            worker, data_types, limit, sleeper, lead, endings=endings, is_settled=is_settled
        )
        if turned.jobs and self.heard:
            self.heard = False
            raise DatabaseUnavailable("the connection was lost")
        return turned


class Slow(LookQueue):
    """Hears its first jobs later than its heartbeat limit of a second allows."""

    is_slow = True

    async def turn(
        self,
        worker: int,
        data_types: Sequence[str],
        limit: int,
        sleeper: Sleeper | None = None,
        lead: float = 0.0,
        *,
        endings: Sequence[Ending] = (),
        is_settled: bool = False,
    ) -> Turned:
        """Claim, and be stopped before the answer is read."""
        turned = await super().turn(
            worker, data_types, limit, sleeper, lead, endings=endings, is_settled=is_settled
        )
        if turned.jobs and self.is_slow:
            self.is_slow = False
            await asyncio.sleep(1.1)
        return turned


def hand_nothing_over(connection: Connection) -> None:
    """Have the worker claim whatever it runs."""
    connection.execute("update freshness.workers set takes_jobs = false")


async def test_a_claim_that_is_heard_of_too_late_starts_no_fetch(
    database: Database, connection: Connection, quotes: DataType, recorder: Recorder
) -> None:
    """Others may have taken its jobs over, so its calls would be beyond the budget."""
    async with open_pool(database.url, 1) as pool:
        looks, refresher = Slow(Calls(pool)), Refresher(quotes.name, recorder)
        async with working(database.url, refresher, looks=looks, heartbeat_limit=1):
            hand_nothing_over(connection)
            watch(connection, quotes, "AAPL")
            await until(lambda: settled(connection, quotes, "AAPL"))
    assert recorder.symbols == ["AAPL"]
    assert events(connection, quotes, "AAPL") == ["failed", "fresh"]


async def test_a_claim_whose_answer_was_lost_keeps_no_job(
    database: Database, connection: Connection, quotes: DataType, recorder: Recorder
) -> None:
    """Its jobs are handed back at once, what was running goes on, and the heartbeat keeps none."""
    async with open_pool(database.url, 1) as pool:
        looks = Deaf(Calls(pool))
        looks.heard = False
        recorder.held = True
        async with working(database.url, Refresher(quotes.name, recorder), looks=looks):
            hand_nothing_over(connection)
            watch(connection, quotes, "RUNS")
            assert await recorder.fetched(1) == ["RUNS"]
            looks.heard = True
            watch(connection, quotes, "LOST")
            assert await recorder.fetched(2) == ["RUNS", "LOST"]
            recorder.let_go(2)
            await until(lambda: settled(connection, quotes, "LOST"))
            await until(lambda: settled(connection, quotes, "RUNS"))
    assert events(connection, quotes, "RUNS") == ["fresh"]
    assert events(connection, quotes, "LOST") == ["handed_back", "fresh"]


async def test_a_worker_whose_end_is_refused_is_a_sleeper_again(
    database: Database, connection: Connection, quotes: DataType, recorder: Recorder
) -> None:
    """Taken for dead, it was taken off the sleepers, and nobody would tell it anything."""
    recorder.held = True
    async with working(database.url, Refresher(quotes.name, recorder)):
        watch(connection, quotes, "AAPL")
        await recorder.fetched(1)
        connection.execute("select freshness.dismiss_worker(w.id) from freshness.workers as w")
        recorder.let_go(2)
        await until(lambda: settled(connection, quotes, "AAPL"), deadline=4)
    assert recorder.symbols == ["AAPL", "AAPL"]
