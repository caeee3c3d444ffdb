"""What a worker does with the tokens that its listener gives out."""

from __future__ import annotations

from pyworker.database_clock import DatabaseClock
from pyworker.handovers import Handovers
from pyworker.membership import Membership
from pyworker.next_look import NextLook
from pyworker.wake_token import WakeToken
from pyworker.wakefulness import Wakefulness

# A token that is about a later moment comes from a clock that has been set.
_LONGEST_WAIT = 60.0


class Hearing:
    """Hears of jobs that are handed over, of moments at which something is due, and of work."""

    def __init__(
        self,
        handovers: Handovers,
        membership: Membership,
        clock: DatabaseClock,
        next_look: NextLook,
        wakefulness: Wakefulness,
    ) -> None:
        self._handovers = handovers
        self._membership = membership
        self._clock = clock
        self._next_look = next_look
        self._wakefulness = wakefulness

    def hear(self, token: WakeToken) -> None:
        """Begin, claim, or set the timer."""
        if token.handed is not None:
            self._handovers.hear(token.handed)
            return
        if token.is_garbled:
            self._membership.is_in_doubt = True
        self._next_look.stir()
        if token.moment is not None:
            ahead = self._clock.seconds_until(token.moment)
            if self._next_look.lead < ahead < self._next_look.lead + _LONGEST_WAIT:
                # Nothing to claim before: only say until when we sleep now.
                self._next_look.due_in(ahead)
                if not self._wakefulness.stays_awake:
                    self._next_look.now()
                return
        self._wakefulness.told()
        if not self._wakefulness.stays_awake:
            self._next_look.claim_now()
