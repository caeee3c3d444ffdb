"""Lets nobody but operators in: the service role, by a secret key or a token."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from pyworker.web.authentication import Authentication
from pyworker.web.handler import Handler
from pyworker.web.problems import ProblemError


class OperatorsOnly:
    """Hands a request on if an operator sent it.

    Raises:
        ProblemError: 401, nobody who may call; 403, a user who is no operator.
    """

    def __init__(self, handler: Handler, authentication: Authentication) -> None:
        self._handler = handler
        self._authentication = authentication

    async def __call__(self, request: Request) -> Response:
        """Answer one request."""
        caller = await self._authentication.caller(request.headers)
        if not caller.is_operator:
            raise ProblemError(
                403, "OPERATORS_ONLY", "This is for operators: send a secret key as apikey."
            )
        return await self._handler(request)
