"""One contract for all doors: endpoint, edge-style endpoint, Edge Function and RPC.

Each is called with the real supabase-js. The last three stand on a double of the Data API.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType, Register
from tests.web.conftest import SECRET
from tests.web.data_api import SECRET_KEY, DataApi
from tests.web.doors import PUBLISHABLE_KEY, Answer, Door, SupabaseJs, running_supabase_js, told
from tests.web.edge_function import DENO
from tests.web.endpoint import Endpoint, running_endpoint

MakeToken = Callable[..., str]
DOORS = ["endpoint", "edge_style", "edge_function", "rpc"]

# QUOTE stands for the name of a data type.
BODIES: list[dict[str, Any]] = [
    {"symbol": "AAPL", "dataTypes": ["QUOTE"]},
    {"symbol": "AAPL", "dataTypes": ["QUOTE", "nope", "QUOTE"], "other": {"a": [1]}},
    {"cards": [{"symbol": "B", "dataTypes": ["QUOTE"]}, {"symbol": "A", "dataTypes": ["QUOTE"]}]},
    {"cards": [{"symbol": "B", "dataTypes": ["QUOTE"]}, {"dataTypes": ["QUOTE"]}]},
    {"symbol": "", "dataTypes": ["QUOTE"]},
    {"symbol": None, "dataTypes": ["QUOTE"]},
    {"symbol": '"; drop table x; --é😀', "dataTypes": ["QUOTE"]},
    {"symbol": "AAPL", "dataTypes": ["QUOTE"], "wait": 0},
    {"symbol": "AAPL", "dataTypes": ["QUOTE"], "wait": None},
    {"symbol": "AAPL", "dataTypes": ["QUOTE"], "wait": 0.01},
    {"symbol": "AAPL", "dataTypes": ["QUOTE"], "wait": -1},
    {"symbol": "AAPL", "dataTypes": ["QUOTE"], "wait": "5"},
    {"symbol": "AAPL", "dataTypes": ["QUOTE"], "wait": True},
    {"symbol": "AAPL", "dataTypes": ["QUOTE"], "wait": [1]},
    {"symbol": "AAPL", "dataTypes": ["nope", "neither"]},
    {"symbol": "AAPL"},
    {"symbol": "AAPL", "dataTypes": []},
    {"symbol": "AAPL", "dataTypes": "QUOTE"},
    {"symbol": "AAPL", "dataTypes": ["QUOTE", 1]},
    {"symbol": 1, "dataTypes": ["QUOTE"]},
    {"symbol": "AAPL", "cards": []},
    {"cards": []},
    {"cards": {}},
    {"cards": ["AAPL"]},
    {"symbol": "A" * 201, "dataTypes": ["QUOTE"]},
    {"symbol": "A", "dataTypes": [f"type_{number}" for number in range(51)]},
]
VERSIONS = """
    select
        array(
            select w.xmin::text || w.ctid::text from freshness.watches as w
            where w.data_type = %(name)s order by 1
        )
        || array(
            select j.xmin::text || j.ctid::text from freshness.jobs as j
            where j.data_type = %(name)s order by 1
        )
