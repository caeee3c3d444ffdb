"""The two modes of a worker: woken by notifications, or polling through a transaction pooler.

The fixture `mode` chooses, by the environment, in which the helpers of a test start workers.
"""

from __future__ import annotations

import os
from dataclasses import replace

from pyworker.long_poll import LongPoll
from tests.fixtures.poolers import Pooler

LISTEN, POLL = "listen", "poll"
MODES = (LISTEN, POLL)
POOLED = "TESTS_THROUGH_POOLER"


def in_this_mode(long_poll: LongPoll | None = None) -> LongPoll:
    """How a worker of this test waits."""
    given = long_poll or LongPoll()
    enabled = os.environ.get("FRESHNESS_LONG_POLL_ENABLED", "true") == "true"
    return replace(given, enabled=given.enabled and enabled)


def way_to(url: str) -> str:
    """The way that a worker of this test takes to a database."""
    ports = os.environ.get(POOLED)
    if ports is None:
        return url
    server, port = map(int, ports.split(":"))
    return Pooler(port, server).url(url)
