"""What a project publishes is read with care."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from pyworker.web.authentication.key_set import KeySetUnusable, read_key_set
from tests.web.signing import Signer, new_key, signer

ES256, RS256, EDDSA = (signer(algorithm) for algorithm in ("ES256", "RS256", "EdDSA"))

WEAK = rsa.generate_private_key(65537, 1024)  # noqa: S505 - it is to be refused


def algorithms(*members: Any) -> dict[str, str]:
    """The algorithm of each key that is read."""
    keys = read_key_set(json.dumps({"keys": members}).encode())
    return {kid: key.algorithm for kid, key in keys.items()}


def changed(of: Signer, **changes: Any) -> dict[str, Any]:
    found = {**of.jwk, **changes}
    return {name: value for name, value in found.items() if value is not None}


def test_each_key_has_the_one_algorithm_of_its_kind() -> None:
    expected = {"key-ES256": "ES256", "key-RS256": "RS256", "key-EdDSA": "EdDSA"}
    assert algorithms(ES256.jwk, RS256.jwk, EDDSA.jwk) == expected
    silent = [changed(of, alg=None, use=None, key_ops=None) for of in (ES256, RS256, EDDSA)]
    assert algorithms(*silent) == expected


def test_a_project_may_have_no_such_keys() -> None:
    assert read_key_set(b'{"keys": []}') == {}


@pytest.mark.parametrize(
    "member",
    [
        changed(RS256, alg="HS256"),
        changed(RS256, alg="none"),
        changed(RS256, alg="PS256"),
        changed(ES256, alg="RS256"),
        changed(ES256, use="enc"),
        changed(ES256, key_ops=["sign"]),
        changed(ES256, key_ops="verify"),
        changed(ES256, kid=None),
        changed(ES256, kid=""),
        changed(ES256, kid=7),
        changed(ES256, crv="P-384"),
        changed(ES256, crv=["P-256"]),
        changed(ES256, kty="OKP"),
        changed(ES256, kty=["EC"]),
        changed(ES256, x="AAAA"),
        changed(ES256, y=None),
        changed(ES256, x=5),
        changed(EDDSA, x="AAAA"),
        changed(EDDSA, crv="X25519"),
        changed(RS256, n=None),
        changed(RS256, e="AQ"),
        {"kty": "oct", "k": "c2VjcmV0" * 8, "kid": "shared"},
        {"kty": "oct", "k": "c2VjcmV0" * 8, "kid": "shared", "alg": "HS256"},
        {
            **ECAlgorithm.to_jwk(
                ec.generate_private_key(ec.SECP384R1()).public_key(), as_dict=True
            ),
            "kid": "p384",
        },
        {
            **RSAAlgorithm.to_jwk(WEAK.public_key(), as_dict=True),
            "kid": "weak",
        },
        None,
        "key",
        [],
    ],
)
def test_a_key_that_is_not_for_this_is_left_out(member: Any) -> None:
    """And the others of the set stay of use."""
    assert algorithms(member, Signer("EdDSA", "good").jwk) == {"good": "EdDSA"}


def test_different_keys_of_one_name_are_both_left_out() -> None:
    first, second = Signer("ES256", "same"), Signer("ES256", "same")
    assert algorithms(first.jwk, second.jwk, EDDSA.jwk) == {"key-EdDSA": "EdDSA"}
    assert algorithms(first.jwk, first.jwk) == {"same": "ES256"}


def test_of_a_private_key_only_the_public_part_is_read() -> None:
    private = new_key("EdDSA")
    member = {**OKPAlgorithm.to_jwk(private, as_dict=True), "kid": "leaked"}
    assert "d" in member
    key = read_key_set(json.dumps({"keys": [member]}).encode())["leaked"].key
    assert not hasattr(key, "sign")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        b'{"keys": {}}',
        b'{"keys": null}',
        b"[" * 60_000,
        b"9" * 9_000,
        json.dumps({"keys": [{"kid": str(number)} for number in range(101)]}).encode(),
    ],
)
def test_what_is_no_key_set_is_refused(body: bytes) -> None:
    with pytest.raises(KeySetUnusable):
        read_key_set(body)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
MEMBER = st.sampled_from([ES256.jwk, RS256.jwk, EDDSA.jwk]).flatmap(
    lambda jwk: st.dictionaries(st.sampled_from(sorted(jwk)), JSON).map(lambda new: {**jwk, **new})
)


@given(st.lists(MEMBER | JSON, max_size=4))
def test_any_members_are_read_or_left_out(members: list[Any]) -> None:
    assert set(algorithms(*members).values()) <= {"ES256", "RS256", "EdDSA"}
