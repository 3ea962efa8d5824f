"""A market day at full tilt: a seeded recording of many busy markets, and a trader that gets it from an exchange playing it.

The playing exchange is chosen over the one with participants because it lists more markets than that one makes up, costs
a quarter of the processor a delta (two cores carry exchange, trader and Chromium), and plays the same day to each page.
"""

import random
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import zstandard

from tests.running import COMMAND, clean_environment
from tests.serving import Served, serving

STARTED_US = 1_790_000_000_000_000
PRICES = tuple(f"0.{cents:02d}00" for cents in range(20, 50))  # YES and NO below half a dollar: no book ever crosses
WARM_UP_S = 2.0  # for a page to open, connect and settle
SIZES = 400  # contracts a level holds at first and goes back to


def ticker(number: int) -> str:
    return f"KXLOAD-26NOV22-T{number:04d}"


def write_day(path: Path, *, markets: int, deltas_per_s: int, seconds: float, seed: int = 1) -> None:
    """A recording: a snapshot of each market, then deltas spread evenly over the time. No level is ever negative."""
    rng = random.Random(seed)
    header = {
        "recording": 1,
        "environment": "sim",
        "markets": [ticker(n) for n in range(markets)],
        "started_us": STARTED_US,
    }
    levels = [[price, f"{SIZES}.00"] for price in PRICES]
    with zstandard.open(path, "wb") as file:
        file.write(msgspec.json.encode(header) + b"\n")
        for number in range(markets):
            book = {"market_ticker": ticker(number), "yes_dollars_fp": levels, "no_dollars_fp": levels}
            frame = {"type": "orderbook_snapshot", "sid": 1, "seq": number + 1, "msg": book}
            line = {"at_us": STARTED_US, "conn": 1, "dir": "in", "frame": frame}
            file.write(msgspec.json.encode(line) + b"\n")
        away: set[tuple[int, str, str]] = set()  # levels that were taken away and come back with the next change
        for number in range(int(deltas_per_s * seconds)):
            at_us = STARTED_US + number * 1_000_000 // deltas_per_s
            # The best levels move most, as in a real book.
            price = PRICES[-1 - min(int(rng.expovariate(0.3)), len(PRICES) - 1)]
            level = (rng.randrange(markets), rng.choice(("yes", "no")), price)
            sign = "" if level in away else "-"
            away ^= {level}
            file.write(
                b'{"at_us":%d,"conn":1,"dir":"in","frame":{"type":"orderbook_delta","sid":1,"seq":%d,"msg":'
                b'{"market_ticker":"%s","price_dollars":"%s","delta_fp":"%s%d.00","side":"%s","ts_ms":%d}}}\n'
                % (
                    at_us,
                    markets + number + 1,
                    ticker(level[0]).encode(),
                    price.encode(),
                    sign.encode(),
                    SIZES,
                    level[1].encode(),
                    at_us // 1000,
                )
            )


class Silent(SimpleHTTPRequestHandler):
    """Serves files and says nothing of it."""

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def naive_page() -> Iterator[str]:
    """The yardstick's page on a loopback server of its own; yields its origin. The trader must allow that one."""
    handler = partial(Silent, directory=str(Path(__file__).parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@contextmanager
def loading(
    cwd: Path, *, markets: int, deltas_per_s: int, seconds: float, **variables: str
) -> Iterator[tuple[Served, int]]:
    """A trader whose markets are that busy for so long after it first subscribes, and its exchange's process id."""
    day = cwd / "day.jsonl.zst"
    write_day(day, markets=markets, deltas_per_s=deltas_per_s, seconds=seconds)
    exchange = subprocess.Popen(
        [*COMMAND, "exchange", "--port", "0", "--recording", str(day)],
        cwd=cwd,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert exchange.stdout is not None
        with exchange.stdout as out:
            listens = msgspec.json.decode(out.readline())
        variables |= {"KALSHI_API_URL": listens["api_url"], "KALSHI_WS_URL": listens["ws_url"]}
        run = ("run", "sim", "--markets", f"auto:{markets}")
        with serving(cwd, port=0, command=run, **variables) as served:
            yield served, exchange.pid
    finally:
        exchange.terminate()
        exchange.wait(15)
