"""Where a worker's jobs begin: those that it claims, and those that are handed to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NoReturn

from pyworker.database_clock import DatabaseClock
from pyworker.handed import Handed
from pyworker.job import Ended, Job
from pyworker.next_look import NextLook
from pyworker.runner import Runner
from pyworker.running import Running
from pyworker.turns import Turns
from pyworker.wakefulness import Wakefulness

# How often it is asked which those are (s).
_OVERDUE = 5.0
_STOPPED = "its worker was stopped for longer than its heartbeat limit before the fetch"

IsOurs = Callable[[], bool]
"""Says whether nobody else can have taken a job over."""


class Fetches:
    """Begins jobs in free slots; each waits for its time, is run, and is told in a turn."""

    def __init__(
        self,
        runner: Runner,
        running: Running,
        turns: Turns,
        clock: DatabaseClock,
        *,
        next_look: NextLook,
        wakefulness: Wakefulness,
    ) -> None:
        self._runner = runner
        self._running = running
        self._turns = turns
        self._clock = clock
        self._next_look = next_look
        self._wakefulness = wakefulness
        self._is_open = True

    def begin(self, job: Job, is_ours: IsOurs) -> None:
        """Begin with a job that was claimed."""
        self._running.start(job, self._run(job, is_ours))

    def begin_handed(self, handed: Handed, is_ours: IsOurs) -> bool:
        """Begin with a job that was handed to us; False when we have no slot for it."""
        free = self._running.free
        if free <= 0 or not self._is_open:
            return False
        is_rush = self._wakefulness.handed()
        self.begin(handed.job, is_ours)
        if free == 1:
            # To be told of nothing until a slot is free.
            self._next_look.now()
        elif is_rush and not self._wakefulness.stays_awake:
            self._wakefulness.rush()
            self._next_look.claim_now()
        return True

    def close(self) -> None:
        """Begin with nothing more that is handed to us."""
        self._is_open = False

    async def end_overdue(self) -> NoReturn:
        """End the jobs of refreshers that go on after they were cancelled, for ever."""
        while True:
            await asyncio.sleep(_OVERDUE)
            for job in self._runner.take_overdue():
                self._running.replace(job, self._end(job))

    async def _end(self, job: Job) -> None:
        self._note(await self._runner.end_overdue(job))

    async def _run(self, job: Job, is_ours: IsOurs) -> None:
        # What was handed over was due then.
        if job.due_at > job.started_at:
            await self._clock.wait_until(job.due_at)
        if is_ours():
            self._note(await self._runner.run(job, self._turns))
        else:
            # Stopped for so long that others may have it: a call of ours would be one too many.
            self._note(await self._runner.give_up(job, _STOPPED))

    def _note(self, ended: Ended) -> None:
        if ended.due_in is not None:
            self._next_look.due_in(ended.due_in)
        elif ended.outcome == "lost":
            # Most likely we were taken for dead, and nobody would wake us: a claim finds out.
            self._next_look.claim_now()
