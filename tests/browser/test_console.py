"""The console in a real browser against the real trader and exchange."""

import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.serving import Served, serving

pytestmark = [pytest.mark.process, pytest.mark.browser]

SOON_MS = 15_000  # generous: the machines are shared


def open_console(page: Page, served: Served) -> None:
    page.goto(f"{served.url}/v3-trader")
    expect_live(page)


def expect_live(page: Page) -> None:
    expect(page.get_by_test_id("link")).to_have_attribute("data-link", "live", timeout=SOON_MS)
    expect(page.get_by_test_id("state")).to_have_text("ready", timeout=SOON_MS)
    expect(page.locator('[data-testid="market"][data-book-state="live"]')).to_have_count(15, timeout=SOON_MS)


def status_of(page: Page, served: Served) -> dict[str, Any]:
    answer: dict[str, Any] = page.request.get(f"{served.url}/v3/status").json()
    return answer


def test_every_panel_shows_what_the_status_says(page: Page, tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        open_console(page, served)
        status = status_of(page, served)

        expect(page.get_by_test_id("environment")).to_have_text("SIM")
        expect(page.get_by_test_id("market-count")).to_have_text(str(status["metrics"]["markets_connected"]))
        for name, component in status["components"].items():
            actor = page.locator(f'[data-testid="actor"][data-actor="{name}"]')
            expect(actor).to_have_attribute("data-status", component["status"])
        for ticker in status["markets"]:
            expect(page.locator(f'[data-testid="market"][data-ticker="{ticker}"]')).to_be_attached()
        rows = page.get_by_test_id("transition-row")
        expect(rows).to_have_count(len(status["transitions"]))
        for transition in status["transitions"]:
            expect(rows.filter(has_text=transition["context"])).not_to_have_count(0)
        expect(page.get_by_test_id("health")).to_contain_text(status["health"])
        expect(page.get_by_test_id("delta-count")).not_to_have_text("0", timeout=SOON_MS)  # the first may take a second
        shown = int(page.get_by_test_id("delta-count").inner_text().replace(",", ""))
        later = status_of(page, served)["metrics"]["deltas_received"]
        assert 0 < shown <= later


def test_numbers_move_while_the_feed_is_live(page: Page, tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        open_console(page, served)
        before = page.get_by_test_id("delta-count").inner_text()

        expect(page.get_by_test_id("delta-count")).not_to_have_text(before, timeout=SOON_MS)


def test_a_killed_exchange_is_seen_as_stale_books_with_a_reason_and_recovered_from(page: Page, tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        open_console(page, served)
        os.kill(served.exchange_pid, signal.SIGKILL)

        expect(page.locator('[data-testid="market"][data-book-state="stale"]')).to_have_count(15, timeout=SOON_MS)
        expect(page.get_by_test_id("alert").first).to_be_visible(timeout=SOON_MS)
        expect(page.get_by_test_id("transition-row").filter(has_text="connection lost")).to_have_count(
            1, timeout=SOON_MS
        )
        expect_live(page)


def test_a_trader_that_goes_down_greys_the_page_and_comes_back_with_its_new_run(page: Page, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with serving(tmp_path, port=port) as served:
        open_console(page, served)
    expect(page.get_by_test_id("link")).not_to_have_attribute("data-link", "live", timeout=SOON_MS)
    expect(page.locator('.console[data-live="false"]')).to_be_attached()

    with serving(tmp_path, port=port):
        expect_live(page)
        # Three of this run above those of the one before, which the database remembers.
        expect(page.get_by_test_id("transition-row")).to_have_count(7, timeout=SOON_MS)


def test_a_silent_trader_is_shown_as_silent_within_five_seconds_never_as_live(page: Page, tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        open_console(page, served)
        served.process.send_signal(signal.SIGSTOP)
        expect(page.get_by_test_id("link")).to_have_attribute("data-link", "silent", timeout=5_000)
        expect(page.locator('.console[data-live="false"]')).to_be_attached()
        served.process.send_signal(signal.SIGCONT)

        expect(page.get_by_test_id("link")).to_have_attribute("data-link", "live", timeout=SOON_MS)


def test_the_terminal_filters_what_is_typed_and_slash_reaches_the_filter(page: Page, tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        open_console(page, served)
        page.keyboard.press("/")
        expect(page.get_by_test_id("filter")).to_be_focused()
        page.keyboard.type("markets chosen")

        expect(page.get_by_test_id("terminal-row")).to_have_count(1, timeout=SOON_MS)


def test_a_phone_has_no_horizontal_scroll(page: Page, tmp_path: Path) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    with serving(tmp_path) as served:
        open_console(page, served)

        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
