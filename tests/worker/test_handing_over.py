"""A worker begins with what it is handed in its sleep, once, and never with what may not be its."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from pyworker.database import Pool, open_pool
from pyworker.job import Ending, Sleeper, Turned
from pyworker.queue.calls import Calls
from pyworker.queue.looks import LookQueue
from pyworker.refreshers import Refresher
from tests.fixtures.connections import Connect, Connection
from tests.fixtures.data_types import DataType
from tests.fixtures.servers import Database
from tests.fixtures.subscriptions import Subscriber
from tests.worker.in_process import Recorder, working
from tests.worker.processes import fetch_over_http, running_worker
from tests.worker.provider import Provider
from tests.worker.states import ACTIVITY, events, job, settled, watch
from tests.worker.waiting import until, until_quiet, wait_until

ASLEEP = """
    select count(*) > 0 from freshness.sleepers as s
    where s.asleep_until > clock_timestamp() + interval '2 s' and %s = any (s.data_types)
"""
# As a writer does that has read the sleepers before the worker got full, or left.
SLEEPERS = "create temporary table were_asleep as select * from freshness.sleepers"
REMEMBER = """
    insert into freshness.sleepers
    select * from were_asleep on conflict (channel) do update set asleep_until = 'infinity'
"""
FORGET = "delete from freshness.sleepers where channel in (select channel from were_asleep)"
# As freshness.take_over and a claim of another worker leave things.
TAKEN_OVER = """
    with gone as (delete from freshness.sleepers)
    update freshness.jobs set fence = nextval('freshness.fences'), worker = 0
    where state = 'running'
"""
# What a notification that is lost was about.
LOST = """
    insert into freshness.jobs
        (data_type, symbol, run_at, requested_at, state, worker, fence, started_at)
    select %s, 'AAPL', 'infinity', now(), 'running', s.worker, nextval('freshness.fences'), now()
    from freshness.sleepers as s where %s = any (s.data_types)
"""
# Of a key that nobody has fetched yet: it runs for the worker, which hears of it too late.
LATE = """
    with handed as (
        insert into freshness.jobs
            (data_type, symbol, run_at, requested_at, state, worker, fence, started_at)
        select %s, %s, 'infinity', now(), 'running', s.worker, nextval('freshness.fences'), now()
        from freshness.sleepers as s where s.channel = %s
        returning *
    )
    select json_build_object(
        'worker', h.worker, 'data_type', h.data_type, 'symbol', h.symbol, 'fence', h.fence,
        'started_at', h.started_at - interval '5 s', 'stored_at', null, 'attempts', 0,
        'validators', null, 'alone', false, 'others_sleep', false
    )::text
    from handed as h
"""
# Whole, as freshness.hand_over sends it by a worker's own channel.
FORGED = """
    select pg_notify('freshness_work', json_build_object(
        'worker', s.worker, 'data_type', %s::text, 'symbol', 'FORGED', 'fence', 1,
        'started_at', clock_timestamp(), 'stored_at', null, 'attempts', 0, 'validators', null,
        'alone', false, 'others_sleep', false
    )::text)
    from freshness.sleepers as s where %s = any (s.data_types)
"""


class Held(LookQueue):
    """Claims, and gives the answer when it is let go."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(Calls(pool))
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def turn(
        self,
        worker: int,
        data_types: Sequence[str],
        limit: int,
        sleeper: Sleeper | None = None,
        lead: float = 0.0,
        *,
        endings: Sequence[Ending] = (),
        is_settled: bool = False,
    ) -> Turned:
        """Claim, and wait."""
        turned = await super().turn(
            worker, data_types, limit, sleeper, lead, endings=endings, is_settled=is_settled
        )
        await self.goes_on.wait()
        return turned


class Counting(LookQueue):
    """Counts claims."""

    claims = 0

    async def turn(
        self,
        worker: int,
        data_types: Sequence[str],
        limit: int,
        sleeper: Sleeper | None = None,
        lead: float = 0.0,
        *,
        endings: Sequence[Ending] = (),
        is_settled: bool = False,
    ) -> Turned:
        """Claim, and count it."""
        self.claims += limit > 0
        return await super().turn(
            worker, data_types, limit, sleeper, lead, endings=endings, is_settled=is_settled
        )


def request(connection: Connection, quotes: DataType, symbol: str = "AAPL") -> None:
    """Refresh now."""
    connection.execute("select freshness.request(%s, array[%s], true)", [quotes.name, symbol])


def runs(connection: Connection, quotes: DataType, symbol: str = "AAPL") -> bool:
    """Say whether a key's job runs."""
    return bool(job(connection, quotes, symbol, "j.state = 'running'") == (True,))


