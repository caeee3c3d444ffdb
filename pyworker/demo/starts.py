"""When fetches started, as the worker logs it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from pyworker.job import Key

EVENT = "refreshing"


class Starts:
    """Reads the worker's log as it grows."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._read = 0

    def new(self) -> Iterator[tuple[Key, float]]:
        """Return key and moment (seconds of this machine's clock) of each new start of a fetch."""
        with self._log.open("rb") as file:
            file.seek(self._read)
            for line in file:
                # The last line may still be being written.
                if not line.endswith(b"\n"):
                    break
                self._read += len(line)
                with suppress(ValueError, KeyError, TypeError, AttributeError):
                    entry = json.loads(line)
                    if entry["event"] == EVENT:
                        key = Key(entry["data_type"], entry["symbol"])
                        yield key, datetime.fromisoformat(entry["timestamp"]).timestamp()
