"""What a process says of itself; what it knows can be lost without losing anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pyworker.listener_report import ListenerReport
from pyworker.queue.calls import Calls
from pyworker.web.consumers import Consumers


@dataclass(frozen=True, slots=True)
class ProcessReport:
    """Where the figures of a process are read from, whenever somebody asks.

    calls: through which it asks the database; the first also for the figures of operators.
    consumers: who would poll if it could not be told.
    listener: how its LISTEN connection is; None: it has none, and the workers' are reported.
    queue_sizes: how many notifications wait for each key's streams in this process.
    """

    calls: Sequence[Calls]
    consumers: Consumers = field(default_factory=Consumers)
    listener: Callable[[], ListenerReport] | None = None
    queue_sizes: Callable[[], Mapping[str, int]] = dict

    @property
    def queries(self) -> int:
        """How many queries this process has made."""
        return sum(calls.queries for calls in self.calls)
