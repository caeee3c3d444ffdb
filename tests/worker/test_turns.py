"""What has ended is told together, and each refresh still learns its own outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import psycopg
import pytest

from pyworker.context import Context
from pyworker.job import Job, Row
from pyworker.refreshers import Refresher
from tests.fixtures.connections import Connect, Connection
from tests.fixtures.data_types import DataType
from tests.fixtures.servers import Database
from tests.worker.in_process import working
from tests.worker.states import events, price
from tests.worker.waiting import until

SYMBOLS = ["A", "B", "C", "D"]


class Together:
    """A refresher whose fetches all end at the same moment; B's rows do not fit the table."""

    def __init__(self) -> None:
        self.barrier = asyncio.Barrier(len(SYMBOLS))

    async def __call__(self, job: Job, _context: Context) -> Sequence[Row]:
        """Wait for the others."""
        await self.barrier.wait()
        return [{"prise" if job.symbol == "B" else "price": 7}]


def request_all(connection: Connection, quotes: DataType) -> None:
    """Ask for all symbols in one transaction."""
    connection.execute("select freshness.request(%s, %s)", [quotes.name, SYMBOLS])


async def test_an_end_that_is_refused_harms_no_other(
    database: Database, connection: Connection, quotes: DataType
) -> None:
    """The others are stored, and it is set aside with the table's reason."""
    async with working(database.url, Refresher(quotes.name, Together()), concurrency=10):
        request_all(connection, quotes)
        await until(lambda: all(len(events(connection, quotes, symbol)) == 1 for symbol in SYMBOLS))
    ended = {symbol: events(connection, quotes, symbol)[0] for symbol in SYMBOLS}
    assert ended == {"A": "fresh", "B": "failed", "C": "fresh", "D": "fresh"}
    assert [price(connection, quotes, symbol) for symbol in SYMBOLS] == [7, None, 7, 7]


async def test_an_end_that_has_to_wait_for_a_row_holds_up_no_other(
    database: Database, connection: Connection, quotes: DataType, connect: Connect
) -> None:
    """Somebody has changed one key's row and not committed yet."""
    quotes.store(connection, "A", 90)
    other = connect()
    other.execute("begin")
    other.execute(f"update {quotes.table} set price = 1 where symbol = 'A'")
    async with working(database.url, Refresher(quotes.name, Together()), concurrency=10):
        request_all(connection, quotes)
        await until(lambda: len(events(connection, quotes, "D")) == 1)
        assert events(connection, quotes, "A") == []
        other.execute("rollback")
        await until(lambda: len(events(connection, quotes, "A")) == 1)
    assert events(connection, quotes, "A") == ["fresh"]


@pytest.mark.parametrize("concurrency", [4, 10])
async def test_ends_of_the_same_moment_are_told_in_one_transaction(
    database: Database, connection: Connection, quotes: DataType, concurrency: int
) -> None:
    """With all slots taken, and with some left."""

    class Unspoiled(Together):
        async def __call__(self, _job: Job, _context: Context) -> Sequence[Row]:
            await self.barrier.wait()
            return [{"price": 7}]

    async with working(database.url, Refresher(quotes.name, Unspoiled()), concurrency=concurrency):
        request_all(connection, quotes)
        await until(lambda: all(len(events(connection, quotes, symbol)) == 1 for symbol in SYMBOLS))
    with psycopg.connect(database.url) as fresh:
        [told] = fresh.execute(
            "select count(distinct xmin::text) from freshness.events"
            " where data_type = %s and kind = 'fresh'",
            [quotes.name],
        ).fetchone() or (None,)
    assert told == 1
