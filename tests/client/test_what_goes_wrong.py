"""Waiting ends though processes die, connections are lost, or nothing can be heard."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psycopg
import pytest

from pyworker import Client, NotFreshInTime
from pyworker.local.cluster import Cluster
from pyworker.refreshers import Refresher
from tests.client.conftest import Listeners
from tests.client.processes import waiting_process
from tests.client.silence import without_notifications
from tests.fixtures.data_types import DataType, create_data_type
from tests.fixtures.poolers import Pooler
from tests.fixtures.servers import Database
from tests.worker.in_process import Recorder, working
from tests.worker.processes import fetch_over_http, running_worker
from tests.worker.provider import Provider
from tests.worker.waiting import until


async def test_a_process_that_was_killed_is_forgotten(
    database: Database, quotes: DataType, listeners: Listeners
) -> None:
    """By the next client, or by the sweep."""
    with waiting_process(database.url, quotes, 1) as process:
        await until(lambda: listeners() == 1)
        process.kill()
        process.wait()
    await until(lambda: listeners.are_alive() == [False])
    async with Client(database.url) as client:
        with pytest.raises(NotFreshInTime):
            await client.wait_until_fresh(quotes.name, "MSFT", timeout=0.1)
    assert listeners() == 0


async def test_a_worker_that_was_killed_is_waited_out(
    database: Database, client: Client, quotes: DataType, provider: Provider, tmp_path: Path
) -> None:
    """Another one takes over, and its fetch ends the wait."""
    provider.respond = provider.hold_the_first_call
    fetch_over_http(tmp_path, provider.url, quotes.name)
    settings = {"DATABASE_URL": database.url, "FRESHNESS_HEARTBEAT_LIMIT": 1}
    with running_worker(tmp_path, "first", **settings) as first:
        waiting = asyncio.create_task(client.wait_until_fresh(quotes.name, "AAPL", timeout=30))
        await until(lambda: provider.calls)
        with running_worker(tmp_path, "second", **settings):
            first.process.kill()
            assert (await waiting).is_fresh
    assert provider.calls == ["/AAPL"] * 2


async def test_a_lost_connection_is_replaced(
    database: Database,
    client: Client,
    quotes: DataType,
    recorder: Recorder,
    listeners: Listeners,
) -> None:
    """Those who wait are made known anew."""
    waiting = asyncio.create_task(client.wait_until_fresh(quotes.name, "AAPL", timeout=30))
    await until(lambda: listeners() == 1)
    listeners.cut_off()
    await until(lambda: listeners.are_alive() == [True])
    async with working(database.url, Refresher(quotes.name, recorder)):
        assert (await waiting).is_fresh
    assert recorder.symbols == ["AAPL"]


async def test_postgres_is_restarted_while_somebody_waits(
    mortal_cluster: Cluster, recorder: Recorder
) -> None:
    url = mortal_cluster.connection_string()
    with psycopg.connect(url, autocommit=True) as connection:
        quotes = create_data_type(connection)
    recorder.held = True
    async with Client(url) as client, working(url, Refresher(quotes.name, recorder)):
        waiting = asyncio.create_task(client.wait_until_fresh(quotes.name, "AAPL", timeout=60))
        await recorder.fetched(1)
        await asyncio.to_thread(mortal_cluster.stop, "immediate")
        recorder.let_go(1)
        await asyncio.to_thread(mortal_cluster.start)
        assert (await waiting).is_fresh
    assert recorder.symbols == ["AAPL"]


async def test_the_limit_holds_while_the_database_is_away(mortal_cluster: Cluster) -> None:
    """What was known last is in the error."""
    url = mortal_cluster.connection_string()
    with psycopg.connect(url, autocommit=True) as connection:
        quotes = create_data_type(connection)
        listening = "select exists (select from freshness.listeners)"
        async with Client(url) as client:
            waiting = asyncio.create_task(client.wait_until_fresh(quotes.name, "AAPL", timeout=3))
            await until(lambda: connection.execute(listening).fetchone() == (True,))
            await asyncio.to_thread(mortal_cluster.stop, "immediate")
            with pytest.raises(NotFreshInTime) as caught:
                await waiting
            assert caught.value.state is not None
            assert caught.value.state.status == "missing"
            with pytest.raises(NotFreshInTime, match="not reached") as caught:
                await client.wait_until_fresh(quotes.name, "MSFT", timeout=0.1)
            assert caught.value.state is None


async def test_behind_a_pooler_that_swallows_notifications_it_polls(
    database: Database, quotes: DataType, recorder: Recorder, listeners: Listeners
) -> None:
    """It finds that out by speaking to itself."""
    async with without_notifications(database.url) as url, Client(url) as client:
        waiting = asyncio.create_task(client.wait_until_fresh(quotes.name, "AAPL", timeout=30))
        async with working(database.url, Refresher(quotes.name, recorder)):
            assert (await waiting).is_fresh
        assert client.mode == "poll"
        assert listeners() == 0


async def test_behind_a_transaction_pooler_it_polls(
    database: Database,
    pooler: Pooler,
    quotes: DataType,
    recorder: Recorder,
    listeners: Listeners,
) -> None:
    """Such a pooler passes on what a connection says to itself, and nothing else."""
    async with Client(pooler.url(database.url)) as client:
        waiting = asyncio.create_task(client.wait_until_fresh(quotes.name, "AAPL", timeout=30))
        async with working(database.url, Refresher(quotes.name, recorder)):
            assert (await waiting).is_fresh
        assert client.mode == "poll"
        assert listeners() == 0
