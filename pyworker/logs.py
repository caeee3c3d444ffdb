"""Logging: one event a line on stderr, for people on a terminal, as JSON elsewhere."""

from __future__ import annotations

import json
import logging
import sys

import structlog


def configure_logging(log_format: str) -> None:
    """Set up structlog.

    Args:
        log_format: `console`, `json`, or `auto`: console when stderr is a terminal.
    """
    as_json = log_format == "json" or (log_format == "auto" and not sys.stderr.isatty())
    # It tells each try of each connection; what matters is told once, by whoever needed one.
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
    # Made once: `json.dumps` makes an encoder for each line.
    encode = json.JSONEncoder(default=str).encode
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=lambda entry, **_: encode(entry))
            if as_json
            else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
