"""Where the tasks of a process wait for keys: one look at the database serves all of them."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress

from pyworker.errors import DatabaseUnavailable, InvalidRequest
from pyworker.event_listener import EventListener
from pyworker.job import Key
from pyworker.key_event import KeyEvent
from pyworker.key_freshness import KeyFreshness
from pyworker.queue.waits import WaitQueue
from pyworker.wait import Wait

_log = logging.getLogger(__name__)

_STARTS = {"refreshing", "queued", "ignored"}
_FIRST_LOOK, _LAST_LOOK = 5.0, 30.0
_FIRST_POLL, _LAST_POLL = 0.1, 2.0
_LAST_WORD = 1.0


class WaitingRoom:
    """Holds the waits of a process, and ends them when their keys are fresh.

    A signal is a hint; each leads to one look, for all waits whose keys were named since the last
    one. Those who wait make no queries. What nobody was told, since rows were written by somebody
    else or a signal was lost, is seen by a look for all after 5 seconds, and then after 10, 20,
    and each 30. While nothing can be heard, such looks come each 0.1 to 2 seconds.
    """

    def __init__(self, queue: WaitQueue, listener: EventListener) -> None:
        self._queue = queue
        self._listener = listener
        self._waits: set[Wait] = set()
        self._by_key: defaultdict[Key, set[Wait]] = defaultdict(set)
        self._to_look: set[Wait] = set()
        self._to_forget: set[Key] = set()
        # What was heard while a look was under way whose answer may be older.
        self._heard: set[Key] = set()
        self._tidied_for: int | None = None
        self._work = asyncio.Event()
        self._is_closed = False
        self._pause = _FIRST_LOOK
        self._look_at = float("inf")

    async def wait(self, wait: Wait, timeout: float | None) -> KeyFreshness:  # noqa: ASYNC109
        """Return a key's state when its wait is over.

        Raises:
            NotFreshInTime: it was not over after `timeout` seconds, nor at a last look.
            InvalidRequest: there is no such data type or symbol.
        """
        self._waits.add(wait)
        self._look_soon({wait})
        self._look_within(_FIRST_LOOK)
        try:
            await asyncio.wait([wait.future], timeout=timeout)
            if not wait.future.done():
                wait.is_leaving = True
                self._look_soon({wait})
                await asyncio.wait([wait.future], timeout=_LAST_WORD)
            if not wait.future.done():
                raise wait.out_of_time()
            return wait.future.result()
        finally:
            self._leave(wait)

    async def run(self) -> None:
        """Look when there is reason to, until the room is closed."""
        listening = asyncio.create_task(self._listener.run(self._hear, self._listener_changed))
        try:
            await self._listener.tried.wait()
            pause = _FIRST_POLL
            while not self._is_closed:
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(self._look_at):
                        await self._work.wait()
                self._work.clear()
                try:
                    await self._look()
                    pause = _FIRST_POLL
                except DatabaseUnavailable as error:
                    _log.warning("%s; trying again", error.message)
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, _LAST_POLL)
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            for wait in self._waits:
                wait.fail(DatabaseUnavailable("the client was closed"))

    def close(self) -> None:
        """Let `run` end, also when its task's cancelling gets lost in a library."""
        self._is_closed = True
        self._work.set()

    def _hear(self, event: KeyEvent) -> None:
        # Of keys that are streamed we hear too.
        if event.kind in _STARTS or not self._waits:
            return
        key = Key(event.data_type, event.symbol)
        self._heard.add(key)
        self._look_soon(self._by_key.get(key, set()))

    def _listener_changed(self) -> None:
        # Whoever listens now has to be made known; whoever does not, polls.
        self._pause = _FIRST_POLL
        self._look_soon(self._waits)

    def _look_soon(self, waits: set[Wait]) -> None:
        if waits:
            self._to_look |= waits
            self._work.set()

    def _look_within(self, seconds: float) -> None:
        self._look_at = min(self._look_at, asyncio.get_running_loop().time() + seconds)

    def _plan_next_look(self) -> None:
        first, last = (
            (_FIRST_POLL, _LAST_POLL)
            if self._listener.backend is None
            else (_FIRST_LOOK, _LAST_LOOK)
        )
        self._pause = max(first, min(self._pause, last))
        self._look_at = float("inf")
        if self._waits:
            self._look_within(self._pause)
        self._pause *= 2

    async def _look(self) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._look_at:
            self._to_look |= self._waits
            self._plan_next_look()
        elif self._listener.backend is None:
            self._look_within(_FIRST_POLL)
        await self._forget_others()
        await self._forget()
        groups: defaultdict[tuple[str, int | None], list[Wait]] = defaultdict(list)
        for wait in self._to_look & self._waits:
            groups[wait.key.data_type, wait.priority].append(wait)
        self._to_look = set()
        for (data_type, priority), waits in groups.items():
            await self._look_at_some(data_type, priority, waits)

    async def _look_at_some(
        self, data_type: str, priority: int | None, waits: Sequence[Wait]
    ) -> None:
        backend = self._listener.backend
        self._heard.clear()
        try:
            found = await self._queue.wait_for(
                data_type,
                [wait.key.symbol for wait in waits],
                [wait.since for wait in waits],
                backend,
                priority,
            )
        except DatabaseUnavailable:
            self._look_soon(set(waits))
            raise
        except Exception as error:
            for wait in waits:
                wait.fail(error)
            return
        states = {state.place: state for state in found}
        for place, wait in enumerate(waits, 1):
            state = states.get(place)
            if state is None:
                wait.fail(InvalidRequest(f"{wait.key.symbol!r} is no symbol of {data_type}"))
                continue
            wait.note(state)
            key = Key(data_type, state.symbol)
            if wait in self._waits:
                self._by_key[key].add(wait)
            elif not state.is_over:
                # It was given up meanwhile.
                self._to_forget.add(key)
                self._work.set()
            if state.is_over:
                # For others who wait for the same key, we are to be told again.
                self._look_soon(self._by_key.get(key, set()).difference(waits))
            elif key in self._heard or backend != self._listener.backend:
                self._look_soon({wait})

    async def _forget_others(self) -> None:
        """Once for each connection: it may follow one of ours that was lost."""
        backend = self._listener.backend
        if backend not in (None, self._tidied_for):
            await self._queue.forget_lost_listeners()
            self._tidied_for = backend

    async def _forget(self) -> None:
        backend = self._listener.backend
        while self._to_forget and backend is not None:
            data_type = next(iter(self._to_forget)).data_type
            keys = {key for key in self._to_forget if key.data_type == data_type}
            gone = [key.symbol for key in keys if not self._by_key.get(key)]
            await self._queue.stop_listening(backend, data_type, gone)
            self._to_forget -= keys

    def _leave(self, wait: Wait) -> None:
        self._waits.discard(wait)
        self._to_look.discard(wait)
        key = wait.canonical
        if key is None:
            return
        self._by_key[key].discard(wait)
        if not self._by_key[key]:
            del self._by_key[key]
            is_over = wait.future.done() and wait.future.exception() is None
            if not is_over:
                self._to_forget.add(key)
                self._work.set()
