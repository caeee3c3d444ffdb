"""Which of a request's credentials counts, as at Supabase's own gateway."""

from __future__ import annotations

from hmac import compare_digest

from starlette.datastructures import Headers

from pyworker.errors import ConfigurationError
from pyworker.settings import Settings
from pyworker.web.authentication.auth_url import auth_url
from pyworker.web.authentication.caller import SERVICE_ROLE, Caller
from pyworker.web.authentication.key_set_endpoint import KeySetEndpoint
from pyworker.web.authentication.refusal import NOT_SIGNED_IN, refusal
from pyworker.web.authentication.secret_keys import PREFIX, SecretKeys
from pyworker.web.authentication.signing_keys import SigningKeys
from pyworker.web.authentication.tokens import TokenVerifier

API_KEY_PREFIX = "sb_"  # of keys that are not tokens
HOW_TO = "Send the user's access token: Authorization: Bearer <token>."


class Authentication:
    """Says who sent a request.

    A token in `Authorization` decides, good or bad. Without one the header `apikey` may hold a
    secret key or a token of the service role; publishable and anon keys sign nobody in.

    Raises:
        ConfigurationError: there is nothing to verify tokens with, or a setting is unusable.
    """

    def __init__(self, settings: Settings) -> None:
        if settings.supabase_url is None and settings.jwt_secret is None:
            raise ConfigurationError(
                "neither SUPABASE_URL nor SUPABASE_JWT_SECRET is set",
                "set SUPABASE_URL to the address of the Supabase project",
            )
        keys = issuer = None
        if settings.supabase_url is not None:
            issuer = auth_url(settings.supabase_url)
            keys = SigningKeys(KeySetEndpoint(f"{issuer}/.well-known/jwks.json").fetch)
        self._tokens = TokenVerifier(settings.jwt_secret, keys, settings.jwt_issuer or issuer)
        self._secret_keys = SecretKeys(settings.secret_key, settings.secret_keys)

    async def caller(self, headers: Headers) -> Caller:
        """Return who sent these headers.

        Raises:
            ProblemError: 401, nobody who may call; 503, that cannot be said at the moment.
        """
        token, key = _token(headers), _only(headers, "apikey")
        if token is None:
            return await self._by_key(key)
        if token.startswith(API_KEY_PREFIX):
            # supabase-js sends such a key in both headers; alone it is no token.
            if not compare_digest(token.encode(), (key or "").encode()):
                raise refusal("Send the key in the header apikey: it is not a token.")
            return await self._by_key(key)
        return await self._tokens.verify(token)

    async def _by_key(self, key: str | None) -> Caller:
        if not key:
            raise refusal(HOW_TO)
        if key.startswith(PREFIX):
            if key not in self._secret_keys:
                raise refusal("The secret key is not one of this project.")
            return Caller(SERVICE_ROLE, None)
        if not key.startswith(API_KEY_PREFIX):
            caller = await self._tokens.verify(key)
            if caller.is_operator:
                return caller
        raise refusal(NOT_SIGNED_IN)


def _token(headers: Headers) -> str | None:
    authorization = _only(headers, "authorization")
    if authorization is None:
        return None
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise refusal(HOW_TO)
    return token.strip()


def _only(headers: Headers, name: str) -> str | None:
    values = headers.getlist(name)
    if len(values) > 1:
        raise refusal(f"The header {name} is there more than once.")
    return values[0] if values else None
