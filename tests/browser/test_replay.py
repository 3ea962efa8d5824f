"""`traderv3 replay` followed by the console: a recorded day looks like a live one, and its link says what it is."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.load import ticker, write_day
from tests.browser.wall import SOON_MS, expect_link, rows, until
from tests.serving import serving

pytestmark = [pytest.mark.process, pytest.mark.browser]

MARKETS = 8


def test_a_replay_is_followed_like_a_live_run(page: Page, tmp_path: Path) -> None:
    day = tmp_path / "day.jsonl.zst"
    write_day(day, markets=MARKETS, deltas_per_s=200, seconds=120)
    with serving(tmp_path, command=("replay", str(day))) as served:
        page.goto(f"{served.url}/v3-trader")
        expect_link(page, "live")

        expect(page.get_by_test_id("state")).to_have_text("ready", timeout=SOON_MS)
        expect(page.get_by_test_id("market-count")).to_have_text(str(MARKETS), timeout=SOON_MS)
        before = page.get_by_test_id("delta-count").inner_text()
        expect(page.get_by_test_id("delta-count")).not_to_have_text(before, timeout=SOON_MS)
        until(
            page,
            "every market of the day is shown",
            lambda: set(rows(page, "market", "ticker")) == {ticker(n) for n in range(MARKETS)},
        )
