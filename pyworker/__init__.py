"""Keep exactly the rows that somebody is looking at fresh."""

from __future__ import annotations

from pyworker.client import Client
from pyworker.context import Context, SyncContext
from pyworker.errors import FreshnessError, NotFreshInTime
from pyworker.job import Job, Key, KeyState, Row
from pyworker.key_freshness import KeyFreshness, StoredRows
from pyworker.outcomes import Answer, Missing, RefreshFailed, RetryAfter, Rows, Unchanged
from pyworker.refreshers import Refresher, refresher

__all__ = [
    "Answer",
    "Client",
    "Context",
    "FreshnessError",
    "Job",
    "Key",
    "KeyFreshness",
    "KeyState",
    "Missing",
    "NotFreshInTime",
    "RefreshFailed",
    "Refresher",
    "RetryAfter",
    "Row",
    "Rows",
    "StoredRows",
    "SyncContext",
    "Unchanged",
    "refresher",
]
