"""Where LISTEN is accepted and stays silent the worker finds out, says so, and polls."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from pyworker.database import open_pool
from pyworker.job import Job, Row
from pyworker.listener import Listener
from pyworker.long_poll import LongPoll
from pyworker.refreshers import Context, Refresher
from pyworker.wake_token import WakeToken
from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType
from tests.fixtures.poolers import Pooler
from tests.fixtures.servers import Database
from tests.worker.in_process import Recorder, listening, working
from tests.worker.processes import fetch_over_http, running_worker
from tests.worker.provider import Provider
from tests.worker.states import job, settled, watch
from tests.worker.waiting import until, wait_until


async def test_the_listener_finds_out_that_notifications_do_not_arrive(
    database: Database, pooler: Pooler
) -> None:
    """A notification to itself on its own connection would arrive, and prove nothing."""
    async with listening(pooler.url(database.url), patience=0.5) as (listener, tokens):
        await until(lambda: tokens)
        report = listener.report()
    assert (report.running, report.connection_healthy, report.mode) == (True, False, "polling")
    assert "transaction pooler" in str(report.reason)
    assert listener.sleeper is None


async def test_the_listener_of_a_direct_connection_hears_itself(database: Database) -> None:
    async with listening(database.url) as (listener, tokens):
        await until(lambda: tokens)
        report = listener.report()
    assert (report.connection_healthy, report.mode, report.reason) == (True, "listening", None)
    assert tokens[0] == WakeToken()


async def test_a_database_that_refuses_to_listen_is_polled(
    own_database: str,
) -> None:
    """As one that is a copy of another does."""
    async with listening(f"{own_database}?options=-c%20transaction_read_only%3Don") as (
        listener,
        tokens,
    ):
        await until(lambda: tokens)
    assert listener.report().mode in ("polling", "listening")
