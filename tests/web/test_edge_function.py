"""The Edge Function answers as the endpoint does: one real Deno, one real Postgres."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType
from tests.fixtures.servers import WOULD_BREAK, Database
from tests.web.conftest import SECRET
from tests.web.data_api import SECRET_KEY, DataApi, running_data_api
from tests.web.edge_function import DENO, FUNCTION, deno, running_function
from tests.web.endpoint import PATH, Endpoint

MakeToken = Callable[..., str]

# Texts in which QUOTE stands for the name of a data type.
BODIES = [
    '{"symbol": "AAPL", "dataTypes": ["QUOTE"]}',
    '{"symbol": "AAPL", "dataTypes": ["QUOTE", "nope", "QUOTE"], "other": {"a": [1]}}',
    '{"cards": [{"symbol": "B", "dataTypes": ["QUOTE"]}, {"symbol": "A", "dataTypes": ["QUOTE"]}]}',
    '{"cards": [{"symbol": "B", "dataTypes": ["QUOTE"]}, {"dataTypes": ["QUOTE"]}]}',
    '{"symbol": "", "dataTypes": ["QUOTE"]}',
    '{"symbol": null, "dataTypes": ["QUOTE"]}',
    '{"symbol": "\\"; drop table x; --\\u00e9\\ud83d\\ude00", "dataTypes": ["QUOTE"]}',
    '{"symbol": "AAPL", "dataTypes": ["nope", "neither"]}',
    '{"symbol": "AAPL"}',
    '{"symbol": "AAPL", "dataTypes": []}',
    '{"symbol": "AAPL", "dataTypes": "QUOTE"}',
    '{"symbol": "AAPL", "dataTypes": ["QUOTE", 1]}',
    '{"symbol": 1, "dataTypes": ["QUOTE"]}',
    '{"symbol": "AAPL", "cards": []}',
    '{"cards": []}',
    '{"cards": {}}',
    '{"cards": null}',
    '{"cards": ["AAPL"]}',
    '{"cards": [{"symbol": "A", "dataTypes": [null]}]}',
    "{}",
    "[]",
    "null",
    "7",
    json.dumps({"symbol": "A" * 201, "dataTypes": ["QUOTE"]}),
    json.dumps({"symbol": "A", "dataTypes": [f"type_{number}" for number in range(51)]}),
]
# These are refused in words of the parser's own.
REFUSED = [
    ("", 400, "EMPTY_BODY"),
    ("  \n", 400, "EMPTY_BODY"),
    ("{", 400, "INVALID_JSON"),
    ('{"symbol": NaN, "dataTypes": ["QUOTE"]}', 400, "INVALID_JSON"),
    (b"\xff\xfe", 400, "INVALID_JSON"),
    ('{"symbol": "A\\u0000", "dataTypes": ["QUOTE"]}', 422, "INVALID_CARDS"),
    ('{"symbol": "A\\ud800", "dataTypes": ["QUOTE"]}', 422, "INVALID_CARDS"),
    ('{"cards": ' + "[" * 30000 + "]" * 30000 + "}", 400, "INVALID_JSON"),
    (json.dumps({"symbol": "A" * 70000, "dataTypes": ["QUOTE"]}), 413, "BODY_TOO_LARGE"),
]


@pytest.fixture
def caller(function_url: str, make_token: MakeToken) -> Iterator[httpx.Client]:
    """A client of the function that is signed in as somebody new."""
    headers = {"Authorization": f"Bearer {make_token(sub=str(uuid4()))}", "apikey": "anything"}
    with httpx.Client(base_url=function_url, headers=headers, timeout=30) as client:
        yield client


def ask(client: httpx.Client, body: str | bytes, **headers: str) -> httpx.Response:
    return client.post(PATH, content=body, headers={"Content-Type": "application/json", **headers})


def told(answer: httpx.Response) -> tuple[int, Any]:
    """Status and content; of due times only whether there is one, since time goes on."""
    content = answer.json()
    for key in content.get("keys", []):
        key["dueAt"] = key["dueAt"] is not None
    return answer.status_code, content


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_it_answers_as_the_endpoint_does(
    caller: httpx.Client, endpoint: Endpoint, connection: Connection, quotes: DataType, body: str
) -> None:
    """Status, words and shape, for fresh and for stale keys."""
    quotes.store(connection, "A", 0)
    body = body.replace("QUOTE", quotes.name)
    by_function, by_endpoint = ask(caller, body), ask(endpoint.client, body)
    assert told(by_function) == told(by_endpoint)


@pytest.mark.parametrize(("body", "status", "code"), REFUSED, ids=range(len(REFUSED)))
def test_it_refuses_what_is_no_body(
    caller: httpx.Client, endpoint: Endpoint, body: str | bytes, status: int, code: str
) -> None:
    """With the endpoint's status and code, and words for people."""
    by_function, by_endpoint = ask(caller, body), ask(endpoint.client, body)
    assert by_function.status_code == by_endpoint.status_code == status
    assert by_function.json().keys() == {"message", "code"}
    assert by_function.json()["code"] == by_endpoint.json()["code"] == code


