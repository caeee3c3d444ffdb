"""The sweep runs every five minutes by pg_cron, where that is."""

from __future__ import annotations

import pytest

from tests.fixtures.connections import Connection


@pytest.fixture
def cron_command(connection: Connection) -> str:
    """The command that pg_cron runs, in this database."""
    if connection.execute("select to_regclass('cron.job')").fetchone() == (None,):
        pytest.skip("pg_cron is not installed: any worker runs the sweep instead")
    rows = connection.execute(
        "select schedule, active, database, command from cron.job"
        " where jobname = 'check-stale-data-v2'"
    ).fetchall()
    assert len(rows) == 1
    schedule, active, name, command = rows[0]
    assert (schedule, active, name) == ("*/5 * * * *", True, connection.info.dbname)
    return str(command)


def test_the_scheduled_command_runs_the_sweep(connection: Connection, cron_command: str) -> None:
    """The sweep is on record."""
    before = _sweeps(connection)
    connection.execute(cron_command.encode())
    assert _sweeps(connection) > before


def test_scheduling_again_leaves_one_job(connection: Connection, cron_command: str) -> None:
    """As `schedule_sweep` does when a migration is repaired."""
    assert connection.execute("select freshness.schedule_sweep()").fetchone() == (True,)
    assert connection.execute(
        "select count(*) from cron.job where command = %s", [cron_command]
    ).fetchone() == (1,)


def _sweeps(connection: Connection) -> int:
    row = connection.execute("select count(*) from freshness.sweeps").fetchone()
    assert row is not None
    return int(row[0])
