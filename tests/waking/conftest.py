"""Workers that sleep, and are handed jobs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fixtures.connections import Connect
from tests.fixtures.data_types import DataType
from tests.waking.hands import Hands


@pytest.fixture
def one(connect: Connect, quotes: DataType) -> Iterator[Hands]:
    """A worker that sleeps."""
    worker = Hands(connect, quotes)
    yield worker
    worker.sleeper.leave()


@pytest.fixture
def other(connect: Connect, quotes: DataType) -> Iterator[Hands]:
    """Another one."""
    worker = Hands(connect, quotes)
    yield worker
    worker.sleeper.leave()
