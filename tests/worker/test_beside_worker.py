"""A worker process serves its health, status and metrics, if its port is set."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from tests.fixtures.data_types import DataType
from tests.fixtures.servers import Database
from tests.worker.processes import running_worker

SECRET_KEY = "sb_secret_of_the_operators_of_the_tests"
REFRESHER = """
from pyworker import refresher

@refresher({name!r})
async def fetch(job, context):
    return []
"""


@pytest.fixture
def folder(tmp_path: Path, quotes: DataType) -> Path:
    (tmp_path / "of_the_test.py").write_text(REFRESHER.format(name=quotes.name))
    return tmp_path


@pytest.mark.usefixtures("mode")
def test_a_worker_says_how_it_is(folder: Path, database: Database) -> None:
    """Of its own listener, and of what it does not ask."""
    with running_worker(
        folder,
        "a",
        DATABASE_URL=database.url,
        FRESHNESS_REFRESHERS="of_the_test",
        FRESHNESS_WORKER_PORT=0,
        SUPABASE_URL="http://127.0.0.1:1",
        SUPABASE_SECRET_KEY=SECRET_KEY,
    ) as worker:
        url = worker.wait_for("serving")["url"]
        with httpx.Client(base_url=url) as client:
            assert client.get("/healthz").json() == {"status": "ok"}
            assert client.get("/readyz").json() == {"status": "ok"}
            assert client.get("/metrics").status_code == 401
            assert client.post("/functions/v1/on-card-add").status_code == 404
            operator = {"apikey": SECRET_KEY}
            listener = client.get("/status", headers=operator).json()["listener"]
            assert listener["running"] is True
            assert listener["mode"] in ("listening", "polling")
            metrics = client.get("/metrics", headers=operator).text
            assert float(_value(metrics, "freshness_polling_queries_total")) > 0
            assert float(_value(metrics, "freshness_workers")) >= 1
        assert worker.stop() == 0
    assert "Traceback" not in worker.log()


def test_without_sign_in_only_health_is_served(folder: Path, database: Database) -> None:
    """Nobody could show to be an operator."""
    with running_worker(
        folder,
        "a",
        DATABASE_URL=database.url,
        FRESHNESS_REFRESHERS="of_the_test",
        FRESHNESS_WORKER_PORT=0,
    ) as worker:
        url = worker.wait_for("serving")["url"]
        paths = ("/healthz", "/readyz", "/status", "/metrics")
        assert [httpx.get(url + path).status_code for path in paths] == [200, 200, 404, 404]
        assert worker.stop() == 0


def _value(metrics: str, name: str) -> str:
    found = re.search(rf"^{name} (\S+)$", metrics, re.M)
    assert found, name
    return found[1]
