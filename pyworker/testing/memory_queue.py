"""The queue in memory: ends refreshes as Postgres does, and is held to the same tests."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pyworker.errors import FenceLost
from pyworker.job import Ended, Job, Row
from pyworker.outcomes import Validators
from pyworker.testing.clock import FakeClock
from pyworker.testing.memory_key import NEVER, MemoryKey, latest
from pyworker.testing.memory_table import MemoryTable
from pyworker.testing.memory_waits import SET_ASIDE, MemoryWaits


@dataclass(frozen=True, slots=True)
class Event:
    """How a refresh ended; see freshness.events."""

    kind: str
    symbol: str
    message: str | None
    received: int | None


class MemoryQueue:
    """The jobs of one data type, whose keys are all watched; upserts by `key_columns`.

    Waits have no random part: each is as long as it can be. Times are in seconds. With `columns`
    rows that name others are refused. `symbol_column` is None for a table without one.
    """

    def __init__(
        self,
        clock: FakeClock,
        data_type: str,
        *,
        ttl: float = 60,
        max_attempts: int = 5,
        backoff_first: float = 1,
        backoff_longest: float = 300,
        symbol_column: str | None = "symbol",
        timestamp_column: str = "fetched_at",
        key_columns: Sequence[str] = ("symbol",),
        columns: Collection[str] | None = None,
    ) -> None:
        self._clock = clock
        self._data_type = data_type
        self._ttl = timedelta(seconds=ttl)
        self._max_attempts = max_attempts
        self._waits = MemoryWaits(
            self._ttl, timedelta(seconds=backoff_first), timedelta(seconds=backoff_longest)
        )
        self._table = MemoryTable(symbol_column, timestamp_column, key_columns, columns)
        self._keys: dict[str, MemoryKey] = {}
        self._fences = itertools.count(1)
        self.events: list[Event] = []

    def watch(self, symbol: str) -> MemoryKey:
        """Take an interest in a key: it is due now, or when its rows go stale."""
        if symbol not in self._keys:
            self._keys[symbol] = MemoryKey(self._clock.now())
        return self._keys[symbol]

    def store(self, symbol: str, *rows: Row) -> None:
        """Store rows as somebody else would; those without a timestamp are from now."""
        key = self.watch(symbol)
        prepared = self._table.prepare(symbol, rows, self._clock.now())
        self._table.write(key, prepared)
        # Whether it is due the claim finds out.
        now = self._clock.now()
        key.run_at = min(key.run_at, self._fresh_until(key) or now, now)

    def delete(self, symbol: str) -> None:
        """Delete a key's rows as somebody else would."""
        key = self.watch(symbol)
        key.rows.clear()
        key.run_at = self._clock.now()

    def request(self, symbol: str) -> None:
        """Ask for a refresh now: one that begins from here on."""
        key = self.watch(symbol)
        # The clock may stand still: what runs began before.
        later = timedelta() if key.fence is None else timedelta(microseconds=1)
        key.required_as_of = self._clock.now() + later
        key.run_at = min(key.run_at, self._clock.now())

    def retry(self, symbol: str) -> None:
        """Release a key that is set aside or held back."""
        key = self._keys[symbol]
        key.is_set_aside, key.attempts, key.not_before, key.last_error = False, 0, NEVER, None
        key.run_at = min(key.run_at, self._clock.now())

    def rows(self, symbol: str) -> list[Row]:
        """Return the stored rows of a key."""
        return list(self._keys[symbol].rows.values()) if symbol in self._keys else []

    def claim(self, *symbols: str) -> list[Job]:
        """Take the jobs that are due, of these keys only if some are named.

        Those that are fresh by now, and were not asked for, go to their deadline.
        """
        now = self._clock.now()
        due = [
            (symbol, key)
            for symbol, key in self._keys.items()
            if key.fence is None and key.due_at <= now and (not symbols or symbol in symbols)
        ]
        return [
            self._start(symbol, key, now) for symbol, key in due if not self._waits_on(key, now)
        ]

    def _waits_on(self, key: MemoryKey, now: datetime) -> bool:
        self._look(key)
        fresh_until = self._fresh_until(key)
        if key.required_as_of != NEVER or fresh_until is None or fresh_until <= now:
            return False
        key.run_at, key.not_before, key.attempts = fresh_until, NEVER, 0
        key.is_set_aside, key.last_error = False, None
        return True

    def _look(self, key: MemoryKey) -> None:
        # What was verified was deleted, or has gone back.
        stored_at = self._stored_at(key)
        if (stored_at or NEVER) < (key.looked_stored_at or NEVER):
            key.verified_at = None
        key.looked_stored_at = stored_at

    def _stored_at(self, key: MemoryKey) -> datetime | None:
        return key.stored_at(self._table.timestamp_column, latest(self._clock.now(), self._ttl))

    def _fresh_until(self, key: MemoryKey, *, verified: bool = True) -> datetime | None:
        return key.fresh_until(
            self._table.timestamp_column, self._ttl, self._clock.now(), verified=verified
        )

    def _start(self, symbol: str, key: MemoryKey, now: datetime) -> Job:
        due_at, stored_at = key.due_at, self._stored_at(key)
        key.fence, key.started_at = next(self._fences), now
        validators = key.validators if key.verified_at is not None else None
        return Job(
            self._data_type,
            symbol,
            key.fence,
            now,
            stored_at,
            key.attempts,
            due_at,
            validators,
            key.alone,
        )

    async def finish(
        self,
        job: Job,
        rows: Sequence[Row] | None,
        *,
        validators: Validators | None = None,
        received: int | None = None,
        calls: int | None = None,  # noqa: ARG002 - it has no sources with budgets
    ) -> Ended:
        """End a refresh as freshness.finish does; raises `RowsRejected` and `FenceLost`."""
        key = self._running(job)
        if rows is None:
            outcome = "unchanged"
        else:
            outcome = self._table.store(key, job, rows, self._clock.now(), self._ttl)
        now = self._clock.now()
        stored_at = self._stored_at(key)
        is_verified = outcome != "stale" and not (
            rows is None and (stored_at or NEVER) < (job.stored_at or NEVER)
        )
        stale_since = self._fresh_until(key, verified=False)
        is_wanted_again = key.required_as_of > key.started_at
        kept = key.validators if rows is None else None
        key.fence, key.attempts, key.alone, key.is_set_aside = None, 0, False, False
        key.last_error, key.not_before = None, NEVER
        key.validators = (validators or kept) if is_verified and outcome != "superseded" else None
        if is_verified:
            key.verified_at = key.started_at
        elif outcome != "stale":
            key.verified_at = None
        if outcome == "stale" and stale_since is not None:
            key.last_error = "the source's rows are stale and no newer than the stored ones"
            key.not_before = now + self._waits.stale(now - stale_since)
        key.run_at = now
        if is_verified and not is_wanted_again:
            key.run_at = self._fresh_until(key) or now
        if not is_wanted_again:
            key.required_as_of = NEVER
        key.looked_stored_at = stored_at
        return self._ended(job, outcome, key, received)

    async def fail(
        self,
        job: Job,
        reason: str,
        *,
        permanent: bool = False,
        retry_after: float | datetime | None = None,
        alone: bool = False,
        of_source: bool = False,  # noqa: ARG002
        received: int | None = None,
        calls: int | None = None,  # noqa: ARG002
    ) -> Ended:
        """End a refresh that failed as freshness.fail does."""
        try:
            key = self._running(job)
        except FenceLost:
            return Ended("lost", None)
        now = self._clock.now()
        wait = self._waits.asked(retry_after, now)
        key.fence, key.run_at, key.last_error = None, now, reason[:1000]
        key.alone = key.alone or alone or permanent
        if wait is not None:
            key.not_before = now + wait
            return self._ended(job, "retry_after", key, received)
        key.attempts += 1
        key.is_set_aside = permanent or key.attempts >= self._max_attempts
        key.not_before = now + (SET_ASIDE if key.is_set_aside else self._waits.failed(key.attempts))
        kind = "failed" if key.is_set_aside else "scheduled"
        return self._ended(job, kind, key, received)

    def _running(self, job: Job) -> MemoryKey:
        key = self._keys.get(job.symbol)
        if key is None or key.fence != job.fence:
            raise FenceLost(f"refresh {job.fence} of {job.symbol} is no longer this worker's")
        return key

    def _ended(self, job: Job, outcome: str, key: MemoryKey, received: int | None) -> Ended:
        kind = "failed" if outcome == "scheduled" else outcome
        self.events.append(Event(kind, job.symbol, key.last_error, received))
        return Ended(outcome, (key.due_at - self._clock.now()).total_seconds())
