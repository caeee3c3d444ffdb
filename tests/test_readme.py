"""The code blocks of the README and of the documents do what they say."""

from __future__ import annotations

import re
import runpy
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from pyworker.configuration import read_configuration
from pyworker.job import Job
from pyworker.refreshers import Context, load_refreshers

README = Path(__file__).resolve().parents[1] / "README.md"


def blocks(language: str, document: Path = README) -> list[str]:
    """Return the code blocks of a document in a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL)


def job_for(symbol: str) -> Job:
    """Return a job as a claim hands it out."""
    now = datetime.now(UTC)
    return Job("quote", symbol, 1, now, None, 0, now)


def test_the_first_sql_block_has_at_most_twelve_lines_and_the_python_block_eight() -> None:
    """The first screen stays a first screen."""
    assert len(blocks("sql")[0].splitlines()) <= 12
    assert len(blocks("python")[0].splitlines()) <= 8


def test_the_sql_blocks_run_one_after_the_other(own_database: str) -> None:
    """Registering, then asking, watching and reading the status."""
    with psycopg.connect(own_database, autocommit=True) as connection:
        for block in blocks("sql"):
            connection.execute(block)

        states = connection.execute(
            "select symbol, status, viewers from freshness.key_status order by symbol"
        ).fetchall()

    assert [state[:2] for state in states] == [("AAPL", "missing"), ("MSFT", "missing")]


def test_the_sql_of_the_other_documents_runs(own_database: str) -> None:
    """On the README's table, each block by itself; that of uninstalling has a test of its own."""
    documents = [
        each for each in (README.parent / "docs").glob("*.md") if each.name != "install.md"
    ]
    with psycopg.connect(own_database, autocommit=True) as connection:
        connection.execute(blocks("sql")[0])
        for block in [block for each in documents for block in blocks("sql", each)]:
            with connection.transaction(force_rollback=True):
                connection.execute(block)


async def test_what_the_page_on_refreshers_shows_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All functions can be defined, the test of one passes, and the configuration can be read."""
    page = README.parent / "docs" / "refreshers.md"
    monkeypatch.setenv("QUOTES_API_KEY", "key")
    first, *others, test = blocks("python", page)
    names: dict[str, Any] = {}
    for block in [*others, first + test]:
        (tmp_path / "shown.py").write_text(block)
        names = runpy.run_path(str(tmp_path / "shown.py"))
    await names["test_a_quote_is_stored_and_confirmed"]()
    [block] = blocks("toml", page)
    (tmp_path / "freshness.toml").write_text(block)
    assert [r.data_type for r in read_configuration(tmp_path / "freshness.toml")] == [
        "quote",
        "rate",
    ]


async def test_the_python_block_is_a_refresher(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loaded from a module as `freshness run` does, and called with a source of ours."""
    (tmp_path / "readme_refreshers.py").write_text(blocks("python")[0])
    monkeypatch.syspath_prepend(str(tmp_path))
    [quote] = load_refreshers("readme_refreshers")
    source = httpx.MockTransport(
        lambda request: httpx.Response(200, json={"price": len(request.url.path)})
    )

    async with httpx.AsyncClient(transport=source) as client:
        rows = await quote(job_for("AAPL"), Context(client))

    assert quote.data_type == "quote"
    assert rows == [{"price": len("/quotes/AAPL")}]
    del sys.modules["readme_refreshers"]


async def test_the_configuration_block_is_a_refresher(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mapping takes the fields out of an answer of that shape."""
    monkeypatch.setenv("QUOTES_API_KEY", "key")
    [block] = blocks("toml")
    tomllib.loads(block)
    (tmp_path / "freshness.toml").write_text(block)
    [quote] = read_configuration(tmp_path / "freshness.toml")
    answer = {"data": [{"last": {"price": 12.5}, "time": "2026-11-21T09:30:00Z", "more": 1}]}
    source = httpx.MockTransport(lambda _: httpx.Response(200, json=answer))

    async with httpx.AsyncClient(transport=source) as client:
        rows = await quote(job_for("AAPL"), Context(client))

    assert rows == [{"price": 12.5, "fetched_at": "2026-11-21T09:30:00Z"}]


def test_all_links_of_the_documents_lead_somewhere() -> None:
    """In the README, in CONTRIBUTING and under docs/."""
    root = README.parent
    for document in [README, root / "CONTRIBUTING.md", *root.glob("docs/**/*.md")]:
        for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text()):
            if not link.startswith("http"):
                assert (document.parent / link).exists(), f"{document.name}: {link}"


def test_all_files_that_the_documents_name_exist() -> None:
    """A path in a document that was moved is worse than none."""
    root = README.parent
    named = re.compile(r"`((?:sql|supabase|tests|docs|bench|pyworker)/[\w./-]+)`")
    for document in [README, root / "CONTRIBUTING.md", *root.glob("docs/**/*.md")]:
        for path in named.findall(document.read_text()):
            # This one comes with the first release.
            if path != "supabase/migrations.sha256":
                assert (root / path).exists(), f"{document.name}: {path}"
