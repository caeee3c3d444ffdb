"""What tests of streams do beside the client: a worker's steps, and looks at the database."""

from __future__ import annotations

import asyncio
from typing import Any

from pyworker.job import Job
from pyworker.queue.calls import Calls
from pyworker.queue.looks import LookQueue
from pyworker.queue.refreshes import RefreshQueue
from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType


class Worker:
    """Does a worker's steps one by one."""

    def __init__(self, calls: Calls, number: int, quotes: DataType) -> None:
        self._looks, self._refreshes = LookQueue(calls), RefreshQueue(calls)
        self._number = number
        self._quotes = quotes

    async def claim(self) -> Job:
        """Claim the one key that is due."""
        async with asyncio.timeout(10):
            while True:
                jobs = (await self._looks.turn(self._number, [self._quotes.name], 1)).jobs
                if jobs:
                    return jobs[0]

    async def finish(self, job: Job, price: float = 1) -> None:
        """End a refresh with a row that is fresh."""
        await self._refreshes.finish(
            job, [{"symbol": job.symbol, "price": price, "fetched_at": job.started_at}]
        )

    async def fail(self, job: Job) -> None:
        """End a refresh with a failure."""
        await self._refreshes.fail(job, "the source is gone")

    async def refresh(self) -> None:
        """Claim a key and finish it."""
        await self.finish(await self.claim())


def one(connection: Connection, question: str, *values: Any) -> Any:
    """The first value of an answer."""
    row = connection.execute(question.encode(), values).fetchone()
    return row and row[0]


async def comes_true(connection: Connection, question: str, *values: Any) -> bool:
    """Whether the answer becomes true within ten seconds."""
    async with asyncio.timeout(10):
        while not one(connection, question, *values):
            await asyncio.to_thread(connection.execute, "select pg_sleep(0.01)")
    return True
