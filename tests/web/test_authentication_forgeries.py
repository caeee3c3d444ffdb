"""Tokens of real keys from a real key server are good; what only looks like one is not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import permutations, product
from typing import Any

import jwt
import pytest
from pydantic import SecretStr

from pyworker.web.authentication import Caller
from pyworker.web.authentication.key_set_endpoint import KeySetEndpoint
from pyworker.web.authentication.signing_keys import SigningKeys
from pyworker.web.authentication.tokens import TokenVerifier
from pyworker.web.problems import ProblemError
from tests.web.signing import (
    PATH,
    USER,
    KeyServer,
    Signer,
    assembled,
    claims,
    encoded,
    key_server,
    new_key,
    signer,
)

SECRET = "a-legacy-secret-that-has-32-bytes-or-more"
ISSUER = "https://project.supabase.co/auth/v1"
ALGORITHMS = ("ES256", "RS256", "EdDSA")
OTHERS = (*ALGORITHMS, "RS384", "RS512", "PS256", "ES384", "ES256K")

Refuse = Callable[[str], None]


@pytest.fixture(scope="module")
def server() -> Iterator[KeyServer]:
    """The project's key server, with a key of each kind."""
    with key_server() as running:
        running.publish(*(signer(algorithm) for algorithm in ALGORITHMS))
        yield running


@pytest.fixture(params=[None, SECRET], ids=["no-legacy-secret", "legacy-secret"])
def verifier(server: KeyServer, request: pytest.FixtureRequest) -> TokenVerifier:
    """Anew for each test, since a verifier lives in one event loop."""
    keys = SigningKeys(KeySetEndpoint(f"{server.url}{PATH}").fetch)
    secret = None if request.param is None else SecretStr(request.param)
    return TokenVerifier(secret, keys, ISSUER)


@pytest.fixture
def refuse(verifier: TokenVerifier) -> Refuse:
    def check(token: str) -> None:
        with pytest.raises(ProblemError) as refused:
            asyncio.run(verifier.verify(token))
        assert refused.value.status == 401
        assert token not in refused.value.message

    return check


def payload() -> dict[str, Any]:
    return {**claims(iss=ISSUER), "exp": 2**33}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_token_of_the_projects_key_is_good(verifier: TokenVerifier, algorithm: str) -> None:
    end = datetime(2100, 1, 2, tzinfo=UTC)
    token = signer(algorithm).token(iss=ISSUER, exp=end)
    assert asyncio.run(verifier.verify(token)) == Caller("authenticated", USER, end)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_token_of_another_projects_key_is_refused(refuse: Refuse, algorithm: str) -> None:
    """Under a name that this project has, and under one of its own."""
    refuse(Signer(algorithm, signer(algorithm).kid).token(iss=ISSUER))
    refuse(Signer(algorithm, "of-another-project").token(iss=ISSUER))


@pytest.mark.parametrize("name", ["none", "None", "nOnE", "NONE", "", None])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_token_without_a_signature_is_refused(
    refuse: Refuse, algorithm: str, name: str | None
) -> None:
    header = {"alg": name, "typ": "JWT", "kid": signer(algorithm).kid}
    refuse(assembled(header, payload()))
    refuse(assembled(header, payload(), b"signature"))
    refuse(assembled({**header, "alg": algorithm}, payload()))


