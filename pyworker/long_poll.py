"""How a worker waits: woken, at deadlines, or by polling where it cannot be woken."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LongPoll:
    """Times are in seconds; the settings of the same names say more (`.env.example`).

    enabled: whether to listen at all; otherwise the worker polls only.
    fallback_poll_interval: the longest pause between two polls while nobody can wake the worker.
    max_wait_time: the longest wait without a look while it can be woken. Writers rely on it that
        each sleeper looks within half a minute (docs/waking.md).
    timer_grace_period: how far ahead of a deadline the timer may ring at most, so that the claim
        is done when the time has come; 0: it rings at the deadline.
    aggressive_poll_duration: how long after a wake or an error the worker looks again at once.
    aggressive_exit_threshold: so many empty looks in a row end that earlier; 0: it never begins.
    """

    enabled: bool = True
    fallback_poll_interval: float = 5.0
    max_wait_time: float = 30.0
    timer_grace_period: float = 0.02
    aggressive_poll_duration: float = 1.0
    aggressive_exit_threshold: int = 3
