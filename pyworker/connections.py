"""What holds for each connection to Postgres, whatever goes over it."""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

Connection = psycopg.AsyncConnection[Any]

CONNECTING: Mapping[str, Any] = {
    "connect_timeout": 10,
    # A peer that is gone without a word is noticed within a minute, and what was sent to it
    # within half of one.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30000,
}
"""Parameters of libpq for all connections of a process."""

_PREPARE_AFTER = 5
_CONFIGURING = 10.0


@contextmanager
def severed_after(connection: Connection, seconds: float | None) -> Iterator[None]:
    """Shut the socket down if this takes longer; what waits for an answer fails at once.

    Cancelling would wait for an answer too. None: no limit.
    """
    if seconds is None:
        yield
        return
    timer = asyncio.get_running_loop().call_later(seconds, _sever, connection)
    try:
        yield
    finally:
        timer.cancel()


async def make_round_trip(connection: Connection, seconds: float) -> None:
    """Let the server answer, without a transaction.

    Raises:
        psycopg.OperationalError: the connection is lost, or no answer came in time; it is closed.
    """
    with severed_after(connection, seconds):
        # All that an empty pipeline sends is a Sync.
        async with connection.pipeline():
            pass


def has_news(connection: Connection) -> bool:
    """Say whether the server has sent something that nobody has read, such as its end."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


async def prepare_if_direct(connection: Connection) -> None:
    """Allow prepared statements, unless a pooler may give the next transaction another server.

    The number that a pooler tells at the start is its own.
    """
    with severed_after(connection, _CONFIGURING):
        answer = await connection.execute("select pg_backend_pid()")
        [backend] = await answer.fetchone() or (0,)
    is_direct = backend == connection.info.backend_pid
    connection.prepare_threshold = _PREPARE_AFTER if is_direct else None


def _sever(connection: Connection) -> None:
    with suppress(OSError, psycopg.Error):
        duplicate = socket.fromfd(connection.fileno(), socket.AF_INET, socket.SOCK_STREAM)
        with duplicate:
            duplicate.shutdown(socket.SHUT_RDWR)
