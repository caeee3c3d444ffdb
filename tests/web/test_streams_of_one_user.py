"""How many keys a user may watch: cards and streams together, whichever process has them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from uuid import uuid4

import httpx
import pytest

from tests.fixtures.connections import Connect, Connection
from tests.fixtures.data_types import DataType
from tests.fixtures.servers import Database
from tests.web.conftest import EndpointManager
from tests.web.endpoint import PATH as CARDS
from tests.web.endpoint import Endpoint
from tests.web.stream_client import PATH, reading
from tests.web.stream_worker import comes_true, one

WATCHED = "select count(*) from freshness.watches where data_type = %s"
IS_WATCHED = "select count(*) = %s from freshness.watches where data_type = %s"


@pytest.fixture
def keys_per_user(connection: Connection) -> Iterator[int]:
    """A low limit on the keys of a user."""
    connection.execute("update freshness.card_limits set keys_per_call = 3, keys_per_user = 3")
    yield 3
    connection.execute("update freshness.card_limits set keys_per_user = 500, keys_per_call = 50")


@pytest.fixture
def other_endpoint(
    start_endpoint: Callable[[str], EndpointManager], database: Database
) -> Iterator[Endpoint]:
    """Another process."""
    with start_endpoint(database.url) as running:
        yield running


@pytest.fixture
def user(make_token: Callable[..., str]) -> dict[str, str]:
    """The header of a user of this test's own."""
    return {"authorization": f"Bearer {make_token(sub=str(uuid4()))}"}


def add_cards(endpoint: Endpoint, user: dict[str, str], *keys: str) -> httpx.Response:
    """Add cards of keys such as quote:A."""
    pairs = (key.split(":") for key in keys)
    cards = [{"symbol": symbol, "dataTypes": [data_type]} for data_type, symbol in pairs]
    return endpoint.client.post(CARDS, json={"cards": cards}, headers=user)


@pytest.mark.usefixtures("keys_per_user")
async def test_cards_and_streams_of_all_processes_count_together_and_each_key_once(
    endpoint: Endpoint,
    other_endpoint: Endpoint,
    connection: Connection,
    quotes: DataType,
    user: dict[str, str],
) -> None:
    a, b, c, d = (f"{quotes.name}:{symbol}" for symbol in "ABCD")
    assert add_cards(endpoint, user, a, b).status_code == 200
    # A page streams its cards, and what is in two streams is one key.
    async with reading(endpoint, a, b, headers=user), reading(other_endpoint, a, c, headers=user):
        refused = endpoint.client.get(PATH, params={"key": [a, d]}, headers=user)
        assert (refused.status_code, refused.json()["code"]) == (429, "TOO_MANY_WATCHED")
        assert int(refused.headers["retry-after"]) > 0
        refused = add_cards(endpoint, user, d)
        assert (refused.status_code, refused.json()["code"]) == (429, "TOO_MANY_WATCHED")
        assert int(refused.headers["retry-after"]) > 0
        assert add_cards(endpoint, user, c).status_code == 200
        # Others have their own.
        async with reading(endpoint, d):
            pass
    assert await comes_true(connection, IS_WATCHED, 3, quotes.name)
    connection.execute(
        "delete from freshness.watches where data_type = %s and symbol = 'C'", [quotes.name]
    )
    async with reading(endpoint, d, headers=user) as stream:
        assert (await stream.next()).data["symbol"] == "D"
    assert await comes_true(connection, IS_WATCHED, 2, quotes.name)


@pytest.mark.usefixtures("keys_per_user")
async def test_operators_stream_as_much_as_they_like(
    endpoint: Endpoint, quotes: DataType, make_token: Callable[..., str]
) -> None:
    keys = [f"{quotes.name}:{symbol}" for symbol in "ABCDE"]
    headers = {"authorization": f"Bearer {make_token(sub=None, role='service_role', aud=None)}"}
    async with reading(endpoint, *keys, headers=headers) as stream:
        assert stream.seen[0].data["keys"] == 5


def test_streams_that_open_at_the_same_time_cannot_pass_the_limit_together(
    connection: Connection, connect: Connect, quotes: DataType, keys_per_user: int
) -> None:
    """Each of eight processes opens one of another key; three fit."""
    owner = f"user:{uuid4()}"
    connections = [connect() for _ in range(8)]
    opening = (
        "select status from freshness.open_streams(array[%s], array[%s], array[%s],"
        " '{authenticated}', '1 minute', null)"
    )

    def open_one(number: int) -> str:
        return str(
            one(connections[number], opening, f"stream:{number}:{owner}", quotes.name, str(number))
        )

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(open_one, range(8)))
    assert statuses == ["queued"] * keys_per_user + ["too_many_watched"] * (8 - keys_per_user)
    assert one(connection, WATCHED, quotes.name) == keys_per_user


async def test_one_user_does_not_take_all_the_room_of_a_process(
    endpoint: Endpoint, quotes: DataType
) -> None:
    """However few keys the streams have."""
    async with AsyncExitStack() as stack:
        await asyncio.gather(
            *(stack.enter_async_context(reading(endpoint, f"{quotes.name}:A")) for _ in range(100))
        )
        refused = endpoint.client.get(PATH, params={"key": f"{quotes.name}:A"})
        assert (refused.status_code, refused.json()["code"]) == (429, "TOO_MANY_STREAMS")
