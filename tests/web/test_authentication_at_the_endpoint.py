"""From the settings to the answer, with a real key server."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest
from starlette.datastructures import Headers
from structlog.testing import capture_logs

from pyworker.settings import Settings
from pyworker.web.authentication import Authentication
from tests.fixtures.servers import Database
from tests.web.endpoint import PATH as ADD
from tests.web.endpoint import running_endpoint
from tests.web.fake_queue import FakeQueue, application_on
from tests.web.signing import PATH, USER, KeyServer, Signer, key_server, signer

SECRET_KEY = "sb_secret_0123456789abcdefghij"
LEGACY_SECRET = "a-legacy-secret-that-has-32-bytes-or-more"

MakeSettings = Callable[..., Settings]


@pytest.fixture
def served() -> Iterator[KeyServer]:
    with key_server() as running:
        running.publish(signer("ES256"))
        yield running


async def test_the_endpoint_takes_tokens_that_the_projects_keys_have_signed(
    fake_queue: FakeQueue, make_settings: MakeSettings, served: KeyServer
) -> None:
    """From the setting to the watch, over HTTP; without a legacy secret HS256 is refused."""
    settings = make_settings(
        SUPABASE_URL=served.url, SUPABASE_JWT_SECRET=None, SUPABASE_SECRET_KEY=SECRET_KEY
    )
    transport = httpx.ASGITransport(application_on(fake_queue, settings))
    async with httpx.AsyncClient(transport=transport, base_url="http://endpoint") as client:

        async def add(**headers: str) -> httpx.Response:
            card = {"symbol": "AAPL", "dataTypes": ["quote"]}
            return await client.post("/functions/v1/on-card-add", json=card, headers=headers)

        token = signer("ES256").token(iss=f"{served.url}/auth/v1")
        assert (await add(Authorization=f"Bearer {token}")).status_code == 200
        assert (await add(apikey=SECRET_KEY)).status_code == 200
        elsewhere = signer("ES256").token(iss="http://127.0.0.1:1/auth/v1")
        assert (await add(Authorization=f"Bearer {elsewhere}")).status_code == 401
    assert [watcher for _, watcher, _, _ in fake_queue.watched] == [f"user:{USER}", "service_role"]
    assert served.asked == [PATH]


async def test_while_keys_cannot_be_fetched_the_answer_is_a_503(
    fake_queue: FakeQueue, make_settings: MakeSettings, served: KeyServer
) -> None:
    """A 401 would make clients drop a session that is good."""
    served.status = 500
    application = application_on(fake_queue, make_settings(SUPABASE_URL=served.url))
    token = signer("ES256").token()
    with capture_logs() as logs:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(application), base_url="http://endpoint"
        ) as client:
            answer = await client.post(
                "/api/on-card-add", headers={"Authorization": f"Bearer {token}"}
            )
    assert (answer.status_code, answer.json()["code"]) == (503, "KEYS_UNAVAILABLE")
    assert int(answer.headers["Retry-After"]) > 0
    assert ("signing_keys_unavailable", "HTTP 500") in [
        (entry["event"], entry.get("reason")) for entry in logs
    ]
    assert token not in str(logs)


async def test_the_issuer_can_be_named_when_the_address_is_another(
    make_settings: MakeSettings, served: KeyServer
) -> None:
    issuer = "https://api.example.com/auth/v1"
    settings = make_settings(SUPABASE_URL=served.url, SUPABASE_JWT_ISSUER=issuer)
    headers = Headers({"Authorization": f"Bearer {signer('ES256').token(iss=issuer)}"})
    assert (await Authentication(settings).caller(headers)).user == USER


def test_a_process_takes_users_and_operators_and_logs_nothing_secret(
    database: Database, make_token: Callable[..., str], served: KeyServer
) -> None:
    project = {"SUPABASE_URL": served.url, "SUPABASE_SECRET_KEY": SECRET_KEY}
    with running_endpoint(database.url, make_token, LEGACY_SECRET, **project) as endpoint:

        def status(**headers: str) -> int:
            card = {"symbol": "AAPL", "dataTypes": ["nonsense"]}
            return httpx.post(f"{endpoint.url}{ADD}", json=card, headers=headers).status_code

        issuer = f"{served.url}/auth/v1"
        good = signer("ES256").token(iss=issuer)
        forged = Signer("ES256", signer("ES256").kid).token(iss=issuer)
        known = 422  # who calls is known, only the data type is not
        assert status(Authorization=f"Bearer {good}") == known
        assert status(Authorization=f"Bearer {forged}") == 401
        assert status(apikey=SECRET_KEY) == known
        assert status(apikey=SECRET_KEY + "x") == 401
        endpoint.process.terminate()
        endpoint.process.wait(20)
        output = endpoint.output()
    assert served.asked == [PATH]
    assert "Traceback" not in output
    assert not any(secret in output for secret in (good, forged, SECRET_KEY, LEGACY_SECRET))
