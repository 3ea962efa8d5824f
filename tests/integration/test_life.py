"""The trader as a process: comes up, survives what is killed under it, says why, goes down clean."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trio
import trio_websocket

from tests.running import START_S, eventually, is_ready, running, running_exchange, running_trader

pytestmark = pytest.mark.process


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


async def test_sim_reaches_ready_with_every_market_live_and_stops_clean_on_ctrl_c(tmp_path: Path) -> None:
    async with running_trader(tmp_path) as trader:
        status = await trader.until_ready()
        exchange = await trader.exchange_pid()
        began = time.monotonic()
        code = await trader.child.end(signal.SIGINT)
        took_s = time.monotonic() - began

    assert len(status["markets"]) >= 15
    assert [t["to_state"] for t in status["transitions"]] == [
        "initializing",
        "kalshi_connectivity_orderbook_client",
        "ready",
    ]
    assert code == 0
    assert took_s < 5 * 3.0  # the promise is 3 s on an idle machine
    assert not is_alive(exchange)


async def test_the_exchange_ends_when_the_trader_is_killed(tmp_path: Path) -> None:
    async with running_trader(tmp_path) as trader:
        await trader.until_ready()
        exchange = await trader.exchange_pid()
        await trader.child.end(signal.SIGKILL)

        async def is_gone() -> bool:
            return not is_alive(exchange)

        await eventually(is_gone, "the exchange ends with its parent", 5.0)


async def test_a_killed_exchange_makes_books_stale_at_once_and_comes_back_without_a_restart(tmp_path: Path) -> None:
    async with running_trader(tmp_path) as trader:
        before = await trader.until_ready()
        api = trader.child.err.split(b"api_url=")[-1].split()[0]
        os.kill(await trader.exchange_pid(), signal.SIGKILL)
        down = await trader.until("no book live", lambda s: s["metrics"]["markets_connected"] == 0, within_s=2.0)
        left = await trader.until("ready is left", lambda s: s["state"] != "ready", within_s=5.0)
        markets = (await trader.get("/v3/markets"))["markets"]
        after = await trader.until_ready()

    assert down["metrics"]["ws_connection_status"] != "connected"
    assert {m["book_state"] for m in markets} <= {"stale", "live"}
    assert "connection lost" in left["state_context"]
    assert [reason["component"] for reason in left["reasons"]]
    assert after["metrics"]["reconnects"] > before["metrics"]["reconnects"]
    assert after["uptime"] > before["uptime"]
    assert trader.child.err.split(b"api_url=")[-1].split()[0] == api  # port kept


ACTORS = [
    "journal",
    "write_queue",
    "recorder",
    "run_record",
    "event_bus",
    "state_machine",
    "loop_watchdog",
    "metrics_aggregator",
    "broadcaster",
    "web_server",
    "exchange",
    "discovery",
    "exchange_hours",
    "orderbook_connector",
    "channel_connector",
    "cross_check",
]


# The client library leaves its own socket to the collector when the web server dies under it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_any_single_actor_may_be_killed_and_comes_back(tmp_path: Path) -> None:
    async with running_trader(tmp_path) as trader:
        first = await trader.until_ready()
        assert sorted(first["components"]) == sorted(ACTORS)
        for actor in ACTORS:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_kill, trader, actor)

            def is_back(status: dict[str, Any], actor: str = actor) -> bool:
                node = status["components"][actor]
                return node["restarts"] >= 1 and node["status"] == "running" and is_ready(status)

            try:
                status = await _patiently(trader, actor, is_back)
            except AssertionError as exc:
                raise AssertionError(f"{actor} did not come back; {trader.child.err[-3000:].decode()}") from exc
            assert "was killed on request" in status["components"][actor]["last_error"]
        assert await trader.child.end() == 0


async def _kill(trader: Any, actor: str) -> None:
    """Ask for it; the answer may be lost with the web server itself."""
    try:
        async with trader.console() as console:
            await console.until("trader_status")
            await console.send(
                "command", id="1", name="restart_actor", args={"name": actor}, confirm=actor, token=trader.token
            )
            with trio.move_on_after(1.0):
                await console.until("command_result")
    except (trio_websocket.ConnectionClosed, ExceptionGroup):
        if actor != "web_server":
            raise


async def _patiently(trader: Any, actor: str, is_back: Any) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        try:
            status: dict[str, Any] = await trader.get("/v3/status")
        except httpx2.HTTPError:
            return None
        return status if is_back(status) else None

    found = await eventually(look, f"{actor} is back and everything is live", START_S)
    assert found is not None
    return found


async def test_a_taken_port_is_an_error_that_names_the_port(tmp_path: Path) -> None:
    listener = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener[0].socket.getsockname()[1]
    async with running("run", "sim", "--port", str(port), cwd=tmp_path) as child:
        with trio.fail_after(START_S):
            code = await child.process.wait()
        await child.wait_for(b"cannot listen")
    await listener[0].aclose()

    assert code == 2
    assert str(port).encode() in child.err
    assert b"Traceback" not in child.err


async def test_a_wrong_key_is_refused_for_good_and_said_with_exit_code_3(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    async with (
        running_exchange(tmp_path) as exchange,
        running_exchange(elsewhere) as other,
        running(
            "run",
            "sim",
            "--port",
            "0",
            cwd=tmp_path,
            KALSHI_API_KEY_ID=exchange.announcement["key_id"],
            KALSHI_PRIVATE_KEY_PATH=other.announcement["private_key_path"],
            **exchange.variables,
        ) as child,
    ):
        with trio.fail_after(START_S):
            code = await child.process.wait()

    assert code == 3
    assert b"INCORRECT_API_KEY_SIGNATURE" in child.err
    assert b"PRIVATE KEY" not in child.err


async def test_an_unknown_ticker_is_a_warning_and_the_others_go_on(tmp_path: Path) -> None:
    async with running_exchange(tmp_path) as exchange:
        known = exchange.announcement["markets"][0]
        async with running_trader(tmp_path, "--markets", f"{known},KXNOSUCH-99-X", **exchange.variables) as trader:
            status = await trader.until_ready()

    assert status["markets"] == [known]
    assert any("KXNOSUCH-99-X" in warning for warning in status["warnings"])
    assert status["health"] == "healthy"


async def test_no_ticker_left_is_an_error_that_says_so(tmp_path: Path) -> None:
    async with (
        running_exchange(tmp_path) as exchange,
        running_trader(tmp_path, "--markets", "KXNOSUCH-99-X", **exchange.variables) as trader,
    ):
        status = await trader.until("error", lambda s: s["state"] == "error")

    assert "KXNOSUCH-99-X" in status["state_context"]
    assert status["health"] == "unhealthy"


async def test_faults_on_the_wire_are_counted_logged_and_repaired(tmp_path: Path) -> None:
    faults = "drop=0.003,duplicate=0.003,garbage=0.002"
    async with (
        running_exchange(tmp_path, "--fault", faults, "--seed", "5", "--activity", "5") as exchange,
        running_trader(tmp_path, **exchange.variables) as trader,
    ):
        status = await trader.until(
            "gaps and garbage seen",
            lambda s: s["metrics"]["gaps_detected"] > 2 and s["metrics"]["protocol_errors"] > 1,
        )
        ready = await trader.until_ready()

    assert status["metrics"]["resyncs"] > 0
    assert all(node["restarts"] == 0 for node in ready["components"].values())
    assert b"sequence gap" in trader.child.err
    assert b"unreadable_frame" in trader.child.err
