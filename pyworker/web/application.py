"""The application: which path leads where, and what lies around all of them."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router

from pyworker.event_listener import EventListener
from pyworker.events import Streams
from pyworker.queue.calls import Calls
from pyworker.queue.streams import StreamQueue
from pyworker.settings import Settings
from pyworker.web.asked_cards import Cards
from pyworker.web.authentication import Authentication
from pyworker.web.cors import CrossOrigin
from pyworker.web.health import healthz
from pyworker.web.on_card_add import OnCardAdd
from pyworker.web.openapi import openapi
from pyworker.web.operations import Operations
from pyworker.web.problems import UnexpectedErrors, exception_handlers
from pyworker.web.process_report import ProcessReport
from pyworker.web.refresh_events import RefreshEvents
from pyworker.web.request_log import RequestLog
from pyworker.web.request_metrics import RequestMetrics


def create_application(
    calls: Calls, cards: Cards, settings: Settings, listener: EventListener
) -> Starlette:
    """Return the ASGI application on a database; its `state.streams` are to be closed.

    `listener` is the one ear of the process.

    Raises:
        ConfigurationError: what tokens are verified with is missing or unusable.
    """
    authentication = Authentication(settings)
    streams = Streams(StreamQueue(calls), listener, lease=settings.lease)
    report = ProcessReport([calls], queue_sizes=streams.queue_sizes)
    refresh_events = RefreshEvents(streams, settings, authentication, report.consumers)
    operations = Operations(report, authentication, metrics_public=settings.metrics_public)
    routes = [
        *_card_routes(cards, settings, authentication),
        Route("/functions/v1/refresh-events", refresh_events.__call__, methods=["GET"]),
        *operations.routes(),
    ]
    metrics = Middleware(
        RequestMetrics, registry=operations.registry, paths=[route.path for route in routes]
    )
    application = _assembled(routes, [metrics], settings)
    application.state.streams = streams
    return application


def create_card_application(cards: Cards, settings: Settings) -> Starlette:
    """Return the ASGI application of a host without a database, which only takes cards.

    Raises:
        ConfigurationError: what tokens are verified with is missing or unusable.
    """
    routes = _card_routes(cards, settings, Authentication(settings))
    return _assembled([*routes, Route("/healthz", _healthz, methods=["GET"])], [], settings)


def _card_routes(cards: Cards, settings: Settings, authentication: Authentication) -> list[Route]:
    on_card_add = OnCardAdd(cards, settings, authentication)
    return [
        Route("/functions/v1/on-card-add", on_card_add.__call__, methods=["POST"]),
        Route("/api/on-card-add", on_card_add.__call__, methods=["POST"]),
        Route("/openapi.json", openapi, methods=["GET"]),
    ]


async def _healthz(request: Request) -> Response:
    return await healthz(request)


def _assembled(routes: list[Route], outermost: list[Middleware], settings: Settings) -> Starlette:
    application = Starlette(
        routes=routes,
        middleware=[
            *outermost,
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
