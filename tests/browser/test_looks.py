"""The look that a machine can judge: axe in both themes and at two widths, no shift, no sideways scroll, no motion.

The pictures of both themes lie in pytest's folder (`--basetemp`) for the eye.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.browser.wall import SOON_MS, open_console, until
from tests.serving import Served

pytestmark = [pytest.mark.process, pytest.mark.browser]

DESK = ViewportSize(width=1440, height=900)
PHONE = ViewportSize(width=390, height=844)
AXE = Path(__file__).parents[2] / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
STEADY_S = 5.0
SHIFT_MAX = 0.001  # 0.00 as it is printed; a word that moves by one letter is 0.00002

# axe comes in by the debugger's door, which the page's content security policy does not guard and need not open.
RUN_AXE = """async (tags) => {
  const { violations } = await axe.run(document, { runOnly: { type: "tag", values: tags }, resultTypes: ["violations"] });
  return violations.map(({ id, impact, nodes }) => ({ id, impact, where: nodes.slice(0, 5).map(({ html, failureSummary }) =>
    `${html.slice(0, 160)}: ${failureSummary}`) }));
}"""

# Each shift with its time and what moved, as Chromium counts them for its layout-shift score.
WATCH_SHIFTS = """() => {
  window.shifts = [];
  const rect = ({ x, y, width, height }) => [x, y, width, height].map(Math.round).join(" ");
  const moved = ({ node, previousRect, currentRect }) =>
    `${node?.className ?? node?.parentElement?.className} "${node?.textContent.slice(0, 40)}" ` +
    `from ${rect(previousRect)} to ${rect(currentRect)}`;
  const note = (list) => list.getEntries().forEach(({ startTime, value, sources }) =>
    window.shifts.push([startTime, value, sources.map(moved).join("; ")]));
  new PerformanceObserver(note).observe({ type: "layout-shift" });
}"""


@pytest.fixture(params=["dark", "light"])
def themed(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """A page in each theme, without motion so that nothing is judged half faded."""
    context = browser.new_context(viewport=DESK, color_scheme=request.param, reduced_motion="reduce")
    yield context.new_page()
    context.close()


def violations(page: Page) -> list[dict[str, Any]]:
    """What axe finds against WCAG 2.2 AA."""
    assert AXE.is_file(), "axe-core is missing; run scripts/setup.sh --dev"
    page.evaluate(AXE.read_text())
    found: list[dict[str, Any]] = page.evaluate(RUN_AXE, WCAG)
    return found


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_axe_finds_nothing_against_wcag_22_aa(
    themed: Page, served: Served, tmp_path: Path, viewport: ViewportSize
) -> None:
    themed.set_viewport_size(viewport)
    open_console(themed, served)
    expect(themed.get_by_test_id("ladder-row").first).to_be_attached(timeout=SOON_MS)
    themed.screenshot(path=tmp_path / "console.png", full_page=True)

    assert violations(themed) == []


@pytest.mark.parametrize("key", ["?", "Shift+K"], ids=["help", "halt"])
def test_axe_finds_nothing_in_the_dialogs(themed: Page, served: Served, tmp_path: Path, key: str) -> None:
    open_console(themed, served)
    themed.keyboard.press(key)
    expect(themed.get_by_role("dialog")).to_be_visible()
    themed.screenshot(path=tmp_path / "dialog.png")

    assert violations(themed) == []


def test_a_phone_has_no_horizontal_scroll(page: Page, served: Served) -> None:
    page.set_viewport_size(PHONE)
    open_console(page, served)

    assert page.evaluate("() => document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.get_by_test_id("kill").is_visible()
    page.mouse.wheel(0, 10_000)
    until(page, "the page scrolled down", lambda: page.evaluate("() => window.scrollY > 100"))
    expect(page.get_by_test_id("kill")).to_be_in_viewport()


def shift_score(shifts: list[tuple[float, float, str]]) -> float:
    """Chromium's score: the largest sum of a window of at most 5 s without a pause of 1 s."""
    worst = window = began_ms = before_ms = 0.0
    for at_ms, value, _ in shifts:
        if at_ms - before_ms > 1_000 or at_ms - began_ms > 5_000:
            window, began_ms = 0.0, at_ms
        window, before_ms = window + value, at_ms
        worst = max(worst, window)
    return worst


def no_shift_for(page: Page, served: Served, seconds: float) -> None:
    open_console(page, served)
    page.evaluate(WATCH_SHIFTS)
    page.wait_for_timeout(seconds * 1000)  # the promise is about a time

    shifts = page.evaluate("() => window.shifts")
    assert shift_score(shifts) < SHIFT_MAX, shifts


def test_data_shifts_nothing(page: Page, served: Served) -> None:
    no_shift_for(page, served, STEADY_S)


@pytest.mark.soak
def test_data_shifts_nothing_for_a_minute(page: Page, served: Served) -> None:
    no_shift_for(page, served, 60.0)


def test_with_reduced_motion_nothing_moves(themed: Page, served: Served) -> None:
    open_console(themed, served)

    assert (
        themed.evaluate("() => document.getAnimations().filter(({ playState }) => playState === 'running').length") == 0
    )


def test_the_theme_is_one_key_away_and_remembered(page: Page, served: Served) -> None:
    open_console(page, served)
    ground = "() => getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(ground)
    page.keyboard.press("t")
    until(page, "the ground changes", lambda: page.evaluate(ground) != before)
    after = page.evaluate(ground)
    page.reload()

    until(page, "the theme is remembered", lambda: page.evaluate(ground) == after)
