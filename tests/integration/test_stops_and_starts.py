"""One trader a folder, and an end that says what it leaves behind."""

import signal
from pathlib import Path

import pytest
import trio

from tests.integration.desk import trading_at, until_orders_rest
from tests.running import COMMAND, clean_environment, running_exchange, running_trader


@pytest.mark.parametrize("command", [("run", "sim"), ("record", "sim", "--out", "r.jsonl.zst")])
async def test_a_second_trader_of_one_folder_is_refused_and_leaves_the_first_as_it_was(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    async with running_trader(tmp_path) as trader:
        folder = tmp_path / "data" / "sim"
        kept = {name: (folder / name).read_bytes() for name in ("console.json", "control-token")}
        second = await trio.run_process(
            [*COMMAND, *command, "--port", "0"],
            cwd=tmp_path,
            env=clean_environment(),
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )

        assert second.returncode == 2
        assert f"another trader runs in {folder} (process {trader.child.process.pid})".encode() in second.stderr
        assert {name: (folder / name).read_bytes() for name in kept} == kept
        assert await trader.child.end() == 0


async def test_a_stop_that_may_leave_orders_at_the_venue_is_no_clean_one(tmp_path: Path) -> None:
    async with running_exchange(tmp_path) as exchange, trading_at(exchange, tmp_path) as trader:
        await until_orders_rest(trader)
        exchange.child.process.send_signal(signal.SIGSTOP)
        try:
            code = await trader.child.end()
        finally:
            exchange.child.process.send_signal(signal.SIGCONT)

    assert code == 1
    assert b"orders may rest at the venue" in trader.child.err
