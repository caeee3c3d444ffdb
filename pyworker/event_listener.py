"""The one LISTEN connection of a process that wants to know what becomes of keys."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn, Self
from uuid import uuid4

import psycopg
import stamina
from psycopg import sql

CHANNEL = "freshness_events"

# Not structlog, which an application may not have set up: it would print.
_log = logging.getLogger(__name__)

_ECHO_LIMIT = 2.0
_SILENT_FOR = 300.0


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
        self._database_url = database_url
        self._own_channel = f"{CHANNEL}_{uuid4().hex[:16]}"
        self.backend: int | None = None
        self.tried = asyncio.Event()

    async def run(self, hear: Callable[[KeyEvent], None], changed: Callable[[], None]) -> NoReturn:
        """Call `hear` for each event, and `changed` whenever `backend` has changed, for ever."""
        while True:
            try:
                async with await self._connect() as connection:
                    await self._listen(connection, hear, changed)
            except psycopg.OperationalError:
                _log.warning("listening was interrupted; polling until it goes on")
            finally:
                self.backend = None
            changed()

    async def _listen(
        self,
        connection: psycopg.AsyncConnection[Any],
        hear: Callable[[KeyEvent], None],
        changed: Callable[[], None],
    ) -> None:
        for channel in (CHANNEL, self._own_channel):
            await connection.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
        answer = await connection.execute("select pg_backend_pid()")
        [backend] = await answer.fetchone() or (None,)
        if not await self._hears_itself(connection):
            # A transaction pooler takes LISTEN, and says nothing ever after.
            _log.warning("nothing is heard through this pooler; polling (use its session mode)")
            self.tried.set()
            await asyncio.sleep(_SILENT_FOR)
            return
        self.backend = backend
        _log.info("listening")
        self.tried.set()
        changed()
        async with aclosing(connection.notifies()) as notifications:
            async for notification in notifications:
                if notification.channel == CHANNEL:
                    event = _read(notification.payload)
                    if event is not None:
                        hear(event)

    async def _hears_itself(self, connection: psycopg.AsyncConnection[Any]) -> bool:
        await connection.execute("select pg_notify(%s, '')", [self._own_channel])
        async with aclosing(connection.notifies(timeout=_ECHO_LIMIT)) as notifications:
            async for notification in notifications:
                # Nobody of this process listens for a key yet: what else comes is for others.
                if notification.channel == self._own_channel:
                    return True
        return False

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        async for attempt in stamina.retry_context(
            on=self._is_passing, attempts=None, timeout=None, wait_initial=0.2, wait_max=10
        ):
            with attempt:
                return await psycopg.AsyncConnection.connect(
                    self._database_url,
                    autocommit=True,
                    application_name="freshness event listener",
                    connect_timeout=10,
                    # Asked once in its life, also behind a pooler.
                    prepare_threshold=None,
                    keepalives_idle=30,
                    keepalives_interval=10,
                    keepalives_count=3,
                    tcp_user_timeout=30000,
                )
        raise AssertionError("retrying has no end")

    def _is_passing(self, error: Exception) -> bool:
        # Those who wait poll meanwhile.
        self.tried.set()
        return isinstance(error, psycopg.OperationalError)