def test_other_media_types_are_refused(caller: httpx.Client, endpoint: Endpoint) -> None:
    answers = [
        ask(client, "{}", **{"Content-Type": "text/plain"}) for client in (caller, endpoint.client)
    ]
    assert told(answers[0]) == told(answers[1])
    assert answers[0].status_code == 415


def test_an_answer_has_the_endpoint_s_shape(
    caller: httpx.Client, connection: Connection, quotes: DataType
) -> None:
    """And the lease is the user's."""
    quotes.store(connection, "AAPL", 0)
    answer = caller.post(PATH, json={"symbol": "AAPL", "dataTypes": [quotes.name]})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-expose-headers"] == "Retry-After"
    [key] = answer.json()["keys"]
    assert key.pop("freshUntil").endswith("Z")
    assert key.pop("dueAt").endswith("Z")
    assert key == {"symbol": "AAPL", "dataType": quotes.name, "status": "fresh"}
    watchers = "select count(*) from freshness.watches where data_type = %s and watcher ~ '^user:'"
    assert connection.execute(watchers, [quotes.name]).fetchone() == (1,)


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "Basic abc",
        "Bearer",
        "Bearer no.token.at-all",
        {"exp": 1},
        {"role": "anon", "sub": None},
        {"sub": None},
        {"secret": "another-project-s-secret-that-is-long-enough"},
    ],
    ids=str,
)
def test_who_is_not_signed_in_is_refused(
    function_url: str, make_token: MakeToken, quotes: DataType, authorization: Any
) -> None:
    """By the Data API, which verifies the token; the function itself trusts nothing in it."""
    if isinstance(authorization, dict):
        authorization = f"Bearer {make_token(**authorization)}"
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = httpx.post(
        function_url + PATH,
        json={"symbol": "AAPL", "dataTypes": [quotes.name]},
        headers={"apikey": "anything", **headers},
    )
    assert answer.status_code == 401
    assert answer.json()["code"] == "INVALID_CREDENTIALS"
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["access-control-allow-origin"] == "*"


def test_a_secret_key_signs_in_the_service_role(function_url: str, quotes: DataType) -> None:
    """It is no token, and stands in the header apikey alone."""
    answer = httpx.post(
        function_url + PATH,
        json={"symbol": "AAPL", "dataTypes": [quotes.name]},
        headers={"apikey": SECRET_KEY},
    )
    assert answer.status_code == 200


def test_the_caller_s_own_token_goes_on_and_nothing_else(
    caller: httpx.Client, data_api: DataApi, quotes: DataType
) -> None:
    """No key of the function's own takes its place."""
    data_api.calls.clear()
    ask(caller, json.dumps({"symbol": "AAPL", "dataTypes": [quotes.name]}), Cookie="a=b")
    [(headers, body)] = data_api.calls
    names = {name.lower(): value for name, value in headers.items()}
    assert names["authorization"] == caller.headers["authorization"]
    assert names["apikey"] == "anything"
    assert "cookie" not in names
    assert json.loads(body) == {"p_cards": {"symbol": "AAPL", "dataTypes": [quotes.name]}}


def test_a_closed_table_is_forbidden(
    caller: httpx.Client, connection: Connection, quotes: DataType
) -> None:
    """Whoever may not select from it may not have it fetched."""
    connection.execute(f"revoke select on {quotes.table} from authenticated")
    answer = caller.post(PATH, json={"symbol": "AAPL", "dataTypes": [quotes.name]})
    assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")


