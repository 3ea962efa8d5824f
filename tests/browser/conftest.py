"""A real headless Chromium for the console's tests, and a trader that those share who leave it as it was."""

import re
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests.serving import Served, serving

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# No sandbox: the checks run as root. The rest keeps Chromium from calling home.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# What Chromium itself says while nobody listens at the trader's port; the page can neither avoid nor catch it.
OUTAGE = re.compile(r"WebSocket connection to '[^']*' failed|net::ERR_(CONNECTION_|EMPTY_RESPONSE)")


def find_chromium() -> str:
    """The browser's path; fails with what to do where there is none."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    assert found, "no Chromium on this machine; on Debian: apt-get install chromium"
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, started once."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A trader in `sim` for all. A test that changes it brings its own."""
    with serving(tmp_path_factory.mktemp("served")) as trader:
        yield trader


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh page. A JavaScript error, an error on the console or a refusal by the content security policy fails."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    tab = context.new_page()
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not OUTAGE.search(message.text):
            complaints.append(message.text)

    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("console", note)
    yield tab
    context.close()
    assert complaints == []
