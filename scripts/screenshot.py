"""Take the picture of the console that the README shows, from a real trader in `sim`.

Run: .venv/bin/python scripts/screenshot.py            (docs/images/console.png)
     .venv/bin/python scripts/screenshot.py URL FILE   (any console that is served)
"""

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from playwright.sync_api import sync_playwright  # noqa: E402

from tests.browser.conftest import ARGUMENTS, find_chromium  # noqa: E402
from tests.serving import serving  # noqa: E402

TARGET = ROOT / "docs" / "images" / "console.png"
SECONDS = 12


def main() -> None:
    if len(sys.argv) == 3:
        take(sys.argv[1], Path(sys.argv[2]))
        return
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as served:
        take(f"{served.url}/v3-trader", TARGET)


def take(url: str, target: Path) -> None:
    """Let the page run for a while, then keep what it looks like."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        page = chromium.new_page(viewport={"width": 1440, "height": 900}, color_scheme="dark")
        page.goto(url)
        page.wait_for_selector('[data-testid="link"][data-link="live"]')
        page.wait_for_timeout(SECONDS * 1000)
        page.screenshot(path=target)
        chromium.close()


if __name__ == "__main__":
    main()
