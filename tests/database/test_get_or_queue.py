"""Stored rows and a queued refresh in one round trip, with the rights of who asks."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.fixtures.connections import Connect, Connection
from tests.fixtures.data_types import DataType, Register
from tests.fixtures.servers import Database
from tests.waking.sleeper import Sleeper

ASK = "select public.get_or_queue(%s, %s)"


def ask_as(connection: Connection, role: str, user: str, *key: str | None) -> dict[str, Any]:
    """Ask as PostgREST does: role and claims for one transaction, then one call."""
    with connection.transaction():
        connection.execute(f"set local role {role}".encode())
        connection.execute(
            "select set_config('request.jwt.claims', %s, true)",
            [json.dumps({"sub": user, "role": role})],
        )
        row = connection.execute(ASK, key).fetchone()
    assert row is not None
    return dict(row[0])


def jobs(connection: Connection, data_type: DataType) -> list[tuple[str, int]]:
    """Return the symbols that have a job, and its priority."""
    return connection.execute(
        "select symbol, priority::integer from freshness.jobs where data_type = %s order by symbol",
        [data_type.name],
    ).fetchall()


def test_fresh_rows_are_served_and_nothing_is_queued(
    connection: Connection, quotes: DataType
) -> None:
    """The answer says how old they are, and until when they are fresh."""
    quotes.store(connection, "AAPL", 10, 12.5)

    answer = ask_as(connection, "authenticated", "me", quotes.name, "AAPL")

    assert [row["price"] for row in answer.pop("rows")] == [12.5]
    assert 10 <= answer.pop("age") < 60
    assert answer.pop("fresh_until") is not None
    assert answer == {
        "data_type": quotes.name,
        "symbol": "AAPL",
        "status": "fresh",
        "queued": False,
    }
    assert jobs(connection, quotes) == []


def test_stale_rows_are_served_while_a_refresh_is_queued(
    connection: Connection, quotes: DataType
) -> None:
    """Once, however many ask."""
    quotes.store(connection, "AAPL", 3600, 12.5)

    first = ask_as(connection, "authenticated", "me", quotes.name, "AAPL")
    second = ask_as(connection, "service_role", "", quotes.name, "AAPL")

    assert (first["status"], first["queued"], first["rows"][0]["price"]) == ("stale", True, 12.5)
    assert (second["status"], second["queued"]) == ("stale", False)
    assert jobs(connection, quotes) == [("AAPL", 1)]


def test_a_worker_that_waits_is_told(
    connection: Connection, connect: Connect, quotes: DataType
) -> None:
    """The refresh starts at once, not at the next look."""
    sleeper = Sleeper(connect, quotes.name)
    sleeper.arm()

    ask_as(connection, "authenticated", "me", quotes.name, "AAPL")

    assert len(sleeper.heard()) == 1
    sleeper.leave()


def test_only_rows_of_the_symbol_that_the_caller_may_see_are_served(
    connection: Connection, register: Register
) -> None:
    """Row level security holds: it is the caller who reads."""
    quotes = register(
        "symbol text, owner text, fetched_at timestamptz, primary key (symbol, owner)",
    )
    connection.execute(f"alter table {quotes.table} enable row level security".encode())
    connection.execute(
        f"create policy own_rows on {quotes.table} for select to authenticated"
        " using (owner = auth.jwt() ->> 'sub')".encode()
    )
    connection.execute(
        f"insert into {quotes.table} values ('A', 'me', now()), ('A', 'you', now()),"
        " ('B', 'me', now())".encode()
    )

    def owners(role: str, user: str) -> list[str]:
        rows = ask_as(connection, role, user, quotes.name, "A")["rows"]
        return sorted(f"{row['symbol']} {row['owner']}" for row in rows)

    assert owners("authenticated", "me") == ["A me"]
    assert owners("authenticated", "nobody") == []
    assert owners("service_role", "") == ["A me", "A you"]


@pytest.mark.parametrize("role", ["authenticated", "anon"])
def test_who_may_not_select_from_the_table_queues_nothing(
    connection: Connection, quotes: DataType, role: str
) -> None:
    """Not even for a key that is missing."""
    connection.execute(f"revoke select on {quotes.table} from authenticated".encode())

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        ask_as(connection, role, "me", quotes.name, "AAPL")

    assert jobs(connection, quotes) == []


def test_rows_that_cannot_be_read_take_the_queueing_back(
    connection: Connection, quotes: DataType
) -> None:
    """A policy that raises while the rows are read: the job goes with the transaction."""
    quotes.store(connection, "AAPL", 3600)
    connection.execute(f"alter table {quotes.table} enable row level security".encode())
    connection.execute(
        f"create policy broken on {quotes.table} for select to authenticated"
        " using (1 / (price - price) > 0)".encode()
    )

    with pytest.raises(psycopg.errors.DivisionByZero):
        ask_as(connection, "authenticated", "me", quotes.name, "AAPL")

    assert jobs(connection, quotes) == []


@pytest.mark.parametrize(
    "call", ["queue_for_caller(%s, 'A')", "get_or_queue(%s, 'A')", "request(%s, '{A}')"]
)
def test_the_parts_with_our_rights_cannot_be_named(
    connect: Connect, quotes: DataType, call: str
) -> None:
    """The schema is closed to signed-in users; they reach it through one function."""
    connection = connect()
    connection.execute("set role authenticated")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="schema freshness"):
        connection.execute(f"select freshness.{call}".encode(), [quotes.name])


@pytest.mark.parametrize(
    ("symbol", "said"), [("", "'' is no symbol"), (None, "null is no symbol"), ("x" * 201, "is no")]
)
def test_what_is_no_symbol_is_named(
    connection: Connection, quotes: DataType, symbol: str | None, said: str
) -> None:
    with pytest.raises(psycopg.DatabaseError, match=said):
        ask_as(connection, "authenticated", "me", quotes.name, symbol)


def test_an_unknown_data_type_is_named(connection: Connection) -> None:
    name = f"quote_{uuid4().hex}"
    with pytest.raises(psycopg.DatabaseError, match=f"data type '{name}' is not registered"):
        ask_as(connection, "authenticated", "me", name, "A")


def test_a_table_that_was_dropped_is_an_error(connection: Connection, quotes: DataType) -> None:
    connection.execute(f"drop table {quotes.table} cascade".encode())
    with pytest.raises(psycopg.DatabaseError):
        ask_as(connection, "authenticated", "me", quotes.name, "A")


def test_a_global_table_and_one_with_numbers_work_too(
    connection: Connection, register: Register
) -> None:
    """The symbol is read as its column's type; a global table has one key."""
    numbers = register("symbol integer primary key, fetched_at timestamptz")
    rates = register(
        "name text primary key, fetched_at timestamptz", symbol_column=None, write_mode="replace"
    )
    connection.execute(f"insert into {numbers.table} values (7, now()), (8, now())".encode())
    connection.execute(f"insert into {rates.table} values ('a', now()), ('b', now())".encode())

    number = ask_as(connection, "authenticated", "me", numbers.name, "007")
    every = ask_as(connection, "authenticated", "me", rates.name, "GLOBAL")

    assert (number["symbol"], [row["symbol"] for row in number["rows"]]) == ("7", [7])
    assert (every["symbol"], len(every["rows"])) == ("GLOBAL", 2)


def test_a_hundred_callers_at_once_queue_one_refresh(
    connection: Connection, database: Database, quotes: DataType
) -> None:
    """One job. Who asks at the same moment may bring it forward, and is told so too."""

    def ask(_: int) -> bool:
        with psycopg.connect(database.url, autocommit=True) as own:
            return bool(ask_as(own, "authenticated", "me", quotes.name, "AAPL")["queued"])

    with ThreadPoolExecutor(10) as callers:
        told = list(callers.map(ask, range(100)))

    assert any(told)
    assert not all(told)
    assert jobs(connection, quotes) == [("AAPL", 1)]
