"""What every candidate does alike: jobs in, answers out, a line of JSON each.

Imports nothing but the standard library: it runs in every environment.
"""

import array
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from importlib.metadata import version
from typing import Any, Final

from benchmarks.stream import Levels, tickers

HEADERS: Final = {"KALSHI-ACCESS-KEY": "bench", "KALSHI-ACCESS-TIMESTAMP": "0", "KALSHI-ACCESS-SIGNATURE": "bench"}


@dataclass(frozen=True)
class Job:
    """Connect to `url`, subscribe to so many markets, take `count` messages (the acknowledgement included)."""

    url: str
    markets: int
    count: int
    certificate: str | None  # of the venue, to be trusted; None: plain
    key: str  # a private key in a file, for whole clients
    moments: str | None  # note when each message was done, into this file

    @property
    def subscribe(self) -> str:
        """The command, for whoever has none of his own."""
        params = {"channels": ["orderbook_delta"], "market_tickers": tickers(self.markets), "use_yes_price": False}
        return json.dumps({"id": 1, "cmd": "subscribe", "params": params})

    @property
    def head(self) -> int:
        """Messages before the first delta."""
        return 1 + self.markets


class Watch:
    """Times the deltas: started when the head is through, stopped at the last message."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.wall_s = self.cpu_s = self.loop_s = 0.0
        self.done_at_ns = array.array("q")

    def start(self) -> None:
        """The last snapshot has been taken."""
        self.wall_s, self.cpu_s, self.loop_s = time.perf_counter(), time.process_time(), time.thread_time()

    def stop(self) -> None:
        """The last delta has been taken."""
        self.wall_s = time.perf_counter() - self.wall_s
        self.cpu_s = time.process_time() - self.cpu_s
        self.loop_s = time.thread_time() - self.loop_s

    def answer(self, books: str, **more: float) -> dict[str, Any]:
        """What the benchmark is told."""
        if self.job.moments:
            with open(self.job.moments, "wb") as file:  # noqa: PTH123 - a peer's process, no path at hand
                self.done_at_ns.tofile(file)
        per_us = 1e6 / (self.job.count - self.job.head)
        took = {"wall_us": self.wall_s * per_us, "cpu_us": self.cpu_s * per_us, "loop_us": self.loop_s * per_us}
        return {**took, "books": books, **more}


def serve(run: Callable[[Job], Mapping[str, Any]], *packages: str) -> None:
    """Be a peer: do each job that comes as a line, and answer; the first line says which versions are at work."""
    said = {name: version(name) for name in packages}
    said["Python"] = sys.version.split()[0]
    print(json.dumps(said), flush=True)
    for line in sys.stdin:
        print(json.dumps(run(Job(**json.loads(line)))), flush=True)


def units(levels: Mapping[Any, Any]) -> Levels:
    """Another's levels in our units; its numbers are decimals, or text of decimals."""
    return {int(Decimal(price) * 10_000): int(Decimal(size) * 100) for price, size in levels.items()}
