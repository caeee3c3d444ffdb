"""Workers that are killed, or stopped for too long, at whatever point they are."""

from __future__ import annotations

import signal
import time

from tests.chaos.conftest import Extent
from tests.chaos.world import World


def test_workers_are_killed_at_random_points(world: World, extent: Extent) -> None:
    """While they start, claim, fetch and finish; in a soak of ten minutes five hundred times."""
    with world.scene("workers killed") as counted:
        for number in extent.times(12, share=0.45, at_least=500):
            world.fleet.tend()
            if number % 50 == 49:
                world.say(f"chaos: {number + 1} workers killed")
            name = world.chance.choice(sorted(world.fleet.processes))
            if world.chance.random() < 0.5:
                time.sleep(world.chance.uniform(0, 0.6))
            else:
                world.wait_for_a_call()
                time.sleep(world.chance.uniform(0, 0.03))
            world.fleet.kill(name)
            counted["kills"] += 1


def test_workers_are_stopped_for_longer_than_their_heartbeat_limit(
    world: World, extent: Extent
) -> None:
    """When they go on, what they had claimed is somebody else's: neither call nor write."""
    with world.scene("workers stopped and continued") as counted:
        for _ in extent.times(3, share=0.1):
            world.fleet.tend()
            names = world.chance.sample(sorted(world.fleet.processes), 2)
            world.wait_for_a_call()
            time.sleep(world.chance.uniform(0, 0.01))
            for name in names:
                world.fleet.signal(name, signal.SIGSTOP)
            time.sleep(world.chance.uniform(1.2, 2))
            for name in names:
                world.fleet.signal(name, signal.SIGCONT)
                counted["stops"] += 1
