"""Keep exactly the rows that somebody is looking at fresh."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

# What is small comes first: a name is taken from the first that has it.
_MODULES = ("job", "key_freshness", "errors", "outcomes", "context", "refreshers", "client")


def __getattr__(name: str) -> Any:
    """Import a name when it is first asked for, so that the command can start at once."""
    if name in __all__:
        for module in _MODULES:
            if hasattr(found := import_module(f"pyworker.{module}"), name):
                return getattr(found, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
