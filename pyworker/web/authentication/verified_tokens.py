"""Remembers which tokens were good, so that a page's next calls need no signature verified."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256

from pyworker.web.authentication.caller import Caller
from pyworker.web.authentication.key_set import SigningKey

MOST = 10_000


class VerifiedTokens:
    """The callers of tokens, by digest: no token is kept. The longest unused ones go first.

    What is remembered holds for the same key only, and until the token's end.

    Args:
        clock: seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._found: OrderedDict[bytes, tuple[SigningKey, Caller]] = OrderedDict()

    def find(self, token: str, key: SigningKey) -> Caller | None:
        """Return whose token it is, if `key` has verified it and it has not ended."""
        digest = _digest(token)
        known = self._found.get(digest)
        if known is None or known[0] is not key:
            return None
        caller = known[1]
        if caller.expires_at is None or caller.expires_at.timestamp() <= self._clock():
            del self._found[digest]
            return None
        self._found.move_to_end(digest)
        return caller

    def add(self, token: str, key: SigningKey, caller: Caller) -> None:
        """Remember a token that `key` has just verified."""
        self._found[_digest(token)] = key, caller
        if len(self._found) > MOST:
            self._found.popitem(last=False)


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "replace")).digest()
