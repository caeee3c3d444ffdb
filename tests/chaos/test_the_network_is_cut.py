"""The network between one worker and the server goes silent, without a word to either."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.chaos.conftest import Extent
from tests.chaos.proxy import Proxy
from tests.chaos.world import World

NEAR = ("worker-0", "worker-1", "worker-2")


@pytest.fixture
def proxy(world: World) -> Iterator[Proxy]:
    """What lies between worker-far and the server."""
    proxy = Proxy(world.cluster.port)
    far = world.url.replace(f":{world.cluster.port}/", f":{proxy.port}/")
    world.fleet.add("worker-far", far)
    yield proxy
    world.fleet.remove("worker-far")
    proxy.close()
    for name in NEAR:
        if name not in world.fleet.processes:
            world.fleet.add(name, world.url)


@pytest.mark.parametrize("half_open", [False, True], ids=["late", "half-open"])
def test_a_worker_is_cut_off_and_comes_back(
    world: World, proxy: Proxy, extent: Extent, half_open: bool
) -> None:
    """Others take over; afterwards it works again, also when its connections are gone."""
    with world.scene("network cut, half-open" if half_open else "network cut, late") as counted:
        for _ in extent.times(1, share=0.07):
            time.sleep(world.chance.uniform(0.5, 1))
            proxy.cut()
            time.sleep(world.chance.uniform(1.5, 3))
            proxy.mend(half_open=half_open)
            counted["cuts"] += 1
        # By itself, without the others' help.
        for name in NEAR:
            world.fleet.retire(name)
