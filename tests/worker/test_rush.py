"""Many requests at once: the worker stays awake instead of being told of each, and loses none."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from pyworker.refreshers import Refresher
from tests.fixtures.data_types import DataType
from tests.fixtures.servers import Database
from tests.worker.in_process import Recorder, working
from tests.worker.waiting import until

pytestmark = pytest.mark.usefixtures("mode")

CLIENTS, EACH = 6, 60


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
