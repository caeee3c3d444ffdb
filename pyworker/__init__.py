"""Keep exactly the rows that somebody is looking at fresh."""

from __future__ import annotations

from pyworker.context import Context, SyncContext
from pyworker.errors import FreshnessError
from pyworker.job import Job, Key, KeyState, Row
from pyworker.outcomes import Answer, Missing, RefreshFailed, RetryAfter, Rows, Unchanged
from pyworker.refreshers import Refresher, refresher

__all__ = [
    "Answer",
    "Context",
    "FreshnessError",
    "Job",
    "Key",
    "KeyState",
    "Missing",
    "RefreshFailed",
    "Refresher",
    "RetryAfter",
    "Row",
    "Rows",
    "SyncContext",
    "Unchanged",
    "refresher",
]
