"""Runs each file of supabase/tests as one test; pg_prove and `supabase test db` run the same."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from psycopg.pq import Conninfo

from pyworker.local.installation import chosen_installation
from tests.fixtures.servers import Database
from tests.pgtap.tap import read_tap

FILES = sorted((Path(__file__).resolve().parents[2] / "supabase" / "tests").glob("*.sql"))


@pytest.fixture(scope="session")
def psql() -> str:
    """Path of psql, of the server's version when there is one on this machine."""
    installation = chosen_installation()
    if installation is not None and Path(installation.program("psql")).exists():
        return installation.program("psql")
    found = shutil.which("psql")
    if found is None:
        pytest.skip("psql is not on this machine: install the PostgreSQL client")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_sql(path: Path, psql: str, database: Database) -> None:
    """All planned tests of the file ran, and none failed."""
    run = subprocess.run(
        [psql, "-XqAt", "-v", "ON_ERROR_STOP=1", "-f", str(path)],
        env=os.environ | {"PGTZ": "UTC"} | _connection_settings(database.url),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if "pgtap.control" in run.stderr or 'extension "pgtap" is not available' in run.stderr:
        pytest.skip("pgTAP is not installed on this server")
    problems = read_tap(run.stdout).problems()
    if run.returncode != 0:
        problems.append(f"psql ended with status {run.returncode}")
    if problems:
        errors = [line for line in run.stderr.splitlines() if "NOTICE:" not in line]
        pytest.fail("\n".join([path.name, *problems, *errors]), pytrace=False)


def _connection_settings(url: str) -> dict[str, str]:
    # Not as an argument: those are there for every user of the machine to read.
    return {
        option.envvar.decode(): option.val.decode()
        for option in Conninfo.parse(url.encode())
        if option.val is not None and option.envvar is not None
    }
