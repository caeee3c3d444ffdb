"""How long before a deadline a worker has to wake to be in time."""

from __future__ import annotations

_WEIGHT_OF_MEAN, _WEIGHT_OF_DEVIATION = 1 / 8, 1 / 4
_DEVIATIONS = 4


class Lead:
    """Follows the time from a planned wake to the claim's answer, as TCP follows round trips.

    The smoothed mean and four smoothed deviations, at most `longest` (s); 0 until something is
    measured.
    """

    def __init__(self, longest: float = 0.02) -> None:
        self._longest = longest
        self._mean = 0.0
        self._deviation = 0.0

    @property
    def seconds(self) -> float:
        """How long before a deadline to wake."""
        return min(self._mean + _DEVIATIONS * self._deviation, self._longest)

    def measured(self, seconds: float) -> None:
        """Note how long it took this time."""
        # A claim that hung once is no measure of the next ones.
        seconds = min(seconds, self._longest)
        if self._mean == 0:
            self._mean, self._deviation = seconds, seconds / 2
            return
        self._deviation += _WEIGHT_OF_DEVIATION * (abs(seconds - self._mean) - self._deviation)
        self._mean += _WEIGHT_OF_MEAN * (seconds - self._mean)
