"""The safety net where pg_cron does not run: any worker sweeps when it is due."""

from __future__ import annotations

import asyncio
from typing import NoReturn

import structlog

from pyworker.errors import DatabaseUnavailable
from pyworker.queue.sweeps import SweepQueue

INTERVAL = 360.0
"""Seconds without a sweep after which a worker runs it: longer than pg_cron's five minutes."""


async def sweep_regularly(queue: SweepQueue, worker: str) -> NoReturn:
    """Run the sweep when none has run for a while, for ever."""
    log = structlog.get_logger("worker").bind(worker=worker)
    while True:
        try:
            if await queue.sweep_if_due(INTERVAL):
                log.info("swept")
        except DatabaseUnavailable as error:
            log.warning("sweep_postponed", reason=error.message)
        await asyncio.sleep(INTERVAL)
