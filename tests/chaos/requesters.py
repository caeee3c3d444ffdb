"""Those who ask for keys, each in transactions of its own, some of them long, some cut short."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass

import psycopg

ASK = "select from freshness.request('asked', array[%s], true)"
HANDED = """
    select fence from freshness.jobs
    where data_type = 'asked' and symbol = %s and state = 'running' and fence is distinct from %s
"""
FENCE = "select fence from freshness.jobs where data_type = 'asked' and symbol = %s"
NAME = "chaos requester"
END_SOME = """
    select count(pg_terminate_backend(b.pid)) from (
        select pid from pg_stat_activity
        where application_name = %s and state = 'idle in transaction' order by random() limit 2
    ) as b
"""


@dataclass(frozen=True)
class Asked:
    """A request that was committed: not before `at`, in seconds since 1970."""

    symbol: str
    at: float


class Requesters:
    """Ask together for about so many keys a second until they are stopped."""

    def __init__(self, url: str, seed: int, number: int, rate: float, keys: int) -> None:
        self._url = url
        self._pause = number / rate
        self._symbols = [f"R{key:03}" for key in range(keys)]
        self._stop = threading.Event()
        self.asked: list[Asked] = []
        self.doubtful: Counter[str] = Counter()
        """Requests whose commit had no answer, by symbol."""
        self.handed: set[int] = set()
        """Fences of jobs that were handed over, and committed."""
        self._threads = [
            threading.Thread(target=self._ask_on, args=(random.Random(seed + place),))  # noqa: S311
            for place in range(number)
        ]
        for each in self._threads:
            each.start()

    def stop(self) -> None:
        """Let each end what it is at."""
        self._stop.set()
        for each in self._threads:
            each.join()

    def _ask_on(self, chance: random.Random) -> None:
        while not self._stop.is_set():
            with (
                suppress(psycopg.OperationalError),
                psycopg.connect(self._url, application_name=NAME) as connection,
            ):
                while not self._stop.wait(chance.uniform(0, 2 * self._pause)):
                    self._ask(connection, chance)

    def _ask(self, connection: psycopg.Connection, chance: random.Random) -> None:
        symbol = chance.choice(self._symbols)
        [before] = connection.execute(FENCE, [symbol]).fetchone() or (None,)
        connection.execute(ASK, [symbol])
        handed = connection.execute(HANDED, [symbol, before]).fetchone()
        # Mostly at once, often after a while, now and then too late to be begun with.
        time.sleep(chance.choice([0, 0, 0, 0, 0.02, 0.02, 0.1, 0.6]))
        at = time.time()
        try:
            connection.commit()
        except psycopg.OperationalError:
            self.doubtful[symbol] += 1
            raise
        self.asked.append(Asked(symbol, at))
        if handed is not None:
            self.handed.add(handed[0])
