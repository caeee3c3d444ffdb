"""Test your own refreshers: no database, and a clock that goes only when it is told to."""

from __future__ import annotations

from pyworker.testing.clock import FakeClock
from pyworker.testing.memory_queue import MemoryQueue
from pyworker.testing.refresher_test import Refreshed, RefresherTest

__all__ = ["FakeClock", "MemoryQueue", "Refreshed", "RefresherTest"]
