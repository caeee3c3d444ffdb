"""A job that was handed over: whoever wrote it has set it running for us while we slept."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from pyworker.job import Job


@dataclass(frozen=True, slots=True)
class Handed:
    """A job that runs for `worker`; `others_sleep`: who can notice if that one dies."""

    worker: int
    job: Job
    others_sleep: bool

    @classmethod
    def read(cls, payload: str) -> Handed:
        """Read the payload of a notification; see freshness.hand_over.

        Raises:
            ValueError, TypeError, KeyError: it is no such payload.
        """
        given = json.loads(payload)
        started_at = datetime.fromisoformat(given["started_at"])
        stored_at = given["stored_at"]
        job = Job(
            data_type=given["data_type"],
            symbol=given["symbol"],
            fence=given["fence"],
            started_at=started_at,
            stored_at=None if stored_at is None else datetime.fromisoformat(stored_at),
            attempts=given["attempts"],
            # It was due when it was handed over.
            due_at=started_at,
            validators=given["validators"],
            alone=given["alone"],
        )
        return cls(given["worker"], job, given["others_sleep"])
