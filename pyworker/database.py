"""Connections to Postgres: the pool, and what its errors mean for us."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from pyworker.connections import CONNECTING, has_news, make_round_trip, prepare_if_direct
from pyworker.errors import (
    SAME_KEY,
    ConfigurationError,
    DatabaseUnavailable,
    FenceLost,
    FreshnessError,
    InvalidRequest,
    RowsRejected,
    WorkerUnknown,
)
from pyworker.moments import read_all_moments

Pool = AsyncConnectionPool[psycopg.AsyncConnection[Any]]

_ERRORS: dict[str, type[FreshnessError]] = {
    "FR001": InvalidRequest,
    "FR002": InvalidRequest,
    "FR003": FenceLost,
    "FR004": WorkerUnknown,
    "FR005": RowsRejected,
    "FR006": RowsRejected,
    "FR007": RowsRejected,
    "FR008": InvalidRequest,
}

# Connection lost, rolled back to be repeated, out of resources, shut down, broken disk.
_PASSING = ("08", "40", "53", "57P", "58")

# Text that is no value of its column's type, a column that must not be empty, unknown columns.
_MISMATCHES = ("22P02", "22007", "23502", "42", "FR007")

PATIENCE = 3.0
"""Seconds that a connection has to answer when it is not known whether it still stands."""


_OPENING = 10.0
_AGAIN = 0.5


@asynccontextmanager
async def open_pool(
    database_url: str, connections: int, *, checks: bool = True, trusted_for: float = 0.0
) -> AsyncIterator[Pool]:
    """Open a pool of at most `connections` and yield it.

    It `checks` each connection before its use, which costs a round trip; whoever switches that
    off asks again after `pool.check()` when one was lost. A connection that was asked within
    `trusted_for` seconds and has not said that it ends is not asked again: for who can bear that
    it ends just then.

    Raises:
        ConfigurationError: the URL is none.
        DatabaseUnavailable: no connection could be made within ten seconds.
    """
    _check_url(database_url)

    asked = WeakKeyDictionary[psycopg.AsyncConnection[Any], float]()

    async def check(connection: psycopg.AsyncConnection[Any]) -> None:
        now = time.monotonic()
        if now - asked.get(connection, float("-inf")) < trusted_for and not has_news(connection):
            return
        try:
            await make_round_trip(connection, PATIENCE)
            asked[connection] = now
        except psycopg.OperationalError:
            # Postgres was restarted, or the network is cut: replace all at once, not one after
            # the other with pauses.
            await pool.drain()
            raise

    async def configure(connection: psycopg.AsyncConnection[Any]) -> None:
        read_all_moments(connection)
        await prepare_if_direct(connection)

    pool = AsyncConnectionPool(
        database_url,
        min_size=1,
        max_size=connections,
        open=False,
        timeout=10,
        # Each call is one function, hence one transaction, without BEGIN and COMMIT on the wire.
        kwargs={
            "autocommit": True,
            "application_name": "freshness",
            "prepare_threshold": None,
            **CONNECTING,
        },
        configure=configure,
        check=check if checks else None,
    )
    try:
        await pool.open(wait=True, timeout=_OPENING)
    except PoolTimeout as error:
        await pool.close()
        # The pool only says that time is over.
        await connect_once(database_url)
        raise _unavailable() from error
    try:
        yield pool
    finally:
        await pool.close()


def translated(error: psycopg.Error | PoolTimeout) -> FreshnessError | None:
    """Return the error of ours that one of psycopg stands for; None: it is somebody else's."""
    # By code: psycopg calls every unknown code operational, ours and those of users' triggers too.
    code = error.sqlstate or ""
    if isinstance(error, psycopg.errors.LockNotAvailable):
        return DatabaseUnavailable(
            "a table is locked", "wait for who holds it, or find them in pg_locks"
        )
    if isinstance(error, psycopg.OperationalError) and (not code or code.startswith(_PASSING)):
        return _unavailable()
    diagnosis = error.diag
    kind = _ERRORS.get(code)
    if kind is not None:
        return kind(diagnosis.message_primary or str(error), diagnosis.message_hint)
    # Missing at the top level it is ours; inside a function it may be a user's own trigger.
    return _without_schema(error) if diagnosis.context is None else None


def _without_schema(error: psycopg.Error) -> DatabaseUnavailable | None:
    if isinstance(error, psycopg.errors.UndefinedFunction):
        return DatabaseUnavailable(
            "schema freshness in the database is of another version than this command",
            "replace one of them: docs/install.md, Upgrading",
        )
    if isinstance(error, psycopg.errors.UndefinedTable | psycopg.errors.InvalidSchemaName):
        return DatabaseUnavailable(
            "the database does not have schema freshness",
            "apply the migrations: freshness init and supabase db push, or make up",
        )
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return DatabaseUnavailable(
            "the role in DATABASE_URL may not use schema freshness",
            "connect as role postgres, or as a role that is in freshness_worker",
        )
    return None


def is_mismatch(error: BaseException | None) -> bool:
    """Say whether rows were refused because they do not fit the table, now and at the next time.

    Other refusals can be over with the next answer: a check, a value out of range, older rows.
    """
    if not isinstance(error, psycopg.Error) or not error.sqlstate:
        return False
    # What is refused before a function sees it is no JSON, whatever the table.
    is_of_a_function = "PL/pgSQL" in (error.diag.context or "")
    return is_of_a_function and error.sqlstate.startswith(_MISMATCHES)


def refusal(error: psycopg.Error) -> str:
    """Return in words why rows were refused."""
    if isinstance(error, psycopg.errors.CardinalityViolation) and "write_" in (
        error.diag.context or ""
    ):
        return SAME_KEY
    return error.diag.message_primary or str(error)


async def connect_once(database_url: str) -> None:
    """Connect, and disconnect: a pool would try for ten seconds before it says what is wrong.

    Raises:
        ConfigurationError: the URL is none.
        DatabaseUnavailable: the connection cannot be made; the message has Postgres' reason.
    """
    _check_url(database_url)
    try:
        connection = await psycopg.AsyncConnection.connect(database_url, connect_timeout=5)
    except psycopg.OperationalError as error:
        # What comes after the first line is advice, and the same for further addresses.
        reason = str(error).strip().splitlines()[0].removeprefix("connection failed: ")
        raise DatabaseUnavailable(
            f"the database cannot be reached: {reason}", "check DATABASE_URL"
        ) from None
    await connection.close()


async def wait_for_database(database_url: str) -> None:
    """Connect once, and try again for ten seconds; unlike the opening of a pool it can be ended.

    Raises:
        ConfigurationError: the URL is none.
        DatabaseUnavailable: the last attempt failed too.
    """
    ends_at = time.monotonic() + _OPENING
    while True:
        try:
            return await connect_once(database_url)
        except DatabaseUnavailable:
            if time.monotonic() + _AGAIN > ends_at:
                raise
        await asyncio.sleep(_AGAIN)


def _check_url(database_url: str) -> None:
    try:
        conninfo_to_dict(database_url)
    except psycopg.ProgrammingError:
        # Its words repeat the URL, and so a password.
        raise ConfigurationError(
            "DATABASE_URL is no connection string", "set it to postgresql://user:password@host/name"
        ) from None


def _unavailable() -> DatabaseUnavailable:
    return DatabaseUnavailable(
        "the database cannot be reached", "check DATABASE_URL and that Postgres runs"
    )
