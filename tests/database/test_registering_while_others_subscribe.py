"""The trigger's function is written anew with each registration, whatever runs meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import psycopg
import pytest

from tests.database.test_subscription_trigger import Broken
from tests.fixtures.data_types import create_data_type

REGISTER = "select freshness.register_data_type(%s, %s, ttl => %s::interval)"
IS_WRITTEN = """
select prosrc like '%%' || %s || '%%' from pg_proc
where oid = 'public.on_realtime_subscription_insert()'::regprocedure
"""


@pytest.fixture
def broken(own_database: str) -> Iterator[Broken]:
    """A database with a data type."""
    opened = Broken(own_database)
    yield opened
    opened.close()


def test_subscribers_are_noticed_while_data_types_come_and_go(broken: Broken) -> None:
    """Each of them has its watch and its job, and none is left to the inbox."""
    done = Event()

    def subscribe() -> int:
        number = 0
        while not done.is_set() or number < 20:
            broken.subscribe(f"S{number}")
            number += 1
        return number

    with ThreadPoolExecutor(1) as pool:
        subscribing = pool.submit(subscribe)
        try:
            for seconds in range(1, 21):
                other = create_data_type(broken.postgres)
                broken.postgres.execute(
                    REGISTER, [broken.quotes.name, broken.quotes.table, f"{seconds} minutes"]
                )
                other.drop(broken.postgres)
        finally:
            done.set()
        subscribed = subscribing.result()
    assert broken.warnings == []
    assert broken.postgres.execute(
        "select count(*), count(j.symbol), count(w.symbol) from generate_series(0, %s) as n"
        " left join freshness.jobs as j on j.symbol = 'S' || n"
        " left join freshness.watches as w on w.symbol = 'S' || n",
        [subscribed - 1],
    ).fetchone() == (subscribed, subscribed, subscribed)
    reasons = {reason for reason in broken.reasons() if reason not in ("all keys", "watched")}
    assert reasons == set()


def test_a_registration_waits_for_another_one_and_keeps_what_it_wrote(broken: Broken) -> None:
    """Both data types are in the function, though neither saw the other's row when it began."""
    table = broken.quotes.table
    with (
        ThreadPoolExecutor(1) as pool,
        psycopg.connect(broken.postgres.info.dsn, password="postgres") as first,
    ):
        first.execute(REGISTER, ["first", table, "1 hour"])
        second = pool.submit(broken.postgres.execute, REGISTER, ["second", table, "1 hour"])
        with psycopg.connect(
            broken.postgres.info.dsn, password="postgres", autocommit=True
        ) as looking:
            while (
                not second.done()
                and looking.execute(
                    "select from pg_locks where locktype = 'advisory' and not granted"
                ).fetchall()
                == []
            ):
                pass
        first.commit()
        second.result(timeout=10)
    for name in ("first", "second"):
        assert broken.postgres.execute(IS_WRITTEN, [f"'{name}'"]).fetchone() == (True,)
    broken.subscribe("AAPL")
    assert broken.postgres.execute(
        "select count(*) from freshness.jobs where symbol = 'AAPL'"
    ).fetchone() == (3,)
