"""A log line as JSON."""

from __future__ import annotations

import json
import time
from collections.abc import MutableMapping
from datetime import UTC, datetime
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

import structlog

Entry = MutableMapping[str, Any]


class JsonLines:
    """Makes a line of an entry: its fields in their order, then its level and its time.

    A busy worker writes one for each refresh, whose fields are texts and whole numbers: those are
    written without an encoder.
    """

    def __init__(self) -> None:
        self._encode = json.JSONEncoder(default=str).encode
        # The last second that a line was written in, and as text.
        self._second = 0
        self._second_as_text = ""

    def __call__(self, logger: Any, method: str, entry: Entry) -> str:
        """Make the line."""
        structlog.contextvars.merge_contextvars(logger, method, entry)
        structlog.processors.add_log_level(logger, method, entry)
        if "exc_info" in entry:
            structlog.processors.format_exc_info(logger, method, entry)
        fields = [f"{quoted(name)}: {self._value(value)}" for name, value in entry.items()]
        return f'{{{", ".join(fields)}, "timestamp": "{self._now()}"}}'

    def _now(self) -> str:
        second, microseconds = divmod(time.time_ns() // 1000, 1_000_000)
        if second != self._second:
            moment = datetime.fromtimestamp(second, UTC).replace(tzinfo=None)
            self._second, self._second_as_text = second, moment.isoformat()
        return f"{self._second_as_text}.{microseconds:06}Z"

    def _value(self, value: object) -> str:
        # No subclasses: they may mean something else.
        if type(value) is str:
            return quoted(str(value))
        return str(value) if type(value) is int else self._encode(value)
