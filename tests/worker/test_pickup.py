"""Both ways in, a subscription and a card, lead to exactly one fetch."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pyworker.refreshers import Refresher
from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType
from tests.fixtures.servers import Database
from tests.fixtures.subscriptions import Subscriber
from tests.worker.in_process import Recorder, working
from tests.worker.states import events, settled, watch
from tests.worker.waiting import until

pytestmark = pytest.mark.usefixtures("mode")


async def test_subscriptions_to_a_stale_key_lead_to_one_fetch(
    database: Database,
    connection: Connection,
    quotes: DataType,
    subscribe: Subscriber,
    recorder: Recorder,
) -> None:
    async with working(database.url, Refresher(quotes.name, recorder)):
        await fetched_once(
            connection, quotes, recorder, lambda: subscribe(quotes.table, "symbol=eq.AAPL")
        )


async def test_cards_of_a_stale_key_lead_to_one_fetch(
    database: Database, connection: Connection, quotes: DataType, recorder: Recorder
) -> None:
    async with working(database.url, Refresher(quotes.name, recorder)):
        await fetched_once(connection, quotes, recorder, lambda: watch(connection, quotes, "AAPL"))


async def test_a_subscription_and_a_card_together_lead_to_one_fetch(
    database: Database,
    connection: Connection,
    quotes: DataType,
    subscribe: Subscriber,
    recorder: Recorder,
) -> None:
    def both() -> None:
        subscribe(quotes.table, "symbol=eq.AAPL")
        watch(connection, quotes, "AAPL")

    async with working(database.url, Refresher(quotes.name, recorder)):
        await fetched_once(connection, quotes, recorder, both)


async def fetched_once(
    connection: Connection,
    quotes: DataType,
    recorder: Recorder,
    show_interest: Callable[[], object],
) -> None:
    """Show interest before the fetch, while it runs, and after it."""
    quotes.store(connection, "AAPL", 90)
    recorder.held = True
    show_interest()
    await recorder.fetched(1)
    show_interest()
    recorder.let_go(1)
    await until(lambda: settled(connection, quotes, "AAPL"))
    show_interest()
    # The interest of before is folded by the claim that takes this key.
    watch(connection, quotes, "MSFT")
    recorder.let_go(1)
    await until(lambda: settled(connection, quotes, "MSFT"))
    assert recorder.symbols == ["AAPL", "MSFT"]
    assert events(connection, quotes, "AAPL") == ["fresh"]
