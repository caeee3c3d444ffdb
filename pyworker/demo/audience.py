"""An audience for a run without a person: viewers who come and go at random moments."""

from __future__ import annotations

import asyncio
import random
from time import monotonic

from pyworker.demo.board import Board
from pyworker.demo.data_types import DATA_TYPES, PROFILE, QUOTE, SYMBOLS
from pyworker.demo.viewers import Viewer, Viewers
from pyworker.job import Key

# Seconds.
SHORT_STAY = (0.4, 1.2)
AFTER_STALE = (0.1, 0.6)
SECOND_VIEWER_AFTER = (0.2, 0.6)
LATEST_ARRIVAL = 3.0


class Audience:
    """Watches all keys: one of each data type all the time, the others again and again.

    Who comes back waits until the data must be stale. Some are joined by a second viewer, whose
    data is fresh and for whom nothing has to be fetched.
    """

    def __init__(self, viewers: Viewers, board: Board, seconds: float) -> None:
        self._viewers = viewers
        self._board = board
        self._seconds = seconds
        self._end = monotonic() + seconds
        self._random = random.Random()  # noqa: S311 - no secret

    async def attend(self) -> None:
        """Come and go until the time is over; some are still there then.

        Raises:
            DemoError: the endpoint refuses, or does not answer.
            psycopg.Error: the database refuses something.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for data_type in (QUOTE, PROFILE):
                    group.create_task(self._stay(Key(data_type.name, SYMBOLS[0])))
                    for symbol in SYMBOLS[1:]:
                        group.create_task(self._come_and_go(Key(data_type.name, symbol)))
        except ExceptionGroup as errors:
            # They have one cause; the first says it.
            raise errors.exceptions[0] from None

    async def _stay(self, key: Key) -> None:
        await self._pause((0.0, min(LATEST_ARRIVAL, self._seconds / 3)))
        await self._join(key)
        await self._sleep(self._left())

    async def _come_and_go(self, key: Key) -> None:
        ttl = DATA_TYPES[key.data_type].ttl
        await self._pause((0.0, min(LATEST_ARRIVAL, self._seconds / 3)))
        # Who would come at the very end could not be answered any more.
        while self._left() > 1:
            came = monotonic()
            viewers = [await self._join(key)]
            if self._random.random() < 1 / 3:
                await self._pause(SECOND_VIEWER_AFTER)
                viewers.append(await self._join(key))
            await self._pause(SHORT_STAY)
            if self._left() <= 0:
                return
            for viewer in viewers:
                await self._viewers.leave(viewer)
            since = monotonic() - came
            await self._sleep(min(ttl - since + self._random.uniform(*AFTER_STALE), self._left()))

    async def _join(self, key: Key) -> Viewer:
        self._board.show(key)
        if self._random.random() < 1 / 2:
            return await self._viewers.add_card([key])
        return await self._viewers.subscribe(key)

    async def _pause(self, bounds: tuple[float, float]) -> None:
        await self._sleep(self._random.uniform(*bounds))

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(seconds, 0))

    def _left(self) -> float:
        return self._end - monotonic()
