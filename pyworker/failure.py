"""What an error of a refresh means: the reason in words without secrets, and what to do."""

from __future__ import annotations

import os
import socket
import ssl
from dataclasses import dataclass, replace
from datetime import datetime

import httpx

from pyworker.errors import RowsRejected
from pyworker.outcomes import RefreshFailed
from pyworker.retry_after import PERMANENT, retry_after


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a refresh failed; set aside at once if permanent, else when to try again, if known.

    `alone`: next time without the others of its batch. `of_source`: not this key, but its source
    did not answer.
    """

    reason: str
    permanent: bool = False
    retry_after: float | datetime | None = None
    alone: bool = False
    of_source: bool = False


def failure_of(error: BaseException, batch: int = 1) -> Failure:
    """Return what an error means for each key of a batch of so many; raises nothing."""
    try:
        failure = _failure_of(error)
    except Exception:
        # One that cannot even say what it is.
        failure = Failure(type(error).__name__)
    if batch == 1 or not failure.permanent:
        return failure
    # One key may have spoiled it for all: each by itself, to find out which.
    return Failure(f"{failure.reason} (in a batch of {batch} keys)", alone=True)


def _failure_of(error: BaseException) -> Failure:
    if isinstance(error, BaseExceptionGroup):
        # Of a task group: what it is about is inside.
        first, *others = error.exceptions
        failure = _failure_of(first)
        more = f" (and {len(others)} more)" if others else ""
        return replace(failure, reason=failure.reason + more)
    if isinstance(error, RefreshFailed):
        reason = str(error) or type(error).__name__
        return Failure(reason, error.permanent, of_source=error.of_source)
    if isinstance(error, RowsRejected):
        return Failure(error.message, error.permanent)
    if isinstance(error, httpx.HTTPStatusError):
        status = error.response.status_code
        return Failure(
            _http_reason(error),
            status in PERMANENT,
            retry_after(error.response),
            of_source=error.response.is_server_error,
        )
    if isinstance(error, httpx.HTTPError):
        return Failure(_http_reason(error), of_source=is_of_source(error))
    text = str(error)
    return Failure(f"{type(error).__name__}: {text}" if text else type(error).__name__)


def why_not_reached(error: httpx.HTTPError) -> str:
    """Return what kind of error it is, and what the system said of it; no address, no header."""
    kind, cause = type(error).__name__, error.__cause__ or error.__context__
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"{kind} (its certificate: {cause.verify_message})"
        if isinstance(cause, socket.gaierror):
            return f"{kind} ({cause.strerror})"
        if isinstance(cause, OSError) and cause.errno:
            return f"{kind} ({os.strerror(cause.errno)})"
        cause = cause.__cause__ or cause.__context__
    return kind


def is_of_source(error: httpx.HTTPError) -> bool:
    """Say whether a source did not answer, and not we were unable to ask it."""
    return isinstance(error, httpx.TransportError) and not isinstance(
        error, httpx.PoolTimeout | httpx.LocalProtocolError | httpx.UnsupportedProtocol
    )


def _http_reason(error: httpx.HTTPError) -> str:
    # Its own text can hold a URL or a header, and these a key.
    try:
        host = error.request.url.host
    except RuntimeError:
        return type(error).__name__
    if isinstance(error, httpx.HTTPStatusError):
        return f"{host} answered HTTP {error.response.status_code}"
    return f"{host} cannot be reached: {why_not_reached(error)}"
