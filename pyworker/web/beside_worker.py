"""What a worker process serves: health, status and metrics, and nothing for frontends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware

from pyworker.listener_report import ListenerReport
from pyworker.queue.calls import Calls
from pyworker.settings import Settings
from pyworker.web.authentication import Authentication
from pyworker.web.operations import Operations
from pyworker.web.problems import UnexpectedErrors, exception_handlers
from pyworker.web.process_report import ProcessReport
from pyworker.web.server import serving


@asynccontextmanager
async def beside_worker(
    settings: Settings, calls: Sequence[Calls], listener: Callable[[], ListenerReport]
) -> AsyncIterator[None]:
    """Serve while a worker works, if its port is set.

    Without anything to verify operators' keys and tokens with, /status is not served, and
    /metrics only if they are public.

    Raises:
        ConfigurationError: the address or a setting for sign-in cannot be used.
    """
    if settings.worker_port is None:
        yield
        return
    report = ProcessReport(calls, listener=listener)
    application = Starlette(
        routes=Operations(
            report, _authentication(settings), metrics_public=settings.metrics_public
        ).routes(),
        middleware=[Middleware(UnexpectedErrors)],
        exception_handlers=exception_handlers(),
    )
    async with serving(application, settings, settings.worker_port) as url:
        structlog.get_logger().info("serving", url=url)
        with report.consumers.waiting():
            yield


def _authentication(settings: Settings) -> Authentication | None:
    can_verify = settings.supabase_url is not None or settings.jwt_secret is not None
    return Authentication(settings) if can_verify else None