def test_a_user_with_too_many_keys_is_told_when_to_try_again(
    caller: httpx.Client, connection: Connection, quotes: DataType
) -> None:
    """429 with Retry-After in seconds."""
    connection.execute("update freshness.card_limits set keys_per_call = 1, keys_per_user = 1")
    try:
        answers = [
            caller.post(PATH, json={"symbol": symbol, "dataTypes": [quotes.name]})
            for symbol in ("A", "B")
        ]
    finally:
        connection.execute(
            "update freshness.card_limits set keys_per_user = 500, keys_per_call = 50"
        )
    assert [answer.status_code for answer in answers] == [200, 429]
    assert answers[1].json() == {
        "message": "You would watch 2 keys; at most 1 are allowed.",
        "code": "TOO_MANY_WATCHED",
    }
    assert 290 <= int(answers[1].headers["retry-after"]) <= 300


def test_a_preflight_is_answered_as_the_endpoint_does(
    function_url: str, endpoint: Endpoint
) -> None:
    """Without a token, with the headers that supabase-js sends."""
    answers = [httpx.options(url + PATH) for url in (function_url, endpoint.url)]
    assert [answer.status_code for answer in answers] == [204, 204]
    allowed = [answer.headers["access-control-allow-headers"] for answer in answers]
    assert allowed[0] == allowed[1]


def test_other_methods_are_refused(function_url: str) -> None:
    answer = httpx.get(function_url + PATH)
    assert (answer.status_code, answer.json()["code"]) == (405, "METHOD_NOT_ALLOWED")


@pytest.mark.parametrize("breakage", ["absent", "not_installed"])
def test_a_database_that_cannot_be_reached_is_said_so(
    breakage: str, database: Database, make_token: MakeToken, tmp_path: Path
) -> None:
    """The Data API is down, or does not have our function: 503, and nothing of the inside."""
    if not DENO.exists():
        pytest.skip("Deno is not installed: run npm ci")
    if database.superuser_url is None:
        pytest.skip(WOULD_BREAK)
    url = database.url.replace("://postgres:", "://authenticator:", 1)
    with running_data_api(url.rpartition("/")[0] + "/template1", SECRET) as without_ours:
        address = "http://127.0.0.1:9" if breakage == "absent" else without_ours.url
        with running_function(address, tmp_path / "function.log") as function:
            answer = httpx.post(
                function + PATH,
                json={"symbol": "A", "dataTypes": ["quote"]},
                headers={"Authorization": f"Bearer {make_token()}"},
            )
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert answer.json() == {
        "message": "The database cannot be reached at the moment. Try again.",
        "code": "DATABASE_UNAVAILABLE",
    }


@pytest.mark.parametrize(
    "arguments", [["check"], ["lint"], ["fmt", "--check", "--line-width=100"]], ids=lambda a: a[0]
)
def test_deno_has_nothing_to_say_about_it(arguments: list[str], tmp_path: Path) -> None:
    """Types, style and format."""
    if not DENO.exists():
        pytest.skip("Deno is not installed: run npm ci")
    files = [str(path) for path in sorted(FUNCTION.glob("*.ts"))]
    done = subprocess.run(
        deno(*arguments, *files, home=tmp_path), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_database_s_own_answer_is_the_same(
    connection: Connection, endpoint: Endpoint, quotes: DataType
) -> None:
    """supabase.rpc('on_card_add') needs neither of the two."""
    quotes.store(connection, "AAPL", 0)
    answer = endpoint.add("AAPL", quotes.name).json()
    with connection.transaction():
        connection.execute("set local role authenticated")
        claims = json.dumps({"sub": endpoint.user})
        connection.execute("select set_config('request.jwt.claims', %s, true)", [claims])
        row = connection.execute(
            "select public.on_card_add('AAPL', %s)", [[quotes.name]]
        ).fetchone()
    assert row == (answer,)


def test_the_double_verifies_tokens(data_api: DataApi, make_token: MakeToken) -> None:
    """Otherwise the refusals above would prove nothing."""
    forged = make_token(secret="another-project-s-secret-that-is-long-enough")
    answer = httpx.post(
        f"{data_api.url}/rest/v1/rpc/on_card_add",
        json={"p_cards": {}},
        headers={"Authorization": f"Bearer {forged}"},
    )
    assert (answer.status_code, answer.json()["code"]) == (401, "PGRST301")


def test_nobody_else_becomes_a_user(database: Database) -> None:
    """Role authenticator itself has no way in: it has to become somebody first."""
    if database.superuser_url is None:
        pytest.skip(WOULD_BREAK)
    url = database.url.replace("://postgres:", "://authenticator:", 1)
    with (
        psycopg.connect(url) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("select public.on_card_add('A', array['b'])")
