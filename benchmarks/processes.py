"""A trader in this process and an exchange in another, as several benchmarks need them; loopback only."""

import json
import random
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import trio

from tests.running import COMMAND, clean_environment
from traderv3.app import create_app
from traderv3.config.settings import Settings
from traderv3.console.log_tap import LogTap
from traderv3.console.web_server import WebServer
from traderv3.coordinator import Trader
from traderv3.core.clock import wall_us
from traderv3.core.sockets import listen
from traderv3.run import open_configured_door

QUIET: Final = ("--activity", "0.001")  # no noise of its participants


@contextmanager
def exchange(folder: Path, *arguments: str) -> Iterator[dict[str, Any]]:
    """`traderv3 exchange ARGUMENTS` on a free port for the block; what it announces, and its `port`."""
    command = [*COMMAND, "exchange", "--port", "0", *arguments]
    with subprocess.Popen(
        command, cwd=folder, env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        try:
            announced = json.loads(process.stdout.readline())
            yield {**announced, "port": urlsplit(announced["api_url"]).port}
        finally:
            process.terminate()


@asynccontextmanager
async def running_trader(settings: Settings) -> AsyncIterator[Trader]:
    """The whole trader for the block, its console on a free port; stopped in order behind it."""
    rng = random.Random(1)
    with listen("127.0.0.1", 0) as listener:
        trader = Trader(
            settings,
            lambda trader: WebServer(create_app(trader), listener, trader.desk.hub),
            wall_us=wall_us,
            rng=rng,
            tap=LogTap(),
            token="benchmark",
            door=open_configured_door(settings, rng),
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trader.run)
            yield trader
            await trader.stop("benchmark over")
