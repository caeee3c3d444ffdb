"""Reads a JSON body of limited size."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Never

from starlette.requests import Request

from pyworker.web.problems import ProblemError


async def read_json(request: Request, max_bytes: int, timeout: float) -> Any:  # noqa: ASYNC109
    """Return the body's value; of a body that is too large, no more than `max_bytes` is kept.

    It has to be there within `timeout` seconds.

    Of a name that occurs twice in an object the last value counts, as in JavaScript.

    Raises:
        ProblemError: 400, 408, 413 or 415.
    """
    _refuse_other_media_types(request)
    try:
        async with asyncio.timeout(timeout):
            body = await _read(request, max_bytes)
    except TimeoutError:
        raise ProblemError(
            408,
            "BODY_TOO_SLOW",
            f"The body was not there within {timeout:g} seconds.",
            {"Connection": "close"},
        ) from None
    if not body.strip():
        raise ProblemError(400, "EMPTY_BODY", "The body is empty: send a JSON object.")
    try:
        return json.loads(body.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except UnicodeDecodeError:
        raise ProblemError(400, "INVALID_JSON", "The body is not UTF-8.") from None
    except json.JSONDecodeError as error:
        raise ProblemError(400, "INVALID_JSON", f"The body is not JSON: {error}.") from None
    except ValueError:
        # NaN and Infinity, and numbers of thousands of digits.
        message = "The body is not JSON: it has a number out of range."
        raise ProblemError(400, "INVALID_JSON", message) from None
    except RecursionError:
        message = "The body is nested too deeply."
        raise ProblemError(400, "INVALID_JSON", message) from None


async def _read(request: Request, max_bytes: int) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > max_bytes:
        raise _too_large(max_bytes)
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
    return bytes(body)


def _refuse_other_media_types(request: Request) -> None:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in ("", "application/json") and not media_type.endswith("+json"):
        raise ProblemError(
            415, "UNSUPPORTED_MEDIA_TYPE", "Send the body as Content-Type: application/json."
        )


def _refuse_constant(name: str) -> Never:
    raise ValueError(name)


def _too_large(max_bytes: int) -> ProblemError:
    # The rest of the body is not waited for.
    return ProblemError(
        413, "BODY_TOO_LARGE", f"The body is over {max_bytes} bytes.", {"Connection": "close"}
    )