@pytest.mark.parametrize("name", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_public_key_is_no_shared_secret(refuse: Refuse, algorithm: str, name: str) -> None:
    """The classic one: the public key, in whatever form, taken as the secret of an HMAC."""
    hmac = jwt.get_algorithm_by_name(name)
    for secret in signer(algorithm).public_texts():
        header = {"alg": name, "typ": "JWT", "kid": signer(algorithm).kid}
        signed = assembled(header, payload()).removesuffix(".")
        refuse(f"{signed}.{encoded(hmac.sign(signed.encode(), secret))}")


@pytest.mark.parametrize(
    ("algorithm", "other"), [pair for pair in product(ALGORITHMS, OTHERS) if pair[0] != pair[1]]
)
def test_a_key_verifies_with_its_own_algorithm_only(
    refuse: Refuse, algorithm: str, other: str
) -> None:
    """The header names another key's algorithm, or another algorithm of the same key."""
    good = signer(algorithm).token(iss=ISSUER)
    refuse(
        assembled({"alg": other, "kid": signer(algorithm).kid}, payload()).rsplit(".", 1)[0]
        + "."
        + good.rsplit(".", 1)[1]
    )
    if algorithm == "RS256" and other in ("RS384", "RS512", "PS256"):
        key = signer(algorithm)
        refuse(
            jwt.encode(
                payload(), key.private_key, algorithm=other, headers={"kid": key.kid, "alg": other}
            )
        )


@pytest.mark.parametrize(("algorithm", "other"), list(permutations(ALGORITHMS, 2)))
def test_a_key_is_found_by_its_own_name_only(refuse: Refuse, algorithm: str, other: str) -> None:
    refuse(signer(algorithm).token({"kid": signer(other).kid}, iss=ISSUER))


@pytest.mark.parametrize(
    "kid",
    [
        None,
        "",
        "unknown",
        "../../../../dev/null",
        "/dev/null",
        "key-ES256/../key-ES256",
        "https://attacker.example/jwks.json",
        "' or '1' = '1",
        "x'; drop table freshness.jobs; --",
        "$(id)",
        "key-ES256\0",
        "KEY-ES256",
        " key-ES256",
        "k" * 10_000,
    ],
)
def test_a_name_is_looked_up_and_nothing_else(
    refuse: Refuse, server: KeyServer, kid: str | None
) -> None:
    refuse(signer("ES256").token({"kid": kid}, iss=ISSUER))
    assert set(server.asked) <= {PATH}


@pytest.mark.parametrize("kid", [7, ["key-ES256"], {"a": 1}, True, None])
def test_a_name_that_is_no_text_is_refused(refuse: Refuse, kid: object) -> None:
    refuse(assembled({"alg": "ES256", "kid": kid}, payload(), b"s" * 64))


@pytest.mark.parametrize(
    "carried",
    [
        lambda attacker, _: {"jwk": attacker.jwk},
        lambda _, url: {"jku": url},
        lambda _, url: {"x5u": url},
        lambda _, __: {"x5c": ["MIIB"]},
        lambda _, __: {"crit": ["exp"], "exp": 1},
    ],
    ids=["jwk", "jku", "x5u", "x5c", "crit"],
)
def test_a_token_cannot_bring_its_own_key(
    refuse: Refuse, carried: Callable[[Signer, str], dict[str, Any]]
) -> None:
    """Whether the attacker has signed it or, against all odds, the project itself."""
    with key_server() as elsewhere:
        attacker = Signer("ES256", "key-ES256")
        elsewhere.publish(attacker)
        headers = carried(attacker, f"{elsewhere.url}{PATH}")
        for made_by in (attacker, signer("ES256")):
            algorithm = jwt.get_algorithm_by_name("ES256")
            header = {"alg": "ES256", "kid": "key-ES256", **headers}
            signed = assembled(header, payload()).removesuffix(".")
            signature = algorithm.sign(signed.encode(), made_by.private_key)
            refuse(f"{signed}.{encoded(signature)}")
        assert elsewhere.asked == []


def test_the_tests_would_notice_if_that_token_were_good(verifier: TokenVerifier) -> None:
    algorithm = jwt.get_algorithm_by_name("ES256")
    header = {"alg": "ES256", "kid": "key-ES256"}
    signed = assembled(header, payload()).removesuffix(".")
    signature = algorithm.sign(signed.encode(), signer("ES256").private_key)
    token = f"{signed}.{encoded(signature)}"
    assert asyncio.run(verifier.verify(token)).user == USER


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": datetime.now(UTC) - timedelta(seconds=1)},
        {"exp": None},
        {"nbf": datetime.now(UTC) + timedelta(days=1)},
        {"iss": "https://another.supabase.co/auth/v1"},
        {"iss": "supabase"},
        {"aud": "another"},
        {"role": "anon"},
        {"role": "postgres"},
        {"role": "freshness_worker"},
        {"sub": None},
    ],
)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_good_signature_does_not_make_other_claims_good(
    refuse: Refuse, algorithm: str, changes: dict[str, Any]
) -> None:
    refuse(signer(algorithm).token(**{"iss": ISSUER, **changes}))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_changed_token_is_refused(refuse: Refuse, algorithm: str) -> None:
    """Cut off, bent, or with another payload."""
    header, body, signature = signer(algorithm).token(iss=ISSUER).split(".")
    operators = encoded(json.dumps({**payload(), "role": "service_role"}).encode())
    refuse(f"{header}.{operators}.{signature}")
    for cut in (1, 2, len(signature) // 2, len(signature)):
        refuse(f"{header}.{body}.{signature[:-cut]}")
    refuse(f"{header}.{body}.{signature[::-1]}")
    refuse(f"{header}.{body}.{signature}.{signature}")
    refuse(f"{header}.{body}")
    refuse(f"{header}..{signature}")


def test_a_null_signature_is_refused(refuse: Refuse) -> None:
    """Zeros are no point of the curve (and were good in Java for a while)."""
    refuse(assembled({"alg": "ES256", "kid": "key-ES256"}, payload(), b"\0" * 64))


def test_keys_of_one_name_verify_nothing() -> None:
    """Which of them would it be?"""
    first, second = (Signer("ES256", "same", new_key("ES256")) for _ in range(2))
    with key_server() as server:
        server.publish(first, second)
        keys = SigningKeys(KeySetEndpoint(f"{server.url}{PATH}").fetch)
        for made_by in (first, second):
            with pytest.raises(ProblemError) as refused:
                asyncio.run(TokenVerifier(None, keys).verify(made_by.token()))
            assert refused.value.status == 401


def test_what_needs_no_key_fetches_none() -> None:
    """Tokens of other algorithms, without a name, and of no form at all cost no fetch."""
    with key_server() as server:
        keys = SigningKeys(KeySetEndpoint(f"{server.url}{PATH}").fetch)
        verifier = TokenVerifier(SecretStr(SECRET), keys)
        for token in (
            "x.y.z",
            assembled({"alg": "none", "kid": "key-ES256"}, payload()),
            assembled({"alg": "ES256"}, payload(), b"s" * 64),
            jwt.encode(payload(), "another-secret-that-has-32-bytes-or-more"),
        ):
            with pytest.raises(ProblemError):
                asyncio.run(verifier.verify(token))
        assert server.asked == []
