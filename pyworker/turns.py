"""Refreshes that have ended wait here for the worker's next turn, which tells them together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pyworker.errors import DatabaseUnavailable, FenceLost
from pyworker.job import Ended, Ending, Job, Row
from pyworker.outcomes import Validators
from pyworker.queue.refreshes import RefreshQueue, ending_of


@dataclass(slots=True)
class Waiting:
    """An ending, and who waits to hear how it was taken."""

    ending: Ending
    answer: asyncio.Future[Ended | None]


class Turns:
    """The queue as the runner sees it: an end is told in the next turn, with others.

    No end waits for company: `call` brings the turn forward. What a turn refuses is told by itself,
    which says why; so is everything after `close`.
    """

    def __init__(self, queue: RefreshQueue, call: Callable[[], None]) -> None:
        self._queue = queue
        self._call = call
        self._waiting: list[Waiting] = []
        self._is_open = True

    async def finish(
        self,
        job: Job,
        rows: Sequence[Row] | None,
        *,
        validators: Validators | None = None,
        received: int | None = None,
        calls: int | None = None,
    ) -> Ended:
        """End a refresh as `RefreshQueue.finish` does."""
        if self._is_open:
            ending = ending_of(job, rows, validators, received, calls)
            waiting = Waiting(ending, asyncio.get_running_loop().create_future())
            self._waiting.append(waiting)
            self._call()
            ended = await waiting.answer
            if ended is not None:
                if ended.outcome == "lost":
                    raise FenceLost(f"refresh {job.fence} is no longer this worker's")
                return ended
        return await self._queue.finish(
            job, rows, validators=validators, received=received, calls=calls
        )

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
        """End a refresh that failed, at once and by itself."""
        return await self._queue.fail(
            job,
            reason,
            permanent=permanent,
            retry_after=retry_after,
            alone=alone,
            of_source=of_source,
            received=received,
            calls=calls,
        )

    def take(self) -> list[Waiting]:
        """Return what waits to be told; the turn has to answer each."""
        waiting, self._waiting = self._waiting, []
        return [each for each in waiting if not each.answer.done()]

    def answer(self, told: Sequence[Waiting], ended: Mapping[int, Ended | None]) -> None:
        """Hand out how the refreshes ended."""
        for each in told:
            if not each.answer.done():
                each.answer.set_result(ended[each.ending.job.fence])

    def answer_error(self, told: Sequence[Waiting], error: BaseException) -> None:
        """Hand out that nothing was heard: to be told again, by itself unless nobody is there."""
        for each in told:
            if each.answer.done():
                continue
            if isinstance(error, DatabaseUnavailable):
                each.answer.set_exception(DatabaseUnavailable(error.message, error.hint))
            else:
                each.answer.set_result(None)

    def close(self) -> None:
        """There are no more turns."""
        self._is_open = False
        for each in self.take():
            each.answer.set_result(None)
