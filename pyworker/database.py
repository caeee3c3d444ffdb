"""Connections to Postgres: the pool, and what its errors mean for us."""

from __future__ import annotations

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

# Connection lost, rolled back to be repeated, out of resources, locked, shut down, broken disk.
_PASSING = ("08", "40", "53", "55P03", "57P", "58")

# Text that is no value of its column's type, a column that must not be empty, unknown columns.
_MISMATCHES = ("22P02", "22007", "23502", "42", "FR007")

PATIENCE = 3.0
"""Seconds that a connection has to answer when it is not known whether it still stands."""


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
    try:
        conninfo_to_dict(database_url)
    except psycopg.ProgrammingError:
        # Its words repeat the URL, and so a password.
        raise ConfigurationError(
            "DATABASE_URL is no connection string", "set it to postgresql://user:password@host/name"
        ) from None

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
        configure=prepare_if_direct,
        check=check if checks else None,
    )
    try:
        await pool.open(wait=True, timeout=10)
    except PoolTimeout as error:
        await pool.close()
        raise await _reason(database_url) from error
    try:
        yield pool
    finally:
        await pool.close()


def translated(error: psycopg.Error | PoolTimeout) -> FreshnessError | None:
    """Return the error of ours that one of psycopg stands for; None: it is somebody else's."""
    # By code: psycopg calls every unknown code operational, ours and those of users' triggers too.
    code = error.sqlstate or ""
    if isinstance(error, psycopg.OperationalError) and (not code or code.startswith(_PASSING)):
        return _unavailable()
    diagnosis = error.diag
    kind = _ERRORS.get(code)
    if kind is not None:
        return kind(diagnosis.message_primary or str(error), diagnosis.message_hint)
    # Missing at the top level it is ours; inside a function it may be a user's own trigger.
    is_ours = diagnosis.context is None
    if is_ours and isinstance(
        error,
        psycopg.errors.UndefinedFunction
        | psycopg.errors.UndefinedTable
        | psycopg.errors.InvalidSchemaName,
    ):
        return DatabaseUnavailable(
            "the database does not have schema freshness as this version needs it",
            "apply the migrations: make up, or supabase db push",
        )
    if is_ours and isinstance(error, psycopg.errors.InsufficientPrivilege):
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


async def _reason(database_url: str) -> DatabaseUnavailable:
    # The pool only says that time is over.
    try:
        connection = await psycopg.AsyncConnection.connect(database_url, connect_timeout=5)
    except psycopg.OperationalError as error:
        reason = str(error).strip().splitlines()[-1]
        return DatabaseUnavailable(
            f"the database cannot be reached: {reason}", "check DATABASE_URL"
        )
    await connection.close()
    return _unavailable()


def _unavailable() -> DatabaseUnavailable:
    return DatabaseUnavailable(
        "the database cannot be reached", "check DATABASE_URL and that Postgres runs"
    )
