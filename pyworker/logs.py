"""Logging: one event a line on stderr, for people on a terminal, as JSON elsewhere."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, MutableMapping
from typing import Any

import structlog

from pyworker.log_lines import LogLines

Entry = MutableMapping[str, Any]


def configure_logging(log_format: str) -> None:
    """Set up structlog.

    Args:
        log_format: `console`, `json`, or `auto`: console when stderr is a terminal.
    """
    as_json = log_format == "json" or (log_format == "auto" and not sys.stderr.isatty())
    # It tells each try of each connection; what matters is told once, by whoever needed one.
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
    lines = LogLines(sys.stderr)
    structlog.configure(
        processors=[_json_lines()]
        if as_json
        else [
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=True,
    )


def _json_lines() -> Callable[[Any, str, Entry], str]:
    # One processor, since structlog's way through several costs more than the line; and one
    # encoder, since `json.dumps` makes one for each.
    encode = json.JSONEncoder(default=str).encode
    merge = structlog.contextvars.merge_contextvars
    add_level = structlog.processors.add_log_level
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
    explain = structlog.processors.format_exc_info

    def line(logger: Any, method: str, entry: Entry) -> str:
        merge(logger, method, entry)
        add_level(logger, method, entry)
        stamp(logger, method, entry)
        if "exc_info" in entry:
            explain(logger, method, entry)
        return encode(entry)

    return line
