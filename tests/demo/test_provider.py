"""The provider: its series, its replay, its latency, its key and its counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date
from time import monotonic

import httpx
import pytest

from pyworker.demo.data_types import SYMBOLS
from pyworker.demo.provider import Provider
from pyworker.demo.rate_limit import RateLimit
from pyworker.demo.replay import HISTORY, SECONDS_PER_MONTH, Replay
from pyworker.demo.series import Series, read_series

KEY = {"X-Api-Key": "secret"}


@pytest.fixture(scope="module")
def series() -> Series:
    return read_series()


@pytest.fixture
def make_client(series: Series) -> Callable[..., tuple[Provider, httpx.AsyncClient]]:
    def make(
        per_second: float = 1000, burst: int = 1000, latency: tuple[float, float] = (0, 0)
    ) -> tuple[Provider, httpx.AsyncClient]:
        limit = RateLimit(per_second, burst, monotonic)
        provider = Provider(Replay(series, started=0), "secret", limit, latency)
        transport = httpx.ASGITransport(provider.application())
        client = httpx.AsyncClient(transport=transport, base_url="http://provider", headers=KEY)
        return provider, client

    return make


def test_the_series_has_the_same_months_for_each_symbol(series: Series) -> None:
    assert set(series) == set(SYMBOLS)
    days = [month.day for month in series["GOOG"]]
    assert all([month.day for month in months] == days for months in series.values())
    assert (days[0], days[-1]) == (date(2004, 8, 1), date(2010, 3, 1))
    assert series["AAPL"][-1].price == 223.02


def test_the_replay_moves_on_with_the_clock_and_starts_again(series: Series) -> None:
    replay = Replay(series, started=100)
    first = replay.quote("AAPL", 100)
    later = replay.quote("AAPL", 100 + 3 * SECONDS_PER_MONTH)
    assert first["traded_on"] == "2006-07-01"
    assert later["traded_on"] == "2006-10-01"
    assert later["history"][: HISTORY - 3] == first["history"][3:]
    whole = (len(series["AAPL"]) - HISTORY + 1) * SECONDS_PER_MONTH
    assert replay.quote("AAPL", 100 + whole) == first
    assert replay.quote("AAPL", 100 + whole - 1)["traded_on"] == "2010-03-01"


def test_a_profile_holds_the_range_of_the_past_year(series: Series) -> None:
    profile = Replay(series, started=0).profile("IBM", 0)
    year = [month.price for month in series["IBM"][HISTORY - 13 : HISTORY]]
    assert (profile["year_low"], profile["year_high"]) == (min(year), max(year))
    assert profile["price"] == year[-1]


async def test_each_answer_takes_as_long_as_the_latency_says(
    make_client: Callable[..., tuple[Provider, httpx.AsyncClient]],
) -> None:
    _, client = make_client(latency=(0.02, 0.04))
    async with client:
        before = monotonic()
        answer = await client.get("/quotes/AAPL")
        took = monotonic() - before
    assert answer.json()["data"]["price"] > 0
    assert took >= 0.02


async def test_calls_over_the_rate_limit_are_told_when_to_come_back(
    make_client: Callable[..., tuple[Provider, httpx.AsyncClient]],
) -> None:
    provider, client = make_client(per_second=0.5, burst=2)
    async with client:
        answers = [await client.get("/quotes/AAPL") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[-1].headers["retry-after"] == "2"
    assert (provider.log.calls, provider.log.refused) == (3, 1)


async def test_two_calls_in_flight_for_one_key_are_counted(
    make_client: Callable[..., tuple[Provider, httpx.AsyncClient]],
) -> None:
    provider, client = make_client(latency=(0.02, 0.02))
    async with client:
        await asyncio.gather(*(client.get(f"/quotes/{symbol}") for symbol in SYMBOLS))
        assert provider.log.overlapping == 0
        await asyncio.gather(client.get("/quotes/IBM"), client.get("/quotes/IBM"))
        figures = (await client.get("/figures")).json()
    assert provider.log.overlapping == 1
    assert figures["calls"] == 7


@pytest.mark.parametrize(
    ("path", "key", "status"),
    [
        ("/quotes/AAPL", "wrong", 401),
        ("/quotes/NONE", "secret", 404),
        ("/bonds/AAPL", "secret", 404),
    ],
)
async def test_what_cannot_be_answered_is_refused(
    make_client: Callable[..., tuple[Provider, httpx.AsyncClient]], path: str, key: str, status: int
) -> None:
    _, client = make_client()
    async with client:
        assert (await client.get(path, headers={"X-Api-Key": key})).status_code == status


def test_a_rate_limit_fills_steadily_up_to_its_burst() -> None:
    now = [0.0]
    limit = RateLimit(2, 3, lambda: now[0])
    assert [limit.take() for _ in range(4)] == [0, 0, 0, 0.5]
    now[0] = 0.5
    assert [limit.take(), limit.take()] == [0, 0.5]
    now[0] = 100
    assert [limit.take() for _ in range(4)] == [0, 0, 0, 0.5]
