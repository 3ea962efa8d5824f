"""The past: every panel shows one number of the event log, as it was shown when that number was the newest."""

import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.wall import (
    SOON_MS,
    expect_link,
    expect_live,
    get_json,
    open_console,
    rows,
    status_of,
    still,
    until,
)
from tests.serving import Served, serving

pytestmark = [pytest.mark.process, pytest.mark.browser]

PANELS = ("state", "health", "environment", "market-count", "delta-count")


def wall(page: Page) -> dict[str, Any]:
    """What the panels say that does not age."""
    return {
        **{name: page.get_by_test_id(name).inner_text() for name in PANELS},
        "actors": {name: row["status"] for name, row in rows(page, "actor", "actor").items()},
        "markets": {name: row["bookState"] for name, row in rows(page, "market", "ticker").items()},
        "ladder": {price: row["text"] for price, row in rows(page, "ladder-row", "price").items()},
        "history": [
            re.sub(r"\s+", " ", text).split(" · after")[0]
            for text in page.get_by_test_id("transition-row").all_inner_texts()
        ],
        "alerts": page.get_by_test_id("alert").count(),
    }


def at_of(page: Page) -> int:
    """The number that the address says; 0 for now."""
    found = re.search(r"[?&]at=(\d+)", page.url)
    return int(found[1]) if found else 0


def same(shown: dict[str, Any], expected: dict[str, Any]) -> bool:
    assert {name: (shown[name], value) for name, value in expected.items() if shown[name] != value} == {}
    return True


def newest(page: Page, served: Served) -> int:
    found: int = get_json(page, served, "/v3/events?after=0")["seq"]
    return found


def test_the_past_is_what_was_shown_then(page: Page, tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        open_console(page, served)
        with still(served.exchange_pid):
            deltas = status_of(page, served)["metrics"]["deltas_received"]
            expect(page.get_by_test_id("delta-count")).to_have_text(f"{deltas:,}", timeout=SOON_MS)
            page.wait_for_timeout(1_100)  # a moment of the past is taken each second
            then, seq = wall(page), newest(page, served)
        os.kill(served.exchange_pid, signal.SIGKILL)
        expect(page.get_by_test_id("state")).not_to_have_text("ready", timeout=SOON_MS)
        expect_live(page)
        expect(page.get_by_test_id("delta-count")).not_to_have_text(then["delta-count"], timeout=SOON_MS)

        page.goto(f"{served.url}/v3-trader?at={seq}")
        expect_link(page, "past")
        until(page, "the wall is as it was", lambda: same(wall(page), then))

        page.keyboard.press("Escape")
        expect_live(page)
        until(page, "the address says now", lambda: at_of(page) == 0)


def test_brackets_walk_along_the_transitions(page: Page, served: Served) -> None:
    open_console(page, served)
    page.keyboard.press("[")
    newest_seq = until(page, "at the newest transition", lambda: at_of(page))
    expect_link(page, "past")
    page.keyboard.press("[")
    until(page, "one transition further back", lambda: 0 < at_of(page) < newest_seq)
    expect(page.get_by_test_id("state")).not_to_have_text("ready", timeout=SOON_MS)
    page.keyboard.press("]")

    until(page, "one forward again", lambda: at_of(page) == newest_seq)
    expect(page.get_by_test_id("state")).to_have_text("ready", timeout=SOON_MS)
    page.keyboard.press("Escape")
    expect_link(page, "live")


def test_a_past_that_is_not_kept_is_said_with_the_range(page: Page, served: Served) -> None:
    answer = page.request.get(f"{served.url}/v3/replay?seq=999999999")

    assert answer.status in (404, 410)
    assert str(newest(page, served)) in answer.json()["error"]
