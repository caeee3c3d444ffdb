"""Fixtures for the whole suite: a database, data types in it, subscriptions to them."""

from __future__ import annotations

import pytest

pytest_plugins = (
    "tests.fixtures.servers",
    "tests.fixtures.connections",
    "tests.fixtures.poolers",
    "tests.fixtures.data_types",
    "tests.fixtures.subscriptions",
    "tests.fixtures.workers",
)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio, as the worker and the endpoint do."""
    return "asyncio"
