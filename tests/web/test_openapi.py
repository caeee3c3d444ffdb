"""The document for programs says what the endpoint does."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import httpx
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance
from starlette.routing import Route

from pyworker.settings import Settings
from pyworker.web.openapi import read_openapi
from tests.web.endpoint import Endpoint
from tests.web.fake_queue import FakeQueue, application_on

SECRET_KEY = "sb_secret_of_the_operators_of_the_tests"
PATHS = 8
CASES = int(os.environ.get("FUZZ_CASES", "280")) // PATHS

schema = schemathesis.openapi.from_dict(read_openapi())


def test_the_document_names_each_route_and_no_other(
    fake_queue: FakeQueue, make_settings: Callable[..., Settings]
) -> None:
    """Whoever adds a route describes it in pyworker/web/openapi.json."""
    routes = application_on(fake_queue, make_settings()).routes
    served = {
        (route.path, method.lower())
        for route in routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    described = {
        (path, method) for path, item in read_openapi()["paths"].items() for method in item
    }
    assert served == described
    assert len(served) == PATHS


def test_it_is_served_to_anybody(endpoint: Endpoint) -> None:
    assert httpx.get(f"{endpoint.url}/openapi.json").json() == read_openapi()


@schema.parametrize()
@settings(
    max_examples=CASES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize="FUZZ_CASES" not in os.environ,
)
def test_any_request_is_answered_as_described(
    case: schemathesis.Case[Any], endpoint: Endpoint
) -> None:
    """Requests that fit the document, and others, made up from it; by an operator and by users."""
    case.call_and_validate(
        base_url=endpoint.url,
        headers={"apikey": SECRET_KEY},
        # Which data types there are is known to the database only: any other is a 422.
        excluded_checks=[positive_data_acceptance],
    )
