"""What each LISTEN connection does: prove that it hears, and notice when it does not any more."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from uuid import uuid4

import psycopg
from psycopg import Notify, sql

from pyworker.connections import CONNECTING, Connection, make_round_trip, severed_after


class Ear:
    """Listens to channels of a database; the last of them is its own.

    Args:
        database_url: where to listen.
        name: of the connection, as Postgres shows it.
        channels: what to listen to.
        patience: seconds in which an answer or a notification has to arrive.

    Raises, from every method: `psycopg.OperationalError` when the connection is lost or silent.
    """

    def __init__(
        self, database_url: str, name: str, channels: Sequence[str], patience: float
    ) -> None:
        self._database_url = database_url
        self._name = name
        self._channels = channels
        self._patience = patience

    async def connect(self) -> Connection:
        """Return a new connection that does not listen yet; the caller closes it."""
        return await psycopg.AsyncConnection.connect(
            self._database_url,
            autocommit=True,
            prepare_threshold=None,
            application_name=self._name,
            **CONNECTING,
        )

    async def listen(self, connection: Connection, heard: Callable[[Notify], None]) -> int | None:
        """Listen; return the server's process, or None where notifications never arrive.

        That is so through a transaction pooler, which takes LISTEN. `heard` gets what was sent
        by others meanwhile.
        """
        with severed_after(connection, self._patience):
            for channel in self._channels:
                await connection.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
        if not await self._hears_itself(connection, heard):
            # The pooler keeps the server's side; most likely it gives us the same one again.
            with suppress(psycopg.Error), severed_after(connection, self._patience):
                await connection.execute("unlisten *")
            return None
        # Asked, not read from the connection: a pooler may have told another number.
        with severed_after(connection, self._patience):
            answer = await connection.execute("select pg_backend_pid()")
            [backend] = await answer.fetchone() or (0,)
        return int(backend)

    async def notifications(
        self, connection: Connection, interval: float
    ) -> AsyncGenerator[Notify, None]:
        """Yield what is heard, for ever; after `interval` seconds the connection is tried."""
        while True:
            async with aclosing(connection.notifies(timeout=interval)) as notifications:
                async for notification in notifications:
                    yield notification
            await make_round_trip(connection, self._patience)

    async def _hears_itself(self, connection: Connection, heard: Callable[[Notify], None]) -> bool:
        # From another connection: a backend tells itself within its own transaction, and a pooler
        # that is silent ever after passes that on.
        word = uuid4().hex
        async with await self.connect() as other:
            with severed_after(other, self._patience):
                await other.execute("select pg_notify(%s, %s)", (self._channels[-1], word))
        async with aclosing(connection.notifies(timeout=self._patience)) as notifications:
            async for notification in notifications:
                if notification.payload == word:
                    return True
                heard(notification)
        return False
