"""The queue in Postgres: one method for each SQL function, and the only module with SQL."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, LiteralString

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import class_row, dict_row, scalar_row
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from pyworker.errors import (
    ConfigurationError,
    DatabaseUnavailable,
    FenceLost,
    FreshnessError,
    InvalidRequest,
    RowsRejected,
    WorkerUnknown,
)
from pyworker.job import Ended, Job, Key, KeyState, Look, Row, Sleeper

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


class Queue:
    """Calls the SQL functions of schema freshness; each call is one transaction.

    Raises, from every method: `DatabaseUnavailable` when Postgres cannot be reached, the
    errors of `pyworker.errors` for what the functions refuse.
    """

    def __init__(self, pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]]) -> None:
        self._pool = pool

    async def announce_worker(self, name: str, heartbeat_limit: float) -> int:
        """Make a worker known; returns its id."""
        return int(
            await self._value(
                "select freshness.announce_worker(%s, make_interval(secs => %s))",
                (name, heartbeat_limit),
            )
        )

    async def heartbeat(self, worker: int) -> bool:
        """Say that a worker is alive; False when it was taken for dead."""
        return bool(await self._value("select freshness.heartbeat(%s)", (worker,)))

    async def dismiss_worker(self, worker: int) -> int:
        """Take a worker off the list and hand back what it runs; returns how many jobs."""
        return int(await self._value("select freshness.dismiss_worker(%s)", (worker,)))

    async def claim(
        self,
        worker: int,
        data_types: Sequence[str],
        limit: int,
        sleeper: Sleeper | None = None,
    ) -> list[Job]:
        """Take up to `limit` due jobs of these data types; arm the sleeper if slots are left."""
        sleeper = sleeper or Sleeper(None, None)
        async with (
            self._connection() as connection,
            connection.cursor(row_factory=class_row(Job)) as cursor,
        ):
            await cursor.execute(
                "select * from freshness.claim(%s, %s, %s, %s, %s)",
                (worker, list(data_types), limit, sleeper.channel, sleeper.listener),
            )
            return await cursor.fetchall()

    async def next_moment(self, worker: int, data_types: Sequence[str]) -> float | None:
        """Return in how many seconds something is due for a worker; None when nothing is."""
        moment = await self._value(
            "select freshness.seconds_until(freshness.next_moment(%s, %s))",
            (worker, list(data_types)),
        )
        return None if moment is None else float(moment)

    async def settle(
        self, worker: int, data_types: Sequence[str], sleeper: Sleeper, last: Look | None = None
    ) -> Look:
        """Look whether an armed worker may sleep; `last` is what the look before returned."""
        last = last or Look(None, False, None, None)
        async with (
            self._connection() as connection,
            connection.cursor(row_factory=class_row(Look)) as cursor,
        ):
            await cursor.execute(
                "select seconds, settled, since::text::bigint as since, suspects"
                " from freshness.settle(%s, %s, %s, %s, %s::text::xid8, %s)",
                (
                    sleeper.channel,
                    worker,
                    list(data_types),
                    sleeper.listener,
                    last.since,
                    last.suspects,
                ),
            )
            return await cursor.fetchone() or last

    async def hand_on(self, data_types: Sequence[str]) -> None:
        """Wake others who sleep past what is due next, for a worker without a free slot."""
        await self._value("select freshness.hand_on(%s)", (list(data_types),))

    async def disarm(self, channel: str) -> None:
        """Take a worker from the sleepers: it cannot be woken any more."""
        await self._value("select freshness.disarm(%s)", (channel,))

    async def finish(self, job: Job, rows: Sequence[Row]) -> Ended:
        """Store a refresh's rows and move its job to the next deadline, or do neither.

        Raises:
            RowsRejected: the rows are of another symbol, too old, or do not fit the table.
            FenceLost: the job was taken over meanwhile.
        """
        try:
            return await self._ended(
                "select * from freshness.finish(%s, %s, %s, %s)",
                (job.data_type, job.symbol, job.fence, Jsonb(list(rows), dumps=_dumps)),
            )
        except psycopg.DatabaseError as error:
            raise RowsRejected(error.diag.message_primary or str(error)) from error

    async def fail(self, job: Job, reason: str) -> Ended:
        """End a refresh that failed; its job is tried again later, or set aside."""
        return await self._ended(
            "select * from freshness.fail(%s, %s, %s, %s)",
            (job.data_type, job.symbol, job.fence, _storable(reason)),
        )

    async def watch(
        self, keys: Iterable[Key], watcher: str, lease: float, priority: int
    ) -> list[KeyState]:
        """Take or renew a lease (seconds) on keys; returns their states in the order asked."""
        return await self._states(
            "select * from freshness.watch(%s, %s, %s, make_interval(secs => %s), %s)",
            (*_columns(keys), watcher, lease, priority),
        )

    async def key_states(self, keys: Iterable[Key]) -> list[KeyState]:
        """Return the states of keys in the order asked."""
        return await self._states("select * from freshness.key_states(%s, %s)", _columns(keys))

    async def request(
        self, key: Key, *, refresh_now: bool = False, priority: int | None = None
    ) -> bool:
        """Ask for a key; True when its job was made or moved."""
        return bool(
            await self._value(
                "select exists (select from freshness.request(%s, array[%s], %s, %s))",
                (key.data_type, key.symbol, refresh_now, priority),
            )
        )

    async def retry(self, key: Key) -> bool:
        """Release a key that is set aside; False when it has no job or is running."""
        return bool(
            await self._value("select freshness.retry(%s, %s)", (key.data_type, key.symbol))
        )

    async def sweep_if_due(self, interval: float) -> bool:
        """Run the sweep if none has run for `interval` seconds; True when it ran."""
        return bool(
            await self._value(
                "select freshness.sweep_if_due(make_interval(secs => %s))", (interval,)
            )
        )

    async def registered_data_types(self) -> list[str]:
        """Return the names of the registered data types, sorted."""
        async with (
            self._connection() as connection,
            connection.cursor(row_factory=scalar_row) as cursor,
        ):
            await cursor.execute("select t.name from freshness.data_types as t order by t.name")
            return await cursor.fetchall()

    async def data_type_status(self) -> list[dict[str, Any]]:
        """Return a row for each data type: its keys by status; see freshness.data_type_status."""
        return await self._records("select * from freshness.data_type_status order by data_type")

    async def slo(self) -> list[dict[str, Any]]:
        """Return the figures of freshness.slo, in its order."""
        return await self._records("select * from freshness.slo")

    async def findings(self) -> list[dict[str, Any]]:
        """Return what needs a look, in words; see freshness.findings."""
        return await self._records("select * from freshness.findings")

    async def _records(self, statement: LiteralString) -> list[dict[str, Any]]:
        async with (
            self._connection() as connection,
            connection.cursor(row_factory=dict_row) as cursor,
        ):
            await cursor.execute(statement)
            return await cursor.fetchall()

    async def _value(self, statement: str, parameters: Sequence[Any]) -> Any:
        async with (
            self._connection() as connection,
            connection.cursor(row_factory=scalar_row) as cursor,
        ):
            await cursor.execute(statement, parameters)
            return await cursor.fetchone()

    async def _states(self, statement: str, parameters: Sequence[Any]) -> list[KeyState]:
        async with (
            self._connection() as connection,
            connection.cursor(row_factory=class_row(KeyState)) as cursor,
        ):
            await cursor.execute(statement, parameters)
            return await cursor.fetchall()

    async def _ended(self, statement: str, parameters: Sequence[Any]) -> Ended:
        async with (
            self._connection() as connection,
            connection.cursor(row_factory=class_row(Ended)) as cursor,
        ):
            await cursor.execute(statement, parameters)
            return await cursor.fetchone() or Ended("lost", None)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        try:
            async with self._pool.connection() as connection:
                yield connection
        except (psycopg.Error, PoolTimeout) as error:
            translated = _translated(error)
            if translated is None:
                raise
            raise translated from error


@asynccontextmanager
async def open_queue(database_url: str, connections: int) -> AsyncIterator[Queue]:
    """Open a pool of at most `connections` and yield the queue on it.

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

    async def check(connection: psycopg.AsyncConnection[Any]) -> None:
        try:
            await AsyncConnectionPool.check_connection(connection)
        except psycopg.OperationalError:
            # Postgres was restarted: replace all at once, not one after the other with pauses.
            await pool.drain()
            raise

    pool = AsyncConnectionPool(
        database_url,
        min_size=1,
        max_size=connections,
        open=False,
        timeout=10,
        # Each call is one function, hence one transaction, without BEGIN and COMMIT on the wire.
        kwargs={"autocommit": True, "application_name": "freshness"},
        check=check,
    )
    try:
        await pool.open(wait=True, timeout=10)
    except PoolTimeout as error:
        await pool.close()
        raise await _reason(database_url) from error
    try:
        yield Queue(pool)
    finally:
        await pool.close()


def _columns(keys: Iterable[Key]) -> tuple[list[str], list[str]]:
    asked = list(keys)
    return [key.data_type for key in asked], [key.symbol for key in asked]


def _dumps(rows: Any) -> str:
    # Dates, decimals and uuids as text: the table's types read them back. NaN is no JSON.
    return json.dumps(rows, default=str, allow_nan=False)


def _storable(text: str) -> str:
    # Postgres takes neither NUL nor half a surrogate pair.
    return text.replace("\0", "").encode(errors="replace").decode()


def _translated(error: psycopg.Error | PoolTimeout) -> FreshnessError | None:
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
            "the role in DATABASE_URL may not use schema freshness", "connect as role postgres"
        )
    return None


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
