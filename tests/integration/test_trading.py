"""A real trader that trades at a real exchange: its numbers are the exchange's, its stop leaves nothing, its tape replays."""

import json
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.running import (
    RunningExchange,
    RunningTrader,
    clean_environment,
    eventually,
    running_exchange,
    running_trader,
)
from traderv3.clients.account_reads import AccountReader
from traderv3.clients.doors import embedded_signer, open_door
from traderv3.config.endpoints import parse_endpoint
from traderv3.config.environment import Environment
from traderv3.domain.execution import Snapshot
from traderv3.domain.units import format_money, format_qty

pytestmark = pytest.mark.process

TRADING = ("trading_ready", "acting")
PARAMETERS = "[spread_maker]\nspread_min = 0.02\nedge = 0.0050\nrequote = 0.01\nttl_s = 5\n"
RESTART_S = 5.0  # the promise: from the venue being reachable to everything right


def wall_us() -> int:
    return time.time_ns() // 1_000


@asynccontextmanager
async def account_of(exchange: RunningExchange) -> AsyncIterator[AccountReader]:
    """The account as the exchange's REST tells it."""
    api, ws = exchange.announcement["api_url"], exchange.announcement["ws_url"]
    door = open_door(
        parse_endpoint(api, Environment.SIM, "api"),
        parse_endpoint(ws, Environment.SIM, "ws"),
        embedded_signer(Path(exchange.announcement["private_key_path"])),
        wall_us=wall_us,
        rng=random.Random(1),
    )
    try:
        yield AccountReader(lambda: door.rest, wall_us=wall_us)
    finally:
        with trio.move_on_after(1, shield=True):
            await door.rest.aclose()


@asynccontextmanager
async def trading_at(exchange: RunningExchange, cwd: Path) -> AsyncIterator[RunningTrader]:
    """A trader with the example strategy."""
    (cwd / "strategy.toml").write_text(PARAMETERS)
    options = ("--strategy", "spread_maker", "--strategy-file", "strategy.toml")
    async with running_trader(cwd, *options, **exchange.variables, V3_ENABLE_TRADING="true") as trader:
        yield trader


def resting(snapshot: Snapshot) -> dict[str, str]:
    return {
        order.client_order_id: format_qty(order.remaining) for order in snapshot.orders if order.status == "resting"
    }


def open_orders(status: dict[str, Any]) -> dict[str, str]:
    is_open = ("intended", "sent", "unknown", "resting")
    return {
        order["client_order_id"]: order["remaining"]
        for order in status["trading"]["orders"]
        if order["state"] in is_open
    }


def positions(status: dict[str, Any]) -> dict[str, str]:
    lines = status["trading"]["positions"]
    return {line["ticker"]: line["position"] for line in lines if line["position"] != "0.00"}


def held(snapshot: Snapshot) -> dict[str, str]:
    return {each.ticker: format_qty(each.position) for each in snapshot.positions if each.position}


async def has_fills(trader: RunningTrader, count: int) -> None:
    def is_so(status: dict[str, Any]) -> bool:
        return len(status["trading"]["fills"]) >= count

    await trader.until(f"{count} fills", is_so, within_s=90.0)


async def test_what_it_shows_is_what_the_exchange_says_to_the_micro_dollar(tmp_path: Path) -> None:
    async with (
        running_exchange(tmp_path) as exchange,
        account_of(exchange) as account,
        trading_at(exchange, tmp_path) as trader,
    ):
        await trader.until("it may trade", lambda status: status["state"] in TRADING)
        await has_fills(trader, 1)
        (tmp_path / "data" / "sim" / "HALT").touch()
        await trader.until("it is halted", lambda status: status["state"] == "ready")
        await trio.sleep(2.5)
        status = await trader.get("/v3/status")
        told = await account.snapshot(0)

        assert resting(told) == open_orders(status) == {}
        assert positions(status) == held(told)
        assert status["trading"]["pnl"]["balance"] == format_money(told.balance)
        assert status["trading"]["pnl"]["fees"] == format_money(sum(each.fees_paid for each in told.positions))
        assert status["trading"]["recon"]["differences"] == []
        assert await trader.child.end() == 0


async def test_an_ordered_stop_leaves_no_order_and_its_journal_replays_to_its_hash(tmp_path: Path) -> None:
    async with running_exchange(tmp_path) as exchange, account_of(exchange) as account:
        async with trading_at(exchange, tmp_path) as trader:
            await trader.until("an order rests", lambda status: bool(open_orders(status)), within_s=60.0)
            code = await trader.child.end()
        told = await account.snapshot(0)
        segments = sorted((tmp_path / "data" / "journal" / "sim").iterdir())
        command = [
            sys.executable,
            "-m",
            "traderv3",
            "replay",
            *map(str, segments),
            "--speed",
            "max",
            "--json",
            "--port",
            "0",
        ]
        done = await trio.run_process(command, cwd=tmp_path, env=clean_environment(), capture_stdout=True, check=False)
    answer = json.loads(done.stdout.splitlines()[-1])

    assert code == 0
    assert resting(told) == {}
    assert (answer["matches"], answer["diverged"]) == (True, 0)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(1, 20))])
async def test_a_killed_process_comes_back_with_everything_right(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    async with running_exchange(tmp_path, "--seed", str(seed + 1)) as exchange, account_of(exchange) as account:
        async with trading_at(exchange, tmp_path) as trader:
            await trader.until("an order rests", lambda status: bool(open_orders(status)), within_s=60.0)
            await trio.sleep(rng.uniform(0.0, 3.0))
            os.kill(trader.child.process.pid, signal.SIGKILL)
            await trader.child.process.wait()
        async with trading_at(exchange, tmp_path) as trader:
            await trader.until("the venue is reached", lambda status: bool(status["metrics"]["connection_established"]))
            began = trio.current_time()
            await trader.until("it may trade", lambda status: status["state"] in TRADING, within_s=RESTART_S)
            took_s = trio.current_time() - began

            async def agrees() -> bool:
                """Both at one moment at which nothing moves: of some looks, one must show it."""
                before = await trader.get("/v3/status")
                told = await account.snapshot(0)
                after = await trader.get("/v3/status")
                is_still = open_orders(before) == open_orders(after) and positions(before) == positions(after)
                return is_still and resting(told) == open_orders(after) and held(told) == positions(after)

            assert took_s <= RESTART_S
            await eventually(agrees, "exchange and trader agree", within_s=20.0)
            ids = [order.client_order_id for order in (await account.snapshot(0)).orders]
            assert len(ids) == len(set(ids))
