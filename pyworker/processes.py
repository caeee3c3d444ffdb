"""What the database sees of our processes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Processes:
    """Workers heard of in the last 90 seconds, connections that listen, and open streams.

    pg_queue_usage_percent: how full the server's notification queue is.
    streams: of all processes, on `streamed_keys` keys.
    """

    workers: int
    listeners: int
    pg_queue_usage_percent: float
    streams: int
    streamed_keys: int
