"""A log line as JSON."""

from __future__ import annotations

import json
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

    def __call__(self, logger: Any, method: str, entry: Entry) -> str:
        """Make the line."""
        structlog.contextvars.merge_contextvars(logger, method, entry)
        structlog.processors.add_log_level(logger, method, entry)
        if "exc_info" in entry:
            structlog.processors.format_exc_info(logger, method, entry)
        fields = [f"{quoted(name)}: {self._value(value)}" for name, value in entry.items()]
        moment = datetime.now(UTC).isoformat(timespec="microseconds")
        return f'{{{", ".join(fields)}, "timestamp": "{moment[:-6]}Z"}}'

    def _value(self, value: object) -> str:
        kind = type(value)
        if kind is str:
            return quoted(value)
        if kind is int:
            return str(value)
        return self._encode(value)
