"""The server is killed with -9 under load, or ends the workers' connections."""

from __future__ import annotations

import os
import signal
import time

import psycopg

from pyworker.local.postmaster import find_postmaster
from tests.chaos.conftest import Extent
from tests.chaos.world import World

BACKENDS = """
    select pid from pg_stat_activity
    where starts_with(application_name, 'freshness') and backend_type = 'client backend'
"""


def test_the_postmaster_is_killed_and_started_again(world: World, extent: Extent) -> None:
    with world.scene("postmaster killed") as counted:
        for _ in extent.times(2, share=0.08):
            world.wait_for_a_call()
            time.sleep(world.chance.uniform(0, 0.03))
            postmaster = find_postmaster(world.cluster.data)
            assert postmaster is not None
            os.kill(postmaster.process_id, signal.SIGKILL)
            time.sleep(world.chance.uniform(0, 1))
            world.cluster.start()
            time.sleep(world.chance.uniform(0, 2))
            counted["kills"] += 1


def test_a_backend_is_killed_and_takes_the_others_along(world: World, extent: Extent) -> None:
    with world.scene("backend killed") as counted:
        for _ in extent.times(2, share=0.08):
            world.wait_for_a_call()
            backends = world.ask(BACKENDS)
            if backends:
                os.kill(world.chance.choice(backends)[0], signal.SIGKILL)
                counted["kills"] += 1
            time.sleep(world.chance.uniform(0.5, 2))


def test_connections_are_terminated(world: World, extent: Extent) -> None:
    """One after the other and now and then all, in the middle of whatever they do."""
    with world.scene("connections terminated") as counted:
        for _ in extent.times(40, share=0.06):
            try:
                [(ended,)] = world.ask(
                    f"select count(pg_terminate_backend(b.pid)) from ({BACKENDS}"
                    " order by random() limit %s) as b",
                    world.chance.choice([1, 1, 1, 1, 30]),
                )
            except psycopg.OperationalError:
                continue
            counted["connections"] += ended
            time.sleep(world.chance.uniform(0, 0.1))
