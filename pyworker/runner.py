"""Runs one job: fetch with a timeout, then finish or fail."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Protocol

import stamina
import structlog

from pyworker.batches import Batches
from pyworker.context import Context, open_context
from pyworker.errors import DatabaseUnavailable, FenceLost
from pyworker.failure import Failure, failure_of
from pyworker.fetching import Fetched, fetch, fetch_batch
from pyworker.job import Ended, Job, Row
from pyworker.outcomes import Missing, RetryAfter, Rows, Unchanged, Validators
from pyworker.refreshers import Refresher

__all__ = ["Endings", "Runner", "open_context"]

GRACE = 5.0
"""Seconds that a refresher has to end in after it was cancelled at its limit."""


class Endings(Protocol):
    """How a queue is told of the end of a refresh; see `RefreshQueue`."""

    async def finish(
        self,
        job: Job,
        rows: Sequence[Row] | None,
        *,
        validators: Validators | None = None,
        received: int | None = None,
        calls: int | None = None,
    ) -> Ended:
        """Store rows, or note that what is stored is current (None)."""

    async def fail(
        self,
        job: Job,
        reason: str,
        *,
        permanent: bool = False,
        retry_after: float | datetime | None = None,
        alone: bool = False,
        of_source: bool = False,
        received: int | None = None,
        calls: int | None = None,
    ) -> Ended:
        """End a refresh that failed."""


class Runner:
    """Brings one key up to date, or says why not; never raises for what a refresher did."""

    def __init__(
        self,
        queue: Endings,
        refreshers: Mapping[str, Refresher],
        context: Context,
        fetch_timeout: float,
    ) -> None:
        self._queue = queue
        self._refreshers = refreshers
        self._context = context
        self._limits = {name: each.timeout or fetch_timeout for name, each in refreshers.items()}
        self._batches = {
            name: Batches(
                partial(fetch_batch, each, context=context, limit=self._limits[name]),
                each.max_batch,
            )
            for name, each in refreshers.items()
            if each.max_batch is not None
        }
        # By fence: until when the fetch should have ended.
        self._under_way: dict[int, tuple[Job, float]] = {}
        self._log = structlog.get_logger("runner").bind()

    @property
    def data_types(self) -> list[str]:
        """Data types that there is a refresher for."""
        return sorted(self._refreshers)

    @property
    def largest_batch(self) -> int:
        """How many keys one call of a refresher takes at most."""
        return max((each.max_batch or 1 for each in self._refreshers.values()), default=1)

    async def run(self, job: Job, queue: Endings | None = None) -> Ended:
        """Refresh a claimed key and end its job, at `queue` if given; returns how it ended."""
        queue = queue or self._queue
        self._log.debug("refreshing", **_which(job))
        began = time.monotonic()
        fetched = await self._fetch(job)
        try:
            ended, reason = await self._end(queue, job, fetched)
        except FenceLost:
            return self._lost(job)
        except Exception as error:
            ended, reason = await self._end(
                queue, job, Fetched(failure_of(error), fetched.received, fetched.calls)
            )
        took = round(1000 * (time.monotonic() - began))
        if reason is None:
            self._log.info("refreshed", **_which(job), outcome=ended.outcome, milliseconds=took)
        else:
            self._log.warning(
                "refresh_failed",
                **_which(job),
                reason=reason,
                state=ended.outcome,
                milliseconds=took,
            )
        return ended

    async def give_up(self, job: Job, reason: str) -> Ended:
        """End a claimed job without a call of its source."""
        self._log.warning("refresh_given_up", **_which(job))
        try:
            ended, _ = await self._end(self._queue, job, Fetched(Failure(reason), calls=0))
        except FenceLost:
            return self._lost(job)
        return ended

    def _lost(self, job: Job) -> Ended:
        self._log.warning("refresh_lost", **_which(job), reason="taken over by another worker")
        return Ended("lost", None)

    def take_overdue(self) -> list[Job]:
        """Return the jobs whose fetch goes on although it was cancelled at its limit, each once.

        A refresher can catch that. Nobody waits for it any more: `end_overdue` ends the job.
        """
        now = time.monotonic()
        overdue = [job for job, until in self._under_way.values() if until < now]
        for job in overdue:
            del self._under_way[job.fence]
        return overdue

    async def end_overdue(self, job: Job) -> Ended:
        """Fail a job whose fetch does not end; what the fetch brings later is refused."""
        reason = f"no answer within {self._limits[job.data_type]:g} s, and it cannot be cancelled"
        self._log.warning("refresh_failed", **_which(job), reason=reason)
        ended, _ = await self._end(self._queue, job, Fetched(Failure(reason, of_source=True)))
        return ended

    async def _fetch(self, job: Job) -> Fetched:
        self._under_way[job.fence] = job, time.monotonic() + self._limits[job.data_type] + GRACE
        try:
            return await self._call(job)
        finally:
            self._under_way.pop(job.fence, None)

    async def _call(self, job: Job) -> Fetched:
        batches = self._batches.get(job.data_type)
        if batches is not None:
            return await batches.fetch(job)
        refresher = self._refreshers[job.data_type]
        return await fetch(refresher, job, self._context, self._limits[job.data_type])

    async def _end(self, queue: Endings, job: Job, fetched: Fetched) -> tuple[Ended, str | None]:
        """End a job; returns how, and the reason if it failed."""
        # Heard at once, as a rule: no need for what keeps count of the attempts.
        try:
            return await self._tell(queue, job, fetched)
        except DatabaseUnavailable:
            pass
        async for attempt in _until_said():
            with attempt:
                return await self._tell(queue, job, fetched)
        raise AssertionError("retrying has no end")

    async def _tell(self, queue: Endings, job: Job, fetched: Fetched) -> tuple[Ended, str | None]:
        answer, received = fetched.answer, fetched.received
        match answer:
            case RetryAfter(when, reason):
                failure = Failure(reason, retry_after=when)
            case Failure():
                failure = answer
            case Unchanged(validators):
                return await queue.finish(
                    job, None, validators=validators, received=received, calls=fetched.calls
                ), None
            case Missing():
                return await queue.finish(job, [], received=received, calls=fetched.calls), None
            case rows:
                validators = rows.validators if isinstance(rows, Rows) else None
                return await queue.finish(
                    job, list(rows), validators=validators, received=received, calls=fetched.calls
                ), None
        ended = await queue.fail(
            job,
            failure.reason,
            permanent=failure.permanent,
            retry_after=failure.retry_after,
            alone=failure.alone,
            of_source=failure.of_source,
            received=received,
            calls=fetched.calls,
        )
        return ended, failure.reason


def _which(job: Job) -> dict[str, Any]:
    return {"data_type": job.data_type, "symbol": job.symbol, "fence": job.fence}


def _until_said() -> AsyncIterator[stamina.Attempt]:
    # A job stays ours as long as the heartbeat beats, so its end is told until it is heard.
    return aiter(
        stamina.retry_context(on=DatabaseUnavailable, attempts=None, timeout=None, wait_max=10)
    )
