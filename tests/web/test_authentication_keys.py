"""The project's keys are remembered, fetched again in time, and never fetched in a flood."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from structlog.testing import capture_logs

from pyworker.web.authentication.key_set import KeySetUnusable, SigningKey
from pyworker.web.authentication.signing_keys import (
    MAX_AGE,
    OUTAGE_LIMIT,
    PAUSE,
    PAUSE_AFTER_FAILURE,
    REFRESH_AFTER,
    SigningKeys,
)
from pyworker.web.problems import ProblemError

OLD = SigningKey("ES256", "old")
NEW = SigningKey("ES256", "new")


class Source:
    """A clock that the test moves, and a place to fetch from that counts and can be held."""

    def __init__(self, **keys: SigningKey) -> None:
        self.now = 1000.0
        self.keys: Mapping[str, SigningKey] = keys
        self.error: Exception | None = None
        self.fetches = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.cache = SigningKeys(self.fetch, lambda: self.now)

    async def fetch(self) -> Mapping[str, SigningKey]:
        self.fetches += 1
        await self.may_answer.wait()
        if self.error:
            raise self.error
        return self.keys

    async def find(self, kid: str, after: float = 0) -> SigningKey | None:
        self.now += after
        async with asyncio.timeout(5):
            found = await self.cache.find(kid)
        await self.settled()
        return found

    async def settled(self) -> None:
        """What was begun in the background is done, unless it is held."""
        for _ in range(5):
            await asyncio.sleep(0)


async def test_many_requests_share_one_fetch() -> None:
    source = Source(a=OLD)
    source.may_answer.clear()
    waiting = [asyncio.create_task(source.cache.find("a")) for _ in range(100)]
    await source.settled()
    source.may_answer.set()
    assert await asyncio.gather(*waiting) == [OLD] * 100
    assert source.fetches == 1


async def test_one_that_goes_away_ends_nothing_for_the_others() -> None:
    source = Source(a=OLD)
    source.may_answer.clear()
    first, second = (asyncio.create_task(source.cache.find("a")) for _ in range(2))
    await source.settled()
    first.cancel()
    await source.settled()
    source.may_answer.set()
    assert await second == OLD
    assert (first.cancelled(), source.fetches) == (True, 1)


async def test_keys_are_renewed_in_the_background_before_they_are_too_old() -> None:
    source = Source(a=OLD)
    await source.find("a")
    source.keys = {"a": NEW}
    assert await source.find("a", REFRESH_AFTER - 1) == OLD
    assert source.fetches == 1
    source.may_answer.clear()
    assert await source.find("a", 1) == OLD  # without waiting
    assert source.fetches == 2
    source.may_answer.set()
    await source.settled()
    assert await source.find("a") == NEW


async def test_a_revoked_key_is_good_for_at_most_ten_minutes() -> None:
    """Also when nobody called in between: then the first request waits for the fetch."""
    assert MAX_AGE <= 600
    source = Source(a=OLD)
    await source.find("a")
    source.keys = {}
    assert await source.find("a", MAX_AGE) is None


async def test_a_new_key_is_fetched_when_a_token_names_it() -> None:
    source = Source(a=OLD)
    await source.find("a")
    source.keys = {"a": OLD, "b": NEW}
    assert await source.find("b", PAUSE) == NEW
    assert source.fetches == 2


async def test_a_flood_of_unknown_names_makes_no_flood_of_fetches() -> None:
    """A hundred names a second, for five minutes."""
    source = Source(a=OLD)
    for number in range(300):
        source.now += 1
        names = [f"{number}-{name}" for name in range(100)]
        assert not any(await asyncio.gather(*(source.cache.find(name) for name in names)))
    assert source.fetches <= 1 + 300 / PAUSE
    assert await source.find("a") == OLD


async def test_names_that_nobody_knows_are_not_remembered() -> None:
    source = Source(a=OLD)
    for name in range(100):
        await source.cache.find(f"name-{name}")
    assert "name-" not in str(vars(source.cache))


async def test_old_keys_serve_on_while_new_ones_cannot_be_fetched() -> None:
    source = Source(a=OLD)
    await source.find("a")
    source.error = KeySetUnusable("HTTP 503")
    assert await source.find("a", MAX_AGE) == OLD
    assert await source.find("a", OUTAGE_LIMIT - MAX_AGE - 1) == OLD
    with pytest.raises(ProblemError) as refused:
        await source.find("a", 1)
    assert (refused.value.status, refused.value.code) == (503, "KEYS_UNAVAILABLE")


async def test_during_an_outage_nobody_waits_for_a_fetch_that_hangs() -> None:
    source = Source(a=OLD)
    await source.find("a")
    source.error = KeySetUnusable("HTTP 503")
    await source.find("a", MAX_AGE)
    source.may_answer.clear()
    before = source.fetches
    assert await source.find("a", PAUSE_AFTER_FAILURE) == OLD
    assert source.fetches == before + 1


async def test_after_a_quiet_time_an_outage_is_not_taken_for_granted() -> None:
    """What failed long ago does not keep a revoked key good for one more request."""
    source = Source(a=OLD)
    await source.find("a")
    source.error = KeySetUnusable("HTTP 503")
    await source.find("a", REFRESH_AFTER)
    source.error, source.keys = None, {}
    assert await source.find("a", MAX_AGE) is None


async def test_an_outage_is_tried_at_a_pace_and_ends_by_itself() -> None:
    source = Source()
    source.error = KeySetUnusable("HTTP 503")
    with capture_logs() as logs:
        for _ in range(100):
            with pytest.raises(ProblemError):
                await source.find("a")
        assert source.fetches == 1
        source.error, source.keys = None, {"a": NEW}
        with pytest.raises(ProblemError):
            await source.find("a", PAUSE_AFTER_FAILURE - 1)
        assert await source.find("a", 1) == NEW
        assert await source.find("unknown", PAUSE) is None  # which is a 401 again
    assert [entry["event"] for entry in logs] == [
        "signing_keys_unavailable",
        "signing_keys_fetched",
    ]


async def test_an_unknown_name_during_an_outage_may_be_a_good_one() -> None:
    """A 401 would make clients drop a session that is good."""
    source = Source(a=OLD)
    await source.find("a")
    source.error = KeySetUnusable("HTTP 503")
    with pytest.raises(ProblemError, match="cannot be fetched"):
        await source.find("b", PAUSE)
    assert await source.find("a") == OLD


async def test_an_error_that_nobody_expected_is_an_outage_too() -> None:
    source = Source(a=OLD)
    await source.find("a")
    source.error = RuntimeError("a text that nobody has checked")
    with capture_logs() as logs:
        assert await source.find("a", REFRESH_AFTER) == OLD
    assert [entry["reason"] for entry in logs] == ["RuntimeError"]
