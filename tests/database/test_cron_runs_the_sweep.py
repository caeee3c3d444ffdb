"""pg_cron itself runs the sweep, in a background worker, and its commits succeed."""

from __future__ import annotations

import time

import psycopg
import pytest

from tests.fixtures.connections import Connection
from tests.fixtures.servers import Database


def test_pg_cron_runs_the_sweep(connection: Connection, database: Database) -> None:
    """Scheduled anew for each minute, until it is on record as having succeeded."""
    if connection.execute("select to_regclass('cron.job')").fetchone() == (None,):
        pytest.skip("pg_cron is not installed: any worker runs the sweep instead")
    if not database.is_ours:
        pytest.skip("the schedule of a database that is not ours is left alone")
    row = connection.execute(
        "select cron.schedule('sweep-of-the-test', '* * * * *', command)"
        " from cron.job where jobname = 'check-stale-data-v2'"
    ).fetchone()
    assert row is not None
    try:
        assert _outcome(connection, row[0]) == ("succeeded",)
    finally:
        connection.execute("select cron.unschedule(%s::bigint)", row)


def _outcome(connection: psycopg.Connection[tuple[str]], job: int) -> tuple[str] | None:
    deadline = time.monotonic() + 130
    while time.monotonic() < deadline:
        ended = connection.execute(
            "select status from cron.job_run_details where jobid = %s and end_time is not null",
            [job],
        ).fetchone()
        if ended is not None:
            return ended
        time.sleep(0.25)
    return None
