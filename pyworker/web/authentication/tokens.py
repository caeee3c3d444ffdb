"""Verifies JSON Web Tokens: each key with the one algorithm that it was made for."""

from __future__ import annotations

from typing import Any

import jwt
from pydantic import SecretStr

from pyworker.errors import ConfigurationError
from pyworker.web.authentication.caller import Caller, caller_of
from pyworker.web.authentication.key_set import ALGORITHMS, SigningKey
from pyworker.web.authentication.refusal import refusal
from pyworker.web.authentication.signing_keys import SigningKeys
from pyworker.web.authentication.verified_tokens import VerifiedTokens

SHORTEST_SECRET = 32  # bytes, by RFC 7518 section 3.2
LONGEST_TOKEN = 16_384  # characters

# Headers that bring a key along or say where to fetch it, or change how the token is read.
# Supabase sends none of them.
REFUSED_HEADERS = frozenset({"crit", "b64", "jku", "jwk", "x5u", "x5c", "zip"})

INVALID = "The token is not a valid token of this project."
# What is no token at all can break its parser in these ways too.
UNREADABLE = (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError)


class TokenVerifier:
    """Verifies tokens that were signed with one of the project's keys.

    Args:
        secret: the legacy shared secret, for HS256 and nothing else; None: HS256 is refused.
        keys: the project's asymmetric keys; None: only HS256 is taken.
        issuer: who must have made the users' tokens; None: not checked.

    Raises:
        ConfigurationError: the secret is too weak to be one.
    """

    def __init__(
        self, secret: SecretStr | None, keys: SigningKeys | None = None, issuer: str | None = None
    ) -> None:
        self._secret = None if secret is None else _secret_key(secret)
        self._keys = keys
        self._issuer = issuer
        self._verified = VerifiedTokens()

    async def verify(self, token: str) -> Caller:
        """Return who the token was made for.

        Raises:
            ProblemError: 401, the token is forged, expired, or of nobody who may call; 503, its
                key cannot be fetched at the moment.
        """
        if len(token) > LONGEST_TOKEN:
            raise refusal(f"The token is over {LONGEST_TOKEN} characters.")
        key = await self._key(_header(token))
        if key is None:
            raise refusal(INVALID)
        caller = self._verified.find(token, key)
        if caller is None:
            caller = caller_of(_claims(token, key), self._issuer)
            self._verified.add(token, key, caller)
        return caller

    async def _key(self, header: dict[str, Any]) -> SigningKey | None:
        # The header only chooses among keys; what a key may verify is settled by the key. So a
        # public key is never taken for a shared secret, nor the other way round.
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm == "HS256":
            return self._secret
        if algorithm not in ALGORITHMS or not isinstance(kid, str) or self._keys is None:
            return None
        return await self._keys.find(kid)


def _header(token: str) -> dict[str, Any]:
    try:
        header = jwt.get_unverified_header(token)
    except UNREADABLE:
        raise refusal(INVALID) from None
    if not REFUSED_HEADERS.isdisjoint(header):
        raise refusal(INVALID)
    return header


def _claims(token: str, key: SigningKey) -> dict[str, Any]:
    try:
        return jwt.decode(
            token,
            key.key,
            algorithms=[key.algorithm],
            # Issuer and audience depend on the role and are checked with it. A time of issue
            # that is ahead of our clock is no harm; the end is what counts.
            options={"require": ["exp"], "verify_aud": False, "verify_iat": False},
        )
    except jwt.ExpiredSignatureError:
        raise refusal("The token has expired: refresh the session.") from None
    except jwt.ImmatureSignatureError:
        raise refusal("The token is not valid yet (nbf).") from None
    except jwt.MissingRequiredClaimError:
        raise refusal("The token has no end (exp).") from None
    except UNREADABLE:
        raise refusal(INVALID) from None


def _secret_key(secret: SecretStr) -> SigningKey:
    text = secret.get_secret_value()
    hint = "set it to the legacy JWT secret of the Supabase project"
    if len(text.encode("utf-8", "replace")) < SHORTEST_SECRET:
        raise ConfigurationError(
            f"SUPABASE_JWT_SECRET is shorter than {SHORTEST_SECRET} bytes", hint
        )
    try:
        jwt.get_algorithm_by_name("HS256").prepare_key(text)
    except jwt.InvalidKeyError:
        raise ConfigurationError(
            "SUPABASE_JWT_SECRET is a public key or certificate", hint
        ) from None
    return SigningKey("HS256", text)
