"""What the console costs the browser at full load, against a page that renders each message as it arrives.

1,000 markets, 5,000 deltas a second, from a real trader whose exchange plays them; both pages in turns, in one run.
Run: python -m benchmarks.console_rendering [--seconds 10] [--rounds 2]   (the console must be built)
"""

import argparse
import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.browser.conftest import ARGUMENTS, find_chromium
from tests.browser.load import WARM_UP_S, loading, naive_page
from tests.browser.rendering import Rendering, measure

MARKETS, DELTAS_PER_S = 1_000, 5_000


def watch(browser: Browser, url: str, seconds: float) -> Rendering:
    """One page's figures; it is opened for the time of the measurement only."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(url)
    page.wait_for_timeout(WARM_UP_S * 1000)
    found = measure(page, seconds)
    context.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    day_s = args.rounds * 2 * (args.seconds + WARM_UP_S + 2) + 10
    with (
        tempfile.TemporaryDirectory() as folder,
        naive_page() as origin,
        loading(Path(folder), markets=MARKETS, deltas_per_s=DELTAS_PER_S, seconds=day_s, V3_DEV_ORIGIN=origin) as (
            served,
            _,
        ),
        sync_playwright() as playwright,
    ):
        chromium = playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        pages = {
            "naive": f"{origin}/naive.html#{served.url.removeprefix('http://')}",
            "console": f"{served.url}/v3-trader",
        }
        busy: dict[str, list[float]] = {name: [] for name in pages}
        for _ in range(args.rounds):
            for name, url in pages.items():
                found = watch(chromium, url, args.seconds)
                busy[name].append(found.busy_s)
                print(f"{name}: {found}", flush=True)
        chromium.close()
    ratio = statistics.median(busy["console"]) / statistics.median(busy["naive"])
    print(f"main thread, console to naive: {ratio:.2f}")


if __name__ == "__main__":
    main()
