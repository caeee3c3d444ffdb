"""The worker: sleeps until something is due, claims it, and runs it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress

import structlog

from pyworker.alarm import Alarm
from pyworker.database_clock import DatabaseClock
from pyworker.errors import DatabaseUnavailable, WorkerUnknown
from pyworker.handed import Handed
from pyworker.handovers import Handovers
from pyworker.job import Ended, Job, Turned
from pyworker.lead import Lead
from pyworker.listener import Listener
from pyworker.long_poll import LongPoll
from pyworker.looks import Looks
from pyworker.membership import Membership
from pyworker.pauses import Pauses
from pyworker.queue.calls import Calls
from pyworker.queue.handovers import HandoverQueue
from pyworker.queue.looks import LookQueue
from pyworker.queue.members import MemberQueue
from pyworker.queue.refreshes import RefreshQueue
from pyworker.queue.sweeps import SweepQueue
from pyworker.runner import Runner
from pyworker.running import Running
from pyworker.rush import Rush
from pyworker.shutdown import first_of
from pyworker.sweeping import sweep_regularly
from pyworker.turns import Turns, Waiting
from pyworker.wake_token import WakeToken

_RETRY_LAST = 0.25
_LINGER = 0.005
_CANCEL_TIMEOUT = 5.0
_OVERDUE = 5.0
# A token that is about a later moment comes from a clock that has been set.
_LONGEST_WAIT = 60.0
_STOPPED = "its worker was stopped for longer than its heartbeat limit before the fetch"


class Worker:
    """Claims due jobs and runs them, at most `concurrency` at once.

    A loop of looks: each claims what is due and asks when the next thing will be. A signal of the
    listener, a timer and a freed slot all do the same: they bring the next look forward. The timer
    is early by the time that a claim takes; what is claimed early waits for its deadline.

    `looks` are calls for the looks alone. With one connection of their own its plans stay warm,
    and no long sweep holds a look up.
    """

    def __init__(
        self,
        calls: Calls,
        runner: Runner,
        listener: Listener,
        *,
        name: str,
        concurrency: int,
        heartbeat_limit: float,
        shutdown_timeout: float,
        long_poll: LongPoll | None = None,
        looks: LookQueue | None = None,
    ) -> None:
        self._calls = calls
        self._long_poll = long_poll or LongPoll()
        self._clock = DatabaseClock()
        self._lead = Lead(self._long_poll.timer_grace_period)
        self._looks = Looks(looks or LookQueue(calls), listener, runner.data_types, self._clock)
        self._runner = runner
        self._listener = listener
        self._name = name
        self._membership = Membership(
            MemberQueue(calls),
            name=name,
            heartbeat_limit=heartbeat_limit,
            data_types=runner.data_types,
        )
        self._handovers = Handovers(
            HandoverQueue(calls),
            self._membership,
            self._clock,
            data_types=runner.data_types,
            heartbeat_limit=heartbeat_limit,
            begin=self._begin,
            look=self._look_soon,
        )
        self._handed_at = float("-inf")
        self._leaves = False
        self._shutdown_timeout = shutdown_timeout
        self._turns = Turns(RefreshQueue(calls), self._look_soon)
        self._running = Running(concurrency, self._claim_now)
        self._rush = Rush(concurrency, runner.largest_batch)
        self._look_now = asyncio.Event()
        self._must_claim = True
        self._signals = 0
        self._lingers = False
        # Rings when something will be due, early by the lead.
        self._alarm = Alarm(self._claim_now)
        # Rings when it is time to look although nothing is known, while nobody can wake us.
        self._poll = Alarm(self._look_now.set)
        self._pauses = Pauses(
            self._long_poll.aggressive_poll_duration, self._long_poll.aggressive_exit_threshold
        )
        self._is_fruitless = False
        self._losses = 0
        self._log = structlog.get_logger("worker").bind(worker=name)

    async def run(self, stop: asyncio.Event, hand_back: asyncio.Event | None = None) -> None:
        """Work until `stop` is set; then finish what runs, within the limit, and leave.

        As soon as `hand_back` is set nothing is waited for any more.

        Raises:
            DatabaseUnavailable: the database is not there at the start.
        """
        hand_back = hand_back or asyncio.Event()
        await self._membership.announce()
        async with asyncio.TaskGroup() as group:
            background = [
                group.create_task(self._listener.run(self._hear)),
                group.create_task(
                    self._membership.beat(lambda: bool(self._running), self._claim_now)
                ),
                group.create_task(self._handovers.tell()),
                group.create_task(sweep_regularly(SweepQueue(self._calls), self._name)),
                group.create_task(self._look_regularly()),
                group.create_task(self._end_overdue()),
                group.create_task(self._wait_for(stop)),
            ]
            looking = asyncio.create_task(self._look_until(stop))
            try:
                await first_of(looking, hand_back)
                await self._drain(hand_back)
            finally:
                # What its claim brings that we do not know of is handed back when we leave.
                looking.cancel()
            for task in background:
                task.cancel()
        await self._membership.leave()

    async def _look_until(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self._look_now.clear()
            await self._try_to_look()
            await self._look_now.wait()

    async def _try_to_look(self) -> None:
        longest = self._long_poll.fallback_poll_interval
        try:
            await self._look()
        except WorkerUnknown:
            self._membership.is_known = False
            self._claim_now()
        except DatabaseUnavailable as error:
            self._membership.is_in_doubt = True
            self._log.warning("database_unavailable", reason=error.message)
            self._pauses.failed()
            self._must_claim = True
            self._poll.set_in(self._pauses.next(longest))
        else:
            if not self._looks.can_be_woken:
                self._poll.set_in(self._pauses.next(longest))

    async def _look(self) -> None:
        """Tell what has ended, claim and start what is due, and plan the next look."""
        must_claim, self._must_claim = self._must_claim, False
        await self._doubt_after_a_loss()
        await self._be_known()
        was_full = self._running.free <= 0
        told = self._turns.take()
        self._running.release(each.ending.job.fence for each in told)
        free = self._running.free
        if free <= 0 and self._looks.is_armed:
            # What was handed to us has taken the last slot.
            await self._looks.disarm()
        elif free <= 0 and (must_claim or not told):
            await self._looks.hand_on()
        if told and (free <= 0 or not (must_claim or was_full)):
            # Nothing is due that we do not know of.
            await self._turn(told, 0, 0)
            if self._looks.must_settle:
                await self._rest(None, fruitless=False)
        elif free > 0 and (told or must_claim or await self._is_due()):
            await self._claim(told)
        else:
            self._pauses.looked(found=False)

    async def _claim(self, told: Sequence[Waiting]) -> None:
        limit = self._rush.limit(self._running.free)
        if limit <= 0:
            # Taken by what was handed to us while we looked whether anything is due.
            return
        planned_at = self._alarm.take_ring()
        signals, self._signals = self._signals, 0
        # Told twice for one look: to stay awake costs less than so many signals.
        lingers = self._lingers = self._lingers or signals > 1
        lead = self._lead.seconds + (_LINGER if lingers else 0)
        asked_at = self._now()
        with self._handovers.held():
            turned = await self._turn(told, limit, lead, stays_awake=lingers)
            self._membership.pulse.beat(asked_at)
            if planned_at is not None:
                self._lead.measured(asyncio.get_running_loop().time() - planned_at)
            for job in turned.jobs:
                self._running.start(job, self._run(job, asked_at))
        self._pauses.looked(found=bool(turned.jobs))
        self._rush.note(limit, len(turned.jobs))
        if len(turned.jobs) == limit:
            self._lingers = False
            # More may be due, and slots are left for it, or were freed during the claim. What we
            # were told meanwhile is to be handed on.
            if self._running.free > 0 or self._signals:
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
            turned = await self._looks.turn(
                self._membership.id, free, lead, endings, stays_awake=stays_awake
            )
        except BaseException as error:
            self._turns.answer_error(told, error)
            # Those slots are free, and nobody will say so again.
            self._must_claim = self._must_claim or free > 0
            raise
        self._turns.answer(told, turned.ended)
        return turned

    async def _doubt_after_a_loss(self) -> None:
        if self._listener.losses != self._losses:
            # What took one connection without a word may have taken all: asked together, each does
            # not cost a wait of its own. Those that stand are kept, if only because no new ones are
            # let in.
            self._losses = self._listener.losses
            # What was handed to us, and lost on the way, runs for us all the same.
            self._membership.is_in_doubt = True
            await asyncio.gather(self._calls.doubt(), self._looks.doubt())

    async def _be_known(self) -> None:
        if not self._membership.is_known:
            await self._announce_anew()
        elif self._membership.is_in_doubt:
            await self._membership.renew(self._running.fences)

    async def _is_due(self) -> bool:
        """Look without claiming, as is done each half minute, however quiet it is."""
        lead = self._lead.seconds
        moment = await self._looks.rest(self._membership.id, self._look_now, lead)
        if moment is not None and moment > lead:
            self._alarm.set_in(moment - lead)
        return moment is not None and moment <= lead

    async def _rest(self, turned: Turned | None, *, fruitless: bool) -> None:
        lead = self._lead.seconds
        if turned is not None and turned.asleep:
            moment = turned.due_in
        else:
            moment = await self._looks.rest(self._membership.id, self._look_now, lead)
        is_fruitless = fruitless and moment is not None and moment <= 0
        if is_fruitless:
            # Due, and yet not to be had: another transaction holds it for a moment.
            if not self._is_fruitless:
                self._pauses.stir()
            self._alarm.set_in(self._pauses.next(_RETRY_LAST))
        elif moment is not None:
            # What the claim has just left is not to be had before its time.
            self._alarm.set_in(moment if fruitless and moment <= lead else moment - lead)
        self._is_fruitless = is_fruitless

    async def _look_regularly(self) -> None:
        # Each process has its own place within the interval, whatever wakes all of them at once.
        wait = self._long_poll.max_wait_time * random.random()  # noqa: S311 - spreads looks
        while True:
            await asyncio.sleep(wait)
            self._look_now.set()
            wait = self._long_poll.max_wait_time

    def _hear(self, token: WakeToken) -> None:
        if token.handed is not None:
            self._handovers.hear(token.handed)
            return
        if token.is_garbled:
            self._membership.is_in_doubt = True
        self._pauses.stir()
        if token.moment is not None:
            ahead = self._clock.seconds_until(token.moment) - self._lead.seconds
            if 0 < ahead < _LONGEST_WAIT:
                # Nothing to claim before: only say until when we sleep now.
                self._alarm.set_in(ahead)
                if not self._lingers:
                    self._look_now.set()
                return
        # Handed one and told of another: a rush as well.
        self._signals += 2 if self._now() - self._handed_at < _LINGER else 1
        if not self._lingers:
            self._claim_now()

    def _begin(self, handed: Handed) -> bool:
        """Begin with a job that was handed to us; False when we have no slot for it."""
        free = self._running.free
        if free <= 0 or self._leaves:
            return False
        is_rush = self._now() - self._handed_at < _LINGER
        self._handed_at = self._now()
        self._running.start(handed.job, self._run_handed(handed))
        if free == 1:
            # To be told of nothing until a slot is free.
            self._look_soon()
        elif is_rush and not self._lingers:
            self._signals += 2
            self._claim_now()
        return True

    def _look_soon(self) -> None:
        self._look_now.set()

    def _claim_now(self) -> None:
        self._must_claim = True
        self._look_now.set()

    async def _run(self, job: Job, claimed_at: float) -> None:
        if job.due_at > job.started_at:
            await self._clock.wait_until(job.due_at)
        if self._membership.pulse.has_lasted(claimed_at, self._now()):
            self._note(await self._runner.run(job, self._turns))
        else:
            # Stopped for so long that others may have it: a call of ours would be one too many.
            self._note(await self._runner.give_up(job, _STOPPED))

    async def _end_overdue(self) -> None:
        while True:
            await asyncio.sleep(_OVERDUE)
            for job in self._runner.take_overdue():
                self._running.replace(job, self._end(job))

    async def _end(self, job: Job) -> None:
        self._note(await self._runner.end_overdue(job))

    async def _run_handed(self, handed: Handed) -> None:
        # Its time had come when it was handed over. It may be a while since we heard of it.
        if self._handovers.is_recent(handed):
            self._note(await self._runner.run(handed.job, self._turns))
        else:
            self._note(await self._runner.give_up(handed.job, _STOPPED))

    def _note(self, ended: Ended) -> None:
        if ended.due_in is not None:
            self._alarm.set_in(ended.due_in - self._lead.seconds)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    async def _wait_for(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._look_now.set()

    async def _announce_anew(self) -> None:
        # Taken for dead: what runs has lost its fences, so its results would be refused.
        self._log.warning("taken_for_dead", dropped=len(self._running))
        await self._running.cancel(_CANCEL_TIMEOUT)
        await self._membership.announce()

    async def _drain(self, hand_back: asyncio.Event) -> None:
        self._turns.close()
        self._leaves = True
        retiring = asyncio.create_task(self._retire())
        try:
            await self._running.stop(self._shutdown_timeout, _CANCEL_TIMEOUT, hand_back)
        finally:
            retiring.cancel()

    async def _retire(self) -> None:
        # Otherwise jobs would be handed to us, or told to us, until what runs has ended. Who stays
        # awake is counted on as well, although it is not armed.
        with suppress(DatabaseUnavailable):
            await self._looks.disarm()
