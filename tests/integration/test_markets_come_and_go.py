"""Several connections, markets that open and close, and an exchange that closes as a whole, over real sockets."""

from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.running import RunningExchange, RunningTrader, eventually, running_exchange, running_trader

pytestmark = pytest.mark.process


async def control(exchange: RunningExchange, path: str, **body: object) -> Any:
    """Work one of the exchange's operator verbs."""
    url = exchange.announcement["api_url"].removesuffix("/trade-api/v2")
    async with httpx2.AsyncClient(trust_env=False, timeout=5.0) as http:
        answer = await http.post(f"{url}/control/{path}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def market(trader: RunningTrader, ticker: str) -> dict[str, Any]:
    """One row of `/v3/markets`."""
    rows = (await trader.get("/v3/markets"))["markets"]
    return next((row for row in rows if row["ticker"] == ticker), {})


async def until_market(trader: RunningTrader, ticker: str, what: str, **wanted: object) -> dict[str, Any]:
    """The row once it is as wanted."""

    async def look() -> dict[str, Any] | None:
        row = await market(trader, ticker)
        return row if all(row.get(name) == value for name, value in wanted.items()) else None

    found = await eventually(look, f"{ticker} {what}", 90.0)
    assert found is not None
    return found


async def test_markets_are_spread_over_connections_and_one_that_dies_leaves_the_others_live(tmp_path: Path) -> None:
    async with running_trader(tmp_path, V3_CONNECTIONS="3") as trader:
        status = await trader.until_ready()
        token = trader.token
        lines = {line["name"]: line for line in status["connections"] if line["markets"]}
        async with trader.console() as console:
            await console.until("snapshot")
            killed = await console.command(
                "restart_actor", token, confirm="orderbook_connector_2", name="orderbook_connector_2"
            )
        lowest = 99
        seen = ["ready"]

        async def is_back() -> bool:
            nonlocal lowest
            now = await trader.get("/v3/status")
            lowest = min(lowest, now["metrics"]["markets_connected"])
            seen.append(now["state"])
            return bool(
                now["components"]["orderbook_connector_2"]["restarts"] and now["metrics"]["markets_connected"] == 15
            )

        await eventually(is_back, "the killed connection is back")

    assert {name: line["markets"] for name, line in lines.items()} == {
        "orderbook_connector": 5,
        "orderbook_connector_2": 5,
        "orderbook_connector_3": 5,
    }
    assert killed["ok"]
    assert 10 <= lowest < 15
    assert set(seen) == {"ready"}


async def test_a_closed_market_leaves_keeps_its_last_book_and_returns_when_it_opens_again(tmp_path: Path) -> None:
    async with running_exchange(tmp_path) as exchange:
        tickers = exchange.announcement["markets"][:3]
        over = tickers[1]
        async with running_trader(tmp_path, "--markets", ",".join(tickers), **exchange.variables) as trader:
            await trader.until_ready()
            await control(exchange, f"markets/{over}/close")
            await control(exchange, f"markets/{over}/determine", result="yes")
            closed = await until_market(trader, over, "is closed", market_status="determined")
            status = await trader.get("/v3/status")
            book = await trader.get(f"/v3/markets/{over}/book")

    assert closed["book_state"] == "stale"
    assert closed["stale_reason"] == "the market is determined"
    assert status["state"] == "ready"
    assert status["health"] == "healthy"
    assert book["market_ticker"] == over


async def test_a_market_whose_time_comes_silently_is_noticed_and_one_re_opened_returns(tmp_path: Path) -> None:
    async with running_exchange(tmp_path) as exchange:
        tickers = exchange.announcement["markets"][:2]
        over = tickers[0]
        async with running_trader(tmp_path, "--markets", ",".join(tickers), **exchange.variables) as trader:
            await trader.until_ready()
            await control(exchange, f"markets/{over}/close", in_s=1)
            closed = await until_market(trader, over, "is closed", market_status="closed")
            await control(exchange, f"markets/{over}/close", in_s=3600)
            back = await until_market(trader, over, "is back", market_status="active", book_state="live")
            await trader.until_ready()

    assert closed["book_state"] == "stale"
    assert back["stale_reason"] is None


async def test_a_new_market_of_an_event_that_is_watched_comes_in(tmp_path: Path) -> None:
    async with running_exchange(tmp_path) as exchange:
        event = exchange.announcement["markets"][0].rpartition("-")[0]
        async with running_trader(tmp_path, "--markets", event, **exchange.variables) as trader:
            before = await trader.until_ready()
            await control(exchange, f"markets/{event}-NEW/create", event_ticker=event)
            await until_market(trader, f"{event}-NEW", "comes in", book_state="live")

    assert f"{event}-NEW" not in before["markets"]


async def test_a_maintenance_is_a_state_with_its_own_sentence_and_ends_by_itself(tmp_path: Path) -> None:
    async with (
        running_exchange(tmp_path) as exchange,
        running_trader(tmp_path, V3_CONNECTIONS="2", **exchange.variables) as trader,
    ):
        await trader.until_ready()
        await control(exchange, "pause", what="trading", on=True)
        paused = await trader.until("the pause is told", lambda s: s["exchange"]["sentence"] is not None, 30.0)
        await control(exchange, "pause", what="trading", on=False)
        await control(exchange, "maintenance", seconds=3)
        await trader.until("everybody was cut off", lambda s: s["metrics"]["markets_connected"] == 0, 30.0)
        status = await trader.until_ready()

    assert paused["state"] == "ready"
    assert paused["exchange"]["sentence"] == "trading is paused at the exchange: no new orders, cancels are taken"
    assert [reason["component"] for reason in paused["reasons"]] == ["exchange_hours"]
    assert "error" not in [t["to_state"] for t in status["transitions"]]
    assert all(node["restarts"] == 0 for node in status["components"].values())
