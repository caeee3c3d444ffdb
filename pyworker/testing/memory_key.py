"""One key of the in-memory queue: its job and its stored rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pyworker.job import Row
from pyworker.outcomes import Validators

NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class MemoryKey:
    """What freshness.jobs and the data table hold of a key; see sql/110_jobs.sql."""

    run_at: datetime
    rows: dict[tuple[Any, ...], Row] = field(default_factory=dict)
    not_before: datetime = NEVER
    required_as_of: datetime = NEVER
    verified_at: datetime | None = None
    looked_stored_at: datetime | None = None
    fence: int | None = None
    started_at: datetime = NEVER
    attempts: int = 0
    is_set_aside: bool = False
    validators: Validators | None = None
    alone: bool = False
    last_error: str | None = None

    @property
    def due_at(self) -> datetime:
        """When it is to be claimed, unless it runs."""
        return max(self.run_at, self.not_before)

    def stored_at(self, timestamp_column: str, latest: datetime) -> datetime | None:
        """Return the timestamp of the newest row; those after `latest` are passed over."""
        moments = (moment_of(row[timestamp_column]) for row in self.rows.values())
        return max((moment for moment in moments if moment <= latest), default=None)

    def fresh_until(
        self, timestamp_column: str, ttl: timedelta, now: datetime, *, verified: bool = True
    ) -> datetime | None:
        """Return when the rows go stale; None when there are none and none are known to be."""
        stored_at = self.stored_at(timestamp_column, latest(now, ttl))
        counted = [stored_at and min(stored_at, now), self.verified_at if verified else None]
        return max((at + ttl for at in counted if at is not None), default=None)


def latest(now: datetime, ttl: timedelta) -> datetime:
    """Return up to when a timestamp counts: no row far in the future stays fresh for ever."""
    return now + min(ttl, timedelta(minutes=1))


def moment_of(value: Any) -> datetime:
    """Read a timestamp as a data table does; without a zone it is in UTC.

    Raises:
        ValueError: it is none.
    """
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
