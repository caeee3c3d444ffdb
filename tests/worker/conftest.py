"""Parts that the tests of the worker share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.worker.in_process import Recorder
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
