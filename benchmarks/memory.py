"""Resident memory of the trader with 100 markets under load, as its own `/v3/status` says. Run: python -m benchmarks.memory"""

import tempfile
from pathlib import Path

import trio

from tests.running import running_exchange, running_trader

MARKETS = 100
SECONDS = 20.0


async def measure(folder: Path) -> None:
    arguments = ("--markets-count", str(MARKETS), "--activity", "10")
    async with (
        running_exchange(folder, *arguments) as exchange,
        running_trader(folder, "--markets", f"auto:{MARKETS}", **exchange.variables) as trader,
    ):
        await trader.until_ready()
        await trio.sleep(SECONDS)
        metrics = (await trader.get("/v3/status"))["metrics"]
    print(f"{metrics['markets_connected']} markets live, {metrics['messages_per_second']:.0f} messages/s")
    print(f"resident memory {metrics['rss_mb']:.0f} MB")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        trio.run(measure, Path(name))
