"""The worker: sleeps until something is due, claims it, and runs it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from pyworker.claims import Claims
from pyworker.database_clock import DatabaseClock
from pyworker.errors import DatabaseUnavailable, WorkerUnknown
from pyworker.fetches import Fetches
from pyworker.handovers import Handovers
from pyworker.hearing import Hearing
from pyworker.listener import Listener
from pyworker.long_poll import LongPoll
from pyworker.looks import Looks
from pyworker.membership import Membership
from pyworker.next_look import NextLook
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
from pyworker.turns import Turns
from pyworker.wakefulness import Wakefulness


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
        self._listener = listener
        self._name = name
        self._shutdown_timeout = shutdown_timeout
        self._losses = 0
        self._log = structlog.get_logger("worker").bind(worker=name)
        clock, wakefulness = DatabaseClock(), Wakefulness()
        self._next_look = NextLook(long_poll or LongPoll())
        self._looks = Looks(looks or LookQueue(calls), listener, runner.data_types, clock)
        self._turns = Turns(RefreshQueue(calls), self._next_look.now)
        self._running = Running(concurrency, self._next_look.claim_now)
        self._fetches = Fetches(
            runner,
            self._running,
            self._turns,
            clock,
            next_look=self._next_look,
            wakefulness=wakefulness,
        )
        self._membership = Membership(
            MemberQueue(calls),
            name=name,
            heartbeat_limit=heartbeat_limit,
            data_types=runner.data_types,
        )
        self._handovers = Handovers(
            HandoverQueue(calls),
            self._membership,
            clock,
            data_types=runner.data_types,
            heartbeat_limit=heartbeat_limit,
            begin=self._fetches.begin_handed,
            look=self._next_look.now,
        )
        self._hearing = Hearing(
            self._handovers, self._membership, clock, self._next_look, wakefulness
        )
        self._claims = Claims(
            self._looks,
            self._turns,
            self._running,
            self._fetches,
            handovers=self._handovers,
            membership=self._membership,
            next_look=self._next_look,
            wakefulness=wakefulness,
            rush=Rush(concurrency, runner.largest_batch),
        )

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
                group.create_task(self._listener.run(self._hearing.hear)),
                group.create_task(
                    self._membership.beat(lambda: bool(self._running), self._next_look.claim_now)
                ),
                group.create_task(self._handovers.tell()),
                group.create_task(sweep_regularly(SweepQueue(self._calls), self._name)),
                group.create_task(self._next_look.regularly()),
                group.create_task(self._fetches.end_overdue()),
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
            self._next_look.is_wanted.clear()
            await self._try_to_look()
            await self._next_look.is_wanted.wait()

    async def _wait_for(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._next_look.now()

    async def _try_to_look(self) -> None:
        try:
            await self._doubt_after_a_loss()
            await self._membership.be_known(self._running)
            await self._claims.look()
        except WorkerUnknown:
            self._membership.is_known = False
            self._next_look.claim_now()
        except DatabaseUnavailable as error:
            self._membership.is_in_doubt = True
            self._log.warning("database_unavailable", reason=error.message)
            self._next_look.failed()
        else:
            if not self._looks.can_be_woken:
                self._next_look.poll()

    async def _doubt_after_a_loss(self) -> None:
        if self._listener.losses != self._losses:
            # What took one connection without a word may have taken all: asked together, each does
            # not cost a wait of its own. Those that stand are kept, if only because no new ones are
            # let in.
            self._losses = self._listener.losses
            # What was handed to us, and lost on the way, runs for us all the same.
            self._membership.is_in_doubt = True
            await asyncio.gather(self._calls.doubt(), self._looks.doubt())

    async def _drain(self, hand_back: asyncio.Event) -> None:
        self._turns.close()
        self._fetches.close()
        retiring = asyncio.create_task(self._retire())
        try:
            await self._running.stop(self._shutdown_timeout, hand_back)
        finally:
            retiring.cancel()

    async def _retire(self) -> None:
        # Otherwise jobs would be handed to us, or told to us, until what runs has ended. Who stays
        # awake is counted on as well, although it is not armed.
        with suppress(DatabaseUnavailable):
            await self._looks.disarm()
