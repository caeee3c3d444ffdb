"""What a listener says about itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class ListenerReport:
    """The state of the listener at one moment.

    running: whether it is at work, also while it has no connection.
    connection_healthy: whether a connection stands, and its last round trip came back.
    reconnect_attempts: attempts since it was last healthy.
    max_reconnect_attempts: None: it never gives up.
    pg_queue_usage_percent: how full the server's notification queue is; None until it was read.
    mode: `listening` when the worker can be woken, else `polling`, with the `reason`.
    """

    running: bool
    connection_healthy: bool
    reconnect_attempts: int
    max_reconnect_attempts: int | None
    pg_queue_usage_percent: float | None
    mode: Literal["listening", "polling"]
    reason: str | None
