"""Secret API keys (`sb_secret_...`), which give the service role."""

from __future__ import annotations

import json
from hashlib import sha256
from hmac import compare_digest

from pydantic import SecretStr

from pyworker.errors import ConfigurationError

PREFIX = "sb_secret_"
SHORTEST = len(PREFIX) + 16  # characters


class SecretKeys:
    """The configured keys, of which only digests are kept.

    Args:
        one: the value of SUPABASE_SECRET_KEY.
        several: the value of SUPABASE_SECRET_KEYS, a JSON object of keys by name.

    Raises:
        ConfigurationError: a value is no secret key; it is not repeated.
    """

    def __init__(self, one: SecretStr | None, several: SecretStr | None) -> None:
        keys: list[tuple[str, object]] = []
        if one is not None:
            keys.append(("SUPABASE_SECRET_KEY", one.get_secret_value()))
        if several is not None:
            keys += [("SUPABASE_SECRET_KEYS", key) for key in _values(several)]
        for setting, key in keys:
            if not _is_secret_key(key):
                raise ConfigurationError(
                    f"{setting} is not a secret key of the form {PREFIX}...",
                    "copy it from the API keys of the Supabase project",
                )
        self._digests = [_digest(str(key)) for _, key in keys]

    def __contains__(self, key: str) -> bool:
        """Tell whether it is one of them, in a time that says nothing about any of them."""
        digest = _digest(key)
        return any([compare_digest(digest, known) for known in self._digests])  # noqa: C419 - all


def _is_secret_key(key: object) -> bool:
    return isinstance(key, str) and key.startswith(PREFIX) and len(key) >= SHORTEST


def _digest(key: str) -> bytes:
    return sha256(key.encode("utf-8", "replace")).digest()


def _values(several: SecretStr) -> list[object]:
    try:
        found = json.loads(several.get_secret_value())
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ConfigurationError(
            "SUPABASE_SECRET_KEYS is not a JSON object", 'write {"default": "sb_secret_..."}'
        )
    return list(found.values())
