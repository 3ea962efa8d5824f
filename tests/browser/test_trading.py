"""A trader that trades: its orders, positions, fills, profit and limits on the page, and the halt up to the last cancel.

The venue's side is the embedded exchange's own REST, asked with the trader's key; both clocks are this machine's.
"""

import re
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
import trio
from playwright.sync_api import Page, expect

from tests.browser.wall import SOON_MS, confirm, open_console, status_of, until
from tests.integration.desk import Member, ended_at_us, member_at, quoting
from tests.serving import Served, serving
from traderv3.exchange.process import ADDRESS_FILE

pytestmark = [pytest.mark.process, pytest.mark.browser]

T = TypeVar("T")

MARKETS = 4  # few enough that often nothing moves between two looks
ORDERS = 6
PROMISED_S = 0.25  # as in tests/integration/test_halts.py
MISSING = "-"
QUIET_S = 0.5  # in which an order that comes after the halt would be seen

ROWS = """(id) => [...document.querySelectorAll(`[data-testid="${id}"]`)].map((row) =>
  ({ data: { ...row.dataset }, cells: [...row.children].map((cell) => cell.textContent) }))"""
FACTS = """() => Object.fromEntries([...document.querySelectorAll('[data-testid="pnl"] dt')].map((name) =>
  [name.textContent, name.nextElementSibling.textContent]))"""
NOTE_CLICKS = """() => document.addEventListener("click",
  () => { window.clickedMs = performance.timeOrigin + performance.now(); }, { capture: true })"""


@dataclass(frozen=True)
class Desk:
    """A trader that trades, and its own exchange's folder."""

    served: Served
    exchange: Path

    def ask_venue(self, ask: Callable[[Member], Awaitable[T]]) -> T:
        """Of the account, from the venue's side. In a thread, because Playwright has this one's loop."""
        api_url: str = msgspec.json.decode((self.exchange / ADDRESS_FILE).read_bytes())["api_url"]

        async def run() -> T:
            async with member_at(api_url, self.exchange / "private_key.pem") as member:
                return await ask(member)

        with ThreadPoolExecutor(1) as thread:
            return thread.submit(trio.run, run).result(timeout=30)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    options = ("--markets", f"auto:{MARKETS}", *quoting(tmp_path))
    with serving(tmp_path, *options, V3_ENABLE_TRADING="true") as served:
        yield Desk(served, tmp_path / "data" / "exchange")


# -- as the page prints it -----------------------------------------------------------------------------------------


def dollars(money: str | None) -> str:
    if money is None:
        return MISSING
    whole, _, fraction = money.removeprefix("-").partition(".")
    return f"{'-' if money.startswith('-') else ''}${int(whole):,}.{fraction.rstrip('0'):0<2}"


def gain(money: str | None) -> str:
    if money is None:
        return MISSING
    if not money.strip("-0."):
        return "$0.00"
    return f"▼ {dollars(money)}" if money.startswith("-") else f"▲ +{dollars(money)}"


def order_row(order: dict[str, Any]) -> tuple[str, ...]:
    said = " ".join(filter(None, (order["side"], order["state"], order["in_flight"], order["why"])))
    filled = f"{order['filled']} / {order['count']}"
    return order["client_order_id"], order["ticker"], said, order["price"], filled, order["strategy"]


def fill_row(fill: dict[str, Any]) -> tuple[str, ...]:
    who = f"{fill['side']}, {fill['role']}"
    at = fill["timestamp"][11:23]
    return at, fill["ticker"], who, fill["price"], fill["count"], dollars(fill["fee"]), fill["strategy"] or MISSING


def position_row(held: dict[str, Any]) -> tuple[str, ...]:
    differs = "" if held["venue_position"] is None else f" ≠ {held['venue_position']} at Kalshi"
    gains = gain(held["realized"]), gain(held["unrealized"])
    side = "NO" if held["position"].startswith("-") else "YES"
    average = MISSING if held["average"] is None else f"{held['average']} {side}"
    return (
        held["ticker"],
        held["position"] + differs,
        average,
        *gains,
        dollars(held["fees"]),
        dollars(held["worst_case"]),
    )


def limit_row(limit: dict[str, Any]) -> tuple[str, ...]:
    used = f"{limit['used']} / {limit['limit']} {limit['unit']}"
    return limit["rule"], limit["scope"], used, f"{int(limit['share'] * 100)} %"


