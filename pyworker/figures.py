"""All that operators read from the database, at one time."""

from __future__ import annotations

from dataclasses import dataclass

from pyworker.listener_report import ListenerReport
from pyworker.processes import Processes
from pyworker.queue.status import StatusQueue
from pyworker.status import Record, Status, read_status


@dataclass(frozen=True, slots=True)
class Figures:
    """`status` is what `freshness status` shows; `sources` rows of freshness.source_status."""

    status: Status
    sources: list[Record]
    processes: Processes

    def listener_report(self) -> ListenerReport:
        """Say how the workers' listeners are, for a process that has none of its own."""
        listens = self.processes.listeners > 0
        works = self.processes.workers > 0
        reason = "no worker runs" if not works else "no worker can be woken"
        return ListenerReport(
            running=works,
            connection_healthy=listens,
            reconnect_attempts=0,
            max_reconnect_attempts=None,
            pg_queue_usage_percent=self.processes.pg_queue_usage_percent,
            mode="listening" if listens else "polling",
            reason=None if listens else reason,
        )


async def read_figures(queue: StatusQueue) -> Figures:
    """Read all figures through a queue; each part as of its own moment."""
    return Figures(await read_status(queue), await queue.source_status(), await queue.processes())
