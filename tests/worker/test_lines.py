"""What refreshers say: bounded, never in their way, and told to those who stream the key."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
import structlog

from pyworker import Context, Job, Row, SyncContext, refresher
from pyworker import telling as telling_module
from pyworker.errors import DatabaseUnavailable
from pyworker.event_listener import EventListener, KeyLine
from pyworker.lines import LONGEST_LINE, Lines, Said
from pyworker.telling import telling
from pyworker.testing import RefresherTest
from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType
from tests.fixtures.servers import Database
from tests.worker.in_process import working
from tests.worker.processes import running_worker
from tests.worker.states import settled, watch
from tests.worker.waiting import until

PATIENCE = 10.0


def job(symbol: str) -> Job:
    """A job of a key."""
    now = datetime.now(UTC)
    return Job("quote", symbol, 1, now, None, 0, now)


def spoken(lines: Lines) -> list[tuple[tuple[str, ...], list[str], int]]:
    """What was said: symbols, lines, and how many were left out."""
    return [(each.symbols, list(each.lines), each.left_out) for each in lines.take()[0]]


def test_a_line_is_cut_at_a_thousand_characters() -> None:
    lines = Lines()
    lines.belong_to([job("A")])
    lines.say("x" * 5000)
    [(symbols, [line], left_out)] = spoken(lines)
    assert (symbols, len(line), left_out) == (("A",), LONGEST_LINE, 0)
    assert spoken(lines) == []


def test_of_too_many_lines_the_oldest_are_lost_and_counted() -> None:
    lines = Lines()
    lines.belong_to([job("A")])
    for number in range(100_000):
        lines.say(number)
    lines.say("of B", symbol="B")
    assert spoken(lines) == [
        (("A",), [str(number) for number in range(99_980, 100_000)], 99_980),
        (("B",), ["of B"], 0),
    ]


def test_a_line_of_a_batch_is_for_all_of_its_keys_or_for_the_one_it_names() -> None:
    """And of large batches fewer are held: each is told for many keys."""
    lines = Lines()
    symbols = tuple(f"S{number}" for number in range(100))
    lines.belong_to([job(symbol) for symbol in symbols])
    for number in range(10):
        lines.say(number)
    lines.say("one", symbol="S7")
    assert spoken(lines) == [(symbols, ["5", "6", "7", "8", "9"], 5), (("S7",), ["one"], 0)]


def test_nobody_fills_the_memory_by_naming_symbols() -> None:
    lines = Lines()
    lines.belong_to([job("A")])
    for number in range(1000):
        lines.say("x", symbol=str(number))
    said, left_out = lines.take()
    assert (len(said), left_out) == (100, 900)
    assert lines.take() == ([], 0)


def test_what_cannot_be_written_fails_nothing() -> None:
    class Unspeakable:
        def __str__(self) -> str:
            raise ValueError("no words")

    lines = Lines()
    lines.say(Unspeakable())
    lines.say(None)
    assert spoken(lines) == [((), ["(a line that is no text: ValueError)", "None"], 0)]


def test_threads_speak_at_the_same_time() -> None:
    lines = Lines()

    def speak(name: str) -> None:
        lines.belong_to([job(name)])
        for number in range(10_000):
            lines.say(number)

    threads = [threading.Thread(target=speak, args=(f"T{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(spoken(lines)) == [
        ((f"T{number}",), [str(last) for last in range(9980, 10_000)], 9980) for number in range(4)
    ]


class Noted:
    """In the place of the queue: keeps what it was told, and when."""

    def __init__(self, error: Exception | None = None) -> None:
        self.told: list[tuple[float, Said]] = []
        self.error = error
        self.hangs = False

    async def tell_lines(self, said: Sequence[Said]) -> int:
        """Keep them."""
        now = asyncio.get_running_loop().time()
        self.told.extend((now, each) for each in said)
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        return len(said)


async def test_a_loop_that_speaks_is_told_four_times_a_second() -> None:
    lines, queue = Lines(), Noted()
    async with telling(lines, queue):  # type: ignore[arg-type]
        lines.belong_to([job("A")])
        end = time.monotonic() + 0.6
        spoken = 0
        while time.monotonic() < end:
            lines.say(spoken)
            spoken += 1
            await asyncio.sleep(0)
        await until(lambda: queue.told[-1][1].lines[-1] == str(spoken - 1))
    assert len(queue.told) <= 4
    kept = sum(len(said.lines) for _, said in queue.told)
    assert kept + sum(said.left_out for _, said in queue.told) == spoken
    assert kept <= 80


async def test_what_is_said_is_in_the_workers_log_and_so_is_what_was_left_out() -> None:
    lines = Lines()
    with structlog.testing.capture_logs() as log:
        async with telling(lines, Noted()):  # type: ignore[arg-type]
            lines.belong_to([job("A"), job("B")])
            for number in range(25):
                lines.say(number)
    assert log[0] == {
        "event": "lines_left_out",
        "log_level": "warning",
        "data_type": "quote",
        "symbol": "A, B",
        "lines": 5,
    }
    assert [entry["line"] for entry in log[1:]] == [str(number) for number in range(5, 25)]
    assert {entry["event"] for entry in log[1:]} == {"refresher_says"}


async def test_without_a_database_lines_are_lost_and_nothing_fails() -> None:
    lines, queue = Lines(), Noted(DatabaseUnavailable("the database cannot be reached"))
    async with telling(lines, queue):  # type: ignore[arg-type]
        lines.belong_to([job("A")])
        lines.say("one")
        await until(lambda: len(queue.told) == 1)
        lines.say("two")
        await until(lambda: len(queue.told) == 2)


async def test_a_database_that_hangs_keeps_no_worker_from_ending(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(telling_module, "_LAST_WORDS", 0.05)
    lines, queue = Lines(), Noted()
    queue.hangs = True
    async with asyncio.timeout(PATIENCE):
        async with telling(lines, queue):  # type: ignore[arg-type]
            lines.say("one")
            lines.belong_to([job("A")])
            lines.say("two")


class Ear:
    """Streams keys of a data type, and hears what is said of them."""

    def __init__(self, listener: EventListener) -> None:
        self._listener = listener
        self.lines: list[KeyLine] = []
        self._task = asyncio.create_task(
            listener.run(lambda _: None, lambda: None, self.lines.append)
        )

    async def listen_for(self, connection: Connection, data_type: DataType, *symbols: str) -> None:
        """Have these keys told."""
        await self._listener.tried.wait()
        connection.execute(
            "select freshness.listen_for(%s, %s, %s, true)",
            [data_type.name, list(symbols), self._listener.backend],
        )

    def heard(self) -> list[tuple[str, str]]:
        """Symbols and lines, as they came."""
        return [(each.symbol, each.line) for each in self.lines]

    async def close(self) -> None:
        """Hear no more."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@pytest.fixture
