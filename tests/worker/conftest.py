"""Parts that the tests of the worker share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from pyworker.queue.calls import Calls, open_calls
from tests.fixtures.poolers import Pooler
from tests.fixtures.servers import Database
from tests.worker.in_process import Recorder
from tests.worker.modes import LISTEN, MODES, POLL, POOLED, way_to
from tests.worker.provider import Provider, running_provider


@pytest.fixture
def provider() -> Iterator[Provider]:
    """A data provider over HTTP."""
    with running_provider() as running:
        yield running


@pytest.fixture
def recorder() -> Recorder:
    """A refresher that notes its jobs."""
    return Recorder()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what uses `mode` in both modes, or in the only one that it is about."""
    if "mode" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("mode")
        metafunc.parametrize("mode", marker.args if marker else MODES, indirect=True)


@pytest.fixture
def mode(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How the workers of a test wait: `listen`, or `poll`, through a transaction pooler if any."""
    chosen = str(request.param)
    assert chosen in (LISTEN, POLL)
    monkeypatch.setenv("FRESHNESS_LONG_POLL_ENABLED", "true" if chosen == LISTEN else "false")
    if chosen == POLL:
        pooler: Pooler | None = request.getfixturevalue("pooler_if_any")
        if pooler is not None:
            monkeypatch.setenv(POOLED, f"{pooler.server}:{pooler.port}")
    return chosen


@pytest.fixture
async def calls(database: Database, mode: str) -> AsyncIterator[Calls]:
    """The queue of the session's database, in both modes."""
    assert mode in MODES
    async with open_calls(way_to(database.url), 5) as opened:
        yield opened
