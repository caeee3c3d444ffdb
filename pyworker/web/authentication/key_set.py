"""Reads a JSON Web Key Set: public keys by their names, each with its one algorithm."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import AllowedPublicKeys

MOST_KEYS = 100
SHORTEST_RSA, LONGEST_RSA = 2048, 8192  # bits; below is weak, above is slow

# By the key's type and curve. What the key says of itself can narrow this, never change it.
_PINNED = {("EC", "P-256"): "ES256", ("RSA", None): "RS256", ("OKP", "Ed25519"): "EdDSA"}
# Nothing private is read, should a set hold it by mistake.
_PUBLIC_MEMBERS = ("kty", "crv", "x", "y", "n", "e")

ALGORITHMS = tuple(_PINNED.values())


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key, and the only algorithm that it verifies with."""

    algorithm: str
    key: AllowedPublicKeys | str = field(repr=False)


class KeySetUnusable(Exception):
    """There is no key set to be had; the message says why, without anything secret."""


def read_key_set(body: bytes) -> dict[str, SigningKey]:
    """Return the usable keys by `kid`; an empty set is one too, as of projects with no such keys.

    Keys for other purposes, of other algorithms or too weak are left out, and so are different
    keys of one name.

    Raises:
        KeySetUnusable: the text is not a key set.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise KeySetUnusable("the answer is not JSON") from None
    members = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(members, list):
        raise KeySetUnusable("the answer is not a JSON Web Key Set")
    if len(members) > MOST_KEYS:
        raise KeySetUnusable(f"the answer has over {MOST_KEYS} keys")
    found: dict[str, Mapping[str, Any]] = {}
    ambiguous = set()
    for member in members:
        kid = member.get("kid") if isinstance(member, dict) else None
        if not isinstance(kid, str) or not kid:
            continue
        if found.setdefault(kid, member) != member:
            ambiguous.add(kid)
    keys = {kid: _key(member) for kid, member in found.items() if kid not in ambiguous}
    return {kid: key for kid, key in keys.items() if key is not None}


def _key(member: Mapping[str, Any]) -> SigningKey | None:
    algorithm = _algorithm(member)
    if algorithm is None or not _is_for_verifying(member):
        return None
    public = {name: member[name] for name in _PUBLIC_MEMBERS if name in member}
    try:
        key = jwt.PyJWK(public, algorithm).key
    except Exception:  # whatever a malformed key breaks: the others are still of use
        return None
    if isinstance(key, RSAPublicKey) and not SHORTEST_RSA <= key.key_size <= LONGEST_RSA:
        return None
    return SigningKey(algorithm, key)


def _algorithm(member: Mapping[str, Any]) -> str | None:
    kind = member.get("kty")
    curve = None if kind == "RSA" else member.get("crv")
    if not isinstance(kind, str) or not isinstance(curve, str | None):
        return None
    pinned = _PINNED.get((kind, curve))
    return pinned if member.get("alg", pinned) == pinned else None


def _is_for_verifying(member: Mapping[str, Any]) -> bool:
    operations = member.get("key_ops", ["verify"])
    return (
        member.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
    )
