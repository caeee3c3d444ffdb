"""The worker: sleeps until something is due, claims it, and runs it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from functools import partial

import structlog

from pyworker.alarm import Alarm
from pyworker.database_clock import DatabaseClock
from pyworker.errors import DatabaseUnavailable, WorkerUnknown
from pyworker.job import Job, Turned
from pyworker.lead import Lead
from pyworker.listener import Listener
from pyworker.looks import Looks
from pyworker.queue import Queue
from pyworker.runner import Runner
from pyworker.turns import Turns, Waiting

SWEEP_INTERVAL = 360.0
"""Seconds without a sweep after which a worker runs it: longer than pg_cron's five minutes."""

_RETRY_FIRST, _RETRY_LAST = 0.005, 0.25
_LINGER = 0.005
_POLL_WITHOUT_LISTENER = 1.0
_CANCEL_TIMEOUT = 5.0


class Worker:
    """Claims due jobs and runs them, at most `concurrency` at once.

    A loop of looks: each claims what is due and asks when the next thing will be. A signal of the
    listener, a timer and a freed slot all do the same: they bring the next look forward. The timer
    is early by the time that a claim takes; what is claimed early waits for its deadline.

    `looks` is a queue for the looks alone. With one connection of its own its plans stay warm,
    and no long sweep holds a look up.
    """

    def __init__(
        self,
        queue: Queue,
        runner: Runner,
        listener: Listener,
        *,
        name: str,
        concurrency: int,
        heartbeat_limit: float,
        fallback_poll_interval: float,
        shutdown_timeout: float,
        looks: Queue | None = None,
    ) -> None:
        self._queue = queue
        self._clock = DatabaseClock()
        self._lead = Lead()
        self._looks = Looks(looks or queue, listener, runner.data_types, self._clock)
        self._runner = runner
        self._listener = listener
        self._name = name
        self._concurrency = concurrency
        self._heartbeat_limit = heartbeat_limit
        self._fallback_poll_interval = fallback_poll_interval
        self._shutdown_timeout = shutdown_timeout
        self._id = 0
        self._is_known = False
        self._turns = Turns(queue, self._look_soon)
        self._running: set[asyncio.Task[None]] = set()
        # Fences of jobs that have a slot: not those whose end is being told.
        self._slots: set[int] = set()
        self._look_now = asyncio.Event()
        self._must_claim = True
        self._signals = 0
        self._lingers = False
        # Rings when something will be due, early by the lead.
        self._alarm = Alarm(self._claim_now)
        self._fruitless_looks = 0
        self._log = structlog.get_logger("worker").bind(worker=name)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then finish what runs, within the limit, and leave.

        Raises:
            DatabaseUnavailable: the database is not there at the start.
        """
        await self._announce()
        async with asyncio.TaskGroup() as group:
            background = [
                group.create_task(self._listener.run(self._hear)),
                group.create_task(self._beat()),
                group.create_task(self._sweep()),
                group.create_task(self._look_regularly()),
                group.create_task(self._wait_for(stop)),
            ]
            while not stop.is_set():
                self._look_now.clear()
                await self._try_to_look()
                await self._look_now.wait()
            await self._drain()
            for task in background:
                task.cancel()
        await self._leave()

    async def _try_to_look(self) -> None:
        try:
            await self._look()
        except WorkerUnknown:
            self._is_known = False
            self._claim_now()
        except DatabaseUnavailable as error:
            self._log.warning("database_unavailable", reason=error.message)
            self._alarm.set_in(_POLL_WITHOUT_LISTENER)
        if not self._looks.can_be_woken:
            self._alarm.set_in(_POLL_WITHOUT_LISTENER)

    async def _look(self) -> None:
        """Tell what has ended, claim and start what is due, and plan the next look."""
        must_claim, self._must_claim = self._must_claim, False
        if not self._is_known:
            await self._announce_anew()
        was_full = len(self._slots) >= self._concurrency
        told = self._turns.take()
        self._slots.difference_update(each.ending.job.fence for each in told)
        free = self._concurrency - len(self._slots)
        if free <= 0 and (must_claim or not told):
            await self._looks.hand_on()
        if told and (free <= 0 or not (must_claim or was_full)):
            # Nothing is due that we do not know of.
            await self._turn(told, 0, 0)
            if self._looks.must_settle:
                await self._rest(None, fruitless=False)
        elif free > 0 and (told or must_claim or await self._is_due()):
            await self._claim(told, free)

    async def _claim(self, told: Sequence[Waiting], free: int) -> None:
        planned_at = self._alarm.take_ring()
        signals, self._signals = self._signals, 0
        # Told twice for one look: to stay awake costs less than so many signals.
        lingers = self._lingers = self._lingers or signals > 1
        lead = self._lead.seconds + (_LINGER if lingers else 0)
        turned = await self._turn(told, free, lead, stays_awake=lingers)
        if planned_at is not None:
            self._lead.measured(asyncio.get_running_loop().time() - planned_at)
        for job in turned.jobs:
            self._start(job)
        if len(turned.jobs) == free:
            self._lingers = False
            # More may be due; a job that ended during the claim has left a slot for it. What we
            # were told meanwhile is to be handed on.
            if len(self._slots) < self._concurrency or self._signals:
                self._claim_now()
        elif not lingers:
            await self._rest(turned, fruitless=not turned.jobs)
        elif turned.jobs:
            self._alarm.set_in(_LINGER)
        else:
            self._lingers = False
            self._claim_now()

    async def _turn(
        self, told: Sequence[Waiting], free: int, lead: float, *, stays_awake: bool = False
    ) -> Turned:
        endings = [each.ending for each in told]
        try:
            turned = await self._looks.turn(self._id, free, lead, endings, stays_awake=stays_awake)
        except BaseException as error:
            self._turns.answer_error(told, error)
            # Those slots are free, and nobody will say so again.
            self._must_claim = self._must_claim or free > 0
            raise
        self._turns.answer(told, turned.ended)
        return turned

    async def _is_due(self) -> bool:
        """Look without claiming, as is done each half minute, however quiet it is."""
        lead = self._lead.seconds
        moment = await self._looks.rest(self._id, self._look_now, lead)
        if moment is not None and moment > lead:
            self._alarm.set_in(moment - lead)
        return moment is not None and moment <= lead

    async def _rest(self, turned: Turned | None, *, fruitless: bool) -> None:
        lead = self._lead.seconds
        if turned is not None and turned.asleep:
            moment = turned.due_in
        else:
            moment = await self._looks.rest(self._id, self._look_now, lead)
        is_fruitless = fruitless and moment is not None and moment <= 0
        self._fruitless_looks = self._fruitless_looks + 1 if is_fruitless else 0
        if is_fruitless:
            # Due, and yet not to be had: another transaction holds it for a moment.
            self._alarm.set_in(min(_RETRY_FIRST * 2 ** min(self._fruitless_looks, 10), _RETRY_LAST))
        elif moment is not None:
            # What the claim has just left is not to be had before its time.
            self._alarm.set_in(moment if fruitless and moment <= lead else moment - lead)

    async def _look_regularly(self) -> None:
        # Each process has its own place within the interval, whatever wakes all of them at once.
        wait = self._fallback_poll_interval * random.random()  # noqa: S311 - spreads looks
        while True:
            await asyncio.sleep(wait)
            self._look_now.set()
            wait = self._fallback_poll_interval

    def _hear(self) -> None:
        self._signals += 1
        if not self._lingers:
            self._claim_now()

    def _look_soon(self) -> None:
        self._look_now.set()

    def _claim_now(self) -> None:
        self._must_claim = True
        self._look_now.set()

    def _start(self, job: Job) -> None:
        task = asyncio.create_task(self._run(job), name=f"{job.data_type} {job.symbol}")
        self._running.add(task)
        self._slots.add(job.fence)
        task.add_done_callback(partial(self._ended, job.fence))

    async def _run(self, job: Job) -> None:
        await self._clock.wait_until(job.due_at)
        ended = await self._runner.run(job, self._turns)
        if ended.due_in is not None:
            self._alarm.set_in(ended.due_in - self._lead.seconds)

    def _ended(self, fence: int, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        # Unless a turn has told its end: then it has claimed for the free slot as well.
        if fence in self._slots:
            if len(self._slots) >= self._concurrency:
                self._claim_now()
            self._slots.discard(fence)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("job_not_ended", error=repr(error))

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_limit / 3)
            if not self._running:
                continue
            try:
                alive = await self._queue.heartbeat(self._id)
            except DatabaseUnavailable:
                continue
            if not alive:
                self._is_known = False
                self._claim_now()

    async def _sweep(self) -> None:
        while True:
            try:
                if await self._queue.sweep_if_due(SWEEP_INTERVAL):
                    self._log.info("swept")
            except DatabaseUnavailable as error:
                self._log.warning("sweep_postponed", reason=error.message)
            await asyncio.sleep(SWEEP_INTERVAL)

    async def _wait_for(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._look_now.set()

    async def _announce(self) -> None:
        self._id = await self._queue.announce_worker(self._name, self._heartbeat_limit)
        self._is_known = True
        self._log.info("worker_started", id=self._id, data_types=self._runner.data_types)

    async def _announce_anew(self) -> None:
        # Taken for dead: what runs has lost its fences, so its results would be refused.
        self._log.warning("taken_for_dead", dropped=len(self._running))
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._announce()

    async def _drain(self) -> None:
        self._turns.close()
        if self._running:
            self._log.info("finishing", running=len(self._running))
            await asyncio.wait(self._running, timeout=self._shutdown_timeout)
        for task in self._running:
            task.cancel()
        if self._running:
            # One that swallows its cancelling is left behind; its fence is void when we leave.
            await asyncio.wait(self._running, timeout=_CANCEL_TIMEOUT)

    async def _leave(self) -> None:
        try:
            handed_back = await self._queue.dismiss_worker(self._id)
        except DatabaseUnavailable as error:
            self._log.warning("left_without_goodbye", reason=error.message)
        else:
            self._log.info("worker_stopped", handed_back=handed_back)
