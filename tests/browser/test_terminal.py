"""The events: filtered by what is typed, held still by Space, windowed, copied in the stable format."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.wall import SOON_MS, open_console, until
from tests.serving import Served

pytestmark = [pytest.mark.process, pytest.mark.browser]

DOM_ROWS_MAX = 80
# 2026-11-22T15:02:41.279Z #55174 INFO recon order acked
COPIED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z #\d+ (DEBUG|INFO|WARNING|ERROR|CRITICAL) \S+ \S.*")

# Where each row stands and what it says, as the eye sees it.
LOOK = """() => [...document.querySelectorAll('[data-testid="terminal-row"]')].map((row) =>
  `${Math.round(row.getBoundingClientRect().top)} ${row.textContent}`)"""


def visible(page: Page) -> list[str]:
    seen: list[str] = page.evaluate(LOOK)
    return seen


def test_slash_reaches_the_filter_and_the_filter_is_exact(page: Page, served: Served) -> None:
    open_console(page, served)
    page.keyboard.press("/")
    expect(page.get_by_test_id("filter")).to_be_focused()
    page.keyboard.type("markets chosen")

    expect(page.get_by_test_id("terminal-row")).to_have_count(1, timeout=SOON_MS)
    expect(page.get_by_test_id("terminal-row")).to_contain_text("markets chosen")

    page.get_by_test_id("filter").fill("no line says this")
    expect(page.get_by_test_id("terminal-row")).to_have_count(0)


def test_a_transition_has_the_originals_look(page: Page, served: Served) -> None:
    open_console(page, served)
    page.get_by_test_id("filter").fill("STATE TRANSITION")

    row = page.get_by_test_id("terminal-row").first
    expect(row).to_contain_text(re.compile(r"\[\d\d:\d\d:\d\d(\.\d{3})?\]\s*STATE TRANSITION: \w+ → \w+"))


def test_space_holds_the_rows_still_while_the_intake_counts_up(page: Page, served: Served) -> None:
    open_console(page, served)
    page.locator("body").press(" ")
    expect(page.get_by_test_id("link")).to_have_attribute("data-link", "paused")
    before = visible(page)
    page.request.get(f"{served.url}/v3/nothing")  # not logged; what is logged comes from the console that joins now
    page.evaluate("() => new WebSocket(`ws://${location.host}/v3/ws`).onopen = ({ target }) => target.send('nonsense')")
    expect(page.get_by_test_id("pause")).to_contain_text(re.compile(r"resume \(\+[1-9]"), timeout=SOON_MS)

    assert visible(page) == before

    page.locator("body").press(" ")
    expect(page.get_by_test_id("link")).to_have_attribute("data-link", "live", timeout=SOON_MS)
    expect(page.get_by_test_id("terminal-row").last).to_be_attached()
    until(page, "the new lines are shown", lambda: visible(page) != before)


def test_a_long_log_keeps_few_rows_in_the_document(page: Page, served: Served) -> None:
    open_console(page, served)

    assert 0 < page.get_by_test_id("terminal-row").count() < DOM_ROWS_MAX


def test_a_line_is_copied_in_the_stable_format(page: Page, served: Served) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_console(page, served)
    page.keyboard.press("g")
    page.keyboard.press("k")
    page.keyboard.press("c")

    def copied() -> str:
        text: str = page.evaluate("() => navigator.clipboard.readText()")
        return text

    text = until(page, "a line was copied", copied)
    assert COPIED.match(text), text


def test_no_key_fires_inside_a_field(page: Page, served: Served) -> None:
    open_console(page, served)
    page.get_by_test_id("filter").fill("")
    page.get_by_test_id("filter").press_sequentially(" 2ut?K")

    expect(page.get_by_test_id("filter")).to_have_value(" 2ut?K")
    expect(page.get_by_test_id("link")).to_have_attribute("data-link", "live")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_the_help_lists_the_keys(page: Page, served: Served) -> None:
    open_console(page, served)
    page.keyboard.press("?")

    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    for key in ("Space", "Shift+K", "Esc", "/", "["):
        expect(dialog.locator("kbd", has_text=key).first).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
