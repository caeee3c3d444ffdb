"""Everybody with a connection, and the little that the model has to know of what they did."""

from __future__ import annotations

import psycopg

from tests.fixtures.connections import Connection
from tests.model import invariants
from tests.model.actors import Actor, Fetch, Handed, ModelWorker
from tests.model.observer import FORGET, METERED, PLAIN, Key, let_pass, see

SWEPT = """
    select mended, watches_ended, keys_released, viewers_counted, taken_over, is_complete
    from freshness.sweep()
"""
JOBS = "select j::text from freshness.jobs as j order by j.data_type, j.symbol"


class Stage:
    """Three workers, two clients and somebody who writes data, on real connections.

    `opened` are connections that earlier runs have left; the first is a superuser's.
    """

    def __init__(self, url: str, superuser_url: str, opened: list[Connection]) -> None:
        if not opened:
            opened.append(psycopg.connect(superuser_url, autocommit=True))
            opened[-1].execute("set lock_timeout = '1s'")
            opened[-1].execute("set statement_timeout = '10s'")
            opened += [_connect(url) for _ in range(9)]
        self._url, self._opened = url, opened
        self.observer = opened[0]
        for connection in opened:
            connection.rollback()
        self.observer.execute(FORGET)
        self.workers = [
            ModelWorker(connection, listening=listening)
            for connection, listening in zip(opened[1:4], opened[7:10], strict=True)
        ]
        self.others = [Actor(connection) for connection in opened[4:7]]
        for worker in self.workers:
            worker.announce()
        self.zombies: list[Fetch] = []
        self.steps = 0
        self.passed = 0.0
        self.outstanding: dict[Key, int] = {}
        """Keys of "refresh now", with the step at which it was asked for."""
        self.handed: dict[int, Handed] = {}
        """By fence."""
        self.began: list[int] = []
        """Fences of what workers have begun with as it was handed over."""
        self.written: set[int] = set()
        """Fences of the fetches that have ended well."""
        self.changed: set[Key] = set()
        """Keys whose rows others have changed since the last look."""
        self.calls: list[float] = []
        self.state = see(self.observer)

    @property
    def actors(self) -> list[Actor]:
        """Everybody."""
        return [*self.workers, *self.others]

    @property
    def living(self) -> set[int]:
        """The numbers of workers; one that was renewed or has left is not among them any more."""
        return {worker.number for worker in self.workers}

    @property
    def nobody_is_open(self) -> bool:
        """Whether nothing is held at the moment."""
        return not any(actor.is_open for actor in self.actors)

    def moment(self) -> float:
        """The database's clock, with the time that was let pass (s)."""
        [now] = self.observer.execute(
            "select extract(epoch from clock_timestamp())::float8"
        ).fetchone() or (0.0,)
        return float(now) + self.passed

    def came(self, fetch: Fetch) -> None:
        """The call of a fetch comes to the provider now, if it has not."""
        if fetch.came_at is None and fetch.key[0] == METERED:
            self.calls.append(self.moment())

    def check(self) -> None:
        """Hold what is committed against what the model knows."""
        self.steps += 1
        before, self.state = self.state, see(self.observer)
        changed, self.changed = self.changed, set()
        invariants.no_watched_key_is_forgotten(self.state)
        invariants.no_request_is_lost(self.state, self.outstanding)
        invariants.only_holders_of_a_fence_have_written(self.state, self.written)
        invariants.no_data_went_back(before, self.state, changed)
        invariants.the_budget_is_kept(self.state, self.calls)
        invariants.who_is_gone_will_be_missed(self.state, self.living, self.next_missed())

    def is_plain_at_rest(self, key: Key) -> bool:
        """Whether it can be handed over: it has no budget, and is not fetched."""
        return key[0] == PLAIN and self.state[key].state != "running"

    def is_handed_something(self, who: ModelWorker) -> bool:
        """Whether jobs run for a worker that it has not heard of."""
        return any(
            seen.worker == who.number and seen.fence in self.handed and seen.fence not in self.began
            for seen in self.state.values()
        )

    def next_missed(self) -> float | None:
        """When somebody will notice that a worker is gone."""
        [moment] = self.observer.execute(
            "select extract(epoch from freshness.next_missed_heartbeat(0))::float8"
        ).fetchone() or (None,)
        return moment

    def reconnect(self, who: Actor) -> None:
        """Give somebody whose backend has died another one."""
        place = self._opened.index(who.connection)
        who.connection.close()
        who.connection = self._opened[place] = _connect(self._url)

    def let_pass(self, seconds: float) -> None:
        """Time goes by for all alike; workers that live are heard of."""
        if self.nobody_is_open:
            let_pass(self.observer, seconds)
            self.passed += seconds
            for worker in self.workers:
                worker.run("select freshness.heartbeat(%s)", worker.number)
                # Each half minute, whoever sleeps looks.
                worker.run(
                    "update freshness.sleepers set looked_at = clock_timestamp()"
                    " where channel = %s and worker = %s",
                    *(worker.channel, worker.number),
                )
            self.state = see(self.observer)

    def sweep(self) -> None:
        """The net under everything; with nobody in its way it leaves nothing to a second one."""
        is_alone = self.nobody_is_open
        self.observer.execute("select freshness.sweep()")
        if is_alone:
            before = self.observer.execute(JOBS).fetchall()
            again = self.observer.execute(SWEPT).fetchone()
            assert again == (0, 0, 0, 0, 0, True), again
            assert self.observer.execute(JOBS).fetchall() == before
            for key, seen in see(self.observer).items():
                assert not seen.watches or seen.viewers == seen.watches, f"{key}: {seen}"


def _connect(url: str) -> Connection:
    connection = psycopg.connect(url, autocommit=True)
    connection.execute("set lock_timeout = '30ms'")
    connection.execute("set statement_timeout = '150ms'")
    return connection
