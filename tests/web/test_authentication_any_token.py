"""Whatever a token holds, it is taken or refused, and nothing breaks."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import jwt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from pyworker.web.authentication.key_set import SigningKey, read_key_set
from pyworker.web.authentication.signing_keys import SigningKeys
from pyworker.web.authentication.tokens import TokenVerifier
from pyworker.web.problems import ProblemError
from tests.web.signing import USER, assembled, claims, encoded, signer

SECRET = "a-legacy-secret-that-has-32-bytes-or-more"
ISSUER = "https://project.supabase.co/auth/v1"
ALGORITHMS = ("ES256", "RS256", "EdDSA")
GOOD = {**claims(iss=ISSUER), "exp": 2**33}
VALUE: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)
NAMES = [signer(algorithm).kid for algorithm in ALGORITHMS]
KNOWN = st.sampled_from(["HS256", "none", *ALGORITHMS, *NAMES])


# The first text makes Hypothesis read Unicode's tables, a second of work on a new machine.
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    header=st.dictionaries(st.sampled_from(["alg", "kid", "typ", "b64", "crit"]), KNOWN | VALUE),
    body=st.dictionaries(st.sampled_from(["exp", "nbf", "aud", "iss", "role", "sub"]), VALUE),
    signature=st.binary(max_size=300),
)
def test_any_header_is_refused_and_breaks_nothing(
    header: dict[str, Any], body: dict[str, Any], signature: bytes
) -> None:
    async def fetch() -> dict[str, SigningKey]:
        published = [signer(algorithm).jwk for algorithm in ALGORITHMS]
        return read_key_set(json.dumps({"keys": published}).encode())

    verifier = TokenVerifier(SecretStr(SECRET), SigningKeys(fetch), ISSUER)
    with pytest.raises(ProblemError) as refused:
        asyncio.run(verifier.verify(assembled(header, body, signature)))
    assert refused.value.status == 401


async def answered(verifier: TokenVerifier, token: str) -> int | tuple[str, str | None]:
    """The status of a refusal, or who calls."""
    try:
        found = await verifier.verify(token)
    except ProblemError as refused:
        return refused.status
    return found.role, found.user


@given(
    changes=st.dictionaries(st.sampled_from(["exp", "nbf", "iat", "aud", "iss", "role"]), VALUE),
    algorithm=st.sampled_from(ALGORITHMS),
)
def test_any_claims_of_a_good_signature_are_taken_or_refused(
    changes: dict[str, Any], algorithm: str
) -> None:
    """Signed by hand: what makes tokens would not sign some of them."""
    made_by = signer(algorithm)

    async def fetch() -> dict[str, SigningKey]:
        return read_key_set(json.dumps({"keys": [made_by.jwk]}).encode())

    header = {"alg": algorithm, "kid": made_by.kid}
    signed = assembled(header, {**GOOD, **changes}).removesuffix(".")
    signature = jwt.get_algorithm_by_name(algorithm).sign(signed.encode(), made_by.private_key)
    token = f"{signed}.{encoded(signature)}"
    answer = asyncio.run(answered(TokenVerifier(None, SigningKeys(fetch), ISSUER), token))
    assert answer in (401, ("authenticated", USER))
