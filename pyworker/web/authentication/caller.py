"""Who a token was made for, by its claims."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pyworker.web.authentication.refusal import NOT_SIGNED_IN, refusal

AUDIENCE = "authenticated"
SERVICE_ROLE = "service_role"
LONGEST_USER = 190  # characters; the name of a watch holds 200
LATEST = 253_402_300_799  # the end of the year 9999, in seconds since 1970

# Users' tokens name the project's Auth server as their issuer; API keys that are tokens (anon,
# service_role) name one of these, the second on a local project.
API_KEY_ISSUERS = frozenset({"supabase", "supabase-demo"})


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls.

    `user` is the id of a user, None for the service role. At `expires_at` the token ends, and
    with it whatever was opened with it; None: a secret key, which has no end of its own.
    """

    role: str
    user: str | None
    expires_at: datetime | None = None

    @property
    def is_operator(self) -> bool:
        """Whether the caller has the service role."""
        return self.role == SERVICE_ROLE

    @property
    def watcher(self) -> str:
        """The name under which this caller's leases are held."""
        return self.role if self.user is None else f"user:{self.user}"


def caller_of(claims: Mapping[str, Any], issuer: str | None) -> Caller:
    """Return who the verified claims are of; `exp` is there and lies ahead.

    Args:
        claims: of a token whose signature, `exp` and `nbf` are good.
        issuer: the only issuer of users' tokens, None when it is not known.

    Raises:
        ProblemError: 401, the token is not of anybody who may call.
    """
    role, user = claims.get("role"), claims.get("sub")
    _check_issuer(claims, issuer)
    _check_audience(claims)
    expires_at = datetime.fromtimestamp(min(int(claims["exp"]), LATEST), UTC)
    if role == SERVICE_ROLE:
        return Caller(role, user if _can_be_stored(user) else None, expires_at)
    if role == "authenticated" and _can_be_stored(user):
        return Caller(role, user, expires_at)
    raise refusal(NOT_SIGNED_IN)


def _check_issuer(claims: Mapping[str, Any], issuer: str | None) -> None:
    # Tokens that the Supabase CLI makes name no issuer: whose they are is said by the signature.
    found = claims.get("iss")
    if issuer is None or found is None or found == issuer:
        return
    is_api_key = claims.get("role") in ("anon", SERVICE_ROLE)
    if not (is_api_key and isinstance(found, str) and found in API_KEY_ISSUERS):
        raise refusal("The token was made by another issuer.")


def _check_audience(claims: Mapping[str, Any]) -> None:
    # The keys of the service role have none.
    audience = claims.get("aud", AUDIENCE)
    if audience != AUDIENCE and not (isinstance(audience, list) and AUDIENCE in audience):
        raise refusal("The token was made for another audience.")


def _can_be_stored(user: object) -> bool:
    return isinstance(user, str) and 0 < len(user) <= LONGEST_USER and user.isprintable()
