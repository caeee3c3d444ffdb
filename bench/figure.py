"""What a measurement says, one JSON object a line."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value with what it is compared with.

    `baseline` is the same measured without us in the same run, `ratio` is value / baseline;
    `target` is the highest value that is good enough. None: not compared.
    """

    name: str
    value: float
    unit: str
    baseline: float | None = None
    target: float | None = None

    def line(self) -> str:
        """Return the figure as a line of JSON, with its ratio and whether it is good enough."""
        ratio = self.value / self.baseline if self.baseline else None
        ok = self.target is None or self.value <= self.target
        return json.dumps({**asdict(self), "ratio": ratio and round(ratio, 3), "ok": ok})


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]
