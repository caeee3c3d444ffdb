"""When a source that refuses for the moment wants to be asked again."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

STATUSES = frozenset({httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE})
TOO_MANY = 10.0
"""Seconds to wait after a 429 that does not say how long."""

PERMANENT = frozenset(
    {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN, httpx.codes.NOT_FOUND, httpx.codes.GONE}
)


def retry_after(response: httpx.Response) -> float | datetime | None:
    """Return the seconds or the moment of Retry-After; None when it says nothing usable.

    One who answers 429 without it wants to be left alone all the same.
    A date counts from the date of the response, if that has one: the source's own clock.
    """
    if response.status_code not in STATUSES:
        return None
    wait = _said(response)
    is_too_many = response.status_code == httpx.codes.TOO_MANY_REQUESTS
    return TOO_MANY if wait is None and is_too_many else wait


def _said(response: httpx.Response) -> float | datetime | None:
    given = response.headers.get("retry-after", "").strip()
    if given.isascii() and given.isdecimal():
        seconds = int(given[:10])
        return float(seconds) if seconds else None
    moment = _date(given)
    now = _date(response.headers.get("date", ""))
    if moment is None or now is None:
        return moment
    seconds_until = (moment - now).total_seconds()
    return seconds_until if seconds_until > 0 else None


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        # Years and zones can have any number of digits.
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)
