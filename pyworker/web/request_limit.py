"""How many requests a user may make in a minute, counted in this process."""

from __future__ import annotations

import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable

from pyworker.web.problems import ProblemError

MINUTE = 60.0


class RequestLimit:
    """Lets at most `most` requests of a user through in any minute.

    Users who have not asked for a minute are forgotten. Refused requests do not count, so that
    whoever keeps to `Retry-After` gets through.

    Args:
        most: requests a minute.
        clock: seconds that only grow.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        # By user, the longest silent first; of each the moments of the last minute.
        self._moments: OrderedDict[str, deque[float]] = OrderedDict()

    def __len__(self) -> int:
        """Return how many users are remembered."""
        return len(self._moments)

    def check(self, user: str) -> None:
        """Count a request.

        Raises:
            ProblemError: 429, with the seconds until the next one may come in `Retry-After`.
        """
        now = self._clock()
        self._forget(now - MINUTE)
        moments = self._moments.setdefault(user, deque())
        while moments and moments[0] <= now - MINUTE:
            moments.popleft()
        if len(moments) >= self._most:
            raise ProblemError(
                429,
                "TOO_MANY_REQUESTS",
                f"You made {self._most} requests in a minute; no more are allowed.",
                {"Retry-After": str(max(math.ceil(moments[0] + MINUTE - now), 1))},
            )
        moments.append(now)
        self._moments.move_to_end(user)

    def _forget(self, before: float) -> None:
        while self._moments:
            user, moments = next(iter(self._moments.items()))
            if moments[-1] > before:
                return
            del self._moments[user]
