"""Which of the credentials in a request's headers counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.datastructures import Headers
from structlog.testing import capture_logs

from pyworker.errors import ConfigurationError
from pyworker.settings import Settings, read_settings
from pyworker.web.application import create_application
from pyworker.web.authentication import Authentication, Caller
from pyworker.web.authentication.auth_url import auth_url
from pyworker.web.problems import ProblemError
from tests.web.signing import PATH, USER, KeyServer, key_server, signer

if TYPE_CHECKING:
    from tests.web.conftest import FakeQueue

SECRET_KEY = "sb_secret_0123456789abcdefghij"
OTHER_KEY = "sb_secret_9876543210abcdefghij"
PUBLISHABLE_KEY = "sb_publishable_0123456789abcdef"
END = datetime(2100, 1, 2, tzinfo=UTC)
OPERATOR = Caller("service_role", None)

MakeSettings = Callable[..., Settings]
MakeToken = Callable[..., str]


@pytest.fixture
def authentication(make_settings: MakeSettings) -> Authentication:
    keys = f'{{"default": "{SECRET_KEY}", "cron": "{OTHER_KEY}"}}'
    return Authentication(make_settings(SUPABASE_SECRET_KEYS=keys))


def caller(authentication: Authentication, *headers: tuple[str, str]) -> Caller:
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    return asyncio.run(authentication.caller(Headers(raw=raw)))


def refusal(authentication: Authentication, *headers: tuple[str, str]) -> str:
    """The message of the 401; nothing that was sent is repeated in it."""
    with pytest.raises(ProblemError) as refused:
        caller(authentication, *headers)
    assert (refused.value.status, refused.value.code) == (401, "INVALID_CREDENTIALS")
    for _, value in headers:
        sent = value.removeprefix("Bearer ")
        assert len(sent) < 8 or sent not in refused.value.message
    return refused.value.message


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER "])
@pytest.mark.parametrize("apikey", [[], [PUBLISHABLE_KEY], [SECRET_KEY], ["sb_secret_wrong"]])
def test_a_users_token_decides_whatever_the_apikey(
    authentication: Authentication, make_token: MakeToken, scheme: str, apikey: list[str]
) -> None:
    """As at the gateway: a secret key beside it gives its user no more than the user has."""
    token = make_token(sub="ann", exp=END)
    headers = [("Authorization", f"{scheme} {token}"), *(("apikey", key) for key in apikey)]
    assert caller(authentication, *headers) == Caller("authenticated", "ann", END)


@pytest.mark.parametrize("key", [SECRET_KEY, OTHER_KEY])
def test_a_secret_key_is_an_operators(authentication: Authentication, key: str) -> None:
    assert caller(authentication, ("apikey", key)) == OPERATOR
    sent_by_clients = [("apikey", key), ("Authorization", f"Bearer {key}")]
    assert caller(authentication, *sent_by_clients) == OPERATOR


def test_a_token_of_the_service_role_is_an_operators_in_either_header(
    authentication: Authentication, make_token: MakeToken
) -> None:
    token = make_token(role="service_role", sub=None, aud=None, exp=END)
    for header in (("apikey", token), ("Authorization", f"Bearer {token}")):
        assert caller(authentication, header) == Caller("service_role", None, END)


def test_keys_for_browsers_sign_nobody_in(
    authentication: Authentication, make_token: MakeToken
) -> None:
    """Neither publishable nor anon keys; and a user's token is no API key."""
    anon = make_token(role="anon", sub=None, aud=None)
    for key in (PUBLISHABLE_KEY, anon, make_token()):
        assert "sign in" in refusal(authentication, ("apikey", key))
    for key in (PUBLISHABLE_KEY, anon):
        headers = [("apikey", key), ("Authorization", f"Bearer {key}")]
        assert "sign in" in refusal(authentication, *headers)


@pytest.mark.parametrize("apikey", [[], [""], [PUBLISHABLE_KEY], [OTHER_KEY], [SECRET_KEY + "x"]])
def test_a_secret_key_is_not_taken_for_a_token(
    authentication: Authentication, apikey: list[str]
) -> None:
    headers = [("Authorization", f"Bearer {SECRET_KEY}"), *(("apikey", key) for key in apikey)]
    assert "header apikey" in refusal(authentication, *headers)


