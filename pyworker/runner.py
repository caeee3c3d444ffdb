"""Runs one job: fetch with a timeout, then finish or fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import httpx
import stamina
import structlog

from pyworker.errors import DatabaseUnavailable, FenceLost, RowsRejected
from pyworker.job import Ended, Job, Row
from pyworker.queue import Queue
from pyworker.refreshers import Context, Refresher, RefreshFailed


class Runner:
    """Brings one key up to date, or says why not; never raises for what a refresher did."""

    def __init__(
        self,
        queue: Queue,
        refreshers: Mapping[str, Refresher],
        context: Context,
        fetch_timeout: float,
    ) -> None:
        self._queue = queue
        self._refreshers = refreshers
        self._context = context
        self._fetch_timeout = fetch_timeout
        self._log = structlog.get_logger("runner")

    @property
    def data_types(self) -> list[str]:
        """Data types that there is a refresher for."""
        return sorted(self._refreshers)

    async def run(self, job: Job) -> Ended:
        """Refresh a claimed key and end its job; returns how it ended."""
        log = self._log.bind(data_type=job.data_type, symbol=job.symbol, fence=job.fence)
        log.info("refreshing")
        try:
            rows = await self._fetch(job)
            ended = await self._finish(job, rows)
        except FenceLost:
            log.warning("refresh_lost", reason="taken over by another worker")
            return Ended("lost", None)
        except Exception as error:
            # Whatever a refresher raises, or the table refuses, fails this job and no other.
            reason = _reason(error)
            ended = await self._fail(job, reason)
            log.warning("refresh_failed", reason=reason, state=ended.outcome)
            return ended
        log.info("refreshed", outcome=ended.outcome)
        return ended

    async def _fetch(self, job: Job) -> list[Row]:
        refresher = self._refreshers[job.data_type]
        limit = refresher.timeout or self._fetch_timeout
        try:
            async with asyncio.timeout(limit) as deadline:
                rows = await refresher(job, self._context)
        except TimeoutError as error:
            if not deadline.expired():
                raise
            raise RefreshFailed(f"no answer within {limit:g} s") from error
        except SystemExit as error:
            raise RefreshFailed(f"SystemExit: {error}") from error
        except asyncio.CancelledError as error:
            # Only the worker's own cancelling ends the task; the refresher's ends its job.
            if (task := asyncio.current_task()) is None or task.cancelling():
                raise
            raise RefreshFailed("the refresher cancelled itself") from error
        # Checked here, since a refresher without type checks can return anything at all.
        if isinstance(rows, str | bytes | Mapping) or not isinstance(rows, Sequence):
            raise RefreshFailed(
                f"a refresher returns a list of rows, not {type(rows).__name__}; [] for nothing"
            )
        return list(rows)

    async def _finish(self, job: Job, rows: Sequence[Row]) -> Ended:
        async for attempt in _until_said():
            with attempt:
                return await self._queue.finish(job, rows)
        raise AssertionError("retrying has no end")

    async def _fail(self, job: Job, reason: str) -> Ended:
        async for attempt in _until_said():
            with attempt:
                return await self._queue.fail(job, reason)
        raise AssertionError("retrying has no end")


@asynccontextmanager
async def open_context(concurrency: int) -> AsyncIterator[Context]:
    """Open the HTTP client that all refreshers share."""
    async with httpx.AsyncClient(
        timeout=httpx.Timeout(10, connect=5),
        limits=httpx.Limits(max_connections=2 * concurrency, max_keepalive_connections=concurrency),
        headers={"user-agent": "supabase-freshness"},
        follow_redirects=False,
    ) as client:
        yield Context(client)


def _reason(error: Exception) -> str:
    if isinstance(error, RefreshFailed):
        return str(error)
    if isinstance(error, RowsRejected):
        return error.message
    if isinstance(error, httpx.HTTPError):
        return _http_reason(error)
    try:
        text = str(error)
    except Exception:
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _http_reason(error: httpx.HTTPError) -> str:
    # Its own text can hold a URL or a header, and these a key.
    try:
        host = error.request.url.host
    except RuntimeError:
        return type(error).__name__
    if isinstance(error, httpx.HTTPStatusError):
        return f"{host} answered HTTP {error.response.status_code}"
    return f"{host} cannot be reached: {type(error).__name__}"


def _until_said() -> AsyncIterator[stamina.Attempt]:
    # A job stays ours as long as the heartbeat beats, so its end is told until it is heard.
    return aiter(
        stamina.retry_context(on=DatabaseUnavailable, attempts=None, timeout=None, wait_max=10)
    )
