"""The one LISTEN connection of a process that wants to know what becomes of keys."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn, Self
from uuid import uuid4

import psycopg

from pyworker.backoff import Backoff
from pyworker.connections import Connection
from pyworker.listening import Ear

CHANNEL = "freshness_events"

# Not structlog, which an application may not have set up: it would print.
_log = logging.getLogger(__name__)

_PATIENCE = 3.0
_ROUND_TRIP_INTERVAL = 30.0
_SILENT_FOR = 300.0
_CONNECTING_AGAIN = (0.2, 10.0)


@dataclass(frozen=True, slots=True)
class KeyEvent:
    """What has become of a key: a row of freshness.events, without its message.

    `kind` is queued too, of which there is no row. `status` and the times are the key's from then
    on, as streams say them (`StreamState`).
    """

    id: int
    data_type: str
    symbol: str
    kind: str
    status: str = "queued"
    fresh_until: datetime | None = None
    due_at: datetime | None = None

    @classmethod
    def of(cls, payload: str) -> Self:
        """Read a notification.

        Raises:
            KeyError, TypeError, ValueError: it is none of ours.
        """
        said = json.loads(payload)
        return cls(
            said["id"],
            said["data_type"],
            said["symbol"],
            said["kind"],
            said["status"],
            _moment(said["fresh_until"]),
            _moment(said["due_at"]),
        )


def _read(payload: str) -> KeyEvent | None:
    # Whoever is in the database can notify.
    try:
        return KeyEvent.of(payload)
    except (ValueError, KeyError, TypeError):
        _log.warning("a notification on %s is none of ours", CHANNEL)
        return None


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


class EventListener:
    """Says what becomes of keys that somebody of this process listens for.

    `backend` is what the database has to tell, and None while nothing can be heard: then those
    who wait have to poll. `tried` is set once that is known.
    """

    def __init__(self, database_url: str) -> None:
        channels = (CHANNEL, f"{CHANNEL}_{uuid4().hex[:16]}")
        self._ear = Ear(database_url, "freshness event listener", channels, _PATIENCE)
        self._backoff = Backoff(*_CONNECTING_AGAIN)
        self.backend: int | None = None
        self.tried = asyncio.Event()

    async def run(self, hear: Callable[[KeyEvent], None], changed: Callable[[], None]) -> NoReturn:
        """Call `hear` for each event, and `changed` whenever `backend` has changed, for ever."""
        while True:
            pause = 0.0
            try:
                async with await self._ear.connect() as connection:
                    pause = await self._listen(connection, hear, changed)
            except psycopg.OperationalError:
                pause = self._backoff.next()
                _log.warning("listening was interrupted; polling until it goes on")
            finally:
                was_heard, self.backend = self.backend is not None, None
            # Those who wait poll meanwhile.
            self.tried.set()
            if was_heard:
                changed()
            await asyncio.sleep(pause)

    async def _listen(
        self, connection: Connection, hear: Callable[[KeyEvent], None], changed: Callable[[], None]
    ) -> float:
        """Hand on what is heard; returns after how long to try again (s) if nothing ever is."""
        # Nobody of this process listens for a key yet: what comes before is for others.
        self.backend = await self._ear.listen(connection, lambda _: None)
        if self.backend is None:
            _log.warning("nothing is heard through this pooler; polling (use its session mode)")
            return _SILENT_FOR
        self._backoff.reset()
        _log.info("listening")
        self.tried.set()
        changed()
        notifications = self._ear.notifications(connection, _ROUND_TRIP_INTERVAL)
        async with aclosing(notifications):
            async for notification in notifications:
                if notification.channel == CHANNEL:
                    event = _read(notification.payload)
                    if event is not None:
                        hear(event)
        return 0.0
