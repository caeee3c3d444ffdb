"""Only tokens that this project signed, for people who are signed in, are let through."""

from __future__ import annotations

import asyncio
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
from pyworker.web.authentication import Caller
from pyworker.web.authentication.tokens import LONGEST_TOKEN, TokenVerifier
from pyworker.web.problems import ProblemError
from tests.web.signing import encoded

SECRET = "a-secret-of-the-tests-that-has-32-bytes-or-more"
ISSUER = "https://project.supabase.co/auth/v1"
VERIFIER = TokenVerifier(SecretStr(SECRET), issuer=ISSUER)

MakeToken = Callable[..., str]


def verified(token: str, verifier: TokenVerifier = VERIFIER) -> Caller:
    return asyncio.run(verifier.verify(token))


def refusal(token: str, verifier: TokenVerifier = VERIFIER) -> str:
    """The message of the 401 that a token is answered with."""
    with pytest.raises(ProblemError) as refused:
        verified(token, verifier)
    assert (refused.value.status, refused.value.code) == (401, "INVALID_CREDENTIALS")
    assert refused.value.headers == {"WWW-Authenticate": "Bearer"}
    return refused.value.message


def test_a_signed_in_user_is_known_by_the_subject(make_token: MakeToken) -> None:
    end = datetime(2100, 1, 2, 3, 4, 5, tzinfo=UTC)
    caller = verified(make_token(sub="ann", exp=end))
    assert (caller, caller.watcher) == (Caller("authenticated", "ann", end), "user:ann")
    assert not caller.is_operator


@pytest.mark.parametrize("end", [10**12, 10**300, 1e300, "9999999999999"])
def test_a_very_late_end_is_the_last_moment_that_there_is(
    make_token: MakeToken, end: object
) -> None:
    expires_at = verified(make_token(exp=end)).expires_at
    assert expires_at == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize("audience", [None, ["other", "authenticated"]])
def test_the_audience_may_be_missing_or_one_of_several(
    make_token: MakeToken, audience: list[str] | None
) -> None:
    assert verified(make_token(aud=audience)).role == "authenticated"


def test_the_service_role_needs_no_subject(make_token: MakeToken) -> None:
    """As in the keys that Supabase projects come with."""
    caller = verified(make_token(role="service_role", sub=None, aud=None))
    assert (caller.user, caller.watcher, caller.is_operator) == (None, "service_role", True)


@pytest.mark.parametrize("issuer", [None, ISSUER, "supabase", "supabase-demo"])
def test_the_service_role_may_come_with_the_issuer_of_api_keys(
    make_token: MakeToken, issuer: str | None
) -> None:
    assert verified(make_token(role="service_role", sub=None, iss=issuer)).is_operator


def test_without_a_known_issuer_none_is_asked_for(make_token: MakeToken) -> None:
    token = make_token(iss="https://any.example/auth/v1")
    assert verified(token, TokenVerifier(SecretStr(SECRET))).role == "authenticated"


def test_a_clock_that_is_behind_the_issuer_is_no_reason_to_refuse(make_token: MakeToken) -> None:
    ahead = datetime.now(UTC) + timedelta(seconds=30)
    assert verified(make_token(iat=ahead)).role == "authenticated"


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"exp": datetime.now(UTC) - timedelta(seconds=1)}, "expired"),
        ({"exp": None}, "no end"),
        ({"exp": "never"}, "not a valid token"),
        ({"exp": 1e999}, "not a valid token"),
        ({"nbf": datetime.now(UTC) + timedelta(hours=1)}, "not valid yet"),
        ({"nbf": "soon"}, "not a valid token"),
        ({"iss": "https://other.supabase.co/auth/v1"}, "another issuer"),
        ({"iss": ISSUER + "/"}, "another issuer"),
        ({"iss": "supabase"}, "another issuer"),
        ({"iss": ISSUER, "aud": "other"}, "another audience"),
        ({"role": "service_role", "iss": "https://other.supabase.co/auth/v1"}, "another issuer"),
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
    assert message in refusal(make_token(**claims))