async def ear(database: Database) -> AsyncIterator[Ear]:
    """Somebody who streams."""
    listening = Ear(EventListener(database.url))
    yield listening
    await listening.close()


@pytest.mark.usefixtures("mode")
async def test_those_who_stream_a_key_are_told_what_its_refresher_says(
    database: Database, connection: Connection, quotes: DataType, ear: Ear
) -> None:
    """Also the last words before the end, in the order in which they were said."""

    @refresher(quotes.name)
    async def fetch(job: Job, context: Context) -> list[Row]:
        context.log(f"fetching {job.symbol}")
        context.log("page 1 of \0 \ud800 2\n")
        return [{"price": 1}]

    await ear.listen_for(connection, quotes, "A")
    async with working(database.url, fetch):
        watch(connection, quotes, "A", "B")
        await until(lambda: settled(connection, quotes, "A") and settled(connection, quotes, "B"))
        await until(lambda: len(ear.lines) == 2)
    assert ear.heard() == [("A", "fetching A"), ("A", "page 1 of  ? 2\n")]
    assert [each.left_out for each in ear.lines] == [0, 0]


@pytest.mark.usefixtures("mode")
async def test_a_thread_speaks_for_its_own_job(
    database: Database, connection: Connection, quotes: DataType, ear: Ear
) -> None:
    @refresher(quotes.name)
    def fetch(job: Job, context: SyncContext) -> list[Row]:
        context.log(f"in a thread for {job.symbol}")
        return [{"price": 1}]

    await ear.listen_for(connection, quotes, "A", "B")
    async with working(database.url, fetch):
        watch(connection, quotes, "A", "B")
        await until(lambda: len(ear.lines) == 2)
    assert sorted(ear.heard()) == [("A", "in a thread for A"), ("B", "in a thread for B")]


