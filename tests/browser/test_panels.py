"""Every panel shows what `/v3/status` says at that moment, and the numbers move while the feed does."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.wall import (
    MARKETS,
    SOON_MS,
    get_json,
    open_console,
    rows,
    status_of,
    still,
    until,
)
from tests.serving import Served
from traderv3.domain.units import DOLLAR, format_price, parse_price

pytestmark = [pytest.mark.process, pytest.mark.browser]


def counted(number: int) -> str:
    """As the page prints a count."""
    return f"{number:,}"


def text_of(page: Page, test_id: str) -> str:
    return page.get_by_test_id(test_id).inner_text()


def header_is(page: Page, status: dict[str, Any]) -> None:
    metrics = status["metrics"]
    assert text_of(page, "environment") == status["environment"].upper()
    assert text_of(page, "state") == status["state"]
    assert status["health"] in text_of(page, "health")
    assert text_of(page, "market-count") == counted(metrics["markets_connected"])
    assert text_of(page, "delta-count") == counted(metrics["deltas_received"])
    assert all(reason["message"] in text_of(page, "why") for reason in status["reasons"])


def tree_is(page: Page, status: dict[str, Any]) -> None:
    shown = rows(page, "actor", "actor")
    assert {name for name, component in status["components"].items()} <= shown.keys()
    for name, component in status["components"].items():
        assert shown[name]["status"] == component["status"], name


def markets_are(page: Page, answer: dict[str, Any]) -> None:
    tops = answer["markets"]
    shown = rows(page, "market", "ticker")
    assert shown.keys() == {top["ticker"] for top in tops}
    for top in tops:
        row = shown[top["ticker"]]
        assert row["bookState"] == top["book_state"], top
        for price in (top["yes_bid"], top["yes_ask"]):
            assert price is None or price.rstrip("0") in row["text"], (price, row)


def history_is(page: Page, status: dict[str, Any]) -> None:
    shown = page.get_by_test_id("transition-row").all_inner_texts()
    assert len(shown) == len(status["transitions"])
    for text, transition in zip(shown, reversed(status["transitions"]), strict=True):
        assert transition["context"] in text
        assert re.search(rf"{transition['from_state']}\W+{transition['to_state']}", text)


def test_every_panel_shows_what_the_status_says_at_that_moment(page: Page, served: Served) -> None:
    open_console(page, served)

    def same(show: Callable[[Page, Any], None], path: str = "/v3/status") -> None:
        def look() -> bool:
            show(page, get_json(page, served, path))
            return True

        until(page, f"{show.__name__} {path}", look)

    with still(served.exchange_pid):
        same(header_is)
        same(tree_is)
        same(history_is)
        same(markets_are, "/v3/markets")


def test_the_ladder_shows_the_whole_book_of_the_chosen_market(page: Page, served: Served) -> None:
    tickers = until(page, "markets are chosen", lambda: status_of(page, served)["markets"])
    open_console(page, served, f"?market={tickers[3]}")

    def same() -> bool:
        book = get_json(page, served, f"/v3/markets/{tickers[3]}/book")
        asks = [[format_price(DOLLAR - parse_price(price)), size] for price, size in book["no"]]
        shown = rows(page, "ladder-row", "price")
        assert book["yes"]
        assert asks
        for price, size in book["yes"] + asks:
            assert size in shown.get(price, {"text": "no row"})["text"].replace(",", ""), (price, size)
        standing = [row for row in shown.values() if re.search(r"\d\.\d\d", row["text"])]
        assert len(standing) == len({price for price, _ in book["yes"] + asks})
        return True

    with still(served.exchange_pid):
        until(page, "the ladder is the book", same)


def test_numbers_move_while_the_feed_is_live(page: Page, served: Served) -> None:
    open_console(page, served)
    before = text_of(page, "delta-count")

    expect(page.get_by_test_id("delta-count")).not_to_have_text(before, timeout=SOON_MS)
    assert not re.search(r"-0(\.0)? ms", page.locator("body").inner_text())


def test_the_link_is_live_within_five_seconds_with_numbers_and_no_gap(page: Page, served: Served) -> None:
    page.goto(f"{served.url}/v3-trader")

    expect(page.get_by_test_id("link")).to_have_attribute("data-link", "live", timeout=5_000)
    expect(page.get_by_test_id("environment")).to_have_text("SIM")
    expect(page.get_by_test_id("market-count")).to_have_text(str(MARKETS), timeout=SOON_MS)
    expect(page.get_by_test_id("actor").nth(15)).to_be_attached()
    expect(page.get_by_test_id("transition-row").first).to_be_visible()
    expect(page).to_have_title(re.compile("ready.*SIM"))


def test_an_address_reproduces_the_view(page: Page, served: Served) -> None:
    ticker = status_of(page, served)["markets"][5]
    open_console(page, served, f"?market={ticker}&level=warning&q=nothing-says-this&tab=events&tz=local")

    expect(page.get_by_test_id("filter")).to_have_value("nothing-says-this")
    expect(page.get_by_test_id("terminal-row")).to_have_count(0)
    expect(page.locator(f'[data-testid="market"][data-ticker="{ticker}"][data-chosen="true"]')).to_be_attached()

    page.goto(f"{served.url}/v3-trader?tab=risk")
    expect(page.get_by_role("tab", name="risk")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("tabpanel")).to_contain_text("active", timeout=SOON_MS)


def test_what_is_chosen_is_in_the_address(page: Page, served: Served) -> None:
    open_console(page, served)
    page.keyboard.press("2")
    page.keyboard.press("u")

    expect(page).to_have_url(re.compile(r"\?(?=.*tab=orders)(?=.*tz=local)"))
