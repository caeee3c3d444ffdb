"""Jobs that start together are fetched together, by a refresher that takes several."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from pyworker.fetching import Fetched
from pyworker.job import Job

GATHERING = 0.005
"""Seconds for which a batch waits for more: deadlines of one batch lie that close together."""

FetchBatch = Callable[[Sequence[Job]], Awaitable[Mapping[str, Fetched]]]


class Batches:
    """The batches of one data type. A key that spoiled one before goes alone."""

    def __init__(self, fetch: FetchBatch, max_batch: int) -> None:
        self._fetch = fetch
        self._max_batch = max_batch
        self._open: _Batch | None = None

    async def fetch(self, job: Job) -> Fetched:
        """Fetch a job's key with the others that come now; ends when the whole batch does."""
        if job.alone:
            batch = _Batch(self._fetch)
            batch.add(job)
            batch.start()
        else:
            batch = self._open or self._new()
            batch.add(job)
            if len(batch.jobs) >= self._max_batch:
                self._close(batch)
        return await batch.fetched(job)

    def _new(self) -> _Batch:
        self._open = batch = _Batch(self._fetch)
        asyncio.get_running_loop().call_later(GATHERING, self._close, batch)
        return batch

    def _close(self, batch: _Batch) -> None:
        if self._open is batch:
            self._open = None
            batch.start()


class _Batch:
    def __init__(self, fetch: FetchBatch) -> None:
        self.jobs: list[Job] = []
        self._fetch = fetch
        self._started: asyncio.Future[asyncio.Task[Mapping[str, Fetched]]]
        self._started = asyncio.get_running_loop().create_future()

    def add(self, job: Job) -> None:
        self.jobs.append(job)

    def start(self) -> None:
        # All have been cancelled meanwhile: there is nothing to fetch.
        if self.jobs:
            self._started.set_result(asyncio.create_task(self._run(list(self.jobs))))

    async def fetched(self, job: Job) -> Fetched:
        try:
            task = await asyncio.shield(self._started)
            return (await asyncio.shield(task))[job.symbol]
        except asyncio.CancelledError:
            # The others still want theirs; when the last one goes, so does the call.
            self.jobs.remove(job)
            if not self.jobs and self._started.done():
                self._started.result().cancel()
            raise

    async def _run(self, jobs: Sequence[Job]) -> Mapping[str, Fetched]:
        return await self._fetch(jobs)
