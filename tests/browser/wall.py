"""The console as its tests see it: opened, waited for, and read as data, whatever its panels look like.

Every wait polls for a condition. Reading goes through the test hooks of the console's design (contract).
"""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from playwright.sync_api import Locator, Page, expect

from tests.serving import Served

SOON_MS = 15_000  # generous: the machines are shared
POLL_MS = 50
MARKETS = 15  # of a trader in `sim`
READY = re.compile("^(ready|trading_ready|acting)$")

T = TypeVar("T")

# All rows of a list that may keep only those in sight in the document: scrolled through from top to bottom.
COLLECT = """async ([testId, key]) => {
  const found = new Map();
  const gather = () => document.querySelectorAll(`[data-testid="${testId}"]`).forEach((row) => {
    found.set(row.dataset[key], { ...row.dataset, text: row.textContent });
  });
  const painted = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  gather();
  let box = document.querySelector(`[data-testid="${testId}"]`);
  while (box && !(box.scrollHeight > box.clientHeight + 1 && /auto|scroll/.test(getComputedStyle(box).overflowY))) {
    box = box.parentElement;
  }
  if (box) {
    const before = box.scrollTop;
    for (let top = 0; top < box.scrollHeight; top += Math.max(40, box.clientHeight)) {
      box.scrollTop = top;
      await painted();
      gather();
    }
    box.scrollTop = before;
    await painted();
  }
  return Object.fromEntries(found);
}"""


def open_console(
    page: Page, served: Served, query: str = "", *, has_token: bool = False, markets: int = MARKETS
) -> None:
    """Open the console as the trader's own line says, and wait until it is live."""
    page.goto(f"{served.url}/v3-trader{query}{f'#token={served.token}' if has_token else ''}")
    expect_live(page, markets)


def expect_live(page: Page, markets: int = MARKETS) -> None:
    """The link is up, the trader ready (or beyond: it trades) and every market live."""
    expect_link(page, "live")
    expect(page.get_by_test_id("state")).to_have_text(READY, timeout=SOON_MS)
    expect(page.get_by_test_id("market-count")).to_have_text(f"{markets:,}", timeout=SOON_MS)


def expect_link(page: Page, word: str, within_ms: float = SOON_MS) -> None:
    expect(page.get_by_test_id("link")).to_have_attribute("data-link", word, timeout=within_ms)


def get_json(page: Page, served: Served, path: str) -> Any:
    """The JSON of one of the trader's routes."""
    return page.request.get(f"{served.url}{path}").json()


def status_of(page: Page, served: Served) -> dict[str, Any]:
    answer: dict[str, Any] = get_json(page, served, "/v3/status")
    return answer


def rows(page: Page, test_id: str, key: str) -> dict[str, dict[str, str]]:
    """Every row of a list, in sight or not: its `data-*` and its `text`, by its `data-KEY`."""
    found: dict[str, dict[str, str]] = page.evaluate(COLLECT, [test_id, key])
    return found


def confirm(page: Page, word: str) -> None:
    """Type the word into the dialog that is open, and go."""
    page.get_by_test_id("kill-word").fill(word)
    page.get_by_test_id("kill-confirm").click()


def actor(page: Page, name: str) -> Locator:
    return page.locator(f'[data-testid="actor"][data-actor="{name}"]')


def until(page: Page, what: str, look: Callable[[], T], within_s: float = SOON_MS / 1000) -> T:
    """Look again until the answer is true; an assertion that fails in `look` counts as not yet."""
    deadline = time.monotonic() + within_s
    while True:
        trouble: object = None
        try:
            if found := look():
                return found
        except AssertionError as cause:
            trouble = cause
        assert time.monotonic() < deadline, f"{what}: not within {within_s} s: {trouble}"
        page.wait_for_timeout(POLL_MS)


@contextmanager
def still(exchange_pid: int) -> Iterator[None]:
    """The trader's exchange stands still: no message moves, no number of the feed changes, and no link is lost."""
    os.kill(exchange_pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(exchange_pid, signal.SIGCONT)
