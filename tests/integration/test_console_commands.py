"""What a person may do, and see back in time, over real sockets: commands both ways, the latch, time travel, whole books."""

import sqlite3
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from tests.integration.test_console_protocol import console, get, ready_status
from tests.running import RunningTrader, eventually, running_trader
from tests.serving import Served
from traderv3.console.messages import MarketBook, Snapshot

pytestmark = pytest.mark.process


async def post(url: str, token: str | None, body: dict[str, Any], **headers: str) -> httpx2.Response:
    authorization = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(trust_env=False, timeout=10.0) as http:
        return await http.post(url + "/v3/commands", json=body, headers={**authorization, **headers})


def command(name: str, confirm: str, **args: object) -> dict[str, Any]:
    return {"id": "7", "name": name, "confirm": confirm, "args": args}


# -- commands ----------------------------------------------------------------------------------------------------------


async def test_a_halt_and_its_end_are_told_to_everybody_and_judged_in_health(served: Served) -> None:
    await ready_status(served)
    async with console(served) as asker, console(served) as other:
        halted = await asker.command("halt", served.token, confirm="HALT SIM", reason="a look at the books")
        risk = (await other.until("risk"))["data"]
        status = (await get(served, "/v3/status")).json()
        resumed = await asker.command("resume", served.token, confirm="RESUME SIM")

    assert halted == {
        "id": "1",
        "ok": True,
        "reason": "trading is halted; this trader carries no orders and cancels none",
    }
    assert (risk["mode"], risk["reason"], risk["by"][:9]) == ("halted", "a look at the books", "console c")
    assert status["risk"] == risk
    assert ("trading", "degraded") in {(reason["component"], status["health"]) for reason in status["reasons"]}
    assert resumed["ok"]
    assert (await get(served, "/v3/status")).json()["risk"]["mode"] == "active"


async def test_http_carries_out_what_the_socket_does(served: Served) -> None:
    await ready_status(served)
    async with console(served) as browser:
        await browser.until("snapshot")
        answer = await post(served.url, served.token, command("pause", "PAUSE SIM"))
        heard = await browser.until("command_result")
        await post(served.url, served.token, command("resume", "RESUME SIM"))

    assert (answer.status_code, answer.json()["ok"]) == (200, True)
    assert heard["data"] == answer.json()


@pytest.mark.parametrize(
    ("token", "headers", "body", "status", "said"),
    [
        (None, {}, command("halt", "HALT SIM"), 403, "token"),
        ("wrong", {}, command("halt", "HALT SIM"), 403, "token"),
        ("right", {}, command("halt", "halt"), 409, "type HALT SIM to confirm"),
        ("right", {}, command("fly", ""), 409, "unknown command"),
        ("right", {}, {"id": 5}, 400, "not understood"),
        ("right", {"Sec-Fetch-Site": "cross-site"}, command("halt", "HALT SIM"), 403, "own page"),
        ("right", {"Origin": "https://evil.example"}, command("halt", "HALT SIM"), 403, "Origin"),
        ("right", {"Content-Type": "text/plain"}, command("halt", "HALT SIM"), 415, "application/json"),
    ],
)
async def test_http_refuses_with_the_rule(
    served: Served, token: str | None, headers: dict[str, str], body: dict[str, Any], status: int, said: str
) -> None:
    answer = await post(served.url, served.token if token == "right" else token, body, **headers)

    assert answer.status_code == status
    assert said in str(answer.json().get("reason") or answer.json()["error"])
    assert (await get(served, "/v3/status")).json()["risk"]["mode"] == "active"


async def test_books_that_are_asked_for_again_come_back(served: Served) -> None:
    ticker = (await ready_status(served))["markets"][0]
    async with console(served, f"?books={ticker}&topics=book") as browser:
        result = await browser.command("resync", served.token, confirm=ticker, ticker=ticker)
        states = [(await browser.until("book"))["data"]["book_state"] for _ in range(3)]

    assert result["reason"] == "1 of 1 books are asked for again"
    assert states[-1] == "live"


