"""The queue in Postgres: one method for each SQL function, and the only module with SQL."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg.rows import AsyncRowFactory, class_row, dict_row, scalar_row, tuple_row
from psycopg.types.json import Jsonb
from psycopg_pool import PoolTimeout

from pyworker.connections import make_round_trip, severed_after
from pyworker.database import PATIENCE, Pool, is_mismatch, open_pool, translated
from pyworker.errors import CardsRefused, DatabaseUnavailable, RowsRejected
from pyworker.job import Ended, Ending, Job, Key, KeyState, Look, Row, Sleeper, Turned
from pyworker.key_freshness import StoredRows, WaitState
from pyworker.lines import Said
from pyworker.outcomes import Validators
from pyworker.processes import Processes
from pyworker.stream_state import OpenedKey, StreamState

T = TypeVar("T")

_LONGEST_WAIT = 7 * 86400.0
_TURN = (
    "select * from freshness.turn(%s, %s, %s, %s, %s, make_interval(secs => %s), %s,"
    " %s::text[], %s::text[], %s::bigint[], %s::text[], %s::text[], %s::bigint[], %s::integer[])"
)

# As the limit of a call: that of the queue.
_OWN = -1.0


class Queue:
    """Calls the SQL functions of schema freshness; each call is one transaction.

    Raises, from every method: `DatabaseUnavailable` when Postgres cannot be reached or does not
    answer within `limit` (s; the sweep may take longer), the errors of `pyworker.errors` for what
    the functions refuse.
    """

    queries = 0
    """How many have been made through this object."""

    def __init__(self, pool: Pool, limit: float | None = None) -> None:
        self._pool = pool
        self._limit = limit

    async def replaces_lost(self, error: DatabaseUnavailable) -> bool:
        """Replace the connections that are lost; False when there was none to be had at all.

        Only after True is it worth asking again.
        """
        if isinstance(error.__cause__, PoolTimeout):
            return False
        await self._pool.check()
        return True

    async def doubt(self) -> None:
        """Ask a connection whether it still stands; if it does not, all are replaced."""
        try:
            async with self._connection() as connection:
                await make_round_trip(connection, PATIENCE)
        except DatabaseUnavailable as error:
            if not isinstance(error.__cause__, PoolTimeout):
                await self._pool.drain()

    async def announce_worker(
        self, name: str, heartbeat_limit: float, *, takes_jobs: bool = False
    ) -> int:
        """Make a worker known; returns its id. Does it take what is handed to it in its sleep?"""
        return int(
            await self._value(
                "select freshness.announce_worker(%s, make_interval(secs => %s), %s)",
                (name, heartbeat_limit, takes_jobs),
            )
        )

    async def heartbeat(self, worker: int) -> bool:
        """Say that a worker is alive; False when it was taken for dead."""
        return bool(await self._value("select freshness.heartbeat(%s)", (worker,)))

    async def renew_worker(self, worker: int, fences: Sequence[int]) -> int:
        """Go on under a new id, which is returned; what runs besides these fences is handed back.

        Raises:
            WorkerUnknown: it was taken for dead.
        """
        return int(
            await self._value("select freshness.renew_worker(%s, %s)", (worker, list(fences)))
        )

    async def dismiss_worker(self, worker: int) -> int:
        """Take a worker off the list and hand back what it runs; returns how many jobs."""
        return int(await self._value("select freshness.dismiss_worker(%s)", (worker,)))

    async def turn(
        self,
        worker: int,
        data_types: Sequence[str],
        limit: int,
        sleeper: Sleeper | None = None,
        lead: float = 0.0,
        *,
        endings: Sequence[Ending] = (),
        is_settled: bool = False,
    ) -> Turned:
        """End refreshes, and claim up to `limit` jobs of these data types, in one transaction.

        Those that are due, or will be within `lead` seconds: wait for their `due_at`. The sleeper
        is armed if slots are left, unless the worker `is_settled`, as it has armed before; one
        without a listener stays awake: it claims again within a second, without being told. An
        ending that is refused harms no other; a lost fence is no error here.
        """
        sleeper = sleeper or Sleeper(None, None)
        rows = await self._rows(
            _TURN,
            (
                worker,
                list(data_types),
                limit,
                sleeper.channel,
                sleeper.listener,
                lead,
                is_settled,
                *_ended_columns(endings),
            ),
            tuple_row,
        )
        ended: dict[int, Ended | None] = {each.job.fence: Ended("lost", None) for each in endings}
        jobs = []
        asleep, due_in = False, None
        for row in rows:
            kind, fence, outcome, seconds = row[0], row[3], row[10], row[11]
            if kind == "claimed":
                jobs.append(Job(*row[1:10]))
            elif kind == "ended":
                ended[fence] = None if outcome is None else Ended(outcome, seconds)
            else:
                asleep, due_in = True, seconds
        return Turned(ended, jobs, asleep, due_in)

    async def next_moment(self, worker: int, data_types: Sequence[str]) -> float | None:
        """Return in how many seconds something is due for a worker; None when nothing is.

        Also a key in the inbox: a claim has to look at it.
        """
        moment = await self._value(
            "select least(freshness.seconds_until(freshness.next_moment(%s, %s)),"
            " case when exists (select from freshness.pulls) then 0 end)",
            (worker, list(data_types)),
        )
        return None if moment is None else float(moment)

    async def settle(
        self,
        worker: int,
        data_types: Sequence[str],
        sleeper: Sleeper,
        last: Look | None = None,
        *,
        reads_queue_usage: bool = False,
    ) -> Look:
        """Look whether an armed worker may sleep; `last` is what the look before returned.

        When it reads, on the way, how full the server's notification queue is, that is in `Look`.
        """
        [look] = await self._rows(
            "select seconds, settled, since::text::bigint as since, suspects,"
            " clock_timestamp() as looked_at,"
            " case when %s then 100 * pg_notification_queue_usage() end as queue_usage"
            " from freshness.settle(%s, %s, %s, %s, %s::text::xid8, %s)",
            (
                reads_queue_usage,
                sleeper.channel,
                worker,
                list(data_types),
                sleeper.listener,
                last and last.since,
                last and last.suspects,
            ),
            class_row(Look),
        )
        return look

    async def hand_back(self, worker: int, fences: Sequence[int]) -> int:
        """Make due what was handed to a worker that does not begin with it; returns how many."""
        return int(await self._value("select freshness.hand_back(%s, %s)", (worker, list(fences))))

    async def taken_up(self, worker: int, data_types: Sequence[str]) -> None:
        """Say that a worker has begun with what was handed to it; another one watches over it."""
        await self._value("select freshness.taken_up(%s, %s)", (worker, list(data_types)))

    async def hand_on(self, data_types: Sequence[str]) -> None:
        """Wake others who sleep past what is due next, for a worker without a free slot."""
        await self._value("select freshness.hand_on(%s)", (list(data_types),))

    async def disarm(self, channel: str) -> None:
        """Take a worker from the sleepers: it cannot be woken any more."""
        await self._value("select freshness.disarm(%s)", (channel,))

    async def finish(
        self,
        job: Job,
        rows: Sequence[Row] | None,
        *,
        validators: Validators | None = None,
        received: int | None = None,
        calls: int | None = None,
    ) -> Ended:
        """Store a refresh's rows and move its job to the next deadline, or do neither.

        None in the place of rows: the source says that what is stored is current. `received` is
        the size of its answers in bytes, and `calls` how many its source has really seen.

        Raises:
            RowsRejected: the rows are of another symbol, too old, or do not fit the table.
            FenceLost: the job was taken over meanwhile.
        """
        try:
            return await self._ended(
                "select * from freshness.finish(%s, %s, %s, %s, %s, %s, %s)",
                (
                    job.data_type,
                    job.symbol,
                    job.fence,
                    None if rows is None else Jsonb(list(rows), dumps=_dumps),
                    None if validators is None else Jsonb(dict(validators)),
                    received,
                    calls,
                ),
            )
        except RowsRejected as error:
            error.permanent = is_mismatch(error.__cause__)
            raise
        except psycopg.DatabaseError as error:
            refused = RowsRejected(error.diag.message_primary or str(error))
            refused.permanent = is_mismatch(error)
            raise refused from error

    @staticmethod
    def ending(
        job: Job,
        rows: Sequence[Row] | None,
        validators: Validators | None,
        received: int | None,
        calls: int | None,
    ) -> Ending:
        """Return what `finish` would tell, for a turn; raises when the rows are no JSON."""
        return Ending(
            job,
            None if rows is None else _dumps(list(rows)),
            None if validators is None else json.dumps(dict(validators)),
            received,
            calls,
        )

    async def fail(
        self,
        job: Job,
        reason: str,
        *,
        permanent: bool = False,
        retry_after: float | datetime | None = None,
        alone: bool = False,
        of_source: bool = False,
        received: int | None = None,
        calls: int | None = None,
    ) -> Ended:
        """End a refresh that failed; its job is tried again later, or set aside.

        It is set aside at once if that is `permanent`, and not tried before the seconds or the
        moment of `retry_after`; `alone`, next time not in a batch. `of_source` counts towards a
        pause of its source.
        """
        is_moment = isinstance(retry_after, datetime)
        return await self._ended(
            "select * from freshness.fail(%s, %s, %s, %s, %s,"
            " coalesce(%s::timestamptz, clock_timestamp() + make_interval(secs => %s)),"
            " %s, %s, %s, %s)",
            (
                job.data_type,
                job.symbol,
                job.fence,
                _storable(reason),
                permanent,
                retry_after if is_moment else None,
                None if is_moment or retry_after is None else min(retry_after, _LONGEST_WAIT),
                alone,
                received,
                of_source,
                calls,
            ),
        )

    async def retry(self, data_type: str, symbol: str | None) -> int:
        """Release a key that is set aside or held back, or all of a data type; returns how many.

        Raises:
            InvalidRequest: there is no such data type.
        """
        if symbol is None:
            return int(await self._value("select freshness.retry(%s)", (data_type,)))
        return int(await self._value("select freshness.retry(%s, %s)", (data_type, symbol)))

    async def explain(self, data_type: str, symbol: str) -> str:
        """Return in words what happens to a key, such as "is fresh until ..."."""
        return str(
            await self._value(
                "select explanation from freshness.explain(%s, %s)", (data_type, symbol)
            )
        )

    async def watch(
        self, keys: Iterable[Key], watcher: str, lease: float, priority: int
    ) -> list[KeyState]:
        """Take or renew a lease (seconds) on keys; returns their states in the order asked."""
        return await self._rows(
            "select * from freshness.watch(%s, %s, %s, make_interval(secs => %s), %s)",
            (*_columns(keys), watcher, lease, priority),
            class_row(KeyState),
        )

    async def add_cards(
        self, keys: Iterable[Key], watcher: str, role: str, lease: float | None = None
    ) -> list[KeyState]:
        """Watch the keys of cards, within the limits of cards, for a user who was verified.

        Keys whose table `role` may not select have the status forbidden. `lease` in seconds;
        None: as freshness.card_limits says.

        Raises:
            CardsRefused: the user would watch too many keys.
        """
        try:
            return await self._rows(
                "select * from freshness.add_cards(%s, %s, %s, %s, make_interval(secs => %s))",
                (*_columns(keys), watcher, role, lease),
                class_row(KeyState),
            )
        except psycopg.DatabaseError as error:
            if error.sqlstate != "PGRST":
                raise
            # As PostgREST is told what to answer; see freshness.refuse_call.
            body = json.loads(error.diag.message_primary or "")
            raise CardsRefused.told(body["code"], body["message"], body["details"]) from error

    async def key_states(self, keys: Iterable[Key]) -> list[KeyState]:
        """Return the states of keys in the order asked, and write nothing."""
        return await self._rows(
            "select * from freshness.key_states(%s, %s)", _columns(keys), class_row(KeyState)
        )

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

    async def get_or_queue(self, key: Key) -> StoredRows:
        """Return a key's stored rows, and queue a refresh if it is due."""
        found = await self._value(
            "select freshness.get_or_queue(%s, %s)", (key.data_type, key.symbol)
        )
        until = found.pop("fresh_until")
        return StoredRows(**found, fresh_until=until and datetime.fromisoformat(until))

    async def wait_for(
        self,
        data_type: str,
        symbols: Sequence[str],
        since: Sequence[datetime | bool],
        backend: int | None = None,
        priority: int | None = None,
    ) -> list[WaitState]:
        """Begin waits for keys of one data type, or look at them again, all of a key together.

        `since`: True asks for "refresh now", and is what `WaitState.since` says from then on;
        False asks to "make sure it is fresh". Ends are told to the `backend` that listens; None:
        to nobody. What is no symbol is left out of the answer.
        """
        return await self._rows(
            "select * from freshness.wait_for(%s, %s, %s, %s::timestamptz[], %s, %s)",
            (
                data_type,
                list(symbols),
                [moment is not False for moment in since],
                [None if isinstance(moment, bool) else moment for moment in since],
                backend,
                priority,
            ),
            class_row(WaitState),
        )

    async def stop_listening(
        self,
        backend: int,
        data_type: str | None = None,
        symbols: Sequence[str] = (),
        *,
        streams: bool = False,
    ) -> None:
        """Have nothing more told to a backend's waits, or `streams`: of these keys, or of any."""
        await self._value(
            "select freshness.stop_listening(%s, %s, %s, %s)",
            (backend, data_type, list(symbols), streams),
        )

    async def forget_lost_listeners(self) -> int:
        """Forget those who listened and are gone; returns how many keys they listened for."""
        return int(await self._value("select freshness.forget_lost_listeners()", ()))

    async def open_streams(
        self,
        watches: Sequence[tuple[str, Key]],
        roles: Sequence[str],
        lease: float,
        backend: int | None = None,
    ) -> list[OpenedKey]:
        """Have streams watch keys for `lease` seconds: pairs of a stream's name and a key.

        `roles[i]` is that of the i-th pair's caller, who was verified. What becomes of the keys is
        told to the `backend` that listens; None: to nobody.
        """
        return await self._rows(
            "select *, clock_timestamp() as looked_at"
            " from freshness.open_streams(%s, %s, %s, %s, make_interval(secs => %s), %s)",
            (*_watch_columns(watches), list(roles), lease, backend),
            class_row(OpenedKey),
        )

    async def follow_keys(
        self, keys: Iterable[Key], backend: int | None = None
    ) -> list[StreamState]:
        """Return the states of keys (canonical), and have what follows told to the `backend`."""
        return await self._rows(
            "select *, clock_timestamp() as looked_at from freshness.follow_keys(%s, %s, %s)",
            (*_columns(keys), backend),
            class_row(StreamState),
        )

    async def look_at_streams(
        self, keys: Iterable[Key], backend: int | None = None
    ) -> list[StreamState]:
        """Return the states of keys (canonical), to compare: their version is always 0.

        Says too that the `backend` still listens.
        """
        return await self._rows(
            "select *, 0 as version, clock_timestamp() as looked_at"
            " from freshness.look_at_streams(%s, %s, %s)",
            (*_columns(keys), backend),
            class_row(StreamState),
        )

    async def renew_streams(self, watches: Sequence[tuple[str, Key]], lease: float) -> None:
        """Go on watching: pairs of a stream's name and a key (canonical)."""
        await self._value(
            "select freshness.renew_streams(%s, %s, %s, make_interval(secs => %s))",
            (*_watch_columns(watches), lease),
        )

    async def close_streams(
        self, streams: Sequence[str], keys: Iterable[Key], backend: int | None = None
    ) -> None:
        """End streams; nothing more is told to the `backend` of `keys`, which none has any more."""
        await self._value(
            "select freshness.close_streams(%s, %s, %s, %s)",
            (list(streams), *_columns(keys), backend),
        )

    async def tell_lines(self, said: Sequence[Said]) -> int:
        """Tell lines to those who stream their keys; returns how many were told."""
        told = [
            {
                "data_type": each.data_type,
                "symbols": [_storable(symbol) for symbol in each.symbols],
                "lines": [_storable(line) for line in each.lines],
                "left_out": each.left_out,
            }
            for each in said
        ]
        return int(await self._value("select freshness.tell_lines(%s)", (Jsonb(told),)))

    async def sweep_if_due(self, interval: float) -> bool:
        """Run the sweep if none has run for `interval` seconds; True when it ran."""
        return bool(
            await self._value(
                "select freshness.sweep_if_due(make_interval(secs => %s))", (interval,), None
            )
        )

    async def data_type_status(self) -> list[dict[str, Any]]:
        """Return a row for each data type: its keys by status; see freshness.data_type_status."""
        return await self._records("select * from freshness.data_type_status order by data_type")

    async def slo(self) -> list[dict[str, Any]]:
        """Return the figures of freshness.slo, in its order."""
        return await self._records("select * from freshness.slo")

    async def findings(self) -> list[dict[str, Any]]:
        """Return what needs a look, in words; see freshness.findings."""
        return await self._records("select * from freshness.findings")

    async def source_status(self) -> list[dict[str, Any]]:
        """Return a row for each source: its budget and status; see freshness.source_status."""
        return await self._records("select * from freshness.source_status order by source")

    async def processes(self) -> Processes:
        """Return what the database sees of workers and of those that listen."""
        [found] = await self._rows(
            "select"
            " (select count(*) from freshness.workers as w"
            " where w.seen_at > clock_timestamp() - interval '90 seconds'"
            " or exists (select from freshness.sleepers as s where s.worker = w.id"
            " and s.looked_at > clock_timestamp() - interval '90 seconds')) as workers,"
            " (select count(*) from pg_stat_activity as a"
            " where a.datname = current_database() and a.application_name in"
            " ('freshness listener', 'freshness event listener')) as listeners,"
            " 100 * pg_notification_queue_usage() as pg_queue_usage_percent,"
            " f.streams, f.streamed_keys from freshness.stream_figures() as f",
            (),
            class_row(Processes),
        )
        return found

    async def ask_for_nothing(self) -> None:
        """Make a round trip that shows that the database is there, with our schema."""
        await self._value("select exists (select from freshness.data_types)", ())

    async def _records(self, statement: LiteralString) -> list[dict[str, Any]]:
        return await self._rows(statement, (), dict_row)

    async def _value(
        self, statement: LiteralString, parameters: Sequence[Any], limit: float | None = _OWN
    ) -> Any:
        [value] = await self._rows(statement, parameters, scalar_row, limit)
        return value

    async def _ended(self, statement: LiteralString, parameters: Sequence[Any]) -> Ended:
        rows = await self._rows(statement, parameters, class_row(Ended))
        return rows[0] if rows else Ended("lost", None)

    async def _rows(
        self,
        statement: LiteralString,
        parameters: Sequence[Any],
        factory: AsyncRowFactory[T],
        limit: float | None = _OWN,
    ) -> list[T]:
        async with (
            self._connection(limit) as connection,
            connection.cursor(row_factory=factory) as cursor,
        ):
            self.queries += 1
            await cursor.execute(statement, parameters)
            return await cursor.fetchall()

    @asynccontextmanager
    async def _connection(
        self, limit: float | None = _OWN
    ) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        seconds = self._limit if limit == _OWN else limit
        try:
            async with self._pool.connection() as connection:
                with severed_after(connection, seconds):
                    yield connection
        except (psycopg.Error, PoolTimeout) as error:
            ours = translated(error)
            if ours is None:
                raise
            raise ours from error


