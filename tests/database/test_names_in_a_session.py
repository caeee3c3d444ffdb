"""What a session calls by the names of types cannot slip under functions that have our rights."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from psycopg.sql import SQL, Identifier

from tests.fixtures.connections import Connect, Connection
from tests.fixtures.data_types import DataType, create_data_type
from tests.fixtures.servers import as_superuser

# Temporary types come before those of the server unless a function says otherwise.
TYPES = ("date", "json", "jsonb", "name", "oid", "regclass", "text", "timestamptz", "uuid", "xid")
SPY = """
    create function pg_temp.is_still_me() returns boolean language plpgsql as $$
    begin
        if current_user <> {role} then
            raise exception 'this runs with the rights of %', current_user;
        end if;
        return true;
    end
    $$
"""
DOMAIN = "create domain pg_temp.{type} as pg_catalog.{type} check (pg_temp.is_still_me())"
CALLS = (
    "select * from freshness.watch(array[%(name)s], array['AAPL'], 'me')",
    "select * from freshness.key_states(array[%(name)s], array['AAPL'])",
    "select * from freshness.request(%(name)s, array['AAPL'], true)",
    "select * from freshness.claim(freshness.announce_worker('w', '9 s'), array[%(name)s], 10)",
    "select * from freshness.explain(%(name)s, 'AAPL')",
    "select freshness.sweep_if_due('5 minutes')",
    "select public.on_card_add('AAPL', array[%(name)s])",
    "select public.get_or_queue(%(name)s, 'AAPL')",
    "insert into {table} values ('MSFT', 1, now() - interval '1 hour')",
    "update {table} set fetched_at = fetched_at - interval '1 hour'",
    "update {table} set symbol = 'GOOG'",
    "delete from {table}",
)


@pytest.fixture
def quotes(own_database: str, connect: Connect) -> DataType:
    """A data type of a database of its own."""
    return create_data_type(connect(own_database))


@pytest.fixture
def visitor(own_database: str, connect: Connect, quotes: DataType) -> Iterator[Connection]:
    """A session of a role that works, is signed in, and writes the data, with types of its own."""
    connection = connect(as_superuser(own_database))
    role = f"visitor_{uuid4().hex[:12]}"
    connection.execute(
        SQL("create role {} in role freshness_worker, authenticated").format(Identifier(role))
    )
    connection.execute(f"grant all on {quotes.table} to {role}")
    connection.execute('set request.jwt.claims = \'{"sub": "ann"}\'')
    connection.execute(f"set role {role}")
    connection.execute(SQL(SPY).format(role=role))
    for name in TYPES:
        connection.execute(DOMAIN.format(type=name).encode())
    yield connection
    connection.execute("reset role")
    connection.execute(f"drop owned by {role} cascade")
    connection.execute(f"drop role {role}")


@pytest.mark.parametrize("call", CALLS)
def test_a_type_of_the_session_is_not_taken_for_the_servers(
    visitor: Connection, quotes: DataType, call: str
) -> None:
    """Its conditions would run as the owner of everything here."""
    visitor.execute(f"insert into {quotes.table} values ('AAPL', 1, now())")
    visitor.execute("select freshness.request(%s, array['AAPL'], true)", [quotes.name])
    messages: list[str] = []
    visitor.add_notice_handler(lambda notice: messages.append(str(notice.message_primary)))
    visitor.execute(call.format(table=quotes.table).encode(), {"name": quotes.name})
    assert messages == []
