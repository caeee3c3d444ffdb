"""What will happen to a key is said in words, and then it happens."""

from __future__ import annotations

import re

from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType
from tests.fixtures.subscriptions import Subscriber
from tests.fixtures.workers import Announce


def explain(connection: Connection, data_type: str, symbol: str | None) -> str:
    """Return status and words; each moment as T."""
    (row,) = connection.execute(
        "select status || ': ' || explanation from freshness.explain(%s, %s)", [data_type, symbol]
    ).fetchall()
    return re.sub(r"(\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d", "T", row[0])


def test_a_key_is_explained_from_its_first_viewer_to_its_end(
    connection: Connection, quotes: DataType, subscribe: Subscriber, announce: Announce
) -> None:
    """A subscription, a fetch, a deadline, and nobody any more."""
    worker = announce()
    assert explain(connection, quotes.name, "AAPL") == (
        "missing: has no rows; nobody watches it or has asked for it, so nothing will be fetched"
    )

    subscribe(quotes.table, "symbol=eq.AAPL")
    assert explain(connection, quotes.name, "AAPL") == (
        "missing: has no rows; is due since T, because 1 viewer watches it:"
        " the next free worker fetches it"
    )

    (job,) = worker.claim(quotes.name)
    assert explain(connection, quotes.name, "AAPL") == (
        "refreshing: has no rows; is being refreshed since T by worker test"
    )

    worker.finish(job, {"price": 1})
    subscribe(quotes.table, "symbol=eq.AAPL")
    assert explain(connection, quotes.name, "AAPL") == (
        "fresh: is fresh until T; will be refreshed at T, because 2 viewers watch it"
    )

    subscribe.leave()
    assert explain(connection, quotes.name, "AAPL") == (
        "fresh: is fresh until T; nobody watches it: it is kept warm until T without a fetch,"
        " and then forgotten"
    )


def test_a_key_that_is_set_aside_says_why_and_how_it_is_released(
    connection: Connection, quotes: DataType, subscribe: Subscriber, announce: Announce
) -> None:
    """The statement in the answer does it."""
    worker = announce()
    connection.execute(
        "update freshness.data_types set max_attempts = 1 where name = %s", [quotes.name]
    )
    subscribe(quotes.table, "symbol=eq.AAPL")
    (job,) = worker.claim(quotes.name)
    worker.fail(job, "HTTP 500")

    said = explain(connection, quotes.name, "AAPL")

    assert said == (
        "failed: has no rows; is set aside until T after 1 failure: HTTP 500;"
        f" freshness.retry('{quotes.name}', 'AAPL') releases it"
    )
    found = re.search(r"freshness\.retry\(.*\)", said)
    assert found is not None
    connection.execute(f"select {found[0]}".encode())
    assert explain(connection, quotes.name, "AAPL").startswith("missing: has no rows; is due since")


def test_a_source_without_rows_is_asked_again_at_its_time(
    connection: Connection, quotes: DataType, subscribe: Subscriber, announce: Announce
) -> None:
    """It is not late meanwhile."""
    worker = announce()
    subscribe(quotes.table, "symbol=eq.AAPL")
    (job,) = worker.claim(quotes.name)
    worker.finish(job)

    assert explain(connection, quotes.name, "AAPL").endswith(
        "will be refreshed at T, because 1 viewer watches it"
    )
    assert connection.execute(
        "select lateness from freshness.key_status where data_type = %s", [quotes.name]
    ).fetchall() == [(None,)]


def test_a_broken_table_concerns_its_own_keys(connection: Connection, quotes: DataType) -> None:
    """Whatever was done to it, the answer says so."""
    connection.execute(f"alter table {quotes.table} rename fetched_at to renamed".encode())
    assert explain(connection, quotes.name, "AAPL").startswith("failed: cannot be looked at: 42703")
    connection.execute(f"drop table {quotes.table} cascade".encode())
    assert explain(connection, quotes.name, "AAPL").startswith(
        f"failed: the table of {quotes.name} or its column symbol is gone"
    )


def test_nonsense_is_explained_too(connection: Connection, quotes: DataType) -> None:
    """One row in any case."""
    assert explain(connection, "nope", "A").startswith("unknown_data_type: is not registered")
    assert explain(connection, quotes.name, "").startswith("invalid_symbol: is no symbol of")
    assert explain(connection, quotes.name, None).startswith("invalid_symbol: is no symbol of")
