"""What is remembered of a token never outlives its end, nor the key that verified it."""

from __future__ import annotations

from datetime import UTC, datetime

from pyworker.web.authentication.caller import Caller
from pyworker.web.authentication.key_set import SigningKey
from pyworker.web.authentication.verified_tokens import MOST, VerifiedTokens

KEY, SAME_AGAIN = SigningKey("HS256", "a" * 32), SigningKey("HS256", "a" * 32)
ANN = Caller("authenticated", "ann", datetime.fromtimestamp(1000, UTC))


def test_a_token_is_known_until_its_end() -> None:
    now = 999.0
    tokens = VerifiedTokens(lambda: now)
    tokens.add("a token", KEY, ANN)
    assert tokens.find("a token", KEY) is ANN
    assert tokens.find("another", KEY) is None
    now = 1000.0
    assert tokens.find("a token", KEY) is None


def test_keys_that_were_fetched_anew_verify_anew() -> None:
    """Also under the old name: a key that was withdrawn ends with its set."""
    tokens = VerifiedTokens(lambda: 0.0)
    tokens.add("a token", KEY, ANN)
    assert tokens.find("a token", SAME_AGAIN) is None


def test_the_longest_unused_go_first() -> None:
    tokens = VerifiedTokens(lambda: 0.0)
    for number in range(MOST):
        tokens.add(f"token {number}", KEY, ANN)
    tokens.find("token 0", KEY)
    tokens.add("one more", KEY, ANN)
    assert tokens.find("token 0", KEY) is ANN
    assert tokens.find("token 1", KEY) is None


def test_no_token_is_kept() -> None:
    tokens = VerifiedTokens(lambda: 0.0)
    tokens.add("a secret token", KEY, ANN)
    assert "a secret token" not in repr(vars(tokens))
