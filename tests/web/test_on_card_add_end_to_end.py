"""A running endpoint on a real database, called over HTTP."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType, Register
from tests.web.endpoint import PATH, Endpoint

MakeToken = Callable[..., str]


def one(connection: Connection, question: str, *values: Any) -> Any:
    """The first row of an answer."""
    return connection.execute(question.encode(), values).fetchone()


def test_a_stale_key_is_leased_and_queued(
    endpoint: Endpoint, connection: Connection, quotes: DataType
) -> None:
    quotes.store(connection, "AAPL", age_seconds=90)
    assert endpoint.states("AAPL", quotes.name) == [("AAPL", "queued")]
    watcher, seconds_left = one(
        connection,
        "select watcher, extract(epoch from lease_until - clock_timestamp())"
        " from freshness.watches where data_type = %s and symbol = 'AAPL'",
        quotes.name,
    )
    assert watcher == f"user:{endpoint.user}"
    assert 290 < seconds_left <= 300
    assert one(
        connection,
        "select run_at <= clock_timestamp(), priority from freshness.jobs where data_type = %s",
        quotes.name,
    ) == (True, 1)


def test_a_fresh_key_only_gets_its_deadline(
    endpoint: Endpoint, connection: Connection, quotes: DataType
) -> None:
    quotes.store(connection, "AAPL", age_seconds=10)
    (key,) = endpoint.add("AAPL", quotes.name).json()["keys"]
    assert key["status"] == "fresh"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", key["freshUntil"])
    (run_at_as_text,) = one(
        connection,
        "select to_char(run_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS')"
        " from freshness.jobs where data_type = %s and run_at > clock_timestamp()",
        quotes.name,
    )
    assert key["dueAt"].startswith(run_at_as_text)


def test_the_same_card_twice_is_one_watch_and_one_job(
    endpoint: Endpoint, connection: Connection, quotes: DataType
) -> None:
    for _ in range(2):
        assert endpoint.states("AAPL", quotes.name) == [("AAPL", "queued")]
    assert one(
        connection,
        "select (select count(*) from freshness.watches where data_type = %s),"
        " (select count(*) from freshness.jobs where data_type = %s)",
        quotes.name,
        quotes.name,
    ) == (1, 1)


def test_sixteen_callers_at_once_make_one_job_for_each_key(
    endpoint: Endpoint, connection: Connection, quotes: DataType
) -> None:
    body = {"cards": [{"symbol": symbol, "dataTypes": [quotes.name]} for symbol in "ABC"]}
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: endpoint.client.post(PATH, json=body), range(64)))
    assert {answer.status_code for answer in answers} == {200}
    assert one(
        connection, "select count(*) from freshness.jobs where data_type = %s", quotes.name
    ) == (3,)


def test_a_running_refresh_is_answered_as_such(
    endpoint: Endpoint, connection: Connection, quotes: DataType
) -> None:
    endpoint.add("AAPL", quotes.name)
    (worker,) = one(connection, "select freshness.announce_worker('a test', interval '15 seconds')")
    try:
        connection.execute("select freshness.claim(%s, %s, 1)", [worker, [quotes.name]])
        assert endpoint.states("AAPL", quotes.name) == [("AAPL", "running")]
    finally:
        connection.execute("select freshness.dismiss_worker(%s)", [worker])


def test_an_unknown_data_type_is_named_and_the_others_are_handled(
    endpoint: Endpoint, quotes: DataType
) -> None:
    assert endpoint.states("AAPL", "nonsense", quotes.name) == [
        ("AAPL", "unknown_data_type"),
        ("AAPL", "queued"),
    ]
    answer = endpoint.add("AAPL", "nonsense")
    assert (answer.status_code, answer.json()["code"]) == (422, "UNKNOWN_DATA_TYPE")
    assert "nonsense" in answer.json()["message"]


def test_global_data_types_need_no_symbol(endpoint: Endpoint, register: Register) -> None:
    market = register(
        "price numeric, fetched_at timestamptz", symbol_column=None, write_mode="replace"
    )
    quotes = register()
    assert endpoint.states(None, market.name, quotes.name) == [
        ("GLOBAL", "queued"),
        (None, "invalid_symbol"),
    ]


def test_symbols_are_canonical_or_invalid(endpoint: Endpoint, register: Register) -> None:
    numbers = register("symbol integer primary key, fetched_at timestamptz")
    assert endpoint.states("007", numbers.name) == [("7", "queued")]
    assert endpoint.states("9" * 200, numbers.name) == [("9" * 200, "invalid_symbol")]
    assert endpoint.states("AAPL", numbers.name) == [("AAPL", "invalid_symbol")]


@pytest.mark.parametrize(
    "symbol",
    [
        "O'Neil",
        '"; drop schema freshness cascade; --',
        "{a,b}",
        "a\\b\n\t%s",
        "株式 😀",
        "😀" * 200,
    ],
)
def test_any_text_is_a_symbol(endpoint: Endpoint, quotes: DataType, symbol: str) -> None:
    assert endpoint.states(symbol, quotes.name) == [(symbol, "queued")]


def test_both_roles_and_only_they_may_call(
    endpoint: Endpoint, connection: Connection, quotes: DataType, make_token: MakeToken
) -> None:
    body = {"symbol": "AAPL", "dataTypes": [quotes.name]}
    statuses = [
        endpoint.client.post(PATH, json=body, headers={"Authorization": header}).status_code
        for header in (
            f"Bearer {make_token(role='service_role', sub=None, aud=None)}",
            f"Bearer {make_token(role='anon', sub=None)}",
            "Bearer forged",
        )
    ]
    assert statuses == [200, 401, 401]
    assert connection.execute(
        "select watcher from freshness.watches where data_type = %s", [quotes.name]
    ).fetchall() == [("service_role",)]


@given(
    symbol=st.none() | st.text(st.characters(), max_size=201),
    data_type=st.text(st.characters(), max_size=60),
)
@settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100
)
def test_any_text_is_the_clients_error_at_most(
    endpoint: Endpoint, quotes: DataType, symbol: str | None, data_type: str
) -> None:
    """What the database cannot store never reaches it."""
    body = json.dumps({"symbol": symbol, "dataTypes": [quotes.name, data_type]})
    answer = endpoint.client.post(PATH, content=body)
    assert answer.status_code in (200, 422), answer.text
