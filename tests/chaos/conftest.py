"""One world for all scenes, and how long they last: short in the suite, long in `make soak`."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from pyworker.local.cluster import Cluster, temporary_cluster
from pyworker.local.migrations import apply_migrations
from pyworker.local.platform import install_platform
from tests.chaos.world import World
from tests.fixtures.servers import MIGRATIONS, WOULD_BREAK


@dataclass(frozen=True)
class Extent:
    """How long a scene goes on: so many times in the suite, so many seconds in a soak."""

    soak_seconds: float

    def times(self, in_the_suite: int, share: float, at_least: int = 0) -> Iterator[int]:
        """Count up; in a soak for a share of its seconds, and `at_least` so often in 600 s."""
        end = time.monotonic() + share * self.soak_seconds
        least = max(1, at_least * self.soak_seconds / 600) if self.soak_seconds else in_the_suite
        number = 0
        while number < least or time.monotonic() < end:
            yield number
            number += 1


def seed_of_the_session() -> int:
    """What CHAOS_SEED says; without it, anything."""
    return int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(1_000_000))


@pytest.fixture(scope="session")
def extent() -> Extent:
    """As long as SOAK_SECONDS says; without it, short."""
    return Extent(float(os.environ.get("SOAK_SECONDS") or 0))


@pytest.fixture(scope="session")
def say(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Print a line past pytest's capturing."""
    capturing = request.config.pluginmanager.getplugin("capturemanager")

    def line(text: str) -> None:
        with capturing.global_and_fixture_disabled():
            print(f"\n{text}", end="", flush=True)  # noqa: T201 - what a soak is run for

    return line


@pytest.fixture(scope="session")
def world(
    cluster: Cluster | None,
    tmp_path_factory: pytest.TempPathFactory,
    say: Callable[[str], None],
) -> Iterator[World]:
    """Three workers, twenty quotes of two seconds, and as many keys of a source with a budget."""
    if cluster is None:
        pytest.skip(WOULD_BREAK)
    seed = seed_of_the_session()
    say(f"chaos: CHAOS_SEED={seed}")
    with temporary_cluster(cluster.installation, durable=True) as running:
        install_platform(running.connection_string("supabase_admin"))
        apply_migrations(running.connection_string(), MIGRATIONS)
        made = World(running, tmp_path_factory.mktemp("chaos"), seed, say)
        try:
            yield made
        finally:
            made.close()
