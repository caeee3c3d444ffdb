"""What polling would have cost."""

from __future__ import annotations

import pytest

from pyworker.web import consumers
from pyworker.web.consumers import Consumers


def test_each_consumer_counts_for_each_second_that_it_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr(consumers, "monotonic", lambda: now)
    counted = Consumers()
    now = 110.0
    assert counted.polls == 0
    with counted.waiting():
        now = 113.0
        with counted.waiting():
            now = 115.0
        assert counted.polls == 3 + 2 * 2
        now = 116.0
    now = 200.0
    assert counted.polls == 8
