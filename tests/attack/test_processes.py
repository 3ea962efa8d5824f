"""The trader's process under the hand of somebody who means it harm: killed, stopped, robbed of clock, terminal and folders."""

import os
import shutil
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
import trio

from tests.attack.crooked_trader import BACK, FORWARD, STALL_S
from tests.conftest import REPOSITORY
from tests.integration.desk import (
    TRADING,
    account_of,
    open_orders,
    resting,
    trading_at,
    until_both_agree,
    until_it_may_trade,
    until_orders_rest,
)
from tests.running import (
    COMMAND,
    RunningTrader,
    clean_environment,
    eventually,
    is_ready,
    running_exchange,
    running_trader,
)

pytestmark = pytest.mark.process

IS_SOAK = os.environ.get("V3_SOAK") == "1"
STOPPED_S = 45.0 if IS_SOAK else 2.0  # 45: longer than any heartbeat and than the silence of a dead socket

Crooked = Callable[[str], dict[str, str]]


@pytest.fixture
def crooked(monkeypatch: pytest.MonkeyPatch) -> Crooked:
    """Make the next trader a crooked one; the variables that it needs."""

    def use(fault: str) -> dict[str, str]:
        monkeypatch.setattr("tests.running.COMMAND", (sys.executable, "-m", "tests.attack.crooked_trader", fault))
        return {"PYTHONPATH": str(REPOSITORY)}

    return use


async def test_after_kill_9_a_trader_starts_clean_where_the_last_one_left_off(tmp_path: Path) -> None:
    async with running_exchange(tmp_path) as exchange, account_of(exchange) as account:
        async with trading_at(exchange, tmp_path) as first:
            before = await first.until_ready()
            await until_orders_rest(first)
            await trio.sleep(1.5)  # what is kept at a kill is what is older than a second
            old_token = first.token
            await first.child.end(signal.SIGKILL)
        async with trading_at(exchange, tmp_path) as second:
            after = await second.until_ready()
            await until_it_may_trade(second)
            await until_both_agree(second, account)
            code = await second.child.end()
        left = resting(await account.snapshot(0))

    assert code == 0
    assert left == {}
    assert second.token != old_token
    assert [t["to_state"] for t in after["transitions"]][:3] == [t["to_state"] for t in before["transitions"]][:3]
    assert all(node["restarts"] == 0 for node in after["components"].values())
    assert b"Traceback" not in second.child.err


@pytest.mark.soak
async def test_a_trader_killed_again_and_again_never_fails_to_start(tmp_path: Path) -> None:
    async with running_exchange(tmp_path) as exchange, account_of(exchange) as account:
        for number in range(30 if IS_SOAK else 2):
            async with trading_at(exchange, tmp_path) as trader:
                await trio.sleep(0.3 * (number % 12))  # from the very start to when it has traded for a while
                await trader.child.end(signal.SIGKILL)
        async with trading_at(exchange, tmp_path) as trader:
            await until_it_may_trade(trader)
            await until_both_agree(trader, account)

            assert await trader.child.end() == 0
        assert resting(await account.snapshot(0)) == {}
    assert b"Traceback" not in trader.child.err


async def test_a_trader_that_was_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    async with (
        running_exchange(tmp_path) as exchange,
        account_of(exchange) as account,
        trading_at(exchange, tmp_path) as trader,
    ):
        before = await trader.until_ready()
        await until_orders_rest(trader)
        trader.child.process.send_signal(signal.SIGSTOP)
        await trio.sleep(STOPPED_S)
        trader.child.process.send_signal(signal.SIGCONT)
        after = await trader.until_ready()
        await trader.until("it hears the exchange", lambda s: _deltas(s) > _deltas(after))
        await until_it_may_trade(trader)
        await until_orders_rest(trader)
        await until_both_agree(trader, account)

    assert {name: n["last_error"] for name, n in after["components"].items() if n["restarts"]} == {}
    assert after["metrics"]["gaps_detected"] == before["metrics"]["gaps_detected"]


def _deltas(status: dict[str, Any]) -> int:
    count: int = status["metrics"]["deltas_received"]
    return count