def pnl_facts(pnl: dict[str, Any]) -> dict[str, str]:
    return {
        "balance": dollars(pnl["balance"]),
        "realised": gain(pnl["realized"]),
        "unrealised": gain(pnl["unrealized"]),
        "fees": dollars(pnl["fees"]),
        "worst case with orders": dollars(pnl["worst_case"]),
    }


# -- what the page shows -------------------------------------------------------------------------------------------


def shown(page: Page, test_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = page.evaluate(ROWS, test_id)
    return found


def orders_are(page: Page, trading: dict[str, Any]) -> None:
    rows = shown(page, "order")
    cells = {row["data"]["order"]: row["cells"] for row in rows}
    wanted = [order_row(order) for order in trading["orders"]]
    assert {
        (key, ticker, said.partition(" ")[2], price, filled, by)  # without its glyph
        for key, (ticker, said, price, filled, _ahead, _age, _ends, by) in cells.items()
    } == set(wanted)
    assert {row["data"]["order"] for row in rows if row["data"]["open"] == "true"} == {
        order["client_order_id"] for order in trading["orders"] if order["is_open"]
    }
    assert [tuple(row["cells"]) for row in shown(page, "fill")] == [fill_row(fill) for fill in trading["fills"]]


def positions_are(page: Page, trading: dict[str, Any]) -> None:
    assert {tuple(row["cells"]) for row in shown(page, "position")} == {
        position_row(held) for held in trading["positions"]
    }
    assert page.evaluate(FACTS) == pnl_facts(trading["pnl"])


def limits_are(page: Page, trading: dict[str, Any]) -> None:
    assert {tuple(cell.strip() for cell in row["cells"]) for row in shown(page, "limit")} == {
        limit_row(limit) for limit in trading["limits"]["limits"]
    }


TABS = {
    "orders": (orders_are, ("orders", "fills")),
    "positions": (positions_are, ("positions", "pnl")),
    "risk": (limits_are, ("limits",)),
}


def tab_is_true(page: Page, served: Served, tab: str) -> None:
    """At one moment, that is between two answers of `/v3/status` that are the same."""
    is_shown, parts = TABS[tab]

    def look() -> bool:
        before, after = trading_of(page, served), None
        is_shown(page, before)
        after = trading_of(page, served)
        assert {part: before[part] for part in parts} == {part: after[part] for part in parts}
        return True

    page.get_by_test_id(f"tab-{tab}").click()
    until(page, f"{tab} are shown as they are", look, within_s=30.0)


def trading_of(page: Page, served: Served) -> dict[str, Any]:
    found: dict[str, Any] = status_of(page, served)["trading"]
    return found


def test_every_row_of_trading_is_what_the_status_says_and_the_halt_cancels_all_of_it(page: Page, desk: Desk) -> None:
    served = desk.served
    open_console(page, served, has_token=True, markets=MARKETS)
    until(page, "it has traded", lambda: trading_of(page, served)["fills"], within_s=90.0)
    for tab in TABS:
        tab_is_true(page, served, tab)
    market = status_of(page, served)["markets"][0]
    desk.ask_venue(lambda member: member.rest_orders(market, ORDERS))
    until(page, "it knows of them", lambda: status_of(page, served)["risk"]["resting_orders"] >= ORDERS)
    before = desk.ask_venue(Member.resting_ids)

    page.evaluate(NOTE_CLICKS)
    page.keyboard.press("Shift+K")
    confirm(page, "HALT SIM")
    answer = page.get_by_test_id("command-result")
    expect(answer).to_have_attribute("data-ok", "true", timeout=SOON_MS)
    counted = re.search(r"cancelled (\d+) of (\d+) orders(.*)", answer.inner_text())
    orders = desk.ask_venue(Member.orders)
    page.wait_for_timeout(1000 * QUIET_S)
    later = desk.ask_venue(Member.orders)
    clicked_us = int(page.evaluate("window.clickedMs") * 1000)
    took_s = (max(ended_at_us(order) for order in orders if order["order_id"] in before) - clicked_us) / 1e6

    print(f"from the click to the last cancel by the venue's clock: {took_s * 1000:.0f} ms; {answer.inner_text()}")
    assert counted
    assert counted[1] == counted[2]
    assert int(counted[1]) >= ORDERS
    assert "rest" not in counted[3]
    assert {order["status"] for order in orders} <= {"canceled", "executed"}
    assert [order["order_id"] for order in later] == [order["order_id"] for order in orders], "an order after the halt"
    assert took_s < PROMISED_S
    page.get_by_test_id("command-close").click()
    tab_is_true(page, served, "orders")
    expect(page.locator('[data-testid="order"][data-open="true"]')).to_have_count(0)