def test_a_token_of_another_secret_is_refused(make_token: MakeToken) -> None:
    assert "not a valid token" in refusal(make_token(secret=SECRET[::-1]))


def test_a_token_with_another_algorithm_is_refused(make_token: MakeToken) -> None:
    """The algorithm is ours to choose, never the token's."""
    longer = SECRET * 2
    token = make_token(secret=longer, algorithm="HS512")
    refusal(token, TokenVerifier(SecretStr(longer)))


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", None, [], {}, 1, "RS256"])
def test_a_token_that_names_no_algorithm_is_refused(
    make_token: MakeToken, algorithm: object
) -> None:
    _, payload, signature = make_token().split(".")
    header = encoded(json.dumps({"alg": algorithm, "typ": "JWT"}).encode())
    refusal(f"{header}.{payload}.")
    refusal(f"{header}.{payload}.{signature}")


def test_a_changed_payload_is_refused(make_token: MakeToken) -> None:
    header, payload, signature = make_token().split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    forged = encoded(json.dumps({**claims, "role": "service_role"}).encode())
    refusal(f"{header}.{forged}.{signature}")


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
    refusal(f"{encoded(header)}.{payload}.{signature}")


@pytest.mark.parametrize(
    "added",
    [
        {"crit": ["exp"], "exp": 1},
        {"b64": True},
        {"jku": "https://attacker.example/jwks.json"},
        {"x5u": "https://attacker.example/certificate.pem"},
        {"x5c": ["MIIB"]},
        {"jwk": {"kty": "oct", "k": "AA"}},
        {"zip": "DEF"},
    ],
)
def test_a_header_that_changes_how_a_token_is_read_is_refused(added: dict[str, Any]) -> None:
    """Although the signature is good."""
    header = encoded(json.dumps({"alg": "HS256", **added}).encode())
    _, payload, _ = jwt.encode({"role": "service_role", "exp": 2**33}, SECRET).split(".")
    signed = f"{header}.{payload}"
    algorithm = jwt.get_algorithm_by_name("HS256")
    signature = encoded(algorithm.sign(signed.encode(), algorithm.prepare_key(SECRET)))
    assert "not a valid token" in refusal(f"{signed}.{signature}")


def test_an_oversized_token_is_refused_unread(make_token: MakeToken) -> None:
    assert "over 16384 characters" in refusal(make_token(note="x" * LONGEST_TOKEN))
    assert verified(make_token(note="x" * 10_000)).role == "authenticated"


@pytest.mark.parametrize("cut", [1, 2, 10, 42])
def test_a_truncated_signature_is_refused(make_token: MakeToken, cut: int) -> None:
    refusal(make_token()[:-cut])


def test_without_a_secret_no_shared_secret_is_good(make_token: MakeToken) -> None:
    for secret in (SECRET, "0" * 32):
        refusal(make_token(secret=secret), TokenVerifier(None))


@given(st.text())
def test_any_text_is_refused(text: str) -> None:
    refusal(text)


@given(st.lists(st.binary(max_size=40), min_size=3, max_size=3))
def test_any_three_parts_are_refused(parts: list[bytes]) -> None:
    refusal(".".join(encoded(part) for part in parts))


@pytest.mark.parametrize(
    ("secret", "message"),
    [
        ("too-little", "shorter than 32 bytes"),
        (
            "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----",
            "public key or certificate",
        ),
    ],
)
def test_a_secret_that_is_none_is_named_at_the_start(secret: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as refused:
        TokenVerifier(SecretStr(secret))
    assert secret not in str(refused.value)


def test_the_tests_would_notice_a_good_token() -> None:
    with pytest.raises(pytest.fail.Exception):
        refusal(
            jwt.encode(
                {"sub": "ann", "role": "authenticated", "exp": 2**33}, SECRET, algorithm="HS256"
            )
        )