@pytest.mark.soak
async def test_a_stopped_exchange_is_noticed_and_nothing_of_it_is_believed(tmp_path: Path, crooked: Crooked) -> None:
    async with (
        running_exchange(tmp_path, "--activity", "5") as exchange,
        account_of(exchange) as account,
        trading_at(exchange, tmp_path, **crooked("impatient")) as trader,
    ):
        before = await trader.until_ready()
        await until_orders_rest(trader)
        exchange.child.process.send_signal(signal.SIGSTOP)
        try:
            await trader.until("no book live", lambda s: s["metrics"]["markets_connected"] == 0)
            markets = (await trader.get("/v3/markets"))["markets"]
            left = await trader.until("ready is left", lambda s: s["state"] not in ("ready", *TRADING))
        finally:
            exchange.child.process.send_signal(signal.SIGCONT)
        after = await trader.until_ready()
        await until_it_may_trade(trader)
        await until_both_agree(trader, account)
        code = await trader.child.end()

    assert {market["book_state"] for market in markets} == {"stale"}
    assert left["health"] != "healthy"
    assert after["metrics"]["snapshots_received"] >= before["metrics"]["snapshots_received"] + len(after["markets"])
    assert all(node["restarts"] == 0 for node in after["components"].values())
    assert code == 0


@pytest.mark.soak
async def test_the_wall_clock_may_jump_an_hour_either_way(tmp_path: Path, crooked: Crooked) -> None:
    async with running_exchange(tmp_path) as exchange, account_of(exchange) as account:
        control = exchange.variables["KALSHI_API_URL"].removesuffix("/trade-api/v2") + "/control/clients/abort"
        async with trading_at(exchange, tmp_path, **crooked("clock")) as trader:
            await trader.until_ready()
            await until_orders_rest(trader)
            for step, is_right in ((FORWARD, False), (BACK, True), (BACK, False)):
                before = await trader.get("/v3/status")
                trader.child.process.send_signal(step)
                await trio.sleep(1.0)
                jumped = await trader.get("/v3/status")
                await trader.http.post(control)  # every connection has to be made anew, signed by the new clock
                reconnects: int = before["metrics"]["reconnects"]
                after = await trader.until("connected anew", partial(_has_reconnected, reconnects))
                await trader.until_ready()
                await until_it_may_trade(trader)
                if is_right:
                    await until_orders_rest(trader)
                else:
                    refusing = await trader.until("the clock is refused", _is_refused_for_its_clock)
                    assert open_orders(refusing) == {}
                await until_both_agree(trader, account)

                assert jumped["state"] in ("ready", "calibrating", *TRADING)
                assert jumped["uptime"] >= before["uptime"]
                assert all(node["restarts"] == 0 for node in after["components"].values())
            code = await trader.child.end()

    assert code == 0
    assert b"Traceback" not in trader.child.err


def _is_refused_for_its_clock(status: dict[str, Any]) -> bool:
    """An hour off, no order is sent."""
    return "RISK_CLOCK_OFFSET" in {refusal["rule"] for refusal in status["trading"]["decision"]["refusals"]}


def _has_reconnected(before: int, status: dict[str, Any]) -> bool:
    count: int = status["metrics"]["reconnects"]
    return count > before


