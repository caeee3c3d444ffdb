"""A database connection for the event loop, one call at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from time import time
from typing import Any, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pyworker.local.cluster import PASSWORD

Answer = TypeVar("Answer")
CLOCK_LOOKS = 9


Connection = psycopg.Connection[Any]


class Session:
    """Runs functions on a connection in a thread, so that the loop goes on meanwhile.

    Args:
        connection: the first one; closed with the session.
        connect: makes another one when it was lost.
    """

    def __init__(self, connection: Connection, connect: Callable[[], Connection]) -> None:
        self._connection = connection
        self._connect = connect
        self._free = asyncio.Lock()

    async def call(self, function: Callable[[Connection], Answer]) -> Answer:
        """Return what the function returns for the connection.

        Raises:
            psycopg.Error: whatever it raises; `psycopg.OperationalError`: the database is away.
        """
        async with self._free:
            # A thread cannot be cancelled: the connection is not free until it is done.
            return await asyncio.shield(asyncio.to_thread(self._call, function))

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()

    def _call(self, function: Callable[[Connection], Answer]) -> Answer:
        # Of a connection that was lost one learns by using it.
        with suppress(psycopg.OperationalError):
            self._connection.execute("select 1")
        if self._connection.closed:
            self._connection = self._connect()
        return function(self._connection)


def realtime_connection(database_url: str) -> Connection:
    """Connect as the Realtime server does where that is possible, else as in the URL.

    The server is supabase_admin. A local database has a well-known password for that role; on any
    other host no password is tried.
    """
    parts = conninfo_to_dict(database_url)
    if _is_local(str(parts.get("host", ""))) and parts.get("password") == PASSWORD:
        with suppress(psycopg.OperationalError):
            return _connect(make_conninfo(database_url, user="supabase_admin"))
    return _connect(database_url)


def _connect(database_url: str) -> Connection:
    return psycopg.connect(
        database_url, autocommit=True, application_name="demo realtime", connect_timeout=5
    )


def measure_clock_offset(connection: psycopg.Connection[Any]) -> float:
    """Return by how many seconds the database's clock is ahead of ours."""
    looks = []
    for _ in range(CLOCK_LOOKS):
        before = time()
        row = connection.execute("select extract(epoch from clock_timestamp())::float8").fetchone()
        after = time()
        looks.append((after - before, (row[0] if row else 0.0) - (before + after) / 2))
    return float(min(looks)[1])


def _is_local(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
