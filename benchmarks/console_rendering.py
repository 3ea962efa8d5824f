"""What the console costs the browser at full load, against a page that renders each message as it arrives.

1,000 markets, 5,000 deltas a second, from a real trader whose exchange plays them; both pages in turns, in one run.
Run: python -m benchmarks.console_rendering [--quick] [--seconds 10]   (the console must be built)
"""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from benchmarks.rounds import Report, parse, parser, ratio, spread
from tests.browser.conftest import ARGUMENTS, find_chromium
from tests.browser.load import WARM_UP_S, loading, naive_page
from tests.browser.rendering import Rendering, measure

MARKETS, DELTAS_PER_S = 1_000, 5_000
SECONDS, QUICK_S = 10.0, 4.0
ROUNDS, QUICK_ROUNDS = 2, 1


def watch(browser: Browser, url: str, seconds: float) -> Rendering:
    """One page's figures; it is opened for the time of the measurement only."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(url)
    page.wait_for_timeout(WARM_UP_S * 1000)
    found = measure(page, seconds)
    context.close()
    return found


def main() -> int:
    made = parser(__doc__, rounds=ROUNDS, quick_rounds=QUICK_ROUNDS)
    made.add_argument("--seconds", type=float, default=0.0, help="of each round")
    args = parse(made)
    report = Report("console_rendering", args)
    seconds = args.seconds or (QUICK_S if args.is_quick else SECONDS)
    day_s = args.rounds * 2 * (seconds + WARM_UP_S + 2) + 10
    found: dict[str, list[Rendering]] = {}
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
        for _ in range(args.rounds):
            for name, url in pages.items():
                found.setdefault(name, []).append(watch(chromium, url, seconds))
        chromium.close()
    console = found["console"]
    report.figure("frames a second", spread([each.frames_per_s for each in console]), "frames/s", at_least=55)
    report.figure("longest task", spread([each.longest_ms for each in console]), "ms", at_most=200)
    busy = {name: [each.busy_s for each in rounds] for name, rounds in found.items()}
    report.figure("main thread, console to naive page", ratio(busy["console"], busy["naive"]), "times", at_most=0.5)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
