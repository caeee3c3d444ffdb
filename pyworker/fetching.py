"""One call of a refresher: with a limit, and with an end that is always an answer or an error."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pyworker.context import Context
from pyworker.failure import Failure, failure_of
from pyworker.job import Job
from pyworker.outcomes import Answer, RefreshFailed, checked
from pyworker.refreshers import Refresher


@dataclass(slots=True)
class Fetched:
    """What a fetch brought for one key, and the bytes that it took (None: unknown).

    `calls` of the source that are counted for the key; None: as many as were reserved.
    """

    answer: Answer | Failure
    received: int | None = None
    calls: int | None = None


async def fetch(refresher: Refresher, job: Job, context: Context, limit: float) -> Fetched:
    """Fetch one key within `limit` (s). Raises only when the task is cancelled."""
    context.lines.belong_to((job,))
    received = context.meter.measure()
    try:
        return Fetched(checked(await _call(refresher, job, context, limit)), received.known)
    except Exception as error:
        return Fetched(failure_of(error), received.known)


async def fetch_batch(
    refresher: Refresher, jobs: Sequence[Job], context: Context, limit: float
) -> dict[str, Fetched]:
    """Fetch several keys in one call; a key that is left out of the answer is missing."""
    context.lines.belong_to(jobs)
    received = context.meter.measure()
    try:
        answers = await _call(refresher, jobs, context, limit)
        found: dict[str, object] = {
            job.symbol: refresher.of_batch(answers, job.symbol) for job in jobs
        }
    except Exception as error:
        failure = failure_of(error, len(jobs))
        # It was one call: the source has failed once.
        found = {job.symbol: replace(failure, of_source=False) for job in jobs}
        found[jobs[0].symbol] = failure
    # Nobody knows whose bytes they were.
    share = received.known and max(received.known // len(jobs), 1)
    # It was one call: the first key has made it.
    return {
        symbol: Fetched(_judged(answer), share, calls=0 if number else None)
        for number, (symbol, answer) in enumerate(found.items())
    }


def _judged(answer: object) -> Answer | Failure:
    if isinstance(answer, Failure):
        return answer
    if isinstance(answer, Exception):
        return failure_of(answer)
    try:
        return checked(answer)
    except RefreshFailed as error:
        return failure_of(error)


async def _call(
    refresher: Refresher, asked: Job | Sequence[Job], context: Context, limit: float
) -> object:
    try:
        async with asyncio.timeout(limit) as limited:
            return await refresher.call(asked, context)
    except TimeoutError as error:
        if not limited.expired():
            raise
        goes_on = "; its thread goes on, and its result is dropped" if refresher.in_thread else ""
        raise RefreshFailed(f"no answer within {limit:g} s{goes_on}", of_source=True) from error
    except asyncio.CancelledError as error:
        # Only the worker's own cancelling ends the task; the refresher's ends its job.
        if (task := asyncio.current_task()) is None or task.cancelling():
            raise
        raise RefreshFailed("the refresher cancelled itself") from error
    except (Exception, GeneratorExit):
        raise
    except BaseException as error:
        # sys.exit() in some library, or the panic of an extension, ends nothing but its job.
        raise RefreshFailed(failure_of(error).reason) from error
