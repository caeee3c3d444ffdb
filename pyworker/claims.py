"""One look of a worker: what has ended is told, what is due is claimed, the next is planned."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from pyworker.fetches import Fetches
from pyworker.handovers import Handovers
from pyworker.job import Turned
from pyworker.looks import Looks
from pyworker.membership import Membership
from pyworker.next_look import NextLook
from pyworker.running import Running
from pyworker.rush import Rush
from pyworker.turns import Turns, Waiting
from pyworker.wakefulness import LINGER, Wakefulness


class Claims:
    """Claims jobs for free slots, in the turns that tell what has ended."""

    def __init__(
        self,
        looks: Looks,
        turns: Turns,
        running: Running,
        fetches: Fetches,
        *,
        handovers: Handovers,
        membership: Membership,
        next_look: NextLook,
        wakefulness: Wakefulness,
        rush: Rush,
    ) -> None:
        self._looks = looks
        self._turns = turns
        self._running = running
        self._fetches = fetches
        self._handovers = handovers
        self._membership = membership
        self._next_look = next_look
        self._wakefulness = wakefulness
        self._rush = rush

    async def look(self) -> None:
        """Tell what has ended, claim and start what is due, and plan the next look.

        Raises:
            WorkerUnknown: the worker was taken for dead.
            DatabaseUnavailable: nobody knows what was claimed.
        """
        must_claim = self._next_look.take_claim()
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
            self._next_look.looked(found=False)

    async def _claim(self, told: Sequence[Waiting]) -> None:
        limit = self._rush.limit(self._running.free)
        if limit <= 0:
            # Taken by what was handed to us while we looked whether anything is due.
            return
        stays_awake = self._wakefulness.claims()
        lead = self._next_look.lead + (LINGER if stays_awake else 0)
        asked_at = asyncio.get_running_loop().time()
        is_ours = partial(self._membership.has_lasted_since, asked_at)
        with self._handovers.held():
            with self._next_look.measured():
                turned = await self._turn(told, limit, lead, stays_awake=stays_awake)
            self._membership.heard(asked_at)
            for job in turned.jobs:
                self._fetches.begin(job, is_ours)
        self._next_look.looked(found=bool(turned.jobs))
        self._rush.note(limit, len(turned.jobs))
        if len(turned.jobs) == limit:
            self._wakefulness.falls_asleep()
            # More may be due, and slots are left for it, or were freed during the claim. What we
            # were told meanwhile is to be handed on.
            if self._running.free > 0 or self._wakefulness.has_news:
                self._next_look.claim_now()
        elif not stays_awake:
            await self._rest(turned, fruitless=not turned.jobs)
        elif turned.jobs:
            self._next_look.claim_in(LINGER)
        else:
            self._wakefulness.falls_asleep()
            self._next_look.claim_now()

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
            raise
        self._turns.answer(told, turned.ended)
        return turned

    async def _is_due(self) -> bool:
        """Look without claiming, as is done each half minute, however quiet it is."""
        due_in = await self._due_in()
        if due_in is None or due_in <= self._next_look.lead:
            return due_in is not None
        self._next_look.due_in(due_in)
        return False

    async def _rest(self, turned: Turned | None, *, fruitless: bool) -> None:
        if turned is not None and turned.asleep:
            due_in = turned.due_in
        else:
            due_in = await self._due_in()
        self._next_look.rest(due_in, fruitless=fruitless)

    async def _due_in(self) -> float | None:
        return await self._looks.rest(
            self._membership.id, self._next_look.is_wanted, self._next_look.lead
        )
