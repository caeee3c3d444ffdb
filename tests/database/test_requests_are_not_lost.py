"""Interest that is committed leads to a refresh, whatever happens at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from tests.fixtures.connections import Connect, Connection
from tests.fixtures.data_types import DataType, Register
from tests.fixtures.waiting import wait_for_lock
from tests.fixtures.workers import Announce, Worker

WATCH = "select freshness.watch(array[%s], array['AAPL'], %s)"


def _request(connection: Connection, quotes: DataType, *, refresh_now: bool) -> None:
    connection.execute(
        "select freshness.request(%s, array['AAPL'], %s)", [quotes.name, refresh_now]
    )


def test_refresh_now_during_a_refresh_starts_another(
    connection: Connection, quotes: DataType, worker: Worker
) -> None:
    """The one under way began before the request: its data may be older."""
    _request(connection, quotes, refresh_now=True)
    (job,) = worker.claim(quotes.name)
    _request(connection, quotes, refresh_now=True)
    assert worker.claim(quotes.name) == []
    worker.finish(job, {"price": 2})
    (again,) = worker.claim(quotes.name)
    assert again.fence > job.fence
    worker.finish(again, {"price": 3})
    assert worker.claim(quotes.name) == []


def test_make_sure_it_is_fresh_during_a_refresh_does_not(
    connection: Connection, quotes: DataType, worker: Worker
) -> None:
    """The fetch in flight satisfies it."""
    _request(connection, quotes, refresh_now=False)
    (job,) = worker.claim(quotes.name)
    _request(connection, quotes, refresh_now=False)
    worker.finish(job, {"price": 2})
    assert worker.claim(quotes.name) == []


def test_refresh_now_that_commits_while_many_refreshes_end_starts_another(
    connection: Connection, quotes: DataType, announce: Announce, connect: Connect
) -> None:
    """The statement that ends them waits for the request, and then heeds it."""
    quotes.store(connection, "AAPL", 3600)
    _request(connection, quotes, refresh_now=True)
    worker = announce(connect())
    (job,) = worker.claim(quotes.name)
    asking = connect()
    asking.autocommit = False
    _request(asking, quotes, refresh_now=True)
    ends = f"select freshness.ends_{quotes.name}(array[%s], array[%s], null, null, null, null)"
    thread = threading.Thread(
        target=worker.connection.execute, args=[ends.encode(), [job.symbol, job.fence]]
    )
    thread.start()
    wait_for_lock(connection, worker.connection)
    asking.commit()
    thread.join(timeout=10)
    # What the statement left, as it had another place by then, ends the general way.
    worker.connection.execute(
        "select freshness.finish_many(array[%s], array[%s], array[%s], null, null, null, null)",
        [*job],
    )
    (again,) = worker.claim(quotes.name)
    assert again.fence > job.fence


@pytest.mark.parametrize("end", ["fails", "hands back", "dies"])
def test_refresh_now_during_a_refresh_survives_its_end(
    connection: Connection, quotes: DataType, announce: Announce, end: str
) -> None:
    """Also when the data has become fresh meanwhile."""
    first, second = announce(), announce()
    _request(connection, quotes, refresh_now=True)
    (job,) = first.claim(quotes.name)
    _request(connection, quotes, refresh_now=True)
    quotes.store(connection, "AAPL", 0)
    if end == "fails":
        first.fail(job, "boom")
        connection.execute(
            "update freshness.jobs set not_before = null where data_type = %s", [quotes.name]
        )
    elif end == "hands back":
        connection.execute("select freshness.dismiss_worker(%s)", [first.number])
    else:
        first.miss_heartbeats()
    assert [claimed.symbol for claimed in second.claim(quotes.name)] == ["AAPL"]


def test_a_worker_that_leaves_and_a_request_for_its_keys_do_not_wait_in_a_circle(
    connection: Connection, quotes: DataType, announce: Announce, connect: Connect
) -> None:
    """Whoever comes second waits for the first of the keys, whatever order they are stored in."""
    for symbol in ("IBM", "AAPL"):
        connection.execute("select freshness.request(%s, array[%s], true)", [quotes.name, symbol])
    worker = announce(connect())
    assert len(worker.claim(quotes.name)) == 2
    holding, asking = connect(), connect()
    holding.autocommit = False
    holding.execute(
        "select from freshness.jobs where data_type = %s and symbol = 'IBM' for update",
        [quotes.name],
    )
    threads = [
        threading.Thread(target=execute, args=(statement, [argument]))
        for execute, statement, argument in (
            (worker.connection.execute, "select freshness.dismiss_worker(%s)", worker.number),
            (
                asking.execute,
                "select freshness.request(%s, array['AAPL', 'IBM'], true)",
                quotes.name,
            ),
        )
    ]
    for thread, waiting in zip(threads, (worker.connection, asking), strict=True):
        thread.start()
        wait_for_lock(connection, waiting)
    holding.commit()
    for thread in threads:
        thread.join(timeout=10)
    assert connection.execute(
        "select count(*) from freshness.jobs where data_type = %s and required_as_of is not null"
        " and state = 'scheduled'",
        [quotes.name],
    ).fetchone() == (2,)


def test_refresh_now_that_waits_for_a_claim_asks_for_a_later_fetch(
    connection: Connection,
    quotes: DataType,
    announce: Announce,
    connect: Connect,
) -> None:
    """The claim holds the job when the request comes; it counts from when it gets the job."""
    _request(connection, quotes, refresh_now=True)
    worker = announce(connect())
    worker.connection.autocommit = False
    (job,) = worker.claim(quotes.name)
    asking = connect()
    thread = threading.Thread(target=_request, args=(asking, quotes), kwargs={"refresh_now": True})
    thread.start()
    wait_for_lock(connection, asking)
    worker.connection.commit()
    thread.join(timeout=10)
    worker.connection.autocommit = True
    worker.finish(job, {"price": 2})
    assert len(worker.claim(quotes.name)) == 1


def _job_about_to_be_dropped(connection: Connection, register: Register) -> DataType:
    quotes = register(keep_warm="0 seconds")
    connection.execute(
        "insert into freshness.jobs (data_type, symbol, run_at, unwatched_at)"
        " values (%s, 'AAPL', now() - interval '1 second', now() - interval '1 minute')",
        [quotes.name],
    )
    return quotes


ORDERS = [
    ("watch", "claim", "commit claim", "commit watch"),
    ("watch", "claim", "commit watch", "commit claim"),
    ("claim", "watch", "commit claim", "commit watch"),
    ("claim", "watch", "commit watch", "commit claim"),
    ("watch", "commit watch", "claim", "commit claim"),
    ("claim", "commit claim", "watch", "commit watch"),
]


@pytest.mark.parametrize("order", ORDERS, ids=", ".join)
def test_a_watch_and_the_claim_that_drops_its_key_leave_it_with_a_job(
    connection: Connection,
    register: Register,
    announce: Announce,
    connect: Connect,
    order: tuple[str, ...],
) -> None:
    """In every order of their statements and commits, the next claim hands it out."""
    quotes = _job_about_to_be_dropped(connection, register)
    watching, worker = connect(), announce(connect())
    watching.autocommit = worker.connection.autocommit = False
    steps: dict[str, Callable[[], object]] = {
        "watch": lambda: watching.execute(WATCH, [quotes.name, "user:1"]),
        "claim": lambda: claimed.extend(worker.claim(quotes.name)),
        "commit watch": watching.commit,
        "commit claim": worker.connection.commit,
    }
    claimed: list[object] = []
    for step in order:
        steps[step]()
    worker.connection.autocommit = True
    claimed.extend(worker.claim(quotes.name))
    assert len(claimed) == 1


def test_a_watch_that_found_its_job_just_being_made_keeps_it(
    connection: Connection,
    register: Register,
    worker: Worker,
    connect: Connect,
) -> None:
    """Another watch made it, ended, and a claim dropped it, all before this one was committed."""
    quotes = register(keep_warm="0 seconds")
    other, watching = connect(), connect()
    other.autocommit = watching.autocommit = False
    other.execute(WATCH, [quotes.name, "user:other"])
    thread = threading.Thread(target=watching.execute, args=(WATCH, [quotes.name, "user:1"]))
    thread.start()
    wait_for_lock(connection, watching)
    other.commit()
    thread.join(timeout=10)
    other.execute("select freshness.unwatch(array[%s], array['AAPL'], 'user:other')", [quotes.name])
    other.commit()
    assert worker.claim(quotes.name) == []
    watching.commit()
    assert len(worker.claim(quotes.name)) == 1
