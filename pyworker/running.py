"""The jobs that a worker runs, and the slots that they take."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from functools import partial

import structlog

from pyworker.job import Job
from pyworker.shutdown import first_of

# How long what was cancelled has to end (s).
_CANCELLING = 5.0


class Running:
    """Runs jobs in tasks of their own.

    A job has a slot until its fetch has ended: while its end is being told another may run.

    Args:
        concurrency: how many slots there are.
        freed: called when a slot becomes free by itself after there was none.
    """

    def __init__(self, concurrency: int, freed: Callable[[], None]) -> None:
        self._concurrency = concurrency
        self._freed = freed
        self._jobs: dict[asyncio.Task[None], Job] = {}
        self._nothing_runs = asyncio.Event()
        self._left: set[asyncio.Task[None]] = set()
        # By fence.
        self._slots: set[int] = set()
        self._log = structlog.get_logger("worker")

    def __len__(self) -> int:
        """Return how many jobs run, with those whose end is being told."""
        return len(self._jobs)

    @property
    def free(self) -> int:
        """How many slots are free."""
        return self._concurrency - len(self._slots)

    @property
    def fences(self) -> list[int]:
        """The fences of all that runs."""
        return [job.fence for job in self._jobs.values()]

    def start(self, job: Job, run: Coroutine[None, None, None]) -> None:
        """Run a job to its end."""
        task = asyncio.create_task(run, name=f"{job.data_type} {job.symbol}")
        self._jobs[task] = job
        self._slots.add(job.fence)
        task.add_done_callback(partial(self._ended, job.fence))

    def replace(self, job: Job, run: Coroutine[None, None, None]) -> None:
        """Run something else for a job, in its slot; what ran for it is left to itself."""
        for task in [each for each, running in self._jobs.items() if running is job]:
            self._leave(task)
        self.start(job, run)

    def release(self, fences: Iterable[int]) -> None:
        """Free the slots of jobs whose end is about to be told."""
        self._slots.difference_update(fences)

    async def cancel(self) -> None:
        """Cancel all that runs, and wait for it; what has not ended after 5 s is left."""
        for task in self._jobs:
            task.cancel()
        if self._jobs:
            await asyncio.wait(set(self._jobs), timeout=_CANCELLING)
        for task in list(self._jobs):
            self._leave(task)

    def _leave(self, task: asyncio.Task[None]) -> None:
        self._slots.discard(self._jobs.pop(task).fence)
        # Nobody else may hold it.
        self._left.add(task)
        task.add_done_callback(self._left.discard)
        task.cancel()

    async def stop(self, limit: float, interruption: asyncio.Event) -> None:
        """Wait for all that runs, `limit` seconds at most; then cancel it, and wait again.

        As soon as `interruption` is set nothing is waited for any more.
        """
        if self._jobs and not interruption.is_set():
            self._log.info("finishing", running=len(self._jobs))
            await self._until_ended(limit, interruption)
        for task in self._jobs:
            task.cancel()
        if self._jobs:
            # One that swallows its cancelling is left behind; its fence is void when we leave.
            await self._until_ended(_CANCELLING, interruption)

    async def _until_ended(self, limit: float, interruption: asyncio.Event) -> None:
        # Not for the tasks that there are: one can be left to itself meanwhile.
        self._nothing_runs = asyncio.Event()
        ending = asyncio.create_task(self._nothing_runs.wait())
        with suppress(TimeoutError):
            async with asyncio.timeout(limit):
                await first_of(ending, interruption)
        ending.cancel()

    def _ended(self, fence: int, task: asyncio.Task[None]) -> None:
        is_left = self._jobs.pop(task, None) is None
        if not self._jobs:
            self._nothing_runs.set()
        # Unless its end was told by a turn: then that has claimed for the free slot as well.
        if fence in self._slots and not is_left:
            was_full = self.free <= 0
            self._slots.discard(fence)
            if was_full:
                self._freed()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("job_not_ended", error=repr(error))
