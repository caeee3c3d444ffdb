"""What a measurement says, one JSON object a line."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value with what it is compared with.

    `baseline` is the same without us, or of the other design, measured in the same run, and
    `ratio` is value / baseline. The `target` is for the value, or for the ratio when `of` says so;
    `better` says on which side of it the good values lie. None: not compared.
    """

    name: str
    value: float
    unit: str
    baseline: float | None = None
    target: float | None = None
    of: Literal["value", "ratio"] = "value"
    better: Literal["lower", "higher"] = "lower"

    @property
    def ratio(self) -> float | None:
        """The value as a multiple of the baseline."""
        return self.value / self.baseline if self.baseline else None

    @property
    def ok(self) -> bool:
        """Whether the target is reached; without one, yes."""
        measured = self.ratio if self.of == "ratio" else self.value
        if self.target is None or measured is None:
            return self.target is None
        return measured <= self.target if self.better == "lower" else measured >= self.target

    def line(self) -> str:
        """Return the figure as a line of JSON."""
        fields = {
            "name": self.name,
            "value": _rounded(self.value),
            "unit": self.unit,
            "baseline": _rounded(self.baseline),
            "ratio": _rounded(self.ratio),
            "target": self.target,
            "target_of": self.of,
            "better": self.better,
            "ok": self.ok,
        }
        return json.dumps(fields)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")
