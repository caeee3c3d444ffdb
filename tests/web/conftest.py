"""The application on a queue without a database, and tokens for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest

from pyworker.queue.calls import Calls
from pyworker.queue.members import MemberQueue
from pyworker.settings import Settings
from tests.fixtures.data_types import DataType
from tests.fixtures.servers import WOULD_BREAK, Database
from tests.web.data_api import SECRET_KEY, DataApi, running_data_api
from tests.web.edge_function import DENO, running_function
from tests.web.endpoint import Endpoint, running_endpoint
from tests.web.fake_queue import FakeQueue, application_on
from tests.web.stream_worker import Worker

SECRET = "a-secret-of-the-tests-that-has-32-bytes-or-more"
EndpointManager = AbstractContextManager[Endpoint]


@pytest.fixture(scope="session")
def make_token() -> Callable[..., str]:
    """Signs a token of a signed-in user; arguments change its claims, None leaves one out."""

    def make(secret: str = SECRET, algorithm: str = "HS256", **changes: Any) -> str:
        claims = {
            "sub": "5f7c1f6e-0000-4000-8000-000000000001",
            "role": "authenticated",
            "aud": "authenticated",
            "exp": datetime.now(UTC) + timedelta(hours=1),
            **changes,
        }
        kept = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(kept, secret, algorithm=algorithm)

    return make


@pytest.fixture(scope="session")
def make_settings() -> Callable[..., Settings]:
    """Settings that read no file; arguments change them."""

    def make(**changes: Any) -> Settings:
        values = {"DATABASE_URL": "postgresql://nowhere", "SUPABASE_JWT_SECRET": SECRET, **changes}
        return Settings(_env_file=None, **values)

    return make


@pytest.fixture
def fake_queue() -> FakeQueue:
    return FakeQueue()


@pytest.fixture
async def client(
    fake_queue: FakeQueue, make_settings: Callable[..., Settings], make_token: Callable[..., str]
) -> AsyncIterator[httpx.AsyncClient]:
    """A signed-in client of the application on the fake queue."""
    application = application_on(fake_queue, make_settings(max_body_bytes=4096))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(application, raise_app_exceptions=True),
        base_url="http://endpoint",
        headers={"Authorization": f"Bearer {make_token()}"},
    ) as signed_in:
        yield signed_in


@pytest.fixture
def start_endpoint(make_token: Callable[..., str]) -> Callable[[str], EndpointManager]:
    """Starts an endpoint on the database with a URL, for the length of a `with`."""

    def start(url: str) -> EndpointManager:
        return running_endpoint(url, make_token, SECRET)

    return start


@pytest.fixture(scope="session")
def endpoint(database: Database, make_token: Callable[..., str]) -> Iterator[Endpoint]:
    """One endpoint for the tests that do not break it."""
    with running_endpoint(
        database.url, make_token, SECRET, SUPABASE_SECRET_KEY=SECRET_KEY
    ) as running:
        yield running


@pytest.fixture
async def stream_worker(calls: Calls, quotes: DataType) -> AsyncIterator[Worker]:
    """A worker that the test is, step by step."""
    members = MemberQueue(calls)
    number = await members.announce_worker("streams", 60)
    yield Worker(calls, number, quotes)
    await members.dismiss_worker(number)


@pytest.fixture(scope="session")
def data_api(database: Database) -> Iterator[DataApi]:
    """The functions of the database by HTTP."""
    if database.superuser_url is None:
        pytest.skip(WOULD_BREAK)
    url = database.url.replace("://postgres:", "://authenticator:", 1)
    with running_data_api(url, SECRET) as running:
        yield running


@pytest.fixture(scope="session")
def function_url(data_api: DataApi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The Edge Function, run by Deno."""
    if not DENO.exists():
        pytest.skip("Deno is not installed: run npm ci")
    log = tmp_path_factory.mktemp("function") / "function.log"
    with running_function(data_api.url, log) as url:
        yield url
    # What went wrong is told without what would let somebody in.
    assert "eyJ" not in log.read_text()
    assert SECRET_KEY not in log.read_text()


@pytest.fixture
def operator(endpoint: Endpoint) -> Iterator[httpx.Client]:
    """An operator's client of the endpoint."""
    with httpx.Client(base_url=endpoint.url, headers={"apikey": SECRET_KEY}) as client:
        yield client
