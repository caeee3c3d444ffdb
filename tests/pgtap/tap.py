"""Reads the output of a pgTAP file: the Test Anything Protocol."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

LINE = re.compile(
    r"(?P<failed>not )?ok(?: (?P<number>\d+))?(?: - (?P<description>.*?))?"
    r"(?:\s*# (?P<directive>TODO|SKIP)\b.*)?",
    re.IGNORECASE,
)
# A test that died shows the whole statement; its first lines say what happened.
MOST_DIAGNOSTICS = 12
PLAN = re.compile(r"1\.\.(?P<count>\d+)(?:\s*# SKIP.*)?", re.IGNORECASE)


@dataclass
class TapResult:
    """What a file reported.

    `planned` is the number of tests that it announced, `ran` how many it ran, `failures` the
    failed ones with their diagnostics. A failed test marked TODO is no failure.
    """

    planned: int | None = None
    ran: int = 0
    failures: list[str] = field(default_factory=list)

    def problems(self) -> list[str]:
        """Everything that makes the file fail, in words; empty when it passed."""
        found = list(self.failures)
        if self.planned is None:
            found.append("no plan: the file ended before `select plan(n)`")
        elif self.planned != self.ran:
            found.append(f"planned {self.planned} tests, but ran {self.ran}")
        return found


def read_tap(output: str) -> TapResult:
    """Read the standard output of a file, unaligned and without headers."""
    result = TapResult()
    is_failing = False
    for line in output.splitlines():
        if match := PLAN.fullmatch(line.strip()):
            result.planned = int(match["count"])
        elif match := LINE.fullmatch(line):
            result.ran += 1
            is_failing = bool(match["failed"]) and match["directive"] is None
            if is_failing:
                result.failures.append(f"{result.ran}: {match['description'] or 'no description'}")
        elif is_failing and _says_more(line, result.failures[-1]):
            result.failures[-1] += f"\n    {line[1:].strip()}"
    return result


def _says_more(line: str, failure: str) -> bool:
    return line.startswith("#") and failure.count("\n") < MOST_DIAGNOSTICS