@pytest.mark.parametrize(
    "key", [SECRET_KEY[:-1], SECRET_KEY + "a", SECRET_KEY.upper(), "sb_secret_", "sb_secret_\xff"]
)
def test_another_secret_key_is_refused(authentication: Authentication, key: str) -> None:
    refusal(authentication, ("apikey", key))


def test_without_configured_keys_no_secret_key_is_good(make_settings: MakeSettings) -> None:
    refusal(Authentication(make_settings()), ("apikey", SECRET_KEY))


def test_a_bad_token_is_not_made_good_by_a_good_key(
    authentication: Authentication, make_token: MakeToken
) -> None:
    forged = make_token(secret="another-secret-that-has-32-bytes-or-more")
    refusal(authentication, ("Authorization", f"Bearer {forged}"), ("apikey", SECRET_KEY))
    refusal(authentication, ("Authorization", "Basic YTpi"), ("apikey", SECRET_KEY))


@pytest.mark.parametrize("value", [None, "", "Bearer", "Bearer  ", "Basic YTpi", "eyJ"])
def test_without_a_token_the_answer_says_how_to_send_one(
    authentication: Authentication, value: str | None
) -> None:
    headers = [] if value is None else [("Authorization", value)]
    assert "Authorization: Bearer" in refusal(authentication, *headers)


def test_a_header_that_is_there_twice_is_refused(
    authentication: Authentication, make_token: MakeToken
) -> None:
    """A proxy and we might each believe another one."""
    bearer = ("Authorization", f"Bearer {make_token()}")
    assert "more than once" in refusal(authentication, bearer, bearer)
    assert "more than once" in refusal(authentication, bearer, ("apikey", "a"), ("apikey", "b"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"SUPABASE_JWT_SECRET": None}, "neither SUPABASE_URL nor SUPABASE_JWT_SECRET is set"),
        ({"SUPABASE_URL": "project.supabase.co"}, "SUPABASE_URL is not the address"),
        ({"SUPABASE_URL": "ftp://project.supabase.co"}, "SUPABASE_URL is not the address"),
        ({"SUPABASE_URL": "https://user:word@host"}, "SUPABASE_URL is not the address"),
        ({"SUPABASE_URL": "https://host/?a=b"}, "SUPABASE_URL is not the address"),
        ({"SUPABASE_URL": "https://[::1"}, "SUPABASE_URL is not the address"),
        ({"SUPABASE_URL": "http://project.supabase.co"}, "SUPABASE_URL is not encrypted"),
        ({"SUPABASE_URL": "http://93.184.216.34"}, "SUPABASE_URL is not encrypted"),
        ({"SUPABASE_SECRET_KEY": PUBLISHABLE_KEY}, "SUPABASE_SECRET_KEY is not a secret key"),
        ({"SUPABASE_SECRET_KEY": "sb_secret_short"}, "SUPABASE_SECRET_KEY is not a secret key"),
        ({"SUPABASE_SECRET_KEYS": "sb_secret_abc"}, "SUPABASE_SECRET_KEYS is not a JSON object"),
        ({"SUPABASE_SECRET_KEYS": "[" * 9999}, "SUPABASE_SECRET_KEYS is not a JSON object"),
        ({"SUPABASE_SECRET_KEYS": '{"a": 1}'}, "SUPABASE_SECRET_KEYS is not a secret key"),
    ],
)
def test_an_unusable_setting_is_named_and_not_repeated(
    make_settings: MakeSettings, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message) as refused:
        Authentication(make_settings(**changes))
    assert not any(value and value in str(refused.value) for value in changes.values())


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("https://project.supabase.co", "https://project.supabase.co/auth/v1"),
        (" https://Project.Supabase.co:443/ ", "https://project.supabase.co/auth/v1"),
        ("https://example.com/base/", "https://example.com/base/auth/v1"),
        ("http://127.0.0.1:54321", "http://127.0.0.1:54321/auth/v1"),
        ("http://[::1]:54321", "http://[::1]:54321/auth/v1"),
        ("http://kong:8000", "http://kong:8000/auth/v1"),
        ("http://10.1.2.3", "http://10.1.2.3/auth/v1"),
        ("http://auth.project.internal", "http://auth.project.internal/auth/v1"),
    ],
)
def test_the_auth_server_is_found_by_the_projects_address(given: str, expected: str) -> None:
    assert auth_url(given) == expected


