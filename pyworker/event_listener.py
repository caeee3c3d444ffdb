"""The one LISTEN connection of a process that wants to know what becomes of keys."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import NoReturn
from uuid import uuid4

import psycopg

from pyworker.backoff import Backoff
from pyworker.connections import Connection
from pyworker.key_event import KeyEvent, KeyLine, read_event
from pyworker.listening import Ear

__all__ = ["CHANNEL", "EventListener", "KeyEvent", "KeyLine"]

CHANNEL = "freshness_events"

# Not structlog, which an application may not have set up: it would print.
_log = logging.getLogger(__name__)

_PATIENCE = 3.0
_SILENT_FOR = 300.0
_REFUSED_FOR = 60.0
_CONNECTING_AGAIN = (0.2, 10.0)


@dataclass(frozen=True, slots=True, eq=False)
class _Hearer:
    hear: Callable[[KeyEvent], None]
    changed: Callable[[], None]
    hear_line: Callable[[KeyLine], None] | None


class EventListener:
    """Says what becomes of keys that somebody of this process listens for.

    All who want to know share it: each calls `run`, and while somebody does there is one
    connection. `backend` is what the database has to tell, and None while nothing can be heard:
    then those who wait have to poll. `tried` is set once that is known.

    Args:
        database_url: where to listen.
        round_trip_interval: seconds after which the connection has to show that it stands.
    """

    def __init__(self, database_url: str, *, round_trip_interval: float = 7.5) -> None:
        self._round_trip_interval = round_trip_interval
        channels = (CHANNEL, f"{CHANNEL}_{uuid4().hex[:16]}")
        self._ear = Ear(database_url, "freshness event listener", channels, _PATIENCE)
        self._backoff = Backoff(*_CONNECTING_AGAIN)
        self._hearers: list[_Hearer] = []
        self._listening: asyncio.Task[NoReturn] | None = None
        self.backend: int | None = None
        self.tried = asyncio.Event()

    async def run(
        self,
        hear: Callable[[KeyEvent], None],
        changed: Callable[[], None],
        hear_line: Callable[[KeyLine], None] | None = None,
    ) -> NoReturn:
        """Call `hear` for each event, and `changed` whenever `backend` has changed, for ever.

        Events, and the lines for `hear_line`, are of all keys that anybody of this process listens
        for.
        """
        hearer = _Hearer(hear, changed, hear_line)
        self._hearers.append(hearer)
        if self._listening is None or self._listening.done():
            self._listening = asyncio.create_task(self._run(), name="event listener")
        listening = self._listening
        try:
            await asyncio.shield(listening)
        finally:
            self._hearers.remove(hearer)
            if not self._hearers:
                self._listening = None
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)
        raise AssertionError("listening has no end")

    async def _run(self) -> NoReturn:
        while True:
            pause = 0.0
            try:
                async with await self._ear.connect() as connection:
                    pause = await self._listen(connection)
            except psycopg.OperationalError:
                pause = self._backoff.next()
                _log.warning("listening was interrupted; polling until it goes on")
            except psycopg.Error as error:
                # Such as a server that is a standby: it may be none some time.
                pause = _REFUSED_FOR
                _log.warning("listening is refused (%s); polling", error)
            finally:
                was_heard, self.backend = self.backend is not None, None
            # Those who wait poll meanwhile.
            self.tried.set()
            if was_heard:
                self._changed()
            await asyncio.sleep(pause)

    async def _listen(self, connection: Connection) -> float:
        """Hand on what is heard; returns after how long to try again (s) if nothing ever is."""
        # Nobody of this process listens for a key yet: what comes before is for others.
        self.backend = await self._ear.listen(connection, lambda _: None)
        if self.backend is None:
            _log.warning("nothing is heard through this pooler; polling (use its session mode)")
            return _SILENT_FOR
        self._backoff.reset()
        _log.info("listening")
        self.tried.set()
        self._changed()
        notifications = self._ear.notifications(connection, self._round_trip_interval)
        async with aclosing(notifications):
            async for notification in notifications:
                if notification.channel == CHANNEL:
                    self._hand_on(notification.payload)
        return 0.0

    def _hand_on(self, payload: str) -> None:
        try:
            heard = read_event(payload)
        except ValueError:
            # Whoever is in the database can notify.
            _log.warning("a notification on %s is none of ours", CHANNEL)
            return
        for hearer in self._hearers:
            if isinstance(heard, KeyEvent):
                hearer.hear(heard)
            elif hearer.hear_line is not None:
                hearer.hear_line(heard)

    def _changed(self) -> None:
        for hearer in self._hearers:
            hearer.changed()
