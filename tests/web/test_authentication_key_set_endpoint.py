"""Keys come from the project's own address, within limits of time and size."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pyworker.web.authentication.key_set import KeySetUnusable
from pyworker.web.authentication.key_set_endpoint import MOST_BYTES, KeySetEndpoint
from tests.web.signing import PATH, KeyServer, Signer, key_server, signer

ES256, RS256, EDDSA = (signer(algorithm) for algorithm in ("ES256", "RS256", "EdDSA"))


@pytest.fixture
def server() -> Iterator[KeyServer]:
    with key_server() as running:
        yield running


async def reason(server: KeyServer, timeout: float = 5) -> str:  # noqa: ASYNC109 - passed on
    with pytest.raises(KeySetUnusable) as refused:
        await KeySetEndpoint(f"{server.url}{PATH}", timeout).fetch()
    return str(refused.value)


async def test_keys_come_over_http(server: KeyServer) -> None:
    server.publish(ES256, RS256, EDDSA)
    keys = await KeySetEndpoint(f"{server.url}{PATH}").fetch()
    assert list(keys) == ["key-ES256", "key-RS256", "key-EdDSA"]
    assert server.asked == [PATH]


async def test_a_redirect_is_not_followed(server: KeyServer) -> None:
    """Whoever could redirect it would say which keys are good."""
    with key_server() as attacker:
        attacker.publish(Signer("ES256", "attacker"))
        server.status, server.headers = 302, {"Location": f"{attacker.url}{PATH}"}
        assert await reason(server) == "HTTP 302"
        assert attacker.asked == []


@pytest.mark.parametrize("status", [201, 204, 401, 404, 500, 503])
async def test_another_status_is_no_key_set(server: KeyServer, status: int) -> None:
    server.publish(ES256)
    server.status = status
    assert await reason(server) == f"HTTP {status}"


async def test_an_answer_that_is_not_json_is_no_key_set(server: KeyServer) -> None:
    server.body = b"<html>Sign in to this network</html>"
    assert await reason(server) == "the answer is not JSON"


async def test_a_huge_answer_is_cut_off(server: KeyServer) -> None:
    server.body = b" " * 50_000_000
    assert await reason(server) == f"the answer is over {MOST_BYTES} bytes"


async def test_a_compressed_answer_is_not_unpacked(server: KeyServer) -> None:
    server.publish(ES256)
    server.headers = {"Content-Encoding": "gzip"}
    assert list(await KeySetEndpoint(f"{server.url}{PATH}").fetch()) == ["key-ES256"]


async def test_a_slow_answer_is_not_waited_for(server: KeyServer) -> None:
    server.may_answer.clear()
    assert await reason(server, 0.1) == "no answer within 0.1 s"


async def test_a_server_that_is_not_there_is_told(server: KeyServer) -> None:
    with key_server() as gone:
        url = gone.url
    server.url = url
    assert await reason(server) == "no connection: ConnectError"