def test_settings_hide_what_is_secret(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, make_settings: MakeSettings
) -> None:
    values = {
        "SUPABASE_JWT_SECRET": "a-legacy-secret-that-has-32-bytes-or-more",
        "SUPABASE_SECRET_KEY": SECRET_KEY,
        "SUPABASE_SECRET_KEYS": f'{{"default": "{OTHER_KEY}"}}',
    }
    for name, value in {**values, "DATABASE_URL": "postgresql://u:word@host/db"}.items():
        monkeypatch.setenv(name, value)
    settings = read_settings(tmp_path / ".env")
    shown = f"{settings!r} {settings} {vars(Authentication(settings))}"
    assert not any(value in shown for value in (*values.values(), OTHER_KEY, "u:word"))
    assert settings != make_settings()


@pytest.fixture
def served() -> Iterator[KeyServer]:
    with key_server() as running:
        running.publish(signer("ES256"))
        yield running


async def test_the_endpoint_takes_tokens_that_the_projects_keys_have_signed(
    fake_queue: FakeQueue, make_settings: MakeSettings, served: KeyServer
) -> None:
    """From the setting to the watch, over HTTP; without a legacy secret HS256 is refused."""
    settings = make_settings(
        SUPABASE_URL=served.url, SUPABASE_JWT_SECRET=None, SUPABASE_SECRET_KEY=SECRET_KEY
    )
    transport = httpx.ASGITransport(create_application(fake_queue, settings))
    async with httpx.AsyncClient(transport=transport, base_url="http://endpoint") as client:

        async def add(**headers: str) -> httpx.Response:
            card = {"symbol": "AAPL", "dataTypes": ["quote"]}
            return await client.post("/functions/v1/on-card-add", json=card, headers=headers)

        token = signer("ES256").token(iss=f"{served.url}/auth/v1")
        assert (await add(Authorization=f"Bearer {token}")).status_code == 200
        assert (await add(apikey=SECRET_KEY)).status_code == 200
        elsewhere = signer("ES256").token(iss="http://127.0.0.1:1/auth/v1")
        assert (await add(Authorization=f"Bearer {elsewhere}")).status_code == 401
    assert [watcher for _, watcher, _, _ in fake_queue.watched] == [f"user:{USER}", "service_role"]
    assert served.asked == [PATH]


async def test_while_keys_cannot_be_fetched_the_answer_is_a_503(
    fake_queue: FakeQueue, make_settings: MakeSettings, served: KeyServer
) -> None:
    """A 401 would make clients drop a session that is good."""
    served.status = 500
    application = create_application(fake_queue, make_settings(SUPABASE_URL=served.url))
    token = signer("ES256").token()
    with capture_logs() as logs:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(application), base_url="http://endpoint"
        ) as client:
            answer = await client.post(
                "/api/on-card-add", headers={"Authorization": f"Bearer {token}"}
            )
    assert (answer.status_code, answer.json()["code"]) == (503, "KEYS_UNAVAILABLE")
    assert int(answer.headers["Retry-After"]) > 0
    assert ("signing_keys_unavailable", "HTTP 500") in [
        (entry["event"], entry.get("reason")) for entry in logs
    ]
    assert token not in str(logs)


async def test_the_issuer_can_be_named_when_the_address_is_another(
    make_settings: MakeSettings, served: KeyServer
) -> None:
    issuer = "https://api.example.com/auth/v1"
    settings = make_settings(SUPABASE_URL=served.url, SUPABASE_JWT_ISSUER=issuer)
    headers = Headers({"Authorization": f"Bearer {signer('ES256').token(iss=issuer)}"})
    assert (await Authentication(settings).caller(headers)).user == USER
