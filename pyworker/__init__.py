"""Keep exactly the rows that somebody is looking at fresh."""

from __future__ import annotations

from pyworker.errors import FreshnessError
from pyworker.job import Job, Key, KeyState, Row
from pyworker.refreshers import Context, Refresher, RefreshFailed, refresher

__all__ = [
    "Context",
    "FreshnessError",
    "Job",
    "Key",
    "KeyState",
    "RefreshFailed",
    "Refresher",
    "Row",
    "refresher",
]