async def asleep(connection: Connection, quotes: DataType) -> None:
    """Wait until the worker sleeps, and has seen that nobody wrote anything meanwhile."""
    await until(lambda: connection.execute(ASLEEP, [quotes.name]).fetchone() == (True,))
    await until_quiet(lambda: connection.execute(ACTIVITY).fetchone(), 0.3)


async def test_it_begins_without_a_claim(
    database: Database, connection: Connection, quotes: DataType, recorder: Recorder
) -> None:
    """One after the other, and it goes on sleeping as it did."""
    async with (
        open_pool(database.url, 1) as pool,
        working(
            database.url, Refresher(quotes.name, recorder), looks=(looks := Counting(Calls(pool)))
        ),
    ):
        await asleep(connection, quotes)
        claims = looks.claims
        for symbol in ("AAPL", "MSFT", "AAPL"):
            request(connection, quotes, symbol)
            await until(partial(settled, connection, quotes, symbol))
        assert looks.claims == claims
    assert recorder.symbols == ["AAPL", "MSFT", "AAPL"]
    assert events(connection, quotes, "AAPL") == ["fresh", "fresh"]


async def test_first_viewers_are_served_without_a_claim(
    database: Database,
    connection: Connection,
    quotes: DataType,
    subscribe: Subscriber,
    recorder: Recorder,
) -> None:
    """A card and a subscription, whose keys had no job before."""
    async with (
        open_pool(database.url, 1) as pool,
        working(
            database.url, Refresher(quotes.name, recorder), looks=(looks := Counting(Calls(pool)))
        ),
    ):
        await asleep(connection, quotes)
        claims = looks.claims
        watch(connection, quotes, "CARD")
        await until(partial(settled, connection, quotes, "CARD"))
        subscribe(quotes.table, "symbol=eq.PAGE")
        await until(partial(settled, connection, quotes, "PAGE"))
        assert looks.claims == claims
    assert recorder.symbols == ["CARD", "PAGE"]
    for symbol in recorder.symbols:
        assert job(connection, quotes, symbol, "j.viewers") == (1,)


async def test_what_a_long_transaction_hands_over_is_claimed_instead(
    database: Database, connection: Connection, quotes: DataType, recorder: Recorder
) -> None:
    """Its heartbeat limit may be over by then, and its "as of" would be old."""
    refresher = Refresher(quotes.name, recorder)
    async with working(database.url, refresher, heartbeat_limit=1.5):
        await asleep(connection, quotes)
        async with await psycopg.AsyncConnection.connect(database.url) as writing:
            await writing.execute(
                "select freshness.request(%s, array['AAPL'], true)", [quotes.name]
            )
            await writing.execute("select pg_sleep(0.6)")
            [handed] = await (
                await writing.execute(
                    "select fence, started_at from freshness.jobs where fence is not null"
                )
            ).fetchall()
            await writing.commit()
        await until(lambda: settled(connection, quotes, "AAPL"))
    [begun] = recorder.jobs
    assert begun.fence != handed[0]
    assert (begun.started_at - handed[1]).total_seconds() > 0.6


async def test_what_it_has_no_slot_for_goes_back(
    database: Database, connection: Connection, quotes: DataType, recorder: Recorder
) -> None:
    """It is due again before the slot is free, and fetched when it is."""
    recorder.held = True
    refresher = Refresher(quotes.name, recorder)
    async with working(database.url, refresher, concurrency=1):
        await asleep(connection, quotes)
        connection.execute(SLEEPERS)
        request(connection, quotes, "RUNS")
        assert await recorder.fetched(1) == ["RUNS"]
        await until(lambda: connection.execute(ASLEEP, [quotes.name]).fetchone() == (False,))
        with connection.transaction():
            connection.execute(REMEMBER)
            request(connection, quotes, "LATER")
            assert runs(connection, quotes, "LATER")
            connection.execute(FORGET)
        await until(lambda: not runs(connection, quotes, "LATER"))
        assert recorder.symbols == ["RUNS"]
        recorder.let_go(2)
        await until(lambda: settled(connection, quotes, "LATER"))
    assert recorder.symbols == ["RUNS", "LATER"]


async def test_one_whose_row_somebody_holds_holds_up_no_other(
    database: Database,
    connect: Connect,
    connection: Connection,
    quotes: DataType,
    recorder: Recorder,
) -> None:
    """It goes back itself as soon as its row is free."""
    holding = connect()
    async with working(database.url, Refresher(quotes.name, recorder)) as listener:
        await asleep(connection, quotes)
        told = [
            connection.execute(LATE, [quotes.name, symbol, listener.channel]).fetchone()
            for symbol in ("HELD", "FREE")
        ]
        holding.execute("begin")
        holding.execute("select from freshness.jobs where symbol = 'HELD' for update")
        for payload in told:
            assert payload is not None
            connection.execute("select pg_notify(%s, %s)", [listener.channel, payload[0]])
        await until(lambda: settled(connection, quotes, "FREE"))
        assert runs(connection, quotes, "HELD")
        holding.execute("commit")
        await until(lambda: settled(connection, quotes, "HELD"))
    assert recorder.symbols == ["FREE", "HELD"]


