"""The application: which path leads where, and what lies around all of them."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route, Router

from pyworker.event_listener import EventListener
from pyworker.events import Streams
from pyworker.queue import Queue
from pyworker.settings import Settings
from pyworker.web.authentication import Authentication
from pyworker.web.cors import CrossOrigin
from pyworker.web.on_card_add import OnCardAdd
from pyworker.web.openapi import openapi
from pyworker.web.operations import Operations
from pyworker.web.problems import UnexpectedErrors, exception_handlers
from pyworker.web.process_report import ProcessReport
from pyworker.web.refresh_events import RefreshEvents
from pyworker.web.request_log import RequestLog
from pyworker.web.request_metrics import RequestMetrics


def create_application(queue: Queue, settings: Settings) -> Starlette:
    """Return the ASGI application on an open queue; its `state.streams` are to be closed.

    Raises:
        ConfigurationError: what tokens are verified with is missing or unusable.
    """
    authentication = Authentication(settings)
    on_card_add = OnCardAdd(queue, settings, authentication)
    listener = EventListener(settings.database_url.get_secret_value())
    streams = Streams(queue, listener, lease=settings.lease)
    report = ProcessReport([queue], queue_sizes=streams.queue_sizes)
    refresh_events = RefreshEvents(streams, settings, authentication, report.consumers)
    operations = Operations(report, authentication, metrics_public=settings.metrics_public)
    routes = [
        Route("/functions/v1/on-card-add", on_card_add.__call__, methods=["POST"]),
        Route("/api/on-card-add", on_card_add.__call__, methods=["POST"]),
        Route("/functions/v1/refresh-events", refresh_events.__call__, methods=["GET"]),
        Route("/openapi.json", openapi, methods=["GET"]),
        *operations.routes(),
    ]
    application = Starlette(
        routes=routes,
        middleware=[
            Middleware(
                RequestMetrics,
                registry=operations.registry,
                paths=[route.path for route in routes],
            ),
            Middleware(RequestLog),
            Middleware(CrossOrigin, origin=settings.cors_origin),
            Middleware(UnexpectedErrors),
        ],
        exception_handlers=exception_handlers(),
    )
    application.state.streams = streams
    router: Router = application.router
    # A redirect would lose the body in some clients, and repeats the Host header that was sent.
    router.redirect_slashes = False
    return application
