"""What platforms ask: whether the process is alive, and whether it can do its work."""

from __future__ import annotations

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pyworker.errors import FreshnessError
from pyworker.queue.status import StatusQueue
from pyworker.web.reading import Reading

LASTS = 1.0
LIMIT = 2.0
NEVER_STORED = {"Cache-Control": "no-store"}


async def healthz(_request: Request) -> Response:
    """Answer 200 while the process is alive, whatever the database does."""
    return JSONResponse({"status": "ok"}, headers=NEVER_STORED)


class Readiness:
    """Answers 200 while the database can be reached and has our schema, else 503.

    The database is asked once a second at most, and 2 s is the longest wait for its answer.
    """

    def __init__(self, queue: StatusQueue) -> None:
        self._reading = Reading(queue.ask_for_nothing, lasts=LASTS, limit=LIMIT)

    async def __call__(self, _request: Request) -> Response:
        """Answer one probe; the reason is for the log, since anybody may ask."""
        try:
            await self._reading.latest()
        except FreshnessError as error:
            structlog.get_logger().warning("not_ready", reason=str(error))
            return JSONResponse({"status": "unavailable"}, 503, NEVER_STORED)
        return JSONResponse({"status": "ok"}, headers=NEVER_STORED)
