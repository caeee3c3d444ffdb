"""The README's code blocks do what they say."""

from __future__ import annotations

import re
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psycopg
import pytest

from pyworker.configuration import read_configuration
from pyworker.job import Job
from pyworker.refreshers import Context, load_refreshers

README = Path(__file__).resolve().parents[1] / "README.md"


def blocks(language: str) -> list[str]:
    """Return the README's code blocks in a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)


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
