"""Somebody holds the table of a data type for himself, as whoever alters it does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psycopg
import pytest

from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType, Register
from tests.fixtures.servers import Database
from tests.web.endpoint import PATH, Endpoint
from tests.web.stream_client import reading

# Far less than the 30 seconds after which a question is given up.
SOON = 8.0


@pytest.fixture
def other(register: Register) -> DataType:
    """A data type of another table."""
    return register()


@contextmanager
def held(database: Database, table: str) -> Iterator[None]:
    with psycopg.connect(database.url) as connection:
        connection.execute(f"lock table {table} in access exclusive mode".encode())
        yield
        connection.rollback()


async def test_streams_open_all_the_same_those_of_its_keys_too(
    endpoint: Endpoint,
    database: Database,
    connection: Connection,
    quotes: DataType,
    other: DataType,
) -> None:
    """One question asks for all who join: what it waits for all wait for."""
    quotes.store(connection, "AAPL", age_seconds=1)
    other.store(connection, "AAPL", age_seconds=1)
    with held(database, quotes.table):
        async with asyncio.timeout(SOON), reading(endpoint, f"{quotes.name}:AAPL") as stream:
            assert (await stream.until("snapshot")).data["status"] == "queued"
            async with reading(endpoint, f"{other.name}:AAPL") as second:
                assert (await second.until("snapshot")).data["status"] == "fresh"


async def test_a_card_is_refused_soon_and_others_are_added(
    endpoint: Endpoint, database: Database, quotes: DataType, other: DataType
) -> None:
    with held(database, quotes.table):
        async with (
            asyncio.timeout(SOON),
            httpx.AsyncClient(
                base_url=endpoint.url, headers=dict(endpoint.client.headers), timeout=60
            ) as client,
        ):
            locked, added = await asyncio.gather(
                client.post(PATH, json={"symbol": "AAPL", "dataTypes": [quotes.name]}),
                client.post(PATH, json={"symbol": "AAPL", "dataTypes": [other.name]}),
            )
        assert (locked.status_code, locked.json()["code"]) == (503, "DATABASE_UNAVAILABLE")
        assert added.status_code == 200
