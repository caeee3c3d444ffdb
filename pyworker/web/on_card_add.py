"""A page shows cards: their keys are watched for a while, and what is stale is queued."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pyworker.job import KeyState
from pyworker.queue import Queue
from pyworker.settings import Settings
from pyworker.web.authentication import Authentication
from pyworker.web.body import read_json
from pyworker.web.cards import read_keys
from pyworker.web.problems import ProblemError

# Somebody waits for it. The caller cannot choose: it would be everybody's choice.
PRIORITY = 1
UNKNOWN = "unknown_data_type"
LONGEST_NAME = 50


class OnCardAdd:
    """Takes or renews the caller's lease on the keys of the cards, and answers their states."""

    def __init__(self, queue: Queue, settings: Settings, authentication: Authentication) -> None:
        self._queue = queue
        self._settings = settings
        self._authentication = authentication

    async def __call__(self, request: Request) -> Response:
        """Answer one request.

        Raises:
            ProblemError: the caller or the body is refused; nothing was recorded.
            DatabaseUnavailable: the database cannot be reached.
        """
        caller = await self._authentication.caller(request.headers)
        body = await read_json(
            request, self._settings.max_body_bytes, self._settings.receive_timeout
        )
        keys = read_keys(body, self._settings.max_keys)
        lease = self._settings.lease
        states = await self._queue.watch(keys, caller.watcher, lease, PRIORITY)
        _refuse_if_all_are_unknown(states)
        return JSONResponse(
            {
                "success": True,
                "leaseSeconds": int(lease) if lease.is_integer() else lease,
                "keys": [_as_json(state) for state in states],
            }
        )


def _refuse_if_all_are_unknown(states: Sequence[KeyState]) -> None:
    if all(state.status == UNKNOWN for state in states):
        names = dict.fromkeys(state.data_type[:LONGEST_NAME] for state in states)
        raise ProblemError(
            422, "UNKNOWN_DATA_TYPE", f"None of these data types is known: {', '.join(names)}."
        )


def _as_json(state: KeyState) -> dict[str, Any]:
    return {
        "symbol": state.symbol or None,
        "dataType": state.data_type,
        "status": state.status,
        "freshUntil": _timestamp(state.fresh_until),
        "dueAt": _timestamp(state.due_at),
    }


def _timestamp(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
