"""What changes the trader: asks for the token, is confirmed by typing, is answered, and is never sent late."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.wall import (
    SOON_MS,
    actor,
    confirm,
    expect_link,
    expect_live,
    get_json,
    open_console,
    status_of,
    until,
)
from tests.serving import Served, serving

pytestmark = [pytest.mark.process, pytest.mark.browser]


def mode(page: Page, served: Served) -> str:
    found: str = status_of(page, served)["risk"]["mode"]
    return found


def results(page: Page, served: Served) -> list[dict[str, Any]]:
    """Every command that this trader has answered."""
    events = get_json(page, served, "/v3/events")["events"]
    return [event["data"] for event in events if event["type"] == "command_result"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A trader of this module's own, because what it is told is remembered."""
    with serving(tmp_path_factory.mktemp("controlled")) as trader:
        yield trader


@pytest.fixture
def resumed(page: Page, served: Served) -> Iterator[None]:
    """Whatever the test does to trading, it is allowed again afterwards."""
    yield
    if mode(page, served) != "active":
        page.goto("about:blank")
        open_console(page, served, has_token=True)
        page.locator('[data-verb="resume"]').first.click()
        confirm(page, "RESUME SIM")
        expect(page.get_by_test_id("command-result")).to_have_attribute("data-ok", "true", timeout=SOON_MS)


@pytest.mark.usefixtures("resumed")
def test_halt_takes_the_right_word_only_and_says_that_there_is_nothing_to_cancel(page: Page, served: Served) -> None:
    open_console(page, served, has_token=True)
    assert served.token not in page.url  # moved to memory
    page.keyboard.press("Shift+K")
    expect(page.get_by_role("dialog")).to_contain_text("SIM")
    expect(page.get_by_test_id("kill-confirm")).to_be_disabled()
    page.get_by_test_id("kill-word").fill("HALT PRODUCTION")
    expect(page.get_by_test_id("kill-confirm")).to_be_disabled()
    confirm(page, "HALT SIM")

    expect(page.get_by_test_id("command-result")).to_have_attribute("data-ok", "true", timeout=SOON_MS)
    expect(page.get_by_test_id("command-result")).to_contain_text("this trader carries no orders and cancels none")
    assert mode(page, served) == "halted"
    expect(page.get_by_test_id("alert").filter(has_text="halt")).not_to_have_count(0, timeout=SOON_MS)


def test_escape_closes_the_dialog_and_nothing_happens(page: Page, served: Served) -> None:
    open_console(page, served, has_token=True)
    before = results(page, served)
    page.get_by_test_id("kill").click()
    page.get_by_test_id("kill-word").fill("HALT SIM")
    page.keyboard.press("Escape")

    expect(page.get_by_role("dialog")).to_have_count(0)
    assert results(page, served) == before
    assert mode(page, served) == "active"


def test_without_the_token_it_is_asked_for_and_a_wrong_one_is_refused(page: Page, served: Served) -> None:
    open_console(page, served)
    page.get_by_test_id("kill").click()
    page.get_by_test_id("kill-word").fill("HALT SIM")
    expect(page.get_by_test_id("kill-confirm")).to_be_disabled()
    page.get_by_test_id("token").fill("not-the-token")
    page.get_by_test_id("kill-confirm").click()

    expect(page.get_by_test_id("command-result")).to_have_attribute("data-ok", "false", timeout=SOON_MS)
    expect(page.get_by_test_id("command-result")).to_contain_text("token")
    assert mode(page, served) == "active"


@pytest.mark.usefixtures("resumed")
def test_pausing_entries_is_the_milder_verb(page: Page, served: Served) -> None:
    open_console(page, served, has_token=True)
    page.locator('[data-verb="pause"]').first.click()
    confirm(page, "PAUSE SIM")

    expect(page.get_by_test_id("command-result")).to_have_attribute("data-ok", "true", timeout=SOON_MS)
    assert mode(page, served) == "reducing"


def test_an_actor_restarted_from_the_tree_is_seen_to_go_and_come_back(page: Page, served: Served) -> None:
    open_console(page, served, has_token=True)
    before = status_of(page, served)["components"]["metrics_aggregator"]["restarts"]
    page.evaluate(
        """() => {
          window.seen = new Set();
          const note = () => {
            const row = document.querySelector('[data-testid="actor"][data-actor="metrics_aggregator"]');
            if (row) window.seen.add(row.dataset.status);
          };
          new MutationObserver(note).observe(document.body, { subtree: true, childList: true, attributes: true });
        }"""
    )
    row = actor(page, "metrics_aggregator")
    row.click()
    page.locator('[data-verb="restart_actor"][aria-label*="metrics_aggregator"]').first.click()
    confirm(page, "metrics_aggregator")
    expect(page.get_by_test_id("command-result")).to_have_attribute("data-ok", "true", timeout=SOON_MS)
    page.get_by_test_id("command-close").click()

    until(
        page,
        "the restart is in the status",
        lambda: status_of(page, served)["components"]["metrics_aggregator"]["restarts"] == before + 1,
    )
    expect(row).to_have_attribute("data-status", "running", timeout=SOON_MS)
    expect(row).to_contain_text(str(before + 1))
    assert set(page.evaluate("() => [...window.seen]")) - {"running"}


def test_a_command_while_the_link_is_down_is_never_sent_later(page: Page, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    variables = {"V3_CONTROL_TOKEN": "the-same-token-in-both-runs-of-this-test"}
    with serving(tmp_path, port=port, **variables) as first:
        open_console(page, first, has_token=True)
        page.get_by_test_id("kill").click()
        page.get_by_test_id("kill-word").fill("HALT SIM")
        expect(page.get_by_test_id("kill-confirm")).to_be_enabled()
        first.process.send_signal(signal.SIGSTOP)  # the socket stays open, but nobody is there
        expect_link(page, "silent")
        expect(page.get_by_test_id("kill-confirm")).to_be_disabled()
        page.get_by_test_id("kill-word").press("Enter")
        first.process.send_signal(signal.SIGKILL)
        first.process.wait()
    expect_link(page, "down")
    expect(page.get_by_test_id("kill-confirm")).to_be_disabled()
    page.get_by_test_id("kill-word").press("Enter")
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("kill")).to_be_disabled()

    with serving(tmp_path, port=port, **variables) as second:
        expect_live(page)
        expect(page.get_by_test_id("kill")).to_be_enabled()
        assert results(page, second) == []
        assert mode(page, second) == "active"