async def test_what_comes_during_a_claim_waits_for_it(
    database: Database, connection: Connection, quotes: DataType, recorder: Recorder
) -> None:
    """The claim may need all slots: nothing runs that has none."""
    recorder.held = True
    async with open_pool(database.url, 1) as pool:
        looks, refresher = Held(pool), Refresher(quotes.name, recorder)
        async with working(database.url, refresher, looks=looks, concurrency=2):
            await asleep(connection, quotes)
            connection.execute(SLEEPERS)
            looks.goes_on.clear()
            watch(connection, quotes, "AAPL", "MSFT")
            await until(lambda: runs(connection, quotes, "AAPL"))
            with connection.transaction():
                connection.execute(REMEMBER)
                request(connection, quotes, "LATER")
                assert runs(connection, quotes, "LATER")
                connection.execute(FORGET)
            # Whatever it hears it has heard by now.
            await asyncio.sleep(0.2)
            looks.goes_on.set()
            await until(lambda: not runs(connection, quotes, "LATER"))
            assert sorted(recorder.symbols) == ["AAPL", "MSFT"]
            recorder.let_go(3)
            await until(lambda: settled(connection, quotes, "LATER"))
    assert recorder.most_at_once == 2


async def test_many_writers_find_one_slot(
    database: Database, connection: Connection, quotes: DataType, recorder: Recorder
) -> None:
    """Each job is fetched once."""
    refresher = Refresher(quotes.name, recorder)
    symbols = [f"S{number}" for number in range(30)]
    async with working(database.url, refresher, concurrency=1):
        await asleep(connection, quotes)

        async def write(symbol: str) -> None:
            async with await psycopg.AsyncConnection.connect(database.url) as writing:
                await writing.execute(
                    "select freshness.request(%s, array[%s])", [quotes.name, symbol]
                )

        async with asyncio.TaskGroup() as group:
            for symbol in symbols:
                group.create_task(write(symbol))
        await until(lambda: all(settled(connection, quotes, symbol) for symbol in symbols))
    assert sorted(recorder.symbols) == sorted(symbols)
    assert recorder.most_at_once == 1


async def test_whoever_hears_that_it_was_taken_for_dead_is_a_sleeper_again(
    database: Database, connection: Connection, quotes: DataType, recorder: Recorder
) -> None:
    """By then nobody tells it anything, and its next look may be half a minute away."""
    refresher = Refresher(quotes.name, recorder)
    async with working(database.url, refresher, heartbeat_limit=1.5):
        await asleep(connection, quotes)
        connection.execute("begin")
        request(connection, quotes)
        assert runs(connection, quotes)
        connection.execute(TAKEN_OVER)
        # Longer than a job may be on its way.
        await asyncio.sleep(0.6)
        connection.execute("commit")
        await until(
            lambda: connection.execute(ASLEEP, [quotes.name]).fetchone() == (True,), deadline=5
        )


async def test_what_is_handed_to_the_id_that_it_had_goes_back(
    database: Database,
    connect: Connect,
    connection: Connection,
    quotes: DataType,
    recorder: Recorder,
) -> None:
    """It was in doubt meanwhile, and goes on under another one."""
    writing = connect()
    ours = "select count(*) from freshness.sleepers where %s = any (data_types) and worker <> %s"
    async with working(database.url, Refresher(quotes.name, recorder)) as listener:
        await asleep(connection, quotes)
        writing.execute("begin")
        request(writing, quotes)
        [worker, fence] = job(writing, quotes, "AAPL", "j.worker, j.fence")
        connection.execute("select pg_notify(%s, '{')", [listener.channel])
        await until(lambda: connection.execute(ours, [quotes.name, worker]).fetchone() == (1,))
        writing.execute("commit")
        await until(lambda: settled(connection, quotes, "AAPL"))
    [begun] = recorder.jobs
    assert begun.fence > fence


async def test_what_was_lost_on_the_way_goes_back_with_the_connection(
    database: Database, connection: Connection, quotes: DataType, recorder: Recorder
) -> None:
    """It would run for nobody, and the heartbeat would keep it."""
    async with working(database.url, Refresher(quotes.name, recorder)) as listener:
        await asleep(connection, quotes)
        connection.execute(LOST, [quotes.name, quotes.name])
        _cut(connection, listener.sleeper)
        await until(lambda: settled(connection, quotes, "AAPL"))
    assert recorder.symbols == ["AAPL"]


