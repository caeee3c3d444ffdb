"""Logging: one event a line on stderr, for people on a terminal, as JSON elsewhere."""

from __future__ import annotations

import logging
import sys

import structlog

from pyworker.log_lines import LogLines


def configure_logging(log_format: str, level: str = "info") -> None:
    """Set up structlog.

    Args:
        log_format: `console`, `json`, or `auto`: console when stderr is a terminal.
        level: from which on lines are written: `debug`, `info`, `warning` or `error`.
    """
    as_json = log_format == "json" or (log_format == "auto" and not sys.stderr.isatty())
    # It tells each try of each connection; what matters is told once, by whoever needed one.
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
    lines = LogLines(sys.stderr)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=str)
            if as_json
            else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=True,
    )
