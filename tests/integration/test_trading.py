"""A real trader that trades at a real exchange: its numbers are the exchange's, its stop leaves nothing, its tape replays."""

import json
import os
import random
import signal
from pathlib import Path

import pytest
import trio

from tests.integration.desk import (
    account_of,
    resting,
    said,
    trading_at,
    until_both_agree,
    until_filled,
    until_it_may_trade,
    until_orders_rest,
)
from tests.running import COMMAND, clean_environment, running_exchange
from traderv3.domain.units import format_money

pytestmark = pytest.mark.process

RESTART_S = 5.0  # the promise, after the start-up of the process; the venue is reachable all the time


async def test_what_it_shows_is_what_the_exchange_says_to_the_micro_dollar(tmp_path: Path) -> None:
    async with (
        running_exchange(tmp_path) as exchange,
        account_of(exchange) as account,
        trading_at(exchange, tmp_path) as trader,
    ):
        await until_filled(trader)
        halted = await said(tmp_path, "halt", "sim", "--reason", "a look at the cash")
        told = await until_both_agree(trader, account)
        balance = format_money(told.balance)
        status = await trader.until(
            f"the balance is {balance}", lambda status: status["trading"]["pnl"]["balance"] == balance, within_s=10.0
        )

        assert "trading is halted" in halted
        assert resting(told) == {}
        assert status["trading"]["pnl"]["fees"] == format_money(sum(each.fees_paid for each in told.positions))
        assert status["trading"]["recon"]["differences"] == []
        assert json.loads(await said(tmp_path, "positions", "sim", "--json")) == status["trading"]["positions"]
        assert json.loads(await said(tmp_path, "orders", "sim", "--json")) == status["trading"]["orders"]
        assert "halted (by" in await said(tmp_path, "status", "sim")
        assert "may go on" in await said(tmp_path, "resume", "sim", "--confirm", "RESUME SIM")
        await until_orders_rest(trader)
        assert await trader.child.end() == 0


async def test_an_ordered_stop_leaves_no_order_and_its_journal_replays_to_its_hash(tmp_path: Path) -> None:
    async with running_exchange(tmp_path) as exchange, account_of(exchange) as account:
        async with trading_at(exchange, tmp_path) as trader:
            await until_orders_rest(trader)
            code = await trader.child.end()
        told = await account.snapshot(0)
        segments = sorted((tmp_path / "data" / "journal" / "sim").iterdir())
        command = [*COMMAND, "replay", *map(str, segments), "--speed", "max", "--json", "--port", "0"]
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
            await until_orders_rest(trader)
            await trio.sleep(rng.uniform(0.0, 3.0))
            os.kill(trader.child.process.pid, signal.SIGKILL)
            await trader.child.process.wait()
        began = trio.current_time()
        async with trading_at(exchange, tmp_path) as trader:
            start_up_s = trio.current_time() - began
            await until_it_may_trade(trader)
            took_s = trio.current_time() - began
            await until_both_agree(trader, account)

    print(f"{took_s:.1f} s from the start of the process, of which {start_up_s:.1f} s until it served its console")
    assert took_s <= start_up_s + RESTART_S
