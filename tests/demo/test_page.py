"""The page as a person uses it, in a real browser, and as a program does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from pyworker.demo.board import Board
from pyworker.demo.feed import Feed
from pyworker.demo.page import Page
from tests.demo.browser import Browser, find_chromium, open_browser
from tests.demo.running import running_demo

LIVE = "document.querySelector('#connection')?.dataset.state === 'live'"


@pytest.fixture
def address(own_database: str) -> Iterator[str]:
    """The address of the page of a demo that runs until the test is over."""
    with running_demo(own_database) as (_, address):
        yield address


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    program = find_chromium()
    if program is None:
        pytest.skip("Chromium is not installed on this machine")
    with open_browser(program, tmp_path / "profile") as opened:
        yield opened


def cards_with(status: str) -> str:
    return f"document.querySelectorAll('.card[data-status={status}]').length"


def test_a_person_adds_cards_sees_them_and_removes_them(address: str, browser: Browser) -> None:
    browser.size(1280, 900)
    browser.call("Page.navigate", url=address)
    browser.wait_for(LIVE)
    assert browser.evaluate("!document.querySelector('#empty').hidden")

    browser.evaluate("document.querySelector('#add .primary').click()")
    browser.wait_for(f"{cards_with('fresh')} === 1")
    assert browser.evaluate("document.querySelector('.card h3').textContent") == "AAPL Quote"
    assert browser.evaluate("document.querySelector('.viewers').textContent.includes('endpoint')")
    assert browser.evaluate("document.querySelectorAll('.card .line').length") == 1
    price = "document.querySelector('.card .price').textContent"
    before = browser.evaluate(price)
    # Its data goes stale after five seconds, and the price is another one then.
    browser.wait_for(f"{price} !== {before!r}", seconds=15)

    browser.evaluate("document.querySelector('[name=way][value=subscription]').click()")
    browser.evaluate("document.querySelector('#add-all').click()")
    browser.wait_for(f"{cards_with('fresh')} >= 10")
    first = "document.querySelector('.card .remove')"
    browser.evaluate(f"{first}.focus()")
    browser.evaluate(f"{first}.click()")
    browser.wait_for("document.querySelectorAll('.card').length === 9")
    browser.wait_for("document.activeElement.className === 'remove'")
    assert "removed" in browser.evaluate("document.querySelector('#announcement').textContent")
    assert browser.errors == []


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_the_page_fits_the_screen(address: str, browser: Browser, width: int) -> None:
    browser.size(width, 844, mobile=width < 500)
    browser.call("Page.navigate", url=address)
    browser.wait_for(LIVE)
    browser.evaluate("document.querySelector('#add-all').click()")
    browser.wait_for("document.querySelectorAll('.card .price:not(:empty)').length === 10")
    assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"json": {"symbol": "NONE", "dataType": "demo_quote", "way": "card"}}, 422),
        ({"json": {"symbol": "IBM", "dataType": "demo_bond", "way": "card"}}, 422),
        ({"json": {"symbol": "IBM", "dataType": "demo_quote", "way": "pigeon"}}, 422),
        ({"json": {"symbol": ["IBM"], "dataType": {}, "way": []}}, 422),
        ({"json": []}, 422),
        ({"content": "{", "headers": {"content-type": "application/json"}}, 422),
        ({"content": "{}", "headers": {"content-type": "text/plain"}}, 422),
    ],
)
async def test_what_makes_no_sense_is_refused_with_a_message(
    request_: dict[str, Any], status: int
) -> None:
    # Nothing of it gets as far as the board.
    page = Page(cast("Board", None), cast("Feed", None)).application()
    transport = httpx.ASGITransport(page)
    async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
        answer = await client.post("/cards", **request_)
    assert answer.status_code == status
    assert answer.json()["message"]


def test_the_page_needs_nothing_from_outside() -> None:
    folder = Path(__file__).resolve().parents[2] / "pyworker" / "demo"
    for name in ("page.html", "page.css", "page.js"):
        text = (folder / name).read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "://" not in text
