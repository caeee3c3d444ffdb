"""The one LISTEN connection of a process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import NoReturn
from uuid import uuid4

import psycopg
import structlog

from pyworker.backoff import Backoff
from pyworker.connections import Connection
from pyworker.job import Sleeper
from pyworker.listener_report import ListenerReport
from pyworker.listening import Ear
from pyworker.wake_token import WakeToken

CHANNEL = "freshness_work"
"""What all workers listen to, beside the channel that each has for itself."""

QUEUE_IS_FILLING = 80.0
"""Per cent of the server's notification queue above which each reading is a warning."""

_SWITCHED_OFF = "long polling is switched off"
_SILENT = "notifications do not arrive, as through a transaction pooler (port 6543)"
_STEADY = 2.0
# A server that was only slow is soon asked again, a pooler once an hour in the end.
_ASKING_AGAIN = (60.0, 3600.0)


class Listener:
    """Says when it is time to look. What a token carries is a hint; the database has the data.

    `sleeper` is how we can be woken while a connection stands, and None while none does; `losses`
    is how many that stood have been lost, for whatever reason.

    Args:
        database_url: where to listen.
        enabled: False: never listen.
        round_trip_interval: seconds after which a connection that stands has to show that it does.
        patience: seconds in which an answer or a notification has to arrive.
        backoff: the waits between attempts to connect.
        asking_again: the waits before another try where notifications do not arrive.
    """

    def __init__(
        self,
        database_url: str,
        *,
        enabled: bool = True,
        round_trip_interval: float = 30.0,
        patience: float = 3.0,
        backoff: Backoff | None = None,
        asking_again: Backoff | None = None,
    ) -> None:
        self._enabled = enabled
        self._round_trip_interval = round_trip_interval
        self._backoff = backoff or Backoff()
        self._asking_again = asking_again or Backoff(*_ASKING_AGAIN)
        self._log = structlog.get_logger("listener")
        self._running = False
        self._attempts = 0
        self._reason: str | None = "not connected yet"
        self._queue_usage: float | None = None
        self.channel = f"{CHANNEL}_{uuid4().hex[:16]}"
        self.sleeper: Sleeper | None = None
        self.losses = 0
        self._ear = Ear(database_url, "freshness listener", (CHANNEL, self.channel), patience)

    def report(self) -> ListenerReport:
        """Say how it is going."""
        is_listening = self.sleeper is not None
        return ListenerReport(
            running=self._running,
            connection_healthy=is_listening,
            reconnect_attempts=self._attempts,
            max_reconnect_attempts=None,
            pg_queue_usage_percent=self._queue_usage,
            mode="listening" if is_listening else "polling",
            reason=None if is_listening else self._reason,
        )

    def note_queue_usage(self, percent: float) -> None:
        """Take down how full the notification queue is; whoever looks anyway reads it for us."""
        self._queue_usage = percent
        if percent > QUEUE_IS_FILLING:
            # Full, it makes each transaction fail that notifies anybody.
            self._log.warning("notification_queue_filling", percent=percent)

    async def run(self, signal: Callable[[WakeToken], None]) -> NoReturn:
        """Hand on a token for each notification, each (re)connection and each loss, for ever.

        What was sent while no connection stood is lost: hence a look after each connection and
        at its loss, and the caller's own looks while `sleeper` is None.
        """
        self._running = True
        try:
            while True:
                pause = await self._listen_once(signal)
                self.sleeper = None
                # The caller polls from here on.
                signal(WakeToken())
                await asyncio.sleep(pause)
                self._attempts += 1
        finally:
            self.sleeper = None
            self._running = False

    async def _listen_once(self, signal: Callable[[WakeToken], None]) -> float:
        """Listen as long as that goes well; returns the pause before the next attempt (s)."""
        if not self._enabled:
            return self._poll_only(_SWITCHED_OFF, float("inf"))
        since = time.monotonic()
        try:
            async with await self._ear.connect() as connection:
                backend = await self._ear.listen(
                    connection, lambda heard: signal(self._token(heard))
                )
                if backend is None:
                    return self._poll_only(_SILENT, self._asking_again.next())
                since = time.monotonic()
                self._begin(backend)
                await self._hand_on(connection, signal)
        except psycopg.OperationalError as error:
            self._reason = _first_line(error)
            if self.sleeper is not None:
                self.losses += 1
                self._log.warning("listening_interrupted", fallback="polling", reason=self._reason)
                if time.monotonic() - since >= _STEADY:
                    self._backoff.reset()
                    return 0
            pause = self._backoff.next()
            self._log.warning(
                "listening_postponed",
                seconds=round(pause, 1),
                attempts=self._attempts,
                reason=self._reason,
            )
            return pause
        except psycopg.Error as error:
            if self.sleeper is not None:
                self.losses += 1
            reason = f"LISTEN is refused: {_first_line(error)}"
            return self._poll_only(reason, self._asking_again.next())

    def _begin(self, backend: int) -> None:
        self.sleeper = Sleeper(self.channel, backend)
        self._attempts = 0
        self._asking_again.reset()
        self._log.info("listening", channel=CHANNEL)

    async def _hand_on(
        self, connection: Connection, signal: Callable[[WakeToken], None]
    ) -> NoReturn:
        signal(WakeToken())
        notifications = self._ear.notifications(connection, self._round_trip_interval)
        async with aclosing(notifications):
            async for notification in notifications:
                signal(self._token(notification))
                # Whoever has been woken comes before the wait for more.
                await asyncio.sleep(0)
        raise AssertionError("listening has no end")

    def _token(self, heard: psycopg.Notify) -> WakeToken:
        return WakeToken.of(heard.payload, is_own=heard.channel == self.channel)

    def _poll_only(self, reason: str, pause: float) -> float:
        if reason != self._reason:
            self._log.warning("polling_only", reason=reason)
        self._reason = reason
        return pause


def _first_line(error: psycopg.Error) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
