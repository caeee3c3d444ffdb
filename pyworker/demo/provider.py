"""A market data provider of our own, in its own process: slow, and with a rate limit.

`python -m pyworker.demo.provider` listens on DEMO_PROVIDER_PORT of this machine.
"""

from __future__ import annotations

import asyncio
import hmac
import math
import os
import random
from time import monotonic, time

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pyworker.demo.call_log import CallLog
from pyworker.demo.rate_limit import RateLimit
from pyworker.demo.replay import Replay
from pyworker.demo.series import read_series

CALLS_PER_SECOND = 20.0
BURST = 20
LATENCY = (0.04, 0.12)  # seconds


class Provider:
    """Answers `/quotes/{symbol}` and `/profiles/{symbol}` to whoever sends the key.

    Args:
        replay: what is known.
        api_key: expected in the header X-Api-Key.
        rate_limit: beyond it the answer is 429 with Retry-After.
        latency: shortest and longest time to an answer, in seconds.
    """

    def __init__(
        self,
        replay: Replay,
        api_key: str,
        rate_limit: RateLimit,
        latency: tuple[float, float] = LATENCY,
    ) -> None:
        self._replay = replay
        self._api_key = api_key
        self._rate_limit = rate_limit
        self._latency = latency
        self.log = CallLog()

    def application(self) -> Starlette:
        """Return the ASGI application."""
        return Starlette(
            routes=[
                Route("/healthz", self._healthz),
                Route("/figures", self._figures),
                Route("/{path:str}/{symbol:str}", self._answer),
            ]
        )

    async def _answer(self, request: Request) -> Response:
        path, symbol = request.path_params["path"], request.path_params["symbol"]
        with self.log.call(path, symbol):
            if not hmac.compare_digest(request.headers.get("x-api-key", ""), self._api_key):
                return JSONResponse({"error": "send your key as X-Api-Key"}, 401)
            wait = self._rate_limit.take()
            if wait > 0:
                self.log.refused += 1
                headers = {"Retry-After": str(math.ceil(wait))}
                return JSONResponse({"error": "too many calls"}, 429, headers)
            await asyncio.sleep(random.uniform(*self._latency))  # noqa: S311 - no secret
            answer = self._replay.answers.get(path)
            if answer is None or not self._replay.knows(symbol):
                return JSONResponse({"error": "no such symbol"}, 404)
            return JSONResponse({"data": answer(symbol, time())})

    async def _healthz(self, _request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _figures(self, _request: Request) -> Response:
        return JSONResponse(self.log.figures())


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    provider = Provider(
        Replay(read_series(), time()),
        os.environ["DEMO_API_KEY"],
        RateLimit(CALLS_PER_SECOND, BURST, monotonic),
    )
    uvicorn.run(
        provider.application(),
        port=int(os.environ["DEMO_PROVIDER_PORT"]),
        lifespan="off",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    main()
