"""What keeps a worker from starting is said in one line: what is wrong, and what to do."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyworker.local.cluster import free_port
from tests.fixtures.servers import Database
from tests.worker.processes import COMMAND, environment

SECRET = "s3cr3t-of-the-tests"
MODULE = """
from pyworker import refresher

@refresher("quote")
async def quote(job, context):
    return []
"""


def start(folder: Path, **settings: Any) -> subprocess.Popen[str]:
    """Start a worker that should say at once why it cannot work."""
    return subprocess.Popen(
        COMMAND,
        cwd=folder,
        env=environment(**settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def complaint(process: subprocess.Popen[str]) -> str:
    """Return the one line on stderr of a worker that ends with status 1."""
    stdout, stderr = process.communicate(timeout=30)
    assert (process.returncode, stdout) == (1, ""), stderr
    assert SECRET not in stderr
    assert stderr.endswith("\n")
    assert stderr.count("\n") == 1, stderr
    assert stderr.startswith("freshness: ")
    return stderr.removeprefix("freshness: ").removesuffix("\n")


def refused(folder: Path, **settings: Any) -> str:
    return complaint(start(folder, **settings))


@pytest.fixture(scope="module", autouse=True)
def without_an_answer(
    database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[subprocess.Popen[str]]]:
    """Workers that try to connect, for ten seconds, while the other tests run."""
    folder = tmp_path_factory.mktemp("unanswered")
    (folder / "module.py").write_text(MODULE)
    server, _, name = database.url.rpartition("/")
    host = server.rpartition("@")[2]
    urls = [f"postgresql://postgres:{SECRET}@127.0.0.1:{free_port()}/{name}"]
    if database.is_ours:
        urls.append(f"postgresql://postgres:{SECRET}@{host}/{name}")
        urls.append(f"{server}/no_such_database")
    started = [start(folder, DATABASE_URL=url, FRESHNESS_REFRESHERS="module") for url in urls]
    yield started
    for process in started:
        process.kill()
        process.communicate()


def test_without_database_url(tmp_path: Path) -> None:
    assert refused(tmp_path) == (
        "DATABASE_URL is not set (set DATABASE_URL in the environment or in .env)"
    )


def test_with_a_setting_that_cannot_be_used(tmp_path: Path) -> None:
    said = refused(tmp_path, DATABASE_URL="postgresql://", FRESHNESS_CONCURRENCY="many")
    assert said.startswith("FRESHNESS_CONCURRENCY: ")
    assert "many" not in said


def test_without_a_refresher(tmp_path: Path) -> None:
    assert refused(tmp_path, DATABASE_URL="postgresql://") == (
        "there is no refresher (name a module in FRESHNESS_REFRESHERS, or write freshness.toml)"
    )


def test_with_a_module_that_does_not_exist(tmp_path: Path) -> None:
    said = refused(tmp_path, DATABASE_URL="postgresql://", FRESHNESS_REFRESHERS="nowhere")
    assert said.startswith("module nowhere cannot be imported: ModuleNotFoundError")
    assert said.endswith("(check FRESHNESS_REFRESHERS)")


@pytest.mark.parametrize(
    "content", ["raise ValueError('first line\\nsecond line')", "import sys\nsys.exit('no')", "a b"]
)
def test_with_a_module_that_cannot_be_imported(tmp_path: Path, content: str) -> None:
    (tmp_path / "broken.py").write_text(content)
    said = refused(tmp_path, DATABASE_URL="postgresql://", FRESHNESS_REFRESHERS="broken")
    assert said.startswith("module broken cannot be imported: ")


def test_with_a_configuration_that_is_no_toml(tmp_path: Path) -> None:
    (tmp_path / "freshness.toml").write_text("[refreshers\n")
    said = refused(tmp_path, DATABASE_URL="postgresql://")
    assert said.startswith("freshness.toml cannot be read: ")
    assert "line 1" in said


@pytest.mark.parametrize(
    "url", [f"postgresql//postgres:{SECRET}@host/db", f"password={SECRET} nonsense", SECRET]
)
def test_with_a_url_that_is_none(tmp_path: Path, url: str) -> None:
    """The text is not repeated: it holds a password."""
    (tmp_path / "module.py").write_text(MODULE)
    said = refused(tmp_path, DATABASE_URL=url, FRESHNESS_REFRESHERS="module")
    assert said.startswith("DATABASE_URL is no connection string")


def test_with_a_database_without_our_schema(tmp_path: Path, own_database: str) -> None:
    (tmp_path / "module.py").write_text(MODULE)
    other = own_database.rpartition("/")[0] + "/template1"
    said = refused(tmp_path, DATABASE_URL=other, FRESHNESS_REFRESHERS="module")
    assert said == (
        "the database does not have schema freshness"
        " (apply the migrations: freshness init and supabase db push, or make up)"
    )


def test_with_a_role_that_may_not_use_our_schema(tmp_path: Path, own_database: str) -> None:
    (tmp_path / "module.py").write_text(MODULE)
    url = f"{own_database}?options=-c%20role%3Danon"
    said = refused(tmp_path, DATABASE_URL=url, FRESHNESS_REFRESHERS="module")
    assert said.startswith("the role in DATABASE_URL may not use schema freshness")


def test_with_a_database_that_does_not_answer(
    without_an_answer: list[subprocess.Popen[str]],
) -> None:
    """A port that nobody serves; a password that is wrong; a database that does not exist."""
    for process in without_an_answer:
        assert complaint(process).startswith("the database cannot be reached")