"""


@pytest.fixture(scope="module")
def javascript(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SupabaseJs]:
    """supabase-js, under the Deno that the project pins."""
    if not (DENO.exists() and (DENO.parents[1] / "@supabase" / "supabase-js").exists()):
        pytest.skip("supabase-js or Deno is not installed: run npm ci")
    with running_supabase_js(tmp_path_factory.mktemp("javascript")) as running:
        yield running


@pytest.fixture(scope="module")
def edge_style(data_api: DataApi, make_token: MakeToken) -> Iterator[Endpoint]:
    """An endpoint without a database connection."""
    with running_endpoint(
        "", make_token, SECRET, SUPABASE_URL=data_api.url, SUPABASE_SECRET_KEY=SECRET_KEY
    ) as running:
        yield running


@pytest.fixture(scope="module")
def urls(
    endpoint: Endpoint, edge_style: Endpoint, function_url: str, data_api: DataApi
) -> dict[str, str]:
    """Where each door is."""
    return dict(zip(DOORS, [endpoint.url, edge_style.url, function_url, data_api.url], strict=True))


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest, urls: dict[str, str], javascript: SupabaseJs) -> Door:
    """Each of the doors."""
    return Door(request.param, urls[request.param], javascript)


@pytest.fixture
def token(make_token: MakeToken) -> str:
    """Of somebody new."""
    return make_token(sub=str(uuid4()))


@pytest.mark.parametrize("number", range(len(BODIES)))
def test_every_door_says_the_same(
    *,
    urls: dict[str, str],
    javascript: SupabaseJs,
    connection: Connection,
    quotes: DataType,
    token: str,
    number: int,
) -> None:
    """Status, words and shape, for keys that are fresh, stale and wrong."""
    quotes.store(connection, "A", 0)
    body = _with_name(BODIES[number], quotes.name)
    answers = {
        name: told(Door(name, url, javascript).add(body, token)) for name, url in urls.items()
    }
    assert answers == dict.fromkeys(DOORS, answers["endpoint"])
    status, content = answers["endpoint"]
    assert status in (200, 422)
    assert content.keys() == (
        {"success", "leaseSeconds", "keys"} if status == 200 else {"message", "code"}
    )


def test_a_card_is_leased_to_its_user_and_queued(
    door: Door, connection: Connection, quotes: DataType, make_token: MakeToken
) -> None:
    """Under the same name through each door, for five minutes, with the priority of cards."""
    user = str(uuid4())
    body = {"symbol": "AAPL", "dataTypes": [quotes.name], "priority": 9, "leaseSeconds": 86400}
    answer = door.add(body, make_token(sub=user))
    assert answer.body["leaseSeconds"] == 300
    assert answer.statuses == ["queued"]
    assert connection.execute(
        "select w.watcher, w.lease_until - clock_timestamp() < interval '5 minutes', j.priority"
        " from freshness.watches as w join freshness.jobs as j using (data_type, symbol)"
        " where data_type = %s",
        [quotes.name],
    ).fetchall() == [(f"user:{user}", True, 1)]


def test_the_same_call_for_fresh_keys_writes_nothing(
    door: Door, connection: Connection, quotes: DataType, token: str
) -> None:
    quotes.store(connection, "A", 0)
    quotes.store(connection, "B", 0)
    body = {"cards": [{"symbol": symbol, "dataTypes": [quotes.name]} for symbol in "AB"]}
    first = told(door.add(body, token))
    before = connection.execute(VERSIONS, {"name": quotes.name}).fetchone()
    assert [told(door.add(body, token)) for _ in range(3)] == [first] * 3
    assert connection.execute(VERSIONS, {"name": quotes.name}).fetchone() == before


def test_after_a_quarter_of_the_lease_its_end_is_written_and_nothing_else(
    door: Door, connection: Connection, quotes: DataType, token: str
) -> None:
    quotes.store(connection, "A", 0)
    body = {"symbol": "A", "dataTypes": [quotes.name]}
    door.add(body, token)
    jobs = "select xmin::text, ctid::text from freshness.jobs where data_type = %s"
    ends = (
        "select lease_until > clock_timestamp() + interval '299 seconds'"
        " from freshness.watches where data_type = %s"
    )
    before = connection.execute(jobs, [quotes.name]).fetchone()
    for passed, is_renewed in ((70, False), (80, True)):
        connection.execute(
            "update freshness.watches"
            " set lease_until = clock_timestamp() + make_interval(secs => 300 - %s)"
            " where data_type = %s",
            [passed, quotes.name],
        )
        door.add(body, token)
        assert connection.execute(ends, [quotes.name]).fetchone() == (is_renewed,)
    assert connection.execute(jobs, [quotes.name]).fetchone() == before


@pytest.mark.parametrize(
    "changes",
    [
        None,
        {"exp": 1},
        {"role": "anon", "sub": None},
        {"sub": None},
        {"secret": "another-project-s-secret-that-is-long-enough"},
    ],
    ids=str,
)
def test_who_is_not_signed_in_is_refused(
    door: Door,
    connection: Connection,
    quotes: DataType,
    make_token: MakeToken,
    changes: dict[str, Any] | None,
) -> None:
    """Nothing is recorded. Without a session supabase-js sends its publishable key."""
    token = None if changes is None else make_token(**changes)
    answer = door.add({"symbol": "AAPL", "dataTypes": [quotes.name]}, token)
    assert answer.status == 401
    # The Data API has codes of its own for what never reaches the function.
    assert answer.body["code"] in {"INVALID_CREDENTIALS"} | (
        {None} if door.name == "rpc" else set()
    )
    assert _watches(connection, quotes) == 0


def test_a_secret_key_is_the_service_role(
    door: Door, connection: Connection, quotes: DataType
) -> None:
    """Supabase-js sends it in both headers."""
    answer = door.add({"symbol": "A", "dataTypes": [quotes.name]}, None, key=SECRET_KEY)
    assert answer.status == 200, answer
    assert connection.execute(
        "select watcher from freshness.watches where data_type = %s", [quotes.name]
    ).fetchall() == [("service_role",)]


def test_a_closed_table_is_forbidden(
    door: Door, connection: Connection, register: Register, token: str
) -> None:
    """Alone it is refused; among others it is named, and those are handled."""
    closed, open_one = register(), register()
    connection.execute(f"revoke select on {closed.table} from authenticated")
    answer = door.add({"symbol": "A", "dataTypes": [closed.name]}, token)
    assert (answer.status, answer.body["code"]) == (403, "FORBIDDEN")
    answer = door.add({"symbol": "A", "dataTypes": [closed.name, open_one.name]}, token)
    assert answer.statuses == ["forbidden", "queued"]
    assert _watches(connection, closed) == 0


def test_a_user_with_too_many_keys_is_told_when_to_try_again(
    door: Door, connection: Connection, quotes: DataType, token: str
) -> None:
    connection.execute("update freshness.card_limits set keys_per_call = 1, keys_per_user = 1")
    try:
        answers: list[Answer] = [
            door.add({"symbol": symbol, "dataTypes": [quotes.name]}, token) for symbol in "AB"
        ]
    finally:
        connection.execute(
            "update freshness.card_limits set keys_per_user = 500, keys_per_call = 50"
        )
    assert [answer.status for answer in answers] == [200, 429]
    assert answers[1].body == {
        "message": "You would watch 2 keys; at most 1 are allowed.",
        "code": "TOO_MANY_WATCHED",
    }
    assert answers[1].retry_after is not None
    assert 290 <= answers[1].retry_after <= 300


def test_the_edge_style_endpoint_passes_the_caller_on(
    urls: dict[str, str], javascript: SupabaseJs, data_api: DataApi, quotes: DataType, token: str
) -> None:
    """The secret key opens the gateway; whose rights count is the caller's."""
    data_api.calls.clear()
    body = {"symbol": "A", "dataTypes": [quotes.name]}
    Door("edge_style", urls["edge_style"], javascript).add(body, token, key=PUBLISHABLE_KEY)
    [(headers, _)] = data_api.calls
    names = {name.lower(): value for name, value in headers.items()}
    assert names["authorization"] == f"Bearer {token}"
    assert names["apikey"] == SECRET_KEY


def _with_name(body: dict[str, Any], name: str) -> dict[str, Any]:
    def replaced(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: replaced(member) for key, member in value.items()}
        if isinstance(value, list):
            return [replaced(member) for member in value]
        return name if value == "QUOTE" else value

    return {key: replaced(member) for key, member in body.items()}


def _watches(connection: Connection, data_type: DataType) -> int:
    [count] = connection.execute(
        "select count(*) from freshness.watches where data_type = %s", [data_type.name]
    ).fetchone() or (0,)
    return int(count)
