"""The ends of refreshes: rows are stored and the job moves, or neither."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, LiteralString

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from pyworker.database import is_mismatch, refusal
from pyworker.errors import RowsRejected
from pyworker.job import Ended, Ending, Job, Row
from pyworker.outcomes import Validators
from pyworker.queue.calls import Calls
from pyworker.queue.columns import storable
from pyworker.row_json import rows_as_json

_LONGEST_WAIT = 7 * 86400.0


class RefreshQueue:
    """What ends one refresh."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def finish(
        self,
        job: Job,
        rows: Sequence[Row] | None,
        *,
        validators: Validators | None = None,
        received: int | None = None,
        calls: int | None = None,
    ) -> Ended:
        """Store a refresh's rows and move its job to the next deadline, or do neither.

        None in the place of rows: the source says that what is stored is current. `received` is
        the size of its answers in bytes, and `calls` how many its source has really seen.

        Raises:
            RowsRejected: the rows are of another symbol, too old, or do not fit the table.
            FenceLost: the job was taken over meanwhile.
        """
        try:
            return await self._ended(
                "select * from freshness.finish(%s, %s, %s, %s, %s, %s, %s)",
                (
                    job.data_type,
                    job.symbol,
                    job.fence,
                    None if rows is None else Jsonb(list(rows), dumps=rows_as_json),
                    None if validators is None else Jsonb(dict(validators)),
                    received,
                    calls,
                ),
            )
        except RowsRejected as error:
            error.permanent = is_mismatch(error.__cause__)
            raise
        except psycopg.DatabaseError as error:
            refused = RowsRejected(refusal(error))
            refused.permanent = is_mismatch(error)
            raise refused from error

    async def fail(
        self,
        job: Job,
        reason: str,
        *,
        permanent: bool = False,
        retry_after: float | datetime | None = None,
        alone: bool = False,
        of_source: bool = False,
        received: int | None = None,
        calls: int | None = None,
    ) -> Ended:
        """End a refresh that failed; its job is tried again later, or set aside.

        It is set aside at once if that is `permanent`, and not tried before the seconds or the
        moment of `retry_after`; `alone`, next time not in a batch. `of_source` counts towards a
        pause of its source.
        """
        is_moment = isinstance(retry_after, datetime)
        return await self._ended(
            "select * from freshness.fail(%s, %s, %s, %s, %s,"
            " coalesce(%s::timestamptz, clock_timestamp() + make_interval(secs => %s)),"
            " %s, %s, %s, %s)",
            (
                job.data_type,
                job.symbol,
                job.fence,
                storable(reason),
                permanent,
                retry_after if is_moment else None,
                None if is_moment or retry_after is None else min(retry_after, _LONGEST_WAIT),
                alone,
                received,
                of_source,
                calls,
            ),
        )

    async def _ended(self, statement: LiteralString, parameters: Sequence[Any]) -> Ended:
        rows = await self._calls.rows(statement, parameters, class_row(Ended))
        return rows[0] if rows else Ended("lost", None)


def ending_of(
    job: Job,
    rows: Sequence[Row] | None,
    validators: Validators | None,
    received: int | None,
    calls: int | None,
) -> Ending:
    """Return what `finish` would tell, for a turn; raises `RowsRejected` when they are no JSON."""
    return Ending(
        job,
        None if rows is None else rows_as_json(list(rows)),
        None if validators is None else json.dumps(dict(validators)),
        received,
        calls,
    )
