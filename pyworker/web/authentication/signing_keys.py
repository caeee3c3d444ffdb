"""Remembers the project's keys for some minutes, and fetches them when they have to be."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

import structlog

from pyworker.web.authentication.key_set import KeySetUnusable, SigningKey
from pyworker.web.problems import ProblemError

# Seconds. Keys are fetched anew in the background after the first, and no request is answered
# with keys older than the second, so that a key that was revoked ends within that time.
REFRESH_AFTER, MAX_AGE = 300.0, 600.0
# While they cannot be fetched, the old ones serve on for as long as a user's token usually lasts.
OUTAGE_LIMIT = 3600.0
# Between two fetches, whatever the requests ask for; and after one that failed.
PAUSE, PAUSE_AFTER_FAILURE = 30.0, 5.0
# For so long a failure says that there is an outage; with requests it is found anew before.
OUTAGE_IS_KNOWN = 60.0

NEVER = float("-inf")

FetchKeys = Callable[[], Awaitable[Mapping[str, SigningKey]]]


class SigningKeys:
    """The project's public keys by name. All requests that wait for keys share one fetch.

    Args:
        fetch: gets the keys, or raises KeySetUnusable.
        clock: seconds that only grow.
    """

    def __init__(self, fetch: FetchKeys, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._keys: Mapping[str, SigningKey] = {}
        self._fetched_at = NEVER
        self._next_fetch_at = NEVER
        self._failed_at = NEVER
        self._under_way: asyncio.Task[None] | None = None

    async def find(self, kid: str) -> SigningKey | None:
        """Return the key of that name, None if the project has none.

        Raises:
            ProblemError: 503, that cannot be said at the moment.
        """
        if self._age() >= REFRESH_AFTER:
            self._start_fetch()
        # During an outage nobody waits for what was just tried in vain.
        if self._age() >= (OUTAGE_LIMIT if self._is_outage() else MAX_AGE):
            await self._fetched()
        if self._age() >= OUTAGE_LIMIT:
            raise _unavailable()
        if kid not in self._keys:
            # It may be a new one. Names that nobody knows cost a fetch in PAUSE, however many.
            self._start_fetch()
            await self._fetched()
        if kid not in self._keys and self._is_outage():
            raise _unavailable()
        return self._keys.get(kid)

    def _age(self) -> float:
        return self._clock() - self._fetched_at

    def _is_outage(self) -> bool:
        return self._clock() - self._failed_at < OUTAGE_IS_KNOWN

    def _start_fetch(self) -> None:
        if self._under_way is None and self._clock() >= self._next_fetch_at:
            self._under_way = asyncio.create_task(self._fetch_now())

    async def _fetched(self) -> None:
        if self._under_way is not None:
            # Shielded: a client that goes away must not end what others wait for.
            await asyncio.shield(self._under_way)

    async def _fetch_now(self) -> None:
        # From here on: what is fetched now may be as old as this moment.
        started = self._clock()
        try:
            self._take(await self._fetch(), started)
        except Exception as error:  # it must not end in a task that nobody awaits
            reason = str(error) if isinstance(error, KeySetUnusable) else type(error).__name__
            structlog.get_logger().warning("signing_keys_unavailable", reason=reason)
            self._failed_at = self._clock()
        finally:
            pause = PAUSE_AFTER_FAILURE if self._is_outage() else PAUSE
            self._next_fetch_at = self._clock() + pause
            self._under_way = None

    def _take(self, keys: Mapping[str, SigningKey], fetched_at: float) -> None:
        if self._failed_at != NEVER or keys.keys() != self._keys.keys():
            structlog.get_logger().info("signing_keys_fetched", keys=len(keys))
        self._keys = keys
        self._fetched_at = fetched_at
        self._failed_at = NEVER


def _unavailable() -> ProblemError:
    return ProblemError(
        503,
        "KEYS_UNAVAILABLE",
        "The keys that tokens are verified with cannot be fetched at the moment. Try again.",
        {"Retry-After": str(round(PAUSE_AFTER_FAILURE))},
    )
