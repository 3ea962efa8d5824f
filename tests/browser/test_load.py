"""The console keeps up with 1,000 markets and 5,000 deltas a second, at half the price of rendering each message.

The yardstick (`naive.html`) follows the same trader in the same run. Full promises hold in the soak, on a machine that
is idle; on a shared one the ratio to the yardstick is what can be asked.
"""

from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.load import WARM_UP_S, loading, naive_page
from tests.browser.rendering import Rendering, measure
from tests.browser.wall import expect_live, get_json, status_of, still, until
from tests.serving import Served

pytestmark = [pytest.mark.process, pytest.mark.browser]

MARKETS, DELTAS_PER_S = 1_000, 5_000
SHOWN_PER_S_MIN = 1_000  # by the yardstick: it is no straw man that misses most messages (3,900 on an idle machine)


@dataclass(frozen=True)
class Bounds:
    """What one run must keep to; `busy_ratio_max` is to the yardstick's main-thread time."""

    seconds: float
    frames_per_s_min: float
    busy_ratio_max: float
    longest_ms_max: float
    heap_growth_mb_max: float


LOOSE = Bounds(seconds=10.0, frames_per_s_min=20.0, busy_ratio_max=0.75, longest_ms_max=400.0, heap_growth_mb_max=10.0)
PROMISED = Bounds(seconds=60.0, frames_per_s_min=55.0, busy_ratio_max=0.5, longest_ms_max=200.0, heap_growth_mb_max=4.0)


def yardstick(browser: Browser, url: str, seconds: float) -> Rendering:
    """The naive page's figures, with the proof that it showed what it was sent."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(url)
    page.wait_for_timeout(WARM_UP_S * 1000)
    before = int(page.locator("#shown").inner_text())
    found = measure(page, seconds)
    shown_per_s = (int(page.locator("#shown").inner_text()) - before) / seconds
    context.close()
    print(f"\nnaive: {found}, {shown_per_s:.0f} messages shown a second")
    assert shown_per_s > SHOWN_PER_S_MIN
    return found


def shows_the_truth(page: Page, served: Served) -> bool:
    """Whether the header and the rows in sight are what the trader says."""
    tops = {top["ticker"]: top for top in get_json(page, served, "/v3/markets")["markets"]}
    deltas = status_of(page, served)["metrics"]["deltas_received"]
    assert page.get_by_test_id("delta-count").inner_text() == f"{deltas:,}"
    shown = page.get_by_test_id("market").evaluate_all(
        "(all) => all.map((row) => [row.dataset.ticker, row.textContent])"
    )
    assert shown
    for ticker, text in shown:
        assert all(tops[ticker][price] in text for price in ("yes_bid", "yes_ask")), (tops[ticker], text)
    return True


def keeps_up(browser: Browser, folder: Path, page: Page, bounds: Bounds) -> None:
    naive_s = bounds.seconds / 2
    day_s = 2 * WARM_UP_S + naive_s + bounds.seconds + 20.0
    with (
        naive_page() as origin,
        loading(folder, markets=MARKETS, deltas_per_s=DELTAS_PER_S, seconds=day_s, V3_DEV_ORIGIN=origin) as (
            served,
            exchange_pid,
        ),
    ):
        naive = yardstick(browser, f"{origin}/naive.html#{served.address}", naive_s)
        page.goto(f"{served.url}/v3-trader")
        expect_live(page, MARKETS)
        page.wait_for_timeout(WARM_UP_S * 1000)
        console = measure(page, bounds.seconds)
        print(f"console: {console}, {console.busy_s / naive.busy_s:.2f} of naive")
        with still(exchange_pid):
            until(page, "what is shown is so", lambda: shows_the_truth(page, served))

    assert console.frames_per_s >= bounds.frames_per_s_min
    assert console.busy_s <= naive.busy_s * bounds.busy_ratio_max
    assert console.longest_ms <= bounds.longest_ms_max
    assert console.heap_growth_mb <= bounds.heap_growth_mb_max


def test_the_console_keeps_up_with_five_thousand_deltas_a_second(browser: Browser, page: Page, tmp_path: Path) -> None:
    keeps_up(browser, tmp_path, page, LOOSE)


@pytest.mark.soak
def test_the_console_keeps_up_for_a_minute(browser: Browser, page: Page, tmp_path: Path) -> None:
    keeps_up(browser, tmp_path, page, PROMISED)
