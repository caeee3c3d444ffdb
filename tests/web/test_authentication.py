"""Only tokens that this project signed, for people who are signed in, are let through."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from pyworker.errors import ConfigurationError
from pyworker.web.authentication import Caller, TokenVerifier
from pyworker.web.problems import ProblemError

SECRET = "a-secret-of-the-tests-that-has-32-bytes-or-more"
VERIFIER = TokenVerifier(SecretStr(SECRET))

MakeToken = Callable[..., str]


def refusal(authorization: str | None) -> str:
    """The message of the 401 that a header is answered with."""
    with pytest.raises(ProblemError) as refused:
        VERIFIER.verify(authorization)
    assert (refused.value.status, refused.value.code) == (401, "INVALID_CREDENTIALS")
    assert refused.value.headers == {"WWW-Authenticate": "Bearer"}
    return refused.value.message


def encoded(value: bytes) -> str:
    """One part of a token."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER "])
def test_a_signed_in_user_is_known_by_the_subject(make_token: MakeToken, scheme: str) -> None:
    caller = VERIFIER.verify(f"{scheme} {make_token(sub='ann')}")
    assert (caller, caller.watcher) == (Caller("authenticated", "ann"), "user:ann")


@pytest.mark.parametrize("audience", [None, ["other", "authenticated"]])
def test_the_audience_may_be_missing_or_one_of_several(
    make_token: MakeToken, audience: list[str] | None
) -> None:
    assert VERIFIER.verify(f"Bearer {make_token(aud=audience)}").role == "authenticated"


def test_the_service_role_needs_no_subject(make_token: MakeToken) -> None:
    """As in the keys that Supabase projects come with."""
    caller = VERIFIER.verify(f"Bearer {make_token(role='service_role', sub=None, aud=None)}")
    assert (caller, caller.watcher) == (Caller("service_role", None), "service_role")


def test_a_clock_that_is_behind_the_issuer_is_no_reason_to_refuse(make_token: MakeToken) -> None:
    ahead = datetime.now(UTC) + timedelta(seconds=30)
    assert VERIFIER.verify(f"Bearer {make_token(iat=ahead)}").role == "authenticated"


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer  ", "Basic YTpi", "eyJ"])
def test_without_a_token_the_answer_says_how_to_send_one(header: str | None) -> None:
    assert "Authorization: Bearer" in refusal(header)


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"exp": datetime.now(UTC) - timedelta(seconds=1)}, "expired"),
        ({"exp": None}, "no end"),
        ({"exp": "never"}, "not a valid token"),
        ({"exp": 1e999}, "not a valid token"),
        ({"nbf": datetime.now(UTC) + timedelta(hours=1)}, "not a valid token"),
        ({"aud": "other"}, "another audience"),
        ({"aud": []}, "another audience"),
        ({"role": "anon", "sub": None}, "sign in"),
        ({"role": None}, "sign in"),
        ({"role": ["service_role"]}, "sign in"),
        ({"sub": None}, "sign in"),
        ({"sub": ""}, "sign in"),
        ({"sub": "a\0b"}, "sign in"),
        ({"sub": "\ud800"}, "sign in"),
        ({"sub": "a" * 191}, "sign in"),
    ],
)
def test_a_token_with_other_claims_is_refused(
    make_token: MakeToken, claims: dict[str, Any], message: str
) -> None:
    assert message in refusal(f"Bearer {make_token(**claims)}")


def test_a_token_of_another_secret_is_refused(make_token: MakeToken) -> None:
    assert "not a valid token" in refusal(f"Bearer {make_token(secret=SECRET[::-1])}")


def test_a_token_with_another_algorithm_is_refused(make_token: MakeToken) -> None:
    """The algorithm is ours to choose, never the token's."""
    longer = SECRET * 2
    token = make_token(secret=longer, algorithm="HS512")
    with pytest.raises(ProblemError):
        TokenVerifier(SecretStr(longer)).verify(f"Bearer {token}")


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", None, [], {}, 1, "RS256"])
def test_a_token_that_names_no_algorithm_is_refused(
    make_token: MakeToken, algorithm: object
) -> None:
    _, payload, signature = make_token().split(".")
    header = encoded(json.dumps({"alg": algorithm, "typ": "JWT"}).encode())
    refusal(f"Bearer {header}.{payload}.")
    refusal(f"Bearer {header}.{payload}.{signature}")


def test_a_changed_payload_is_refused(make_token: MakeToken) -> None:
    header, payload, signature = make_token().split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    forged = encoded(json.dumps({**claims, "role": "service_role"}).encode())
    refusal(f"Bearer {header}.{forged}.{signature}")


@pytest.mark.parametrize(
    "header",
    [
        b"[" * 20_000,
        b'{"alg":' * 5_000,
        b"9" * 9_000,
        b"null",
        b"\xff",
        b'{"alg":"HS256","b64":false}',
    ],
)
def test_a_header_that_breaks_parsers_is_refused(make_token: MakeToken, header: bytes) -> None:
    _, payload, signature = make_token().split(".")
    refusal(f"Bearer {encoded(header)}.{payload}.{signature}")


@given(st.text())
def test_any_text_is_refused(text: str) -> None:
    refusal(text)
    refusal(f"Bearer x{text}")


@given(st.lists(st.binary(max_size=40), min_size=3, max_size=3))
def test_any_three_parts_are_refused(parts: list[bytes]) -> None:
    refusal("Bearer x" + ".".join(encoded(part) for part in parts))


@pytest.mark.parametrize(
    ("secret", "message"),
    [
        (None, "SUPABASE_JWT_SECRET is not set"),
        ("too-little", "shorter than 32 bytes"),
        (
            "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----",
            "public key or certificate",
        ),
    ],
)
def test_a_secret_that_is_none_is_named_at_the_start(secret: str | None, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as refused:
        TokenVerifier(SecretStr(secret) if secret else None)
    assert secret is None or secret not in str(refused.value)


def test_the_tests_would_notice_a_good_token() -> None:
    with pytest.raises(pytest.fail.Exception):
        refusal(
            "Bearer "
            + jwt.encode(
                {"sub": "ann", "role": "authenticated", "exp": 2**33}, SECRET, algorithm="HS256"
            )
        )
