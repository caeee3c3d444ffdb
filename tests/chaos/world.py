"""Workers, a provider and a durable server that things are done to, and what must hold after."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

from pyworker.local.cluster import Cluster
from tests.chaos import provider
from tests.chaos.audit import TABLES, Call, check, late_calls, most_in_a_minute, read_calls
from tests.chaos.fleet import Fleet
from tests.fixtures.connections import Connection
from tests.worker.waiting import wait_until

KEYS = {"quote": 20, "scarce": 20}
RECOVERY = 20.0

FRESH = """
    select j.symbol, q.fetched_at
    from freshness.jobs as j left join chaos.quotes as q on q.symbol = j.symbol
    where j.data_type = 'quote' and (q.fetched_at > to_timestamp(%s)) is not true
"""
AGE = "select extract(epoch from clock_timestamp() - min(fetched_at))::float8 from chaos.quotes"


class World:
    """All that a scene needs; it outlives scenes, so that a minute's budget spans them."""

    def __init__(
        self,
        cluster: Cluster,
        folder: Path,
        seed: int,
        say: Callable[[str], None],
        keys: Mapping[str, int] = KEYS,
        **settings: Any,
    ) -> None:
        self.cluster = cluster
        self.chance = random.Random(seed)  # noqa: S311 - no secret
        self.say = say
        self._log = folder / "calls"
        self._log.touch()
        self._provider = subprocess.Popen(
            [sys.executable, provider.__file__, str(self._log), str(seed)], stdout=subprocess.PIPE
        )
        assert self._provider.stdout is not None
        port = int(self._provider.stdout.readline())
        self.fleet = Fleet(folder, f"http://127.0.0.1:{port}")
        self.url = cluster.connection_string()
        self.ask(TABLES)
        for data_type, number_of_keys in keys.items():
            self.ask(
                "select freshness.watch(array_fill(%s::text, array[cardinality(%s::text[])]), %s,"
                " 'card', '1 day')",
                *(
                    data_type,
                    symbols := [f"S{number:02}" for number in range(number_of_keys)],
                    symbols,
                ),
            )
        for number in range(3):
            self.fleet.add(f"worker-{number}", self.url, **settings)
        self._wait_until_fresh(time.time())

    def ask(self, statement: str, *parameters: Any) -> list[Any]:
        """Execute a statement on a new connection, as soon as the server lets us."""
        with self._connect() as connection:
            cursor = connection.execute(statement.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []

    def superuser(self, statement: str) -> None:
        """Execute a statement as the superuser."""
        url = self.cluster.connection_string("supabase_admin")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statement.encode())

    def calls(self) -> list[Call]:
        """Return all calls that the provider has seen."""
        return read_calls(self._log)

    def wait_for_a_call(self) -> None:
        """Return when the next call has come to the provider."""
        size = self._log.stat().st_size
        with suppress(AssertionError):
            wait_until(lambda: self._log.stat().st_size > size, 2)

    @contextmanager
    def scene(self, name: str) -> Iterator[Counter[str]]:
        """Let things happen, counted by the caller; then see that all is well, and say so."""
        counted: Counter[str] = Counter()
        before, lost = len(self.calls()), self.fleet.logged("refresh_lost")
        oldest: list[float] = [0.0]
        stop = threading.Event()
        sampler = threading.Thread(target=self._sample, args=(oldest, stop))
        sampler.start()
        began = time.monotonic()
        try:
            yield counted
            self.fleet.tend()
            ended = time.monotonic()
            self._wait_until_fresh(time.time())
        finally:
            stop.set()
            sampler.join()
        with self._connect() as connection:
            calls = check(connection, self._log)
            late = late_calls(connection, calls[before:])
            [taken_over] = connection.execute(
                "select count(*) from freshness.events where kind = 'taken_over'"
            ).fetchone() or (0,)
        did = ", ".join(f"{number} {what}" for what, number in counted.items())
        self.say(
            f"chaos: {name}: {did}; {ended - began:.1f} s, {len(calls) - before} calls,"
            f" {self.fleet.logged('refresh_lost') - lost} lost fences,"
            f" {taken_over} taken over in all, {late} late calls,"
            f" at most {most_in_a_minute(calls)} metered calls in 60 s,"
            f" longest stale {max(oldest[0] - 2, 0):.1f} s,"
            f" all fresh again after {time.monotonic() - ended:.1f} s"
        )

    def close(self) -> None:
        """End all processes."""
        self.fleet.stop()
        self._provider.kill()
        self._provider.wait()
        assert self._provider.stdout is not None
        self._provider.stdout.close()

    def _wait_until_fresh(self, moment: float) -> None:
        """Return when all quotes were fetched after a moment (s since 1970)."""
        late: list[Any] = []

        def all_fresh() -> bool:
            self.fleet.tend()
            late[:] = self.ask(FRESH, moment)
            return not late

        try:
            wait_until(all_fresh, RECOVERY)
        except AssertionError:
            symbols = [symbol for symbol, _ in late]
            stuck = self.ask(
                "select j::text from freshness.jobs as j where j.symbol = any (%s)", symbols
            )
            workers = self.ask("select w::text from freshness.workers as w")
            raise AssertionError(
                f"not fresh within {RECOVERY:g} s: {late}\n{stuck}\n{workers}\n{self.fleet.log()}"
            ) from None

    def _connect(self) -> Connection:
        end = time.monotonic() + RECOVERY
        while True:
            try:
                return psycopg.connect(self.url, autocommit=True)
            except psycopg.OperationalError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)

    def _sample(self, oldest: list[float], stop: threading.Event) -> None:
        while not stop.wait(0.2):
            with suppress(psycopg.OperationalError), psycopg.connect(self.url) as connection:
                [age] = connection.execute(AGE).fetchone() or (0.0,)
                oldest[0] = max(oldest[0], age or 0.0)