@asynccontextmanager
async def open_queue(
    database_url: str,
    connections: int,
    limit: float | None = 30.0,
    *,
    checks: bool = True,
    trusted_for: float = 0.0,
) -> AsyncIterator[Queue]:
    """Open a pool of at most `connections` and yield the queue on it; see `open_pool`."""
    async with open_pool(database_url, connections, checks=checks, trusted_for=trusted_for) as pool:
        yield Queue(pool, limit)


def _columns(keys: Iterable[Key]) -> tuple[list[str], list[str]]:
    asked = list(keys)
    return [key.data_type for key in asked], [key.symbol for key in asked]


def _ended_columns(endings: Sequence[Ending]) -> list[list[Any] | None]:
    if not endings:
        return [None] * 7
    return [
        [each.job.data_type for each in endings],
        [each.job.symbol for each in endings],
        [each.job.fence for each in endings],
        _column(each.rows for each in endings),
        _column(each.validators for each in endings),
        _column(each.received for each in endings),
        _column(each.calls for each in endings),
    ]


def _column(values: Iterable[Any]) -> list[Any] | None:
    # To write out a column costs more than to look whether there is anything in it.
    column = list(values)
    return column if any(value is not None for value in column) else None


def _watch_columns(
    watches: Sequence[tuple[str, Key]],
) -> tuple[list[str], list[str], list[str]]:
    return [stream for stream, _ in watches], *_columns(key for _, key in watches)


def _dumps(rows: Any) -> str:
    # Dates, decimals and uuids as text: the table's types read them back. NaN is no JSON.
    return json.dumps(rows, default=str, allow_nan=False)


def _storable(text: str) -> str:
    # Postgres takes neither NUL nor half a surrogate pair.
    return text.replace("\0", "").encode(errors="replace").decode()
