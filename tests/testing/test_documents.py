"""The code of docs/refreshers.md does what it says."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from pyworker.configuration import read_configuration
from pyworker.testing import RefresherTest

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "refreshers.md"


def blocks(language: str) -> list[str]:
    """Return the document's code blocks in a language, in order."""
    text = DOCUMENT.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """What all blocks define, each run after the ones before."""
    found: dict[str, Any] = {}
    for block in blocks("python"):
        exec(compile(block, str(DOCUMENT), "exec"), found)  # noqa: S102 - our own document
    return found


def answering(content: Any, **options: Any) -> Callable[[httpx.Request], httpx.Response]:
    return lambda _request: httpx.Response(options.get("status", 200), json=content)


async def test_the_test_of_the_document_passes(names: dict[str, Any]) -> None:
    await names["test_a_quote_is_stored_and_confirmed"]()


async def test_a_function(names: dict[str, Any]) -> None:
    async with RefresherTest(names["quote"], respond=answering({}, status=404)) as test:
        assert (await test.refresh("AAPL")).outcome == "missing"


async def test_several_keys_in_one_call(names: dict[str, Any]) -> None:
    respond = answering([{"symbol": "AAPL", "price": 1}])
    async with RefresherTest(names["quotes"], respond=respond) as test:
        found = await test.refresh_all("AAPL", "MSFT")
    assert [found[symbol].outcome for symbol in ("AAPL", "MSFT")] == ["fresh", "missing"]


async def test_asking_for_changes_only(names: dict[str, Any]) -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        if request.headers.get("if-none-match") == '"1"':
            return httpx.Response(304)
        return httpx.Response(200, json={"name": "Apple"}, headers={"ETag": '"1"'})

    async with RefresherTest(names["profile"], respond=respond) as test:
        assert (await test.refresh("AAPL")).outcome == "fresh"
        assert (await test.refresh("AAPL")).outcome == "unchanged"


def test_without_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUOTES_API_KEY", "key")
    [block] = blocks("toml")
    (tmp_path / "freshness.toml").write_text(block)
    quote, rate = read_configuration(tmp_path / "freshness.toml")
    assert (quote.max_batch, rate.max_batch) == (None, 50)