@pytest.mark.soak
async def test_the_port_of_a_running_trader_cannot_be_stolen(tmp_path: Path) -> None:
    async with running_trader(tmp_path) as trader:
        await trader.until_ready()
        for host in ("127.0.0.1", "0.0.0.0"):
            for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
                with socket.socket() as thief:
                    thief.setsockopt(socket.SOL_SOCKET, option, 1)
                    with pytest.raises(OSError, match="in use"):
                        thief.bind((host, trader.port))
        other = tmp_path / "other"
        other.mkdir()
        second = await trio.run_process(
            [*COMMAND, "run", "sim", "--port", str(trader.port)],
            cwd=other,
            env=clean_environment(),
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
        status = await trader.until_ready()

    assert second.returncode == 2
    assert str(trader.port).encode() in second.stderr
    assert b"Traceback" not in second.stderr
    assert all(node["restarts"] == 0 for node in status["components"].values())


async def test_an_actor_that_cannot_be_cancelled_ends_the_process_with_stacks(tmp_path: Path, crooked: Crooked) -> None:
    async with running_trader(tmp_path, **crooked("shielded")) as trader:
        await trader.until_ready()
        exchange = await trader.exchange_pid()
        code = await trader.child.end(signal.SIGINT, within_s=15.0)

        async def is_gone() -> bool:
            return not await trio.Path(f"/proc/{exchange}").exists()

        await eventually(is_gone, "its exchange ends with it", 5.0)

    assert code == 1
    assert b"traderv3 ends: metrics_aggregator did not end within 3 s of its cancellation" in trader.child.err
    assert b"most recent call first" in trader.child.err


async def test_a_blocked_loop_ends_the_process_with_stacks_within_its_bound(tmp_path: Path, crooked: Crooked) -> None:
    async with running_trader(tmp_path, **crooked("blocking")) as trader:
        await trader.until_ready()
        (tmp_path / "block").touch()
        began = trio.current_time()
        with trio.fail_after(STALL_S + 10.0):
            code = await trader.child.process.wait()
        took_s = trio.current_time() - began

    assert code == 1
    assert b"the event loop has not run for" in trader.child.err
    assert b"_block_on_request" in trader.child.err
    assert took_s >= STALL_S - 1.0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


CLOSED = 'exec "$@" <&- >&- 2>&-'
HUNG_UP = 'exec "$@" </dev/null >&- 2>&-'


@pytest.mark.parametrize("how", [CLOSED, pytest.param(HUNG_UP, marks=pytest.mark.soak)])
async def test_a_trader_without_terminal_lives_and_logs(how: str, tmp_path: Path) -> None:
    port = _free_port()
    command = ["sh", "-c", how, "sh", *COMMAND, "run", "sim", "--port", str(port)]
    process = await trio.lowlevel.open_process(command, cwd=tmp_path, env=clean_environment())
    try:
        async with httpx2.AsyncClient(trust_env=False, timeout=5.0) as http:
            status = await _until_ready(http, port)
        process.send_signal(signal.SIGTERM)
        with trio.fail_after(15):
            code = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()

    lines = [msgspec.json.decode(line) for line in (tmp_path / "data/logs/sim.jsonl").read_bytes().splitlines()]
    assert code == 0
    assert len(status["markets"]) > 0
    assert lines[-1]["event"] == "traderv3 stopped"
    assert not [line for line in lines if line["level"] in ("error", "critical")]


async def _until_ready(http: httpx2.AsyncClient, port: int) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        try:
            status: dict[str, Any] = (await http.get(f"http://127.0.0.1:{port}/v3/status")).json()
        except httpx2.HTTPError:
            return None
        return status if is_ready(status) else None

    found = await eventually(look, "ready")
    assert found is not None
    return found


@pytest.mark.soak
async def test_a_terminal_that_goes_away_takes_nothing_along(tmp_path: Path) -> None:
    port = _free_port()
    ours, theirs = os.pipe()
    command = [*COMMAND, "run", "sim", "--port", str(port)]
    process = await trio.lowlevel.open_process(
        command, cwd=tmp_path, env=clean_environment(), stdin=ours, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    try:
        async with httpx2.AsyncClient(trust_env=False, timeout=5.0) as http:
            before = await _until_ready(http, port)
            os.close(ours)  # whatever it says from now on raises in its face
            await http.post(f"http://127.0.0.1:{port}/v3/commands", json={"id": "1", "name": "no such"})
            after = await _until_ready(http, port)
        process.send_signal(signal.SIGTERM)
        with trio.fail_after(15):
            code = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()

    assert {n: c["restarts"] for n, c in after["components"].items()} == dict.fromkeys(before["components"], 0)
    assert b"command refused" in (tmp_path / "data/logs/sim.jsonl").read_bytes()
    assert code == 0


@pytest.mark.parametrize("what", ["deleted", pytest.param("unwritable", marks=pytest.mark.soak)])
async def test_a_log_folder_that_is_taken_away_stops_nothing_and_is_made_anew(what: str, tmp_path: Path) -> None:
    logs = tmp_path / "data" / "logs"

    async def say_something(trader: RunningTrader) -> None:
        await trader.http.post(trader.url + "/v3/commands", json={"id": "1", "name": "no such"})

    async with running_trader(tmp_path) as trader:
        await trader.until_ready()
        shutil.rmtree(logs)
        if what == "unwritable":
            logs.write_text("a file where the folder was")
            await say_something(trader)
            await trader.child.wait_for(b"cannot be written")
            logs.unlink()
            await trio.sleep(5.0)  # the writer tries again every five seconds
        await say_something(trader)
        await say_something(trader)
        after = await trader.until_ready()
        code = await trader.child.end()

    lines = (logs / "sim.jsonl").read_bytes()
    assert lines.count(b"command refused") == 2
    assert (b"log_lines_unwritten" in lines) is (what == "unwritable")
    assert all(node["restarts"] == 0 for node in after["components"].values())
    assert code == 0
