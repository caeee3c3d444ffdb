"""A worker inside the test's own process, with a refresher that the test can hold and count."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from pyworker.job import Job, Row
from pyworker.listener import Listener
from pyworker.queue.calls import open_calls
from pyworker.queue.lines import LineQueue
from pyworker.queue.refreshes import RefreshQueue
from pyworker.refreshers import Context, Refresher, by_data_type
from pyworker.runner import Runner, open_context
from pyworker.telling import telling
from pyworker.wake_token import WakeToken
from pyworker.worker import Worker
from tests.worker.modes import in_this_mode, way_to
from tests.worker.waiting import DEADLINE, until


class Recorder:
    """A refresher that notes its jobs; while `held`, each waits to be let go.

    The price of a row is the number of its fetch.
    """

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.held = False
        self.running: Counter[str] = Counter()
        self.most_at_once = 0
        self._permits = asyncio.Semaphore(0)

    @property
    def symbols(self) -> list[str]:
        """The symbols in the order of their fetches."""
        return [job.symbol for job in self.jobs]

    async def __call__(self, job: Job, _context: Context) -> Sequence[Row]:
        """Fetch nothing, but take as long as the test wants."""
        self.jobs.append(job)
        number = len(self.jobs)
        self.running[job.symbol] += 1
        self.most_at_once = max(self.most_at_once, self.running.total())
        try:
            if self.held:
                await self._permits.acquire()
        finally:
            self.running[job.symbol] -= 1
        return [{"price": number}]

    def let_go(self, fetches: int) -> None:
        """Let so many held fetches end."""
        for _ in range(fetches):
            self._permits.release()

    async def fetched(self, times: int) -> list[str]:
        """Wait until so many fetches have begun; returns their symbols."""
        await until(lambda: len(self.jobs) >= times)
        return self.symbols


@asynccontextmanager
async def working(
    url: str, *refreshers: Refresher, listen_url: str | None = None, **options: Any
) -> AsyncIterator[Listener]:
    """Run a worker, which listens, or polls, when this goes on; what runs is finished at the end.

    While it listens it looks each 30 s: whatever happens earlier happens by a signal or a deadline.
    A statement without an answer is given up after `limit` s.
    """
    long_poll = in_this_mode(options.pop("long_poll", None))
    limit = options.pop("limit", 30)
    way = way_to(url)
    given: dict[str, Any] = {
        "name": "test",
        "concurrency": 4,
        "heartbeat_limit": 15,
        "shutdown_timeout": 10,
        "long_poll": long_poll,
        **options,
    }
    stop = asyncio.Event()
    async with (
        open_calls(way, given["concurrency"] + 3, limit) as calls,
        open_context(5) as context,
        telling(context.lines, LineQueue(calls)),
    ):
        runner = Runner(RefreshQueue(calls), by_data_type(refreshers), context, fetch_timeout=10)
        listener = Listener(
            listen_url or way,
            enabled=long_poll.enabled,
            round_trip_interval=long_poll.max_wait_time / 4,
        )
        running = asyncio.create_task(Worker(calls, runner, listener, **given).run(stop))
        try:
            await until(
                lambda: (
                    running.done()
                    or listener.sleeper is not None
                    or (listener.report().running and not long_poll.enabled)
                )
            )
            yield listener
        finally:
            stop.set()
            async with asyncio.timeout(DEADLINE):
                await running


@asynccontextmanager
async def listening(url: str, **options: Any) -> AsyncIterator[tuple[Listener, list[WakeToken]]]:
    """Run a listener alone; yields it, and the tokens that it has given out so far."""
    listener, tokens = Listener(url, **options), list[WakeToken]()
    running = asyncio.create_task(listener.run(tokens.append))
    try:
        yield listener, tokens
    finally:
        running.cancel()
        await asyncio.wait((running,))
