"""Where the tasks of a process wait for keys: one look at the database serves all of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress

from pyworker.errors import DatabaseUnavailable, InvalidRequest
from pyworker.event_listener import EventListener
from pyworker.job import Key
from pyworker.key_event import KeyEvent
from pyworker.key_freshness import KeyFreshness
from pyworker.look_times import FIRST_POLL, LAST_POLL, LookTimes
from pyworker.queue.waits import WaitQueue
from pyworker.wait import Wait
from pyworker.waits import Waits

_log = logging.getLogger(__name__)

_STARTS = {"refreshing", "queued", "ignored"}
_LAST_WORD = 1.0
_GOODBYE = 1.0


class WaitingRoom:
    """Holds the waits of a process, and ends them when their keys are fresh.

    A signal is a hint; each leads to one look, for all waits whose keys were named since the last
    one. Those who wait make no queries. What nobody was told, since rows were written by somebody
    else or a signal was lost, is seen by looks for all (`LookTimes`). Nobody listens before the
    first wait.
    """

    def __init__(self, queue: WaitQueue, listener: EventListener) -> None:
        self._queue = queue
        self._listener = listener
        self._waits = Waits()
        self._times = LookTimes()
        # What was heard while a look was under way whose answer may be older.
        self._heard: set[Key] = set()
        self._tidied_for: int | None = None
        self._is_closed = False
        self._running: asyncio.Task[None] | None = None
        # Who was told, in the end.
        self._backend: int | None = None

    async def wait(self, wait: Wait, timeout: float | None) -> KeyFreshness:  # noqa: ASYNC109
        """Return a key's state when its wait is over.

        Raises:
            NotFreshInTime: it was not over after `timeout` seconds, nor at a last look.
            InvalidRequest: there is no such data type or symbol.
            DatabaseUnavailable: the room is closed.
        """
        if self._is_closed:
            raise _closed()
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name="waiting room")
        self._waits.add(wait)
        self._times.somebody_came()
        try:
            await asyncio.wait([wait.future], timeout=timeout)
            if not wait.future.done():
                wait.is_leaving = True
                self._waits.look_soon([wait])
                await asyncio.wait([wait.future], timeout=_LAST_WORD)
            if not wait.future.done():
                raise wait.out_of_time()
            return wait.future.result()
        finally:
            self._waits.leave(wait)
            if not self._waits:
                self._times.nobody_waits()

    def close(self) -> None:
        """End all waits now, and let none in any more."""
        self._is_closed = True
        self._waits.fail(_closed())
        # So looking ends also when its task's cancelling gets lost in a library.
        self._waits.work.set()

    async def end(self) -> None:
        """Close the room, and have nothing told to it any more."""
        self.close()
        if self._running is None:
            return
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        if self._backend is not None:
            # If that fails: the listener is gone, and is forgotten by the next one.
            with suppress(DatabaseUnavailable, TimeoutError):
                async with asyncio.timeout(_GOODBYE):
                    await self._queue.stop_listening(self._backend)

    async def _run(self) -> None:
        listening = asyncio.create_task(self._listener.run(self._hear, self._listener_changed))
        try:
            await self._listener.tried.wait()
            pause = FIRST_POLL
            while not self._is_closed:
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(self._times.at):
                        await self._waits.work.wait()
                self._waits.work.clear()
                try:
                    await self._look()
                    pause = FIRST_POLL
                except Exception as error:
                    # Whatever it is, who waits is to be looked at.
                    _log.warning("%s; trying again", error)
                    self._waits.work.set()
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, LAST_POLL)
        finally:
            self._backend = self._listener.backend
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    def _hear(self, event: KeyEvent) -> None:
        # Of keys that are streamed we hear too.
        if event.kind in _STARTS or not self._waits:
            return
        key = Key(event.data_type, event.symbol)
        self._heard.add(key)
        self._waits.look_at_key(key)

    def _listener_changed(self) -> None:
        # Whoever listens now has to be made known; whoever does not, polls.
        self._times.begin_anew()
        self._waits.look_at_all()

    async def _look(self) -> None:
        backend = self._listener.backend
        if self._times.is_due():
            self._waits.look_at_all()
            self._times.plan(is_told=backend is not None, is_needed=bool(self._waits))
        elif backend is None:
            self._times.within(FIRST_POLL)
        await self._forget_others()
        await self._forget()
        self._heard.clear()
        # Together: a table that somebody holds keeps nobody waiting who waits for another.
        looks = (self._look_at_some(waits) for waits in self._waits.take())
        for failure in await asyncio.gather(*looks, return_exceptions=True):
            if failure is not None:
                raise failure

    async def _look_at_some(self, waits: Sequence[Wait]) -> None:
        data_type = waits[0].key.data_type
        backend = self._listener.backend
        try:
            found = await self._queue.wait_for(
                data_type,
                [wait.key.symbol for wait in waits],
                [wait.since for wait in waits],
                backend,
                waits[0].priority,
            )
        except DatabaseUnavailable:
            self._waits.look_soon(waits)
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
            key = self._waits.note(wait, state)
            if state.is_over:
                # For others who wait for the same key, we are to be told again.
                self._waits.look_soon(self._waits.others(key, waits))
            elif key in self._heard or backend != self._listener.backend:
                self._waits.look_soon([wait])

    async def _forget_others(self) -> None:
        """Once for each connection: it may follow one of ours that was lost."""
        backend = self._listener.backend
        if backend not in (None, self._tidied_for):
            await self._queue.forget_lost_listeners()
            self._tidied_for = backend

    async def _forget(self) -> None:
        backend = self._listener.backend
        while backend is not None and (forgotten := self._waits.forgotten()):
            data_type, keys = forgotten
            await self._queue.stop_listening(backend, data_type, [key.symbol for key in keys])
            self._waits.forgot(keys)


def _closed() -> DatabaseUnavailable:
    return DatabaseUnavailable("the client was closed")
