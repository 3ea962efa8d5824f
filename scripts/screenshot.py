"""Take the pictures of the console that the README shows, from a real trader that trades in `sim` and has just lost its
exchange once.

Run: .venv/bin/python scripts/screenshot.py            (docs/images/console-{dark,light,phone}.webp)
     .venv/bin/python scripts/screenshot.py URL FILE   (any console that is served, dark, on a desk; .webp or .png)
"""

import base64
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Literal, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright  # noqa: E402

from tests.browser.conftest import ARGUMENTS, find_chromium  # noqa: E402
from tests.browser.wall import SOON_MS, expect_live, open_console  # noqa: E402
from tests.integration.desk import quoting  # noqa: E402
from tests.serving import Served, serving  # noqa: E402

TARGET = ROOT / "docs" / "images"
SECONDS = 40  # for charts, histograms and the log to have something to show
QUALITY = 80  # of 100: text stays sharp, and the three pictures together stay below 400 kB
ORDERS_TAB = "2"  # the key; shown in the first picture
DESK = ViewportSize(width=1440, height=900)
PHONE = ViewportSize(width=390, height=844)


class Picture(NamedTuple):
    """One picture: its file's name, and how the page is looked at."""

    name: str
    scheme: Literal["dark", "light"]
    viewport: ViewportSize


PICTURES = (
    Picture("console-dark.webp", "dark", DESK),
    Picture("console-light.webp", "light", DESK),
    Picture("console-phone.webp", "dark", PHONE),
)


def main() -> None:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        if len(sys.argv) == 3:
            page = look(chromium, PICTURES[0])
            page.goto(sys.argv[1])
            page.wait_for_timeout(SECONDS * 1000 // 4)
            keep(page, Path(sys.argv[2]))
        else:
            TARGET.mkdir(parents=True, exist_ok=True)
            with (
                tempfile.TemporaryDirectory() as folder,
                serving(Path(folder), *quoting(Path(folder)), V3_ENABLE_TRADING="true") as served,
            ):
                take_all(chromium, served)
        chromium.close()


def take_all(chromium: Browser, served: Served) -> None:
    """Open all pages, let the exchange die and come back before their eyes, and keep what they look like then."""
    pages = {picture.name: look(chromium, picture) for picture in PICTURES}
    for page in pages.values():
        open_console(page, served)
    os.kill(served.exchange_pid, signal.SIGKILL)
    for page in pages.values():
        lost = page.get_by_test_id("transition-row").filter(has_text="connection lost")
        expect(lost).not_to_have_count(0, timeout=SOON_MS)
        expect_live(page)
    page.wait_for_timeout(SECONDS * 1000)
    pages[PICTURES[0].name].keyboard.press(ORDERS_TAB)
    for name, page in pages.items():
        keep(page, TARGET / name)
        print(f"{TARGET / name}: {(TARGET / name).stat().st_size / 1000:.0f} kB")


def look(chromium: Browser, picture: Picture) -> Page:
    """A page that looks as this picture wants it."""
    return chromium.new_page(viewport=picture.viewport, color_scheme=picture.scheme)


def keep(page: Page, target: Path) -> None:
    """Write what the page looks like now."""
    if target.suffix == ".png":
        page.screenshot(path=target)
        return
    session = page.context.new_cdp_session(page)
    shot = session.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
    target.write_bytes(base64.b64decode(shot["data"]))


if __name__ == "__main__":
    main()
