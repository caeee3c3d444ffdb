"""One GET of the built-in refreshers: bounded, and with reasons that hold no secret."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import httpx

from pyworker.failure import is_of_source, why_not_reached
from pyworker.outcomes import RefreshFailed, RetryAfter
from pyworker.retry_after import PERMANENT, retry_after

MAX_ANSWER_BYTES = 10_000_000
# The runner's limit ends a fetch; a shorter one here would make a longer `timeout` useless.
WHOLE_FETCH_IS_LIMITED = httpx.Timeout(None, connect=5)


async def get(
    client: httpx.AsyncClient,
    url: str,
    headers: Mapping[str, str],
    accepted: Collection[int] = (),
) -> httpx.Response | RetryAfter:
    """Return a response that was read: a success, 304 if that was asked for, or one accepted.

    Raises:
        RefreshFailed: any other answer, or none.
    """
    host = httpx.URL(url).host
    is_conditional = any(name.startswith("if-") for name in headers)
    body = bytearray()
    try:
        async with client.stream(
            "GET", url, headers=dict(headers), timeout=WHOLE_FETCH_IS_LIMITED
        ) as response:
            status = response.status_code
            when = None if status in accepted else retry_after(response)
            if when is not None:
                return RetryAfter(when, f"{host} answered HTTP {status}")
            is_confirmed = is_conditional and status == httpx.codes.NOT_MODIFIED
            if status not in accepted and not is_confirmed:
                _refuse_failure(host, response)
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    raise RefreshFailed(f"the answer of {host} is over {MAX_ANSWER_BYTES} bytes")
    except httpx.TimeoutException as error:
        raise RefreshFailed(f"{host} did not answer in time", of_source=True) from error
    except httpx.HTTPError as error:
        # Their texts can hold the URL, and the URL a key.
        raise RefreshFailed(
            f"{host} cannot be reached: {why_not_reached(error)}", of_source=is_of_source(error)
        ) from error
    # Read and decoded already: what it says of its encoding would be believed again.
    raw = response.headers.raw
    kept = [(name, value) for name, value in raw if name.lower() != b"content-encoding"]
    return httpx.Response(status, headers=kept, content=bytes(body))


def _refuse_failure(host: str, response: httpx.Response) -> None:
    status = response.status_code
    if status == httpx.codes.NOT_FOUND:
        raise RefreshFailed(f"{host} knows no such symbol (HTTP 404)", permanent=True)
    if not response.is_success:
        raise RefreshFailed(
            f"{host} answered HTTP {status}{_elsewhere(response)}",
            permanent=status in PERMANENT,
            of_source=response.is_server_error,
        )


def _elsewhere(response: httpx.Response) -> str:
    # Where to, without what can hold a key.
    if not response.has_redirect_location:
        return ""
    try:
        to = httpx.URL(response.headers["location"])
    except httpx.InvalidURL:
        return ", a redirect to no address"
    place = f"{to.scheme}://{to.netloc.decode()}" if to.host else "another path"
    return f", a redirect to {place}, which is not followed: change url"