async def test_what_cannot_be_read_goes_back(
    database: Database, connection: Connection, quotes: DataType, recorder: Recorder
) -> None:
    """As what was lost: the worker does not know what it was."""
    async with working(database.url, Refresher(quotes.name, recorder)) as listener:
        await asleep(connection, quotes)
        connection.execute(LOST, [quotes.name, quotes.name])
        connection.execute("select pg_notify(%s, '{\"job\": 1}')", [listener.channel])
        await until(lambda: settled(connection, quotes, "AAPL"))
    assert recorder.symbols == ["AAPL"]


async def test_nobody_else_can_hand_it_anything(
    database: Database, connection: Connection, quotes: DataType, recorder: Recorder
) -> None:
    """By the channel of all, to which anybody may send, comes a hint and no job."""
    async with working(database.url, Refresher(quotes.name, recorder)):
        await asleep(connection, quotes)
        connection.execute(FORGED, [quotes.name, quotes.name])
        request(connection, quotes)
        await until(lambda: settled(connection, quotes, "AAPL"))
    assert recorder.symbols == ["AAPL"]


async def test_what_comes_while_it_finishes_goes_back(
    database: Database, connection: Connection, quotes: DataType, recorder: Recorder
) -> None:
    """A worker that stops begins with nothing, and others need not wait until it is gone."""
    recorder.held = True
    late = asyncio.create_task(_hand_over_late(connection, quotes, recorder))
    async with working(database.url, Refresher(quotes.name, recorder)):
        await asleep(connection, quotes)
        connection.execute(SLEEPERS)
        request(connection, quotes, "RUNS")
        await recorder.fetched(1)
    await late
    assert recorder.symbols == ["RUNS"]


async def _hand_over_late(connection: Connection, quotes: DataType, recorder: Recorder) -> None:
    await recorder.fetched(1)
    # It leaves the sleepers first, when it is told to stop.
    gone = "select not exists (select from freshness.sleepers)"
    await until(lambda: connection.execute(gone).fetchone() == (True,))
    with connection.transaction():
        connection.execute(REMEMBER)
        request(connection, quotes, "LATER")
        assert runs(connection, quotes, "LATER")
        connection.execute(FORGET)
    await until(lambda: not runs(connection, quotes, "LATER"))
    assert runs(connection, quotes, "RUNS")
    recorder.let_go(1)


def _cut(connection: Connection, sleeper: Sleeper | None) -> None:
    assert sleeper is not None
    connection.execute("select pg_terminate_backend(%s)", [sleeper.listener])


def test_a_worker_that_is_killed_before_it_hears_loses_nothing(
    database: Database,
    connection: Connection,
    quotes: DataType,
    provider: Provider,
    tmp_path: Path,
) -> None:
    """Another one takes the job over, and not before the heartbeat limit has passed."""
    fetch_over_http(tmp_path, provider.url, quotes.name)
    settings: dict[str, Any] = {"DATABASE_URL": database.url, "FRESHNESS_HEARTBEAT_LIMIT": 2}
    with running_worker(tmp_path, "killed", **settings) as killed:
        wait_until(lambda: connection.execute(ASLEEP, [quotes.name]).fetchone() == (True,))
        killed.process.send_signal(signal.SIGSTOP)
        request(connection, quotes)
        handed_at = time.monotonic()
        assert runs(connection, quotes)
        killed.process.kill()
        killed.process.wait()
        with running_worker(tmp_path, "other", **settings, FRESHNESS_MAX_WAIT_TIME=1) as other:
            wait_until(lambda: settled(connection, quotes, "AAPL"), 20)
            assert 2 <= time.monotonic() - handed_at < 6
            assert other.stop() == 0
    assert provider.calls == ["/AAPL"]
    assert events(connection, quotes, "AAPL") == ["taken_over", "fresh"]


def test_a_worker_that_was_stopped_before_it_heard_begins_with_nothing(
    database: Database,
    connection: Connection,
    quotes: DataType,
    provider: Provider,
    tmp_path: Path,
) -> None:
    """By then the job may be another one's: it hands it back, and claims."""
    fetch_over_http(tmp_path, provider.url, quotes.name)
    settings: dict[str, Any] = {"DATABASE_URL": database.url, "FRESHNESS_HEARTBEAT_LIMIT": 2}
    with running_worker(tmp_path, "stopped", **settings) as stopped:
        wait_until(lambda: connection.execute(ASLEEP, [quotes.name]).fetchone() == (True,))
        stopped.process.send_signal(signal.SIGSTOP)
        request(connection, quotes)
        [fence] = job(connection, quotes, "AAPL", "j.fence")
        time.sleep(1)
        stopped.process.send_signal(signal.SIGCONT)
        wait_until(lambda: settled(connection, quotes, "AAPL"))
        assert fence in [each["fence"] for each in stopped.events("handed_back")]
        assert stopped.stop() == 0
    assert provider.calls == ["/AAPL"]