async def test_a_connection_is_made_anew(served: Served) -> None:
    await ready_status(served)
    answer = await post(
        served.url, served.token, command("reconnect", "orderbook_connector", connection="orderbook_connector")
    )

    async def events() -> list[dict[str, Any]]:
        found = (await get(served, "/v3/status")).json()["connection_events"]
        mine = [event for event in found if event["connection"] == "orderbook_connector"]
        return mine if mine[-1]["is_up"] and len(mine) >= 3 else []

    up, lost, again = (await eventually(events, "lost and up again"))[-3:]
    assert answer.json()["ok"]
    assert (up["is_up"], lost["is_up"], again["is_up"]) == (True, False, True)
    assert "made anew at the word of http 127.0.0.1" in lost["reason"]
    assert (await ready_status(served))["components"]["orderbook_connector"]["restarts"] == 0


async def test_a_halt_outlives_the_process_and_every_command_is_in_the_audit(tmp_path: Path) -> None:
    async def mode(trader: RunningTrader) -> dict[str, Any]:
        return (await trader.get("/v3/status"))["risk"]  # type: ignore[no-any-return]

    async with running_trader(tmp_path) as trader:
        await trader.until_ready()
        await post(trader.url, trader.token, command("halt", "HALT SIM", reason="for the night"))
        await post(trader.url, "a wrong token", command("resume", "RESUME SIM"))
        await post(trader.url, trader.token, command("resume", "", reason=trader.token))
        assert (await mode(trader))["mode"] == "halted"
        token = trader.token
        assert await trader.child.end() == 0
    async with running_trader(tmp_path) as trader:
        risk = await mode(trader)
        health = await trader.get("/v3/health")
        await trader.child.end()
    (tmp_path / "data" / "sim" / "trading.json").write_bytes(b"{")
    async with running_trader(tmp_path) as trader:
        unreadable = await mode(trader)

    assert (risk["mode"], risk["by"], risk["reason"]) == ("halted", "http 127.0.0.1", "for the night")
    assert "trading" in {reason["component"] for reason in health["reasons"]}
    assert unreadable["mode"] == "halted"
    assert "cannot be read" in unreadable["reason"]
    with sqlite3.connect(tmp_path / "data" / "sim.db") as database:
        rows = database.execute("SELECT command, is_done, result, args FROM commands ORDER BY at_us").fetchall()
    assert [row[:2] for row in rows] == [("halt", 1), ("resume", 0), ("resume", 0)]
    assert rows[1][2] == "the control token is missing or wrong"
    assert token not in repr(rows)


# -- time travel -------------------------------------------------------------------------------------------------------


async def test_the_past_is_what_a_console_was_shown(served: Served) -> None:
    ticker = (await ready_status(served))["markets"][0]
    shown = []
    for _ in range(3):
        async with console(served, f"?books={ticker}") as browser:
            shown.append(await browser.until("snapshot"))
            await browser.until("heartbeat")
    for snapshot in shown:
        past = (await get(served, f"/v3/replay?seq={snapshot['seq']}")).json()
        data = msgspec.convert(past["data"], Snapshot)

        assert (past["type"], past["seq"], data.reason) == ("snapshot", snapshot["seq"], "past")
        for name in ("transitions", "log", "alerts", "risk", "state", "environment"):
            assert past["data"][name] == snapshot["data"][name]


@pytest.mark.parametrize(
    ("seq", "status", "said"), [("999999999", 404, "has not happened yet"), ("x", 400, "not a sequence number")]
)
async def test_a_number_that_cannot_be_shown_is_said(served: Served, seq: str, status: int, said: str) -> None:
    await ready_status(served)
    answer = await get(served, f"/v3/replay?seq={seq}")

    assert answer.status_code == status
    assert said in answer.json()["error"]


# -- whole books -------------------------------------------------------------------------------------------------------


async def test_a_whole_book_is_what_http_says_with_its_grid_title_and_close(served: Served) -> None:
    ticker = (await ready_status(served))["markets"][0]
    async with console(served) as browser:
        await browser.until("trader_status")
        await browser.send("subscribe", books=[ticker])
        book = msgspec.convert((await browser.until("book"))["data"], MarketBook)

        async def is_same() -> bool:
            body = (await get(served, f"/v3/markets/{ticker}/book")).json()
            return [list(level) for level in book.yes] == body["yes"] or await next_is_same()

        async def next_is_same() -> bool:
            nonlocal book
            book = msgspec.convert((await browser.until("book"))["data"], MarketBook)
            return False

        await eventually(is_same, "the same levels")

    assert book.ticker == ticker
    assert book.title
    assert book.close_time is not None
    assert book.price_ranges is not None
    assert (book.price_ranges[0].start, book.price_ranges[-1].end) == ("0.0000", "1.0000")
