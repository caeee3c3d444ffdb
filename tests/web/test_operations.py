"""What operators and platforms ask the endpoint for."""

from __future__ import annotations

import re
from collections.abc import Callable

import httpx
import psycopg
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType
from tests.web.endpoint import Endpoint, running_endpoint
from tests.worker.waiting import wait_until

SECRET_KEY = "sb_secret_of_the_operators_of_the_tests"
SECRET = "a-secret-of-the-tests-that-has-32-bytes-or-more"
MakeToken = Callable[..., str]


def test_the_status_has_the_shape_that_monitors_know(operator: httpx.Client) -> None:
    """And beside it the freshness figures."""
    answer = operator.get("/status")

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    status = answer.json()
    assert list(status) == [
        "available",
        "listener",
        "notification_queues",
        "timestamp",
        "freshness",
    ]
    assert status["available"] is True
    assert {
        "running",
        "connection_healthy",
        "reconnect_attempts",
        "max_reconnect_attempts",
        "pg_queue_usage_percent",
    } <= set(status["listener"])
    assert 0 <= status["listener"]["pg_queue_usage_percent"] <= 100
    assert status["notification_queues"] == {
        "total_queues": 0,
        "total_notifications": 0,
        "queue_sizes": {},
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", status["timestamp"])
    figures = {figure["name"] for figure in status["freshness"]["figures"]}
    assert {"queue_depth", "lateness_worst", "duplicates"} <= figures


@pytest.mark.parametrize("path", ["/status", "/metrics"])
def test_users_and_strangers_are_kept_out(endpoint: Endpoint, path: str) -> None:
    """A user is told that it is not for users; who is not signed in is told that first."""
    user = endpoint.client.get(path)
    assert (user.status_code, user.json()["code"]) == (403, "OPERATORS_ONLY")
    for headers in ({}, {"apikey": SECRET_KEY + "x"}, {"Authorization": "Bearer x.y.z"}):
        assert httpx.get(endpoint.url + path, headers=headers).status_code == 401


def test_a_token_of_the_service_role_is_an_operators(
    endpoint: Endpoint, make_token: MakeToken
) -> None:
    token = make_token(role="service_role", sub=None, aud=None)
    answer = httpx.get(f"{endpoint.url}/status", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200


def test_metrics_keep_to_prometheus_conventions(
    operator: httpx.Client, quotes: DataType, connection: Connection
) -> None:
    """Own prefix, base units, `_total` on counters only, a help text for each."""
    connection.execute("select * from freshness.watch(array[%s], array['A'], 'u')", [quotes.name])
    operator.get("/healthz")
    # The figures before are kept for three seconds.
    wanted = f'freshness_wanted_keys{{data_type="{quotes.name}"}} 1.0'
    wait_until(lambda: wanted in operator.get("/metrics").text)
    text = operator.get("/metrics").text
    families = {family.name: family for family in read_text(text)}

    for name, family in families.items():
        assert re.fullmatch(r"(freshness|process)_[a-z0-9_]+", name), name
        assert family.documentation, name
        assert (family.type == "counter") == any(
            sample.name.endswith("_total") for sample in family.samples
        ), name
        assert not re.search(r"_(ms|millis|milliseconds|minutes|hours|percent|kb|mb)\b", name), name
    assert families["freshness_database_up"].samples[0].value == 1
    requests = families["freshness_http_request_duration_seconds"].samples
    assert any(sample.labels.get("path") == "/healthz" for sample in requests)


def test_openmetrics_are_given_to_those_who_ask(operator: httpx.Client) -> None:
    answer = operator.get("/metrics", headers={"Accept": "application/openmetrics-text"})
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    assert {"freshness_database_queries", "freshness_polling_queries"} <= {
        family.name
        for family in read_openmetrics(answer.text)  # type: ignore[no-untyped-call]
    }


def test_probes_and_scrapes_make_no_load(operator: httpx.Client) -> None:
    """Each is answered from one reading a second, or one in three."""
    before = _queries(operator)
    for _ in range(100):
        assert operator.get("/readyz").status_code == 200
        assert operator.get("/metrics").status_code == 200
    # Twice the figures at most, of five queries each, and a probe for each second.
    assert _queries(operator) - before < 20


def test_paths_that_clients_make_up_are_counted_as_one(operator: httpx.Client) -> None:
    """So that nobody can fill the memory with them."""
    for number in range(20):
        operator.get(f"/made-up-{number}")
        operator.request(f"MADE{number}", "/healthz")
    text = operator.get("/metrics").text
    assert "made-up" not in text
    assert "MADE" not in text
    assert 'path="other",status="404"' in text


def test_without_a_database_the_state_is_told_all_the_same(
    own_database: str, make_token: MakeToken
) -> None:
    """The process is alive, is not ready, and says so in each form."""
    with (
        running_endpoint(
            own_database,
            make_token,
            SECRET,
            SUPABASE_SECRET_KEY=SECRET_KEY,
            FRESHNESS_METRICS_PUBLIC="true",
        ) as endpoint,
        httpx.Client(base_url=endpoint.url) as stranger,
    ):
        assert stranger.get("/readyz").json() == {"status": "ok"}
        with psycopg.connect(own_database, autocommit=True) as connection:
            connection.execute("drop schema freshness cascade")
        assert stranger.get("/healthz").json() == {"status": "ok"}
        headers = {"apikey": SECRET_KEY}
        wait_until(lambda: not stranger.get("/status", headers=headers).json()["available"])
        status = stranger.get("/status", headers=headers).json()
        assert (status["available"], status["freshness"]) == (False, None)
        metrics = stranger.get("/metrics").text
        assert "freshness_database_up 0.0" in metrics
        assert "freshness_database_queries_total" in metrics
        wait_until(lambda: stranger.get("/readyz").status_code != 200)
        not_ready = stranger.get("/readyz")
        assert (not_ready.status_code, not_ready.json()) == (503, {"status": "unavailable"})


def _queries(operator: httpx.Client) -> float:
    found = re.search(
        r"^freshness_database_queries_total (\S+)$", operator.get("/metrics").text, re.M
    )
    assert found
    return float(found[1])
