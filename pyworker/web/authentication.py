"""Who is calling: verifies the JWT that Supabase gives to a signed-in user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jwt
from pydantic import SecretStr

from pyworker.errors import ConfigurationError
from pyworker.web.problems import ProblemError

AUDIENCE = "authenticated"
SHORTEST_SECRET = 32  # bytes, by RFC 7518 section 3.2
LONGEST_USER = 190  # characters; the name of a watch holds 200


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a token was made for; `user` is the id of a user, None for the service role."""

    role: str
    user: str | None

    @property
    def watcher(self) -> str:
        """The name under which this caller's leases are held."""
        return self.role if self.user is None else f"user:{self.user}"


class TokenVerifier:
    """Verifies tokens that are signed with the project's shared secret (HS256, nothing else).

    Raises:
        ConfigurationError: there is no secret, or it is too weak to be one.
    """

    def __init__(self, secret: SecretStr | None) -> None:
        if secret is None:
            raise ConfigurationError(
                "SUPABASE_JWT_SECRET is not set", "set it to the JWT secret of the Supabase project"
            )
        self._secret = secret.get_secret_value()
        if len(self._secret.encode("utf-8", "replace")) < SHORTEST_SECRET:
            raise ConfigurationError(
                f"SUPABASE_JWT_SECRET is shorter than {SHORTEST_SECRET} bytes",
                "set it to the JWT secret of the Supabase project",
            )
        try:
            jwt.get_algorithm_by_name("HS256").prepare_key(self._secret)
        except jwt.InvalidKeyError:
            raise ConfigurationError(
                "SUPABASE_JWT_SECRET is a public key or certificate",
                "set it to the JWT secret of the Supabase project",
            ) from None

    def verify(self, authorization: str | None) -> Caller:
        """Return who calls, from the value of the header Authorization.

        Raises:
            ProblemError: 401, the token is missing, forged, expired, or of nobody who may call.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise _refusal("Send the user's access token: Authorization: Bearer <token>.")
        return _caller(self._claims(token.strip()))

    def _claims(self, token: str) -> dict[str, Any]:
        try:
            return jwt.decode(
                token,
                self._secret,
                algorithms=["HS256"],
                # The audience is checked below, since keys of the service role have none. A time
                # of issue that is ahead of our clock is no harm; the end is what counts.
                options={"require": ["exp"], "verify_aud": False, "verify_iat": False},
            )
        except jwt.ExpiredSignatureError:
            raise _refusal("The token has expired: refresh the session.") from None
        except jwt.MissingRequiredClaimError:
            raise _refusal("The token has no end (exp).") from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            # What is no token at all can break its parser in these ways too.
            raise _refusal("The token is not a valid token of this project.") from None


def _caller(claims: dict[str, Any]) -> Caller:
    audience = claims.get("aud", AUDIENCE)
    if audience != AUDIENCE and not (isinstance(audience, list) and AUDIENCE in audience):
        raise _refusal("The token was made for another audience.")
    role, user = claims.get("role"), claims.get("sub")
    if role == "service_role":
        return Caller(role, user if _can_be_stored(user) else None)
    if role == "authenticated" and _can_be_stored(user):
        return Caller(role, user)
    raise _refusal("The token is not of a signed-in user: sign in first.")


def _can_be_stored(user: object) -> bool:
    return isinstance(user, str) and 0 < len(user) <= LONGEST_USER and user.isprintable()


def _refusal(message: str) -> ProblemError:
    return ProblemError(401, "INVALID_CREDENTIALS", message, {"WWW-Authenticate": "Bearer"})
