"""A database connection for the event loop, one call at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from time import time
from typing import Any, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pyworker.local.cluster import PASSWORD

Answer = TypeVar("Answer")
CLOCK_LOOKS = 9


class Session:
    """Runs functions on a connection in a thread, so that the loop goes on meanwhile."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._free = asyncio.Lock()

    async def call(self, function: Callable[[psycopg.Connection[Any]], Answer]) -> Answer:
        """Return what the function returns for the connection.

        Raises:
            psycopg.Error: whatever it raises.
        """
        async with self._free:
            # A thread cannot be cancelled: the connection is not free until it is done.
            return await asyncio.shield(asyncio.to_thread(function, self._connection))


@contextmanager
def realtime_connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """Connect as the Realtime server does where that is possible, else as in the URL.

    The server is supabase_admin. A local database has a well-known password for that role; on any
    other host no password is tried.
    """
    options: dict[str, Any] = {"autocommit": True, "application_name": "demo realtime"}
    parts = conninfo_to_dict(database_url)
    url = database_url
    if _is_local(str(parts.get("host", ""))) and parts.get("password") == PASSWORD:
        url = make_conninfo(database_url, user="supabase_admin")
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            url = database_url
    with psycopg.connect(url, **options) as connection:
        yield connection


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
