"""Whatever a client sends, it is never an error of ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import anyio
import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from pyworker.settings import Settings
from tests.web.fake_queue import FakeQueue, application_on

PATH = "/functions/v1/on-card-add"
# All of Unicode, with NUL and lone surrogates, which JSON can escape.
TEXT = st.text(st.characters(), max_size=210)
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)
DATA_TYPES = st.lists(st.sampled_from(["quote", "market"]) | TEXT, max_size=60) | ANYTHING
CARD = st.fixed_dictionaries({}, optional={"symbol": TEXT | ANYTHING, "dataTypes": DATA_TYPES})
CARDS = st.fixed_dictionaries({"cards": st.lists(CARD | ANYTHING, max_size=4) | ANYTHING})
BODY = (
    (CARD | CARDS | ANYTHING).map(lambda value: json.dumps(value).encode())
    | st.binary(max_size=300)
    | st.text(alphabet='{}[]",:0eE+-\\u \0cardsymbol', max_size=60).map(str.encode)
)
# The application keeps nothing between requests, so that examples may share it.
EXAMPLES = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300
)


@EXAMPLES
@given(body=BODY)
def test_any_body_is_answered_with_a_success_or_the_clients_error(
    body: bytes,
    fake_queue: FakeQueue,
    make_settings: Callable[..., Settings],
    make_token: Callable[..., str],
) -> None:
    headers = {"Authorization": f"Bearer {make_token()}"}
    application = application_on(fake_queue, make_settings())
    check(send(application, "POST", PATH, headers, body))


@EXAMPLES
@given(
    method=st.sampled_from(
        ["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS", "TRACE", "X"]
    ),
    path=st.sampled_from([PATH, PATH + "/", "/healthz"])
    | st.binary(max_size=20).map(lambda path: "/" + quote(path)),
    headers=st.dictionaries(
        st.sampled_from(["Authorization", "Content-Type", "Content-Length", "Origin", "apikey"]),
        st.binary(max_size=30),
    ),
    body=BODY,
)
def test_any_request_is_answered(
    *,
    method: str,
    path: str,
    headers: dict[str, bytes],
    body: bytes,
    fake_queue: FakeQueue,
    make_settings: Callable[..., Settings],
) -> None:
    application = application_on(fake_queue, make_settings())
    check(send(application, method, path, headers, body), method)


def send(application: Any, method: str, path: str, headers: Any, body: bytes) -> httpx.Response:
    """Sends one request; an exception that leaves the application is raised here."""

    async def request() -> httpx.Response:
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport) as client:
            url = f"http://endpoint{path}"
            return await client.request(method, url, headers=headers, content=body)

    with capture_logs():
        return anyio.run(request)


def check(answer: httpx.Response, method: str = "POST") -> None:
    assert answer.status_code < 500
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    if answer.status_code >= 400 and method != "HEAD":
        assert set(answer.json()) == {"message", "code"}
