"""Cards asked for by RPC: what is counted, what is written, and who may ask."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.fixtures.connections import Connect, Connection
from tests.fixtures.data_types import DataType

ASK = "select public.on_card_add(p_cards => %s)"


def ask_with(connection: Connection, claims: str, cards: Any) -> tuple[Any, bool]:
    """Ask as PostgREST does; returns the answer, and whether anything was written for it."""
    with connection.transaction():
        connection.execute("set local role authenticated")
        connection.execute("select set_config('request.jwt.claims', %s, true)", [claims])
        answer = connection.execute(ASK, [json.dumps(cards)]).fetchone()
        wrote = connection.execute("select pg_current_xact_id_if_assigned() is not null").fetchone()
    assert answer is not None
    assert wrote is not None
    return answer[0], wrote[0]


def ask_as(connection: Connection, user: str, cards: list[dict[str, Any]]) -> tuple[Any, bool]:
    """Ask as a signed-in user; see ask_with."""
    return ask_with(connection, json.dumps({"sub": user, "role": "authenticated"}), cards)


def told(error: psycopg.Error) -> tuple[int, dict[str, str]]:
    """The status and the headers that PostgREST is told to answer."""
    assert error.sqlstate == "PGRST"
    detail = json.loads(error.diag.message_detail or "")
    return detail["status"], detail["headers"]


def card(data_type: DataType, symbol: str) -> dict[str, Any]:
    return {"symbol": symbol, "dataTypes": [data_type.name]}


@pytest.fixture
def user(connection: Connection) -> Iterator[str]:
    """Somebody whose leases are gone after the test."""
    name = str(uuid4())
    yield name
    connection.execute("delete from freshness.watches where watcher = 'user:' || %s", [name])


@pytest.fixture
def keys_per_user(connection: Connection) -> Iterator[int]:
    """A low limit on the keys of a user."""
    connection.execute("update freshness.card_limits set keys_per_call = 8, keys_per_user = 8")
    yield 8
    connection.execute("update freshness.card_limits set keys_per_user = 500, keys_per_call = 50")


def test_a_repeated_call_for_fresh_keys_writes_nothing(
    connection: Connection, quotes: DataType, user: str
) -> None:
    """Not even a lock on a row: its transaction gets no number."""
    cards = [card(quotes, symbol) for symbol in ("AAPL", "MSFT", "NVDA")]
    for wanted in cards:
        quotes.store(connection, wanted["symbol"], 0)

    first, wrote_first = ask_as(connection, user, cards)
    second, wrote_second = ask_as(connection, user, cards)

    assert (wrote_first, wrote_second) == (True, False)
    assert first == second
    assert [key["status"] for key in second["keys"]] == ["fresh"] * 3


def test_a_renewal_writes_the_lease_once_in_a_quarter_of_it(
    connection: Connection, quotes: DataType, user: str
) -> None:
    """And nothing besides the lease: no pull, no job."""
    quotes.store(connection, "AAPL", 0)
    ask_as(connection, user, [card(quotes, "AAPL")])
    wrote = []
    for seconds_left in (230, 220):
        connection.execute(
            "update freshness.watches set lease_until = clock_timestamp() + make_interval(secs =>"
            " %s) where watcher = 'user:' || %s",
            [seconds_left, user],
        )
        wrote.append(ask_as(connection, user, [card(quotes, "AAPL")])[1])
        wrote.append(ask_as(connection, user, [card(quotes, "AAPL")])[1])

    assert wrote == [False, False, True, False]
    pulls = "select count(*) from freshness.pulls where data_type = %s"
    assert connection.execute(pulls, [quotes.name]).fetchone() == (0,)


def test_calls_at_the_same_time_cannot_pass_the_limit_together(
    connection: Connection, connect: Connect, quotes: DataType, user: str, keys_per_user: int
) -> None:
    """Each of 12 asks for two new keys; 4 fit, and the others are told when to try again."""
    connections = [connect() for _ in range(12)]

    def ask(number: int) -> tuple[int, bool]:
        cards = [card(quotes, f"S{number}"), card(quotes, f"T{number}")]
        try:
            ask_as(connections[number], user, cards)
        except psycopg.errors.Error as error:
            status, headers = told(error)
            return status, 0 < int(headers["Retry-After"]) <= 300
        return 200, True

    with ThreadPoolExecutor(len(connections)) as pool:
        answers = sorted(pool.map(ask, range(len(connections))))

    assert answers == [(200, True)] * 4 + [(429, True)] * 8
    held = "select count(*) from freshness.watches where watcher = 'user:' || %s"
    assert connection.execute(held, [user]).fetchone() == (keys_per_user,)


def test_a_refused_call_leaves_nothing(
    connection: Connection, quotes: DataType, user: str, keys_per_user: int
) -> None:
    """Neither a lease nor a job, for none of its keys."""
    cards = [card(quotes, f"S{number}") for number in range(keys_per_user)]
    ask_as(connection, user, cards)
    with pytest.raises(psycopg.errors.Error) as refused:
        ask_as(connection, user, [card(quotes, "S0"), card(quotes, "NEW")])
    assert told(refused.value)[0] == 429
    jobs = "select count(*) from freshness.jobs where data_type = %s and symbol = 'NEW'"
    assert connection.execute(jobs, [quotes.name]).fetchone() == (0,)


def test_who_may_not_read_the_table_may_not_ask_for_it(
    connection: Connection, quotes: DataType, user: str
) -> None:
    """By the rights at the time of the call."""
    connection.execute(f"revoke select on {quotes.table} from authenticated")
    with pytest.raises(psycopg.errors.Error) as refused:
        ask_as(connection, user, [card(quotes, "AAPL")])
    assert told(refused.value)[0] == 403
    connection.execute(f"grant select on {quotes.table} to authenticated")
    answer, _ = ask_as(connection, user, [card(quotes, "AAPL")])
    assert answer["keys"][0]["status"] == "queued"


@pytest.mark.parametrize(
    "claims", ["", "{}", '{"sub": ""}', '{"sub": null}', json.dumps({"sub": "a\nb"})]
)
def test_without_a_user_nobody_is_answered(
    connection: Connection, quotes: DataType, claims: str
) -> None:
    """The role alone does not say whose lease it would be."""
    with pytest.raises(psycopg.errors.Error) as refused:
        ask_with(connection, claims, [card(quotes, "AAPL")])
    assert told(refused.value)[0] == 401


def test_a_lookalike_of_sql_is_a_symbol(
    connection: Connection, quotes: DataType, user: str
) -> None:
    """Symbols are values, never parts of a statement."""
    symbol = '\'; drop table freshness.jobs; -- "é" $$ \\'
    answer, _ = ask_as(connection, user, [card(quotes, symbol)])
    assert answer["keys"][0]["symbol"] == symbol
    assert answer["keys"][0]["status"] == "queued"
