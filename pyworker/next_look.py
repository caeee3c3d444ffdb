"""When a worker looks next: brought forward by signals, deadlines and freed slots."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from pyworker.alarm import Alarm
from pyworker.lead import Lead
from pyworker.long_poll import LongPoll
from pyworker.pauses import Pauses

_RETRY_LAST = 0.25


class NextLook:
    """When a worker looks next, and whether it claims then.

    `is_wanted` is set as soon as it is to look. The timer of a deadline is early by the `lead`,
    which follows what a claim takes. Everything is brought forward only: what is known to be due
    is never forgotten because something else is, too.
    """

    def __init__(self, long_poll: LongPoll) -> None:
        self.is_wanted = asyncio.Event()
        self._must_claim = True
        self._long_poll = long_poll
        self._lead = Lead(long_poll.timer_grace_period)
        # Rings when something will be due, early by the lead.
        self._alarm = Alarm(self.claim_now)
        # Rings when it is time to look although nothing is known, while nobody can wake us.
        self._poll = Alarm(self.now)
        self._pauses = Pauses(
            long_poll.aggressive_poll_duration, long_poll.aggressive_exit_threshold
        )
        self._is_fruitless = False

    @property
    def lead(self) -> float:
        """How long before a deadline it claims (s)."""
        return self._lead.seconds

    def now(self) -> None:
        """Look as soon as possible; there may be nothing to claim."""
        self.is_wanted.set()

    def claim_now(self) -> None:
        """Claim as soon as possible."""
        self._must_claim = True
        self.is_wanted.set()

    def claim_in(self, seconds: float) -> None:
        """Claim after so many seconds, unless earlier anyway."""
        self._alarm.set_in(seconds)

    def due_in(self, seconds: float) -> None:
        """Claim in time for what will be due then."""
        self._alarm.set_in(seconds - self.lead)

    def stir(self) -> None:
        """There was a wake: look again at once for a while."""
        self._pauses.stir()

    async def regularly(self) -> NoReturn:
        """Look each half minute, whatever is known, for ever."""
        # Each process has its own place within the interval, whatever wakes all of them at once.
        wait = self._long_poll.max_wait_time * random.random()  # noqa: S311 - spreads looks
        while True:
            await asyncio.sleep(wait)
            self.now()
            wait = self._long_poll.max_wait_time

    def take_claim(self) -> bool:
        """Say whether the look that begins is to claim, once."""
        must_claim, self._must_claim = self._must_claim, False
        return must_claim

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Make a claim; if a timer has brought it about, how long that took is the next lead."""
        rang_for = self._alarm.take_ring()
        yield
        if rang_for is not None:
            self._lead.measured(asyncio.get_running_loop().time() - rang_for)

    def looked(self, *, found: bool) -> None:
        """Note a look, and whether it found work."""
        self._pauses.looked(found=found)

    def failed(self) -> None:
        """Note a look that failed: it is made again, as a claim."""
        self._pauses.failed()
        self._must_claim = True
        self.poll()

    def poll(self) -> None:
        """Look after a pause, as nobody can wake us."""
        self._poll.set_in(self._pauses.next(self._long_poll.fallback_poll_interval))

    def rest(self, due_in: float | None, *, fruitless: bool) -> None:
        """Look in time for what is due in so many seconds; None: nothing is known.

        `fruitless`: a claim has just found nothing.
        """
        is_held = fruitless and due_in is not None and due_in <= 0
        if is_held:
            # Due, and yet not to be had: another transaction holds it for a moment.
            if not self._is_fruitless:
                self._pauses.stir()
            self._alarm.set_in(self._pauses.next(_RETRY_LAST))
        elif due_in is not None:
            # What the claim has just left is not to be had before its time.
            self._alarm.set_in(due_in if fruitless and due_in <= self.lead else due_in - self.lead)
        self._is_fruitless = is_held
