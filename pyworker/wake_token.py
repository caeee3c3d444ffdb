"""What wakes a worker: a token that one of them gets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class WakeToken:
    """Tells the one worker that gets it to look: when the database's clock shows `moment`.

    None: at once. A hint only; what is due is in the database.
    """

    moment: datetime | None = None

    @classmethod
    def of(cls, payload: str) -> WakeToken:
        """Read what a notification carries; whatever is no moment with a zone means at once."""
        try:
            moment = datetime.fromisoformat(payload)
        except ValueError:
            return cls()
        return cls(moment if moment.tzinfo is not None else None)
