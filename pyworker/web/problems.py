"""What went wrong, as an answer: a status, and a body `{"message", "code"}`."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, ExceptionHandler, Message, Receive, Scope, Send

from pyworker.errors import CardsRefused, DatabaseUnavailable, InvalidRequest

RETRY_AFTER_SECONDS = 5


class ProblemError(Exception):
    """Ends a request with `status` and the body `{"message": message, "code": code}`.

    The message is read by the caller: it says what to do, and nothing about the inside.
    """

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers

    def response(self) -> Response:
        """Return the answer."""
        return JSONResponse({"message": self.message, "code": self.code}, self.status, self.headers)


def exception_handlers() -> dict[Any, ExceptionHandler]:
    """Return the handlers of the errors that are expected, in Starlette's form."""
    return {
        ProblemError: _problem,
        HTTPException: _routing,
        DatabaseUnavailable: _database_unavailable,
        InvalidRequest: _invalid_request,
        CardsRefused: _cards_refused,
        ClientDisconnect: _client_disconnect,
    }


class UnexpectedErrors:
    """Answers an error that nobody expected with a 500 that tells nothing, and logs it.

    Starlette's own place for this lies outside all middleware, without the CORS headers that a
    browser needs to see the answer.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        started = False

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        except Exception:
            if scope["type"] != "http" or started:
                raise
            # Formatted here: a renderer might show local variables, and among them tokens.
            structlog.get_logger().error("request_failed", exception=traceback.format_exc())
            problem = ProblemError(500, "INTERNAL", "Something went wrong on our side. Try again.")
            await problem.response()(scope, receive, send)


async def _problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)  # noqa: S101 - narrows what Starlette looked up by type
    return error.response()


async def _routing(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    message = {
        404: "There is nothing at this path.",
        405: f"{request.method} is not allowed here.",
    }.get(error.status_code, error.detail)
    code = HTTPStatus(error.status_code).name
    return ProblemError(error.status_code, code, message, error.headers).response()


async def _database_unavailable(_request: Request, error: Exception) -> Response:
    structlog.get_logger().error("database_unavailable", reason=str(error))
    return ProblemError(
        503,
        "DATABASE_UNAVAILABLE",
        "The database cannot be reached at the moment. Try again.",
        {"Retry-After": str(RETRY_AFTER_SECONDS)},
    ).response()


async def _invalid_request(_request: Request, error: Exception) -> Response:
    return ProblemError(422, "INVALID_CARDS", str(error)).response()


async def _cards_refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, CardsRefused)  # noqa: S101
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return ProblemError(error.status, error.code, error.message, headers).response()


async def _client_disconnect(_request: Request, _error: Exception) -> Response:
    return ProblemError(400, "BODY_INCOMPLETE", "The connection ended within the body.").response()
