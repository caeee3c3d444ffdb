"""A real browser reads a stream as pages do: fetch with a token, from another origin."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.demo.browser import find_chromium, open_browser
from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType
from tests.web.endpoint import Endpoint
from tests.web.stream_client import PATH

READ = """
(async () => {
    window.seen = ''
    window.leaving = new AbortController()
    const answer = await fetch(%s, { headers: %s, signal: window.leaving.signal })
    window.answered = answer.status
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
    for (;;) {
        const { value, done } = await reader.read()
        if (done) return
        window.seen += value
    }
})().catch(() => {}), true
"""


def test_a_page_reads_the_stream_as_it_comes_and_is_forgotten_when_it_leaves(
    endpoint: Endpoint,
    connection: Connection,
    quotes: DataType,
    make_token: Callable[..., str],
    tmp_path: Path,
) -> None:
    program = find_chromium()
    if program is None:
        pytest.skip("Chromium is not on this machine")
    url = f"{endpoint.url}{PATH}?symbol=AAPL&dataTypes={quotes.name}"
    headers = {"Authorization": f"Bearer {make_token()}", "Last-Event-ID": "1"}
    gone = "select not exists (select from freshness.watches where data_type = %s)"
    with open_browser(program, tmp_path) as browser:
        browser.evaluate(READ % (json.dumps(url), json.dumps(headers)))
        browser.wait_for("(window.seen || '').includes('event: snapshot')")
        assert browser.evaluate("window.answered") == 200
        connection.execute(
            "insert into freshness.events (kind, data_type, symbol)"
            " values ('unchanged', %s, 'AAPL')",
            [quotes.name],
        )
        browser.wait_for("window.seen.includes('event: unchanged')")
        browser.evaluate("window.leaving.abort()")
        for _ in range(500):
            if connection.execute(gone, [quotes.name]).fetchone() == (True,):
                break
            connection.execute("select pg_sleep(0.02)")
        assert connection.execute(gone, [quotes.name]).fetchone() == (True,)
        assert browser.errors == []
