"""The one LISTEN connection of a process that wants to know what becomes of keys."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn, Self
from uuid import uuid4

import psycopg

from pyworker.backoff import Backoff
from pyworker.connections import Connection
from pyworker.listening import Ear

CHANNEL = "freshness_events"

# Not structlog, which an application may not have set up: it would print.
_log = logging.getLogger(__name__)

_PATIENCE = 3.0
_SILENT_FOR = 300.0
_REFUSED_FOR = 60.0
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
    def of(cls, said: Mapping[str, Any]) -> Self:
        """Read a notification.

        Raises:
            KeyError, TypeError, ValueError: it is none of ours.
        """
        return cls(
            _number(said["id"]),
            _text(said["data_type"]),
            _text(said["symbol"]),
            _text(said["kind"]),
            _text(said["status"]),
            _moment(said["fresh_until"]),
            _moment(said["due_at"]),
        )


@dataclass(frozen=True, slots=True)
class KeyLine:
    """What a refresher has said of a key, when (the database's clock), after lines left out."""

    data_type: str
    symbol: str
    line: str
    said_at: datetime
    left_out: int


def _read(payload: str) -> KeyEvent | KeyLine | None:
    # Whoever is in the database can notify.
    try:
        said = json.loads(payload)
        if said["kind"] != "log":
            return KeyEvent.of(said)
        return KeyLine(
            _text(said["data_type"]),
            _text(said["symbol"]),
            _text(said["line"]),
            datetime.fromisoformat(said["said_at"]),
            _number(said["left_out"]),
        )
    # The last: lists in lists.
    except (ValueError, KeyError, TypeError, RecursionError):
        _log.warning("a notification on %s is none of ours", CHANNEL)
        return None


def _number(said: object) -> int:
    if type(said) is not int:
        raise TypeError("a number is whole")
    return said


def _text(said: object) -> str:
    if not isinstance(said, str):
        raise TypeError("a text is a text")
    return said


def _moment(text: str | None) -> datetime | None:
    moment = None if text is None else datetime.fromisoformat(text)
    if moment is not None and moment.tzinfo is None:
        raise ValueError("a moment has a zone")
    return moment


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
                    self._hand_on(_read(notification.payload))
        return 0.0

    def _hand_on(self, heard: KeyEvent | KeyLine | None) -> None:
        for hearer in self._hearers:
            if isinstance(heard, KeyEvent):
                hearer.hear(heard)
            elif heard is not None and hearer.hear_line is not None:
                hearer.hear_line(heard)

    def _changed(self) -> None:
        for hearer in self._hearers:
            hearer.changed()
