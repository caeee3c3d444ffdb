"""A row from before our era, or from the first day of it, holds up nobody's work."""

from __future__ import annotations

import pytest

from pyworker.refreshers import Refresher
from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType
from tests.fixtures.servers import Database
from tests.worker.in_process import Recorder, working
from tests.worker.states import ACTIVITY, settled
from tests.worker.waiting import until, until_quiet


@pytest.mark.parametrize("moment", ["4713-01-02 BC", "0001-01-01 00:00:00+00", "-infinity"])
async def test_a_row_of_an_ancient_time_holds_up_no_work(
    database: Database,
    connection: Connection,
    quotes: DataType,
    recorder: Recorder,
    moment: str,
) -> None:
    """Python knows no such moment; Postgres does, and other languages write them for none."""
    connection.execute(f"insert into {quotes.table} values ('OLD', 1, %s)", [moment])
    connection.execute(
        "select freshness.watch(array[%s, %s], array['OLD', 'AAPL'], 'user:1')",
        [quotes.name, quotes.name],
    )
    async with working(database.url, Refresher(quotes.name, recorder)):
        await until(lambda: settled(connection, quotes, "AAPL"), 8)
        await until(lambda: settled(connection, quotes, "OLD"), 8)
        # Again, handed to the worker in its sleep.
        connection.execute(f"update {quotes.table} set fetched_at = %s", [moment])
        await until_quiet(lambda: connection.execute(ACTIVITY).fetchone(), 0.3)
        ask = "select freshness.request(%s, array['OLD'], true)"
        fetched = recorder.symbols.count("OLD")
        connection.execute(ask, [quotes.name])
        await until(lambda: recorder.symbols.count("OLD") > fetched, 8)
