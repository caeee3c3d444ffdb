"""The few errors that people and callers have to tell apart."""

from __future__ import annotations

import json
from typing import Self

from pyworker.key_freshness import KeyFreshness


class FreshnessError(Exception):
    """Something a person can put right: the message says what is wrong, the hint what to do."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Return one line with both."""
        return f"{self.message} ({self.hint.rstrip('.')})" if self.hint else self.message


class ConfigurationError(FreshnessError):
    """A setting, a configuration file or a refresher's module cannot be used."""


class DatabaseUnavailable(FreshnessError):
    """The database cannot be reached, or does not have our schema."""


class InvalidRequest(FreshnessError):
    """What was asked of the queue makes no sense: unknown data type, lists of different length."""


class CardsRefused(FreshnessError):
    """A user may not ask for these keys, or for no more of them; nothing was recorded.

    `status` is that of an HTTP answer, `code` its word for programs, `retry_after` in seconds.
    """

    def __init__(self, message: str, status: int, code: str, retry_after: int | None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after = retry_after

    @classmethod
    def told(cls, code: str, message: str, details: str | None) -> Self:
        """Read what freshness.refuse_call has said.

        Raises:
            ValueError: the details are not those of a refusal.
        """
        found = json.loads(details or "null")
        status = found.get("status") if isinstance(found, dict) else None
        if status is None:
            raise ValueError("these are no details of a refusal")
        return cls(message, int(status), code, found.get("retryAfter"))


class FenceLost(FreshnessError):
    """The job was taken over by another worker; the result must be dropped."""


class WorkerUnknown(FreshnessError):
    """The database took this worker for dead; it has to announce itself anew."""


class RowsRejected(FreshnessError):
    """The rows that a refresher returned cannot be stored; nothing was written.

    `permanent`: they do not fit the table, and other rows of that source would not either.
    """

    permanent = False


SAME_KEY = "two rows of the answer have the same key columns"
"""Why rows are rejected that would be stored in the same place."""


class NotFreshInTime(FreshnessError, TimeoutError):
    """A key did not become fresh within the time limit; `state` is what was known of it last.

    `state` is None when the database was not reached once.
    """

    def __init__(self, message: str, state: KeyFreshness | None) -> None:
        super().__init__(message, state.error if state else None)
        self.state = state
