"""The demo's tables and data types: made at its start, gone at its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any, LiteralString

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from pyworker.demo.data_types import DATA_TYPES, DataType
from pyworker.demo.errors import DemoError

# Tells the demo's tables from somebody's own of the same name, which are never touched.
MARK = "Made by the demo of supabase-freshness, which deletes it at its end."

# Held as long as the demo runs; the session's end frees it, however that comes.
LOCK: LiteralString = "select pg_try_advisory_lock(hashtext('pyworker.demo'))"


@contextmanager
def demo_objects(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """Create tables and data types, and remove them at the end; what a crash left goes first.

    Yields a connection of the database's owner, each statement committed by itself.

    Raises:
        DemoError: another demo runs, or a table or data type of that name is somebody's own.
        psycopg.Error: the database refuses something.
    """
    with closing(owner_connection(database_url)) as connection:
        _check_platform(connection)
        _refuse_what_is_not_ours(connection)
        _remove(connection)
        try:
            for data_type in DATA_TYPES.values():
                _create(connection, data_type)
            yield connection
        finally:
            # Anew, since Postgres may have been restarted. If it is away: the next demo does it.
            with suppress(psycopg.OperationalError), closing(_connect(database_url)) as last:
                _remove(last)


def owner_connection(database_url: str) -> psycopg.Connection[Any]:
    """Connect as the database's owner, and keep other demos away as long as that lasts.

    Raises:
        DemoError: another demo runs.
        psycopg.Error: the database cannot be reached.
    """
    connection = _connect(database_url)
    if not _value(connection, LOCK):
        connection.close()
        raise DemoError("another demo uses this database: end it first")
    return connection


def _connect(database_url: str) -> psycopg.Connection[Any]:
    return psycopg.connect(
        database_url, autocommit=True, application_name="demo", connect_timeout=5
    )


def _check_platform(connection: psycopg.Connection[Any]) -> None:
    row = connection.execute(
        "select to_regclass('realtime.subscription') is not null,"
        " exists (select from pg_publication where pubname = 'supabase_realtime')"
    ).fetchone()
    if row != (True, True):
        raise DemoError(
            "this database has no Supabase Realtime: unset DATABASE_URL to use the private one"
        )


def _refuse_what_is_not_ours(connection: psycopg.Connection[Any]) -> None:
    for data_type in DATA_TYPES.values():
        foreign = _value(
            connection,
            "select obj_description(to_regclass(%(table)s), 'pg_class') is distinct from %(mark)s"
            " and to_regclass(%(table)s) is not null"
            " or exists (select from freshness.data_types as t where t.name = %(name)s"
            " and t.data_table is distinct from to_regclass(%(table)s))",
            {"table": f"public.{data_type.table}", "mark": MARK, "name": data_type.name},
        )
        if foreign:
            raise DemoError(
                f"table public.{data_type.table} or data type {data_type.name} is not the demo's:"
                " rename it, or use another database"
            )


def _create(connection: psycopg.Connection[Any], data_type: DataType) -> None:
    table = Identifier("public", data_type.table)
    columns = SQL(", ").join(
        # The types are our own words, not anybody's input.
        SQL("{} {}").format(Identifier(name), SQL(kind))
        for name, kind in data_type.columns.items()
    )
    statements = (
        SQL(
            "create table {table} (symbol text primary key, {columns},"
            " fetched_at timestamptz not null default now())"
        ),
        SQL("comment on table {table} is {mark}"),
        SQL("alter table {table} enable row level security"),
        SQL(
            "create policy everybody_may_read on {table} for select"
            " to anon, authenticated using (true)"
        ),
        SQL("grant select on {table} to anon, authenticated"),
        SQL("alter publication supabase_realtime add table {table}"),
    )
    with connection.transaction():
        for statement in statements:
            connection.execute(statement.format(table=table, columns=columns, mark=Literal(MARK)))
        connection.execute(
            "select freshness.register_data_type(%s, %s, make_interval(secs => %s))",
            [data_type.name, f"public.{data_type.table}", data_type.ttl],
        )


def _remove(connection: psycopg.Connection[Any]) -> None:
    names = list(DATA_TYPES)
    tables = [f"public.{data_type.table}" for data_type in DATA_TYPES.values()]
    with connection.transaction():
        # Subscriptions first: they name the table by its number, which would dangle.
        connection.execute(
            "delete from realtime.subscription as s"
            " where s.entity = any (select to_regclass(t) from unnest(%s::text[]) as t)",
            [tables],
        )
        for name in names:
            connection.execute("select freshness.unregister_data_type(%s)", [name])
        connection.execute("delete from freshness.events where data_type = any (%s)", [names])
        for data_type in DATA_TYPES.values():
            connection.execute(
                SQL("drop table if exists {}").format(Identifier("public", data_type.table))
            )


def _value(
    connection: psycopg.Connection[Any],
    statement: LiteralString,
    parameters: dict[str, Any] | None = None,
) -> Any:
    row = connection.execute(statement, parameters).fetchone()
    return row[0] if row else None
