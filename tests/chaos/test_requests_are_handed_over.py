"""Requests are handed to workers that sleep, and that die, stop, leave or are cut off meanwhile."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator

import psycopg
import pytest

from pyworker.local.cluster import Cluster, temporary_cluster
from pyworker.local.migrations import apply_migrations
from pyworker.local.platform import install_platform
from tests.chaos.conftest import Extent, seed_of_the_session
from tests.chaos.proxy import Proxy
from tests.chaos.requesters import END_SOME, NAME, Requesters
from tests.chaos.world import RECOVERY, World
from tests.fixtures.servers import MIGRATIONS, WOULD_BREAK
from tests.worker.waiting import wait_until

FAR = "worker-far"
# What a look is to find must not take half a minute here.
SETTINGS = {"FRESHNESS_MAX_WAIT_TIME": 3}
UNDONE = """
    select j::text from freshness.jobs as j
    where j.data_type = 'asked'
        and (j.state = 'running' or j.requested_at is not null or j.required_as_of is not null)
"""
# Each lets one more fetch of its key begin.
AGAIN = """
    select symbol, count(*) from freshness.events
    where data_type = 'asked' and kind in ('failed', 'retry_after', 'taken_over', 'handed_back')
    group by symbol
"""


@pytest.fixture
def idle_world(
    cluster: Cluster | None,
    tmp_path_factory: pytest.TempPathFactory,
    say: Callable[[str], None],
) -> Iterator[tuple[World, Proxy]]:
    """Four workers with nothing to do, one of them at the far end of a proxy."""
    if cluster is None:
        pytest.skip(WOULD_BREAK)
    with temporary_cluster(cluster.installation, durable=True) as running:
        install_platform(running.connection_string("supabase_admin"))
        apply_migrations(running.connection_string(), MIGRATIONS)
        proxy = Proxy(running.port)
        world = World(
            running,
            tmp_path_factory.mktemp("idle"),
            seed_of_the_session(),
            say,
            keys={},
            **SETTINGS,
        )
        try:
            far = world.url.replace(f":{running.port}/", f":{proxy.port}/")
            world.fleet.add(FAR, far, **SETTINGS)
            yield world, proxy
        finally:
            proxy.mend(half_open=False)
            world.close()
            proxy.close()


def test_requests_are_fetched_whatever_happens_to_whom_they_are_handed(
    idle_world: tuple[World, Proxy], extent: Extent
) -> None:
    """Each after its commit, and no key more often than somebody asked or a fetch had failed."""
    world, proxy = idle_world
    with world.scene("requests handed over") as counted:
        requesters = Requesters(world.url, world.chance.randrange(10**6), 10, rate=60, keys=300)
        try:
            for number in extent.times(9, share=0.2):
                _disturb(world, proxy, number % 6, counted)
        finally:
            proxy.mend(half_open=False)
            requesters.stop()
        wait_until(lambda: _is_all_done(world), RECOVERY)
    calls = world.calls()
    last = {call.symbol: call.at for call in calls}
    never = [each for each in requesters.asked if last.get(each.symbol, 0) < each.at]
    assert not never, f"not fetched after they were committed: {never[:5]}"
    asked = Counter(each.symbol for each in requesters.asked) + requesters.doubtful
    again = Counter(dict(world.ask(AGAIN)))
    made = Counter(call.symbol for call in calls)
    extra = made - asked
    world.say(
        f"chaos: requests handed over: {len(requesters.asked)} committed,"
        f" {requesters.doubtful.total()} in doubt, {len(requesters.handed)} handed over,"
        f" {len(requesters.handed & {call.fence for call in calls})} begun as such,"
        f" {world.fleet.logged('handed_back')} handed back; {len(calls)} calls,"
        f" {extra.total()} more than asked for, after {again.total()} failed or taken over"
    )
    assert not (extra - again), f"fetched more often than anybody asked: {extra - again}"
    assert requesters.handed


def _is_all_done(world: World) -> bool:
    world.fleet.tend()
    return not world.ask(UNDONE)


def _disturb(world: World, proxy: Proxy, what: int, counted: Counter[str]) -> None:
    names = sorted(world.fleet.processes)
    world.wait_for_a_call()
    time.sleep(world.chance.uniform(0, 0.01))
    if what == 0:
        stopped = world.chance.sample(names, 2)
        for name in stopped:
            world.fleet.signal(name, signal.SIGSTOP)
        time.sleep(world.chance.uniform(1.2, 1.6))
        for name in stopped:
            world.fleet.signal(name, signal.SIGCONT)
        counted["stops"] += 2
    elif what == 1:
        proxy.cut()
        time.sleep(world.chance.uniform(1.2, 1.6))
        proxy.mend(half_open=world.chance.random() < 0.5)
        counted["cuts"] += 1
    elif what == 2:
        world.fleet.signal(world.chance.choice(names), signal.SIGTERM)
        counted["leaves"] += 1
    else:
        world.fleet.kill(world.chance.choice(names))
        counted["kills"] += 1
    with psycopg.connect(world.url, autocommit=True) as connection:
        for _ in range(5):
            [ended] = connection.execute(END_SOME, [NAME]).fetchone() or (0,)
            counted["requesters ended"] += ended
            time.sleep(0.1)
    world.fleet.tend()
