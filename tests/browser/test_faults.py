"""Kill and restart of the exchange, the trader and its link are seen on the page, explained, and recovered from."""

import os
import re
import signal
import socket
import statistics
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.load import Silent
from tests.browser.wall import MARKETS, SOON_MS, expect_link, expect_live, open_console, rows, status_of, until
from tests.serving import Served, serving
from traderv3.app import STATIC

pytestmark = [pytest.mark.process, pytest.mark.browser]

SEEN_MS_MAX = 100.0  # median; one alone may meet a busy moment of the machine
SEEN_MS_WORST = 1_000.0

# When each transition appeared in the history, by its context, on the machine's clock.
WATCH_HISTORY = """() => {
  window.appeared = {};
  const note = () => document.querySelectorAll('[data-testid="transition-row"]').forEach((row) => {
    window.appeared[row.textContent] ??= performance.timeOrigin + performance.now();
  });
  note();
  window.known = Object.keys(window.appeared);
  new MutationObserver(note).observe(document.body, { subtree: true, childList: true, characterData: true });
}"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def at_ms(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).astimezone(UTC).timestamp() * 1000


def stale_markets(page: Page) -> int:
    return sum(row["bookState"] == "stale" for row in rows(page, "market", "ticker").values())


def is_struck_through(page: Page) -> bool:
    """Whether what was a number when the link was live can no longer be taken for one, wherever it stands."""
    facts = page.locator(".console .fact:visible")
    lines = facts.evaluate_all("(all) => all.map((one) => getComputedStyle(one).textDecorationLine)")
    return set(lines) == {"line-through"}


def is_recovered(page: Page, served: Served) -> bool:
    status = status_of(page, served)
    live: int = status["metrics"]["markets_connected"]
    return status["state"] == "ready" and live == MARKETS


def test_a_killed_exchange_is_seen_at_once_as_stale_books_with_a_reason_and_recovered_from(
    page: Page, tmp_path: Path
) -> None:
    with serving(tmp_path) as served:
        open_console(page, served)
        page.evaluate(WATCH_HISTORY)
        known = len(status_of(page, served)["transitions"])
        os.kill(served.exchange_pid, signal.SIGKILL)

        expect(page.get_by_test_id("state")).not_to_have_text("ready", timeout=SOON_MS)
        until(page, "every book is stale", lambda: stale_markets(page) == MARKETS)
        expect(page.get_by_test_id("alert").first).to_be_visible(timeout=SOON_MS)
        expect(page.get_by_test_id("transition-row").filter(has_text="connection lost")).to_have_count(
            1, timeout=SOON_MS
        )
        expect_live(page)
        assert is_recovered(page, served)

        late_ms = []
        appeared: dict[str, float] = page.evaluate("() => window.appeared")
        happened = status_of(page, served)["transitions"][known:]
        for transition in happened:
            seen_ms = min(ms for text, ms in appeared.items() if transition["context"] in text)
            late_ms.append(seen_ms - at_ms(transition["timestamp"]))
        print("transitions were seen after (ms)", [round(ms) for ms in late_ms])
        assert len(late_ms) >= 2
        assert statistics.median(late_ms) < SEEN_MS_MAX, late_ms
        assert max(late_ms) < SEEN_MS_WORST, late_ms


def test_a_killed_trader_greys_the_page_with_a_reason_and_its_next_run_is_shown_whole(
    page: Page, tmp_path: Path
) -> None:
    port = free_port()
    with serving(tmp_path, port=port) as served:
        open_console(page, served)
        before = {transition["timestamp"] for transition in status_of(page, served)["transitions"]}
        served.process.send_signal(signal.SIGKILL)
        expect_link(page, "down")

        expect(page.locator('.console[data-live="false"]')).to_be_attached()
        expect(page.get_by_test_id("why")).to_contain_text("No connection")
        expect(page.get_by_test_id("why")).to_contain_text("Trying again")
        expect(page.get_by_text("as of").first).to_be_visible()
        expect(page).to_have_title(re.compile("down"))
        until(page, "nothing looks live", lambda: is_struck_through(page))

    with serving(tmp_path, port=port) as served:
        expect_live(page)

        transitions = status_of(page, served)["transitions"]
        assert len([each for each in transitions if each["timestamp"] not in before]) == 3
        expect(page.get_by_test_id("transition-row")).to_have_count(len(transitions), timeout=SOON_MS)
        expect(page.locator('.console[data-live="true"]')).to_be_attached()
        expect(page.get_by_test_id("gap-count")).to_have_text("0")


def test_a_silent_trader_is_shown_as_silent_within_five_seconds_never_as_live(page: Page, tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        open_console(page, served)
        served.process.send_signal(signal.SIGSTOP)
        expect_link(page, "silent", within_ms=5_000)
        expect(page.locator('.console[data-live="false"]')).to_be_attached()
        expect(page.get_by_test_id("why")).to_contain_text("stopped talking")
        until(page, "nothing looks live", lambda: is_struck_through(page))
        served.process.send_signal(signal.SIGCONT)

        expect_link(page, "live")


@contextmanager
def page_without_trader(folder: Path, port: int) -> Iterator[None]:
    """The built console's files on the trader's port, and no trader."""
    (folder / "v3-trader").symlink_to(STATIC)
    handler = partial(Silent, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield
        server.shutdown()
        thread.join()


def test_a_page_opened_before_the_trader_starts_connects_by_itself(page: Page, tmp_path: Path) -> None:
    port = free_port()
    with page_without_trader(tmp_path, port):
        page.goto(f"http://127.0.0.1:{port}/v3-trader/")
        expect_link(page, "connecting")
        expect(page.get_by_test_id("state")).to_have_text("-")
        expect(page.get_by_test_id("why")).to_contain_text("connects by itself")

    with serving(tmp_path, port=port):
        expect_live(page)
