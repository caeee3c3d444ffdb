"""Postgres is restarted while somebody watches the demo."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from pyworker.local.cluster import Cluster
from tests.demo.browser import find_chromium, open_browser
from tests.demo.running import running_demo

STATE = "document.querySelector('#connection')?.textContent"
CARD = "document.querySelector('.card')?.dataset.status"


async def test_the_demo_outlives_a_restart_of_postgres(mortal_cluster: Cluster) -> None:
    """And its pages are told of both."""
    with running_demo(mortal_cluster.connection_string()) as (process, address):
        async with (
            httpx.AsyncClient(base_url=address, timeout=30, trust_env=False) as client,
            client.stream("GET", "/events") as answer,
        ):
            lines = answer.aiter_lines()
            await _until(lines, 'data: {"figures"')
            await asyncio.to_thread(mortal_cluster.stop, "immediate")
            await _until(lines, "event: outage")
            await asyncio.to_thread(mortal_cluster.start)
            await _until(lines, 'data: {"figures"')
            card = {"symbol": "AAPL", "dataType": "demo_quote", "way": "subscription"}
            assert (await client.post("/cards", json=card)).status_code == 201
            assert process.poll() is None


def test_a_page_says_what_is_stale_also_while_nobody_tells_it(
    mortal_cluster: Cluster, tmp_path: Path
) -> None:
    program = find_chromium()
    if program is None:
        pytest.skip("Chromium is not installed on this machine")
    with (
        running_demo(mortal_cluster.connection_string()) as (_, address),
        open_browser(program, tmp_path / "profile") as browser,
    ):
        browser.call("Page.navigate", url=address)
        browser.wait_for(f"{STATE} === 'live'")
        browser.evaluate("document.querySelector('#add .primary').click()")
        browser.wait_for(f"{CARD} === 'fresh'")
        mortal_cluster.stop("immediate")
        browser.wait_for(f"{STATE} === 'database away, trying again'")
        browser.wait_for(f"{CARD} === 'stale'")
        mortal_cluster.start()
        browser.wait_for(f"{STATE} === 'live' && {CARD} === 'fresh'", seconds=30)
        assert browser.errors == []


async def _until(lines: AsyncIterator[str], begin: str) -> None:
    async with asyncio.timeout(20):
        async for line in lines:
            if line.startswith(begin):
                return
    raise AssertionError(begin)
