"""What wakes a worker: a token that one of them gets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pyworker.handed import Handed


@dataclass(frozen=True, slots=True)
class WakeToken:
    """Tells the one worker that gets it to look: when the database's clock shows `moment`.

    None: at once. A hint only; what is due is in the database. With `handed` a job comes along,
    which runs for a worker already; `is_garbled`: one came along that cannot be read.
    """

    moment: datetime | None = None
    handed: Handed | None = None
    is_garbled: bool = False

    @classmethod
    def of(cls, payload: str, *, is_own: bool = False) -> WakeToken:
        """Read what a notification carries; whatever is no moment with a zone means at once.

        `is_own`: it came by the channel that we alone listen to, by which jobs are handed over.
        """
        if is_own and payload.startswith("{"):
            try:
                return cls(handed=Handed.read(payload))
            except (ValueError, TypeError, KeyError, RecursionError):
                return cls(is_garbled=True)
        try:
            moment = datetime.fromisoformat(payload)
        except ValueError:
            return cls()
        return cls(moment if moment.tzinfo is not None else None)
