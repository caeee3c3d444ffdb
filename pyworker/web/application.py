"""The application: which path leads where, and what lies around all of them."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router

from pyworker.queue import Queue
from pyworker.settings import Settings
from pyworker.web.asked_cards import Cards
from pyworker.web.authentication import Authentication
from pyworker.web.cors import CrossOrigin
from pyworker.web.database_cards import DatabaseCards
from pyworker.web.key_waits import KeyWaits
from pyworker.web.on_card_add import OnCardAdd
from pyworker.web.problems import UnexpectedErrors, exception_handlers
from pyworker.web.request_log import RequestLog


def create_application(
    queue: Queue, settings: Settings, waits: KeyWaits | None = None
) -> Starlette:
    """Return the ASGI application on an open queue; without `waits` nothing is waited for.

    Raises:
        ConfigurationError: what tokens are verified with is missing or unusable.
    """
    return create_card_application(DatabaseCards(queue, settings.lease, waits), settings)


def create_card_application(cards: Cards, settings: Settings) -> Starlette:
    """Return the ASGI application of a host that only takes cards.

    Raises:
        ConfigurationError: what tokens are verified with is missing or unusable.
    """
    on_card_add = OnCardAdd(cards, settings, Authentication(settings))
    application = Starlette(
        routes=[
            Route("/functions/v1/on-card-add", on_card_add.__call__, methods=["POST"]),
            Route("/api/on-card-add", on_card_add.__call__, methods=["POST"]),
            Route("/healthz", _healthz, methods=["GET"]),
        ],
        middleware=[
            Middleware(RequestLog),
            Middleware(CrossOrigin, origin=settings.cors_origin),
            Middleware(UnexpectedErrors),
        ],
        exception_handlers=exception_handlers(),
    )
    router: Router = application.router
    # A redirect would lose the body in some clients, and repeats the Host header that was sent.
    router.redirect_slashes = False
    return application


async def _healthz(_request: Request) -> Response:
    return JSONResponse({"status": "ok"})
