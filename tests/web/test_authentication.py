"""Which of the credentials in a request's headers counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from starlette.datastructures import Headers

from pyworker.settings import Settings
from pyworker.web.authentication import Authentication, Caller
from pyworker.web.problems import ProblemError

if TYPE_CHECKING:
    pass

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
