"""The one LISTEN connection of a process."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from typing import Any, NoReturn
from uuid import uuid4

import psycopg
import stamina
import structlog
from psycopg import sql

from pyworker.job import Sleeper

CHANNEL = "freshness_work"
"""What all workers listen to, beside the channel that each has for itself."""


class Listener:
    """Says when it is time to look. What a signal carries is a hint; the database has the data.

    `sleeper` is how we can be woken while a connection stands, and None while none does.
    """

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._log = structlog.get_logger("listener")
        self.channel = f"{CHANNEL}_{uuid4().hex[:16]}"
        self.sleeper: Sleeper | None = None

    async def run(self, signal: Callable[[], None]) -> NoReturn:
        """Call `signal` at each notification and after each (re)connection, for ever.

        A signal that was sent while no connection stood is lost: hence a look after each
        connection and at its loss, and the caller's own looks while `sleeper` is None.
        """
        while True:
            try:
                async with await self._connect() as connection:
                    for channel in (CHANNEL, self.channel):
                        await connection.execute(
                            sql.SQL("listen {}").format(sql.Identifier(channel))
                        )
                    # Asked, not read from the connection: a pooler may have told another number.
                    answer = await connection.execute("select pg_backend_pid()")
                    [listener] = await answer.fetchone() or (0,)
                    self.sleeper = Sleeper(self.channel, listener)
                    self._log.info("listening", channel=CHANNEL)
                    signal()
                    async with aclosing(connection.notifies()) as notifications:
                        async for _ in notifications:
                            signal()
            except psycopg.OperationalError:
                self._log.warning("listening_interrupted", fallback="polling")
                self.sleeper = None
                # The caller polls from here on.
                signal()
            finally:
                self.sleeper = None

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        async for attempt in stamina.retry_context(
            on=psycopg.OperationalError,
            attempts=None,
            timeout=None,
            wait_initial=0.5,
            wait_max=60,
            wait_jitter=1,
        ):
            with attempt:
                return await psycopg.AsyncConnection.connect(
                    self._database_url,
                    autocommit=True,
                    application_name="freshness listener",
                    connect_timeout=10,
                    # A peer that is gone without a word is noticed within a minute.
                    keepalives_idle=30,
                    keepalives_interval=10,
                    keepalives_count=3,
                    tcp_user_timeout=30000,
                )
        raise AssertionError("retrying has no end")
