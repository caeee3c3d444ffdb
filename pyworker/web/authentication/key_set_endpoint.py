"""Fetches the project's key set over HTTP: bounded in time and size, from that address only."""

from __future__ import annotations

import asyncio

import httpx

from pyworker.web.authentication.key_set import KeySetUnusable, SigningKey, read_key_set

TIMEOUT = 5.0  # seconds, for the whole of it
MOST_BYTES = 65_536


class KeySetEndpoint:
    """Where the project publishes its keys. No connection is kept between fetches."""

    def __init__(self, url: str, timeout: float = TIMEOUT) -> None:
        self._url = url
        self._timeout = timeout
        self._client = httpx.AsyncClient(
            # Where keys come from is for the settings to say, not for an answer.
            follow_redirects=False,
            limits=httpx.Limits(max_keepalive_connections=0),
            timeout=timeout,
            # Compressed, a small answer could become a large one.
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        )

    async def fetch(self) -> dict[str, SigningKey]:
        """Return the keys by `kid`.

        Raises:
            KeySetUnusable: no answer in time, or one that is not a key set.
        """
        try:
            async with asyncio.timeout(self._timeout):
                body = await self._get()
        except (TimeoutError, httpx.TimeoutException):
            raise KeySetUnusable(f"no answer within {self._timeout:g} s") from None
        except httpx.HTTPError as error:
            raise KeySetUnusable(f"no connection: {type(error).__name__}") from None
        return read_key_set(body)

    async def _get(self) -> bytes:
        body = bytearray()
        async with self._client.stream("GET", self._url) as answer:
            if answer.status_code != httpx.codes.OK:
                raise KeySetUnusable(f"HTTP {answer.status_code}")
            async for part in answer.aiter_raw():
                body += part
                if len(body) > MOST_BYTES:
                    raise KeySetUnusable(f"the answer is over {MOST_BYTES} bytes")
        return bytes(body)
