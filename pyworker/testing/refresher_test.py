"""Runs one refresher as a worker does, on a queue in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Self

import httpx

from pyworker.context import open_context
from pyworker.job import Ended, Job, Row
from pyworker.lines import Lines
from pyworker.refreshers import Refresher
from pyworker.runner import Runner
from pyworker.testing.clock import FakeClock
from pyworker.testing.memory_queue import MemoryQueue


@dataclass(frozen=True, slots=True)
class Refreshed:
    """How a refresh ended, as a worker would have told the database.

    `outcome`: fresh, unchanged, superseded, missing, stale; scheduled (failed, to be tried again),
    retry_after, failed (set aside). `due_in`: seconds until the key is due again. `reason`: why it
    failed. `rows`: what is stored now. `received`: bytes, if known. `lines`: what was said for it
    by `context.log`.
    """

    outcome: str
    due_in: float | None
    reason: str | None
    rows: Sequence[Row]
    received: int | None
    lines: Sequence[str] = ()


class RefresherTest:
    """Tests a refresher: its function, timeout, threads, batches and outcomes are the real ones.

    `async with RefresherTest(quote, respond=...) as test: await test.refresh("AAPL")`

    Args:
        refresher: what `@refresher` made.
        respond: answers the requests of the shared HTTP clients in the place of the network.
        fetch_timeout: limit in seconds of real time, unless the refresher has its own.
        table: as for `MemoryQueue`: ttl, max_attempts, columns, key_columns and so on.
    """

    def __init__(
        self,
        refresher: Refresher,
        *,
        respond: Callable[[httpx.Request], httpx.Response] | None = None,
        fetch_timeout: float = 30,
        **table: Any,
    ) -> None:
        self.clock = FakeClock()
        self.queue = MemoryQueue(self.clock, refresher.data_type, **table)
        self._refresher = refresher
        self._respond = respond
        self._fetch_timeout = fetch_timeout
        self._runner: Runner | None = None
        self._lines = Lines()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Open the HTTP clients."""
        transport = None if self._respond is None else httpx.MockTransport(self._respond)
        context = await self._stack.enter_async_context(open_context(10, transport))
        self._lines = context.lines
        refreshers = {self._refresher.data_type: self._refresher}
        self._runner = Runner(self.queue, refreshers, context, self._fetch_timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close them."""
        await self._stack.aclose()

    async def refresh(self, symbol: str) -> Refreshed:
        """Refresh a key now.

        Raises:
            AssertionError: it is held back; `test.clock.advance(seconds)` lets it come due, and
                `test.queue.retry(symbol)` releases it.
        """
        return (await self.refresh_all(symbol))[symbol]

    async def refresh_all(self, *symbols: str) -> dict[str, Refreshed]:
        """Refresh several keys at once, in batches if the refresher takes them."""
        runner = self._runner
        assert runner is not None, "use it by: async with RefresherTest(...) as test"  # noqa: S101
        for symbol in symbols:
            self.queue.request(symbol)
        jobs = self.queue.claim(*symbols)
        for symbol in set(symbols) - {job.symbol for job in jobs}:
            raise AssertionError(f"{symbol} is held back until {self.queue.watch(symbol).due_at}")
        before = len(self.queue.events)
        ended = await asyncio.gather(*(runner.run(job) for job in jobs))
        said, _ = self._lines.take()
        return {
            job.symbol: self._refreshed(
                job,
                end,
                before,
                [line for each in said if job.symbol in each.symbols for line in each.lines],
            )
            for job, end in zip(jobs, ended, strict=True)
        }

    def rows(self, symbol: str) -> list[Row]:
        """Return the stored rows of a key."""
        return self.queue.rows(symbol)

    def _refreshed(self, job: Job, ended: Ended, before: int, lines: Sequence[str]) -> Refreshed:
        events = [each for each in self.queue.events[before:] if each.symbol == job.symbol]
        event = events[-1] if events else None
        return Refreshed(
            ended.outcome,
            ended.due_in,
            None if event is None else event.message,
            self.queue.rows(job.symbol),
            None if event is None else event.received,
            lines,
        )