@pytest.mark.usefixtures("mode")
async def test_a_batch_speaks_for_all_or_for_one(
    database: Database, connection: Connection, quotes: DataType, ear: Ear
) -> None:
    @refresher(quotes.name, max_batch=2)
    async def fetch(jobs: Sequence[Job], context: Context) -> Mapping[str, list[Row]]:
        context.log("all of them")
        context.log("only this one", symbol="B")
        return {each.symbol: [{"price": 1}] for each in jobs}

    await ear.listen_for(connection, quotes, "A", "B")
    async with working(database.url, fetch):
        watch(connection, quotes, "A", "B")
        await until(lambda: len(ear.lines) == 3)
    assert sorted(ear.heard()) == [
        ("A", "all of them"),
        ("B", "all of them"),
        ("B", "only this one"),
    ]


async def test_a_refresher_that_speaks_in_a_loop_is_not_held_up_and_floods_nobody(
    database: Database, connection: Connection, quotes: DataType, ear: Ear
) -> None:
    @refresher(quotes.name)
    def fetch(_job: Job, context: SyncContext) -> list[Row]:
        for number in range(200_000):
            context.log(number)
        return [{"price": 1}]

    await ear.listen_for(connection, quotes, "A")
    async with working(database.url, fetch):
        watch(connection, quotes, "A")
        await until(lambda: settled(connection, quotes, "A"))
        await until(lambda: ear.lines and ear.lines[-1].line == "199999")
    assert len(ear.lines) + sum(each.left_out for each in ear.lines) == 200_000
    assert len(ear.lines) < 1000


async def test_when_nobody_streams_the_key_nothing_is_written_and_nobody_notified(
    database: Database, connection: Connection, quotes: DataType
) -> None:
    words = {"data_type": quotes.name, "symbols": ["A"], "lines": ["x"], "left_out": 0}
    said = json.dumps([words])
    connection.execute("listen freshness_events")
    backend = connection.info.backend_pid
    # One waits for the key, and streams another one.
    connection.execute(
        "select freshness.listen_for(%s, '{A}', %s), freshness.listen_for(%s, '{B}', %s, true)",
        [quotes.name, backend, quotes.name, backend],
    )
    with psycopg.connect(database.url) as other:
        assert other.execute("select freshness.tell_lines(%s)", [said]).fetchone() == (0,)
        wrote = "select pg_current_xact_id_if_assigned() is not null"
        assert other.execute(wrote).fetchone() == (False,)
        connection.execute(
            "select freshness.listen_for(%s, '{A}', %s, true)", [quotes.name, backend]
        )
        assert other.execute("select freshness.tell_lines(%s)", [said]).fetchone() == (1,)
    heard = list(connection.notifies(timeout=PATIENCE, stop_after=1))
    assert '"line": "x"' in heard[0].payload
    connection.execute("select freshness.stop_listening(%s)", [backend])


async def test_a_refresher_under_test_shows_what_it_says() -> None:
    @refresher("quote", max_batch=5)
    def fetch(jobs: Sequence[Job], context: SyncContext) -> Mapping[str, list[Row]]:
        context.log(f"{len(jobs)} jobs")
        context.log("mine", symbol="B")
        return {each.symbol: [{"price": 1}] for each in jobs}

    async with RefresherTest(fetch) as test:
        refreshed = await test.refresh_all("A", "B")
        assert refreshed["A"].lines == ["2 jobs"]
        assert refreshed["B"].lines == ["2 jobs", "mine"]
        test.clock.advance(61)
        assert (await test.refresh("A")).lines == ["1 jobs"]


SPEAKING = """
from pyworker import refresher

@refresher("{name}")
def speak(job, context):
    context.log("here " + job.symbol)
    return [{{"price": 1}}]
"""


@pytest.mark.usefixtures("mode")
async def test_a_worker_process_says_and_tells_it(
    database: Database, connection: Connection, quotes: DataType, ear: Ear, tmp_path: Path
) -> None:
    await ear.listen_for(connection, quotes, "A")
    (tmp_path / "speaking.py").write_text(SPEAKING.format(name=quotes.name))
    with running_worker(
        tmp_path, "speaker", DATABASE_URL=database.url, FRESHNESS_REFRESHERS="speaking"
    ) as worker:
        watch(connection, quotes, "A")
        said = await asyncio.to_thread(worker.wait_for, "refresher_says")
        assert (said["line"], said["symbol"], said["data_type"]) == ("here A", "A", quotes.name)
        await until(lambda: ear.heard() == [("A", "here A")])
