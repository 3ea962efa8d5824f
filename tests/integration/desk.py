"""A real trader that trades at a real exchange, and the same account seen from the venue's side, with the same key.

What the trader says comes from `/v3/status`; what the venue says from its REST. Both write prices and sizes alike.
"""

import random
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import trio

from tests.running import COMMAND, RunningExchange, RunningTrader, clean_environment, eventually, running_trader
from traderv3.clients.account_reads import AccountReader
from traderv3.clients.doors import embedded_signer, open_door
from traderv3.config.endpoints import parse_endpoint
from traderv3.config.environment import Environment
from traderv3.domain.execution import Snapshot
from traderv3.domain.timestamps import parse_time
from traderv3.domain.units import format_qty
from traderv3.protocol.signing import Signer

TRADING = ("trading_ready", "acting")
PARAMETERS = "[spread_maker]\nspread_min = 0.02\nedge = 0.0050\nrequote = 0.01\nttl_s = 5\n"


def wall_us() -> int:
    return time.time_ns() // 1_000


def quoting(cwd: Path, parameters: str = PARAMETERS) -> tuple[str, ...]:
    """The options of `traderv3 run` that make it trade busily; their file lies in `cwd`."""
    (cwd / "strategy.toml").write_text(parameters)
    return "--strategy", "spread_maker", "--strategy-file", "strategy.toml"


@asynccontextmanager
async def trading_at(
    exchange: RunningExchange, cwd: Path, *arguments: str, **variables: str
) -> AsyncIterator[RunningTrader]:
    """A trader with the example strategy. What `variables` say goes before the exchange's own."""
    given = {**exchange.variables, "V3_ENABLE_TRADING": "true", **variables}
    async with running_trader(cwd, *quoting(cwd), *arguments, **given) as trader:
        yield trader


async def said(cwd: Path, *arguments: str, **variables: str) -> str:
    """What `traderv3 ARGUMENTS` prints, as a process of its own in the trader's folder. Fails unless it ends with 0."""
    command = [*COMMAND, *arguments]
    environment = clean_environment(**variables)
    done = await trio.run_process(
        command, cwd=cwd, env=environment, capture_stdout=True, capture_stderr=True, check=False
    )
    assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    return done.stdout.decode()


# -- what the trader says ------------------------------------------------------------------------------------------


def open_orders(status: dict[str, Any]) -> dict[str, str]:
    """What is left of each order that may rest, by client order id."""
    return {order["client_order_id"]: order["remaining"] for order in status["trading"]["orders"] if order["is_open"]}


def positions(status: dict[str, Any]) -> dict[str, str]:
    """What is held, by ticker."""
    lines = status["trading"]["positions"] or ()  # null before the first reading
    return {line["ticker"]: line["position"] for line in lines if line["position"] != "0.00"}


async def until_it_may_trade(trader: RunningTrader, within_s: float = 20.0) -> None:
    await trader.until("it may trade", lambda status: status["state"] in TRADING, within_s)


async def until_orders_rest(trader: RunningTrader) -> None:
    await trader.until("an order rests", lambda status: bool(open_orders(status)), within_s=60.0)


async def until_filled(trader: RunningTrader) -> None:
    await trader.until("a fill", lambda status: bool(status["trading"]["fills"]), within_s=90.0)


# -- what the venue says -------------------------------------------------------------------------------------------


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
        await door.rest.aclose()


def resting(snapshot: Snapshot) -> dict[str, str]:
    """As `open_orders`."""
    return {
        order.client_order_id: format_qty(order.remaining) for order in snapshot.orders if order.status == "resting"
    }


def held(snapshot: Snapshot) -> dict[str, str]:
    """As `positions`."""
    return {each.ticker: format_qty(each.position) for each in snapshot.positions if each.position}


async def until_both_agree(trader: RunningTrader, account: AccountReader, within_s: float = 20.0) -> Snapshot:
    """Orders and positions are the same on both sides, at one moment at which nothing moves; no client id came twice."""

    async def look() -> Snapshot | None:
        before = await trader.get("/v3/status")
        told = await account.snapshot(0)
        after = await trader.get("/v3/status")
        is_still = open_orders(before) == open_orders(after) and positions(before) == positions(after)
        is_same = resting(told) == open_orders(after) and held(told) == positions(after)
        return told if is_still and is_same else None

    told = await eventually(look, "exchange and trader agree", within_s)
    assert told is not None
    ids = [order.client_order_id for order in told.orders]
    assert len(ids) == len(set(ids)), "an order was made twice"
    return told


# -- the same account, by hand -------------------------------------------------------------------------------------


@dataclass
class Member:
    """Somebody with the trader's own key: its orders are the account's, and a halt means them as well."""

    api_url: str
    signer: Signer
    http: httpx2.AsyncClient

    async def ask(self, method: str, route: str, body: object = None, query: str = "") -> Any:
        path = "/trade-api/v2" + route
        headers = self.signer.headers(method, path, at_ms=time.time_ns() // 1_000_000)
        answer = await self.http.request(method, self.api_url + route + query, headers=headers, json=body)
        assert answer.status_code < 300, answer.text
        return answer.json()

    async def rest_orders(self, ticker: str, count: int) -> None:
        """Bids at a cent that nobody hits."""
        for _ in range(count):
            order = {
                "ticker": ticker,
                "client_order_id": f"member-{secrets.token_hex(4)}",
                "side": "bid",
                "count": "1.00",
                "price": "0.0100",
                "time_in_force": "good_till_canceled",
                "self_trade_prevention_type": "taker_at_cross",
            }
            await self.ask("POST", "/portfolio/events/orders", order)

    async def orders(self) -> list[dict[str, Any]]:
        """Every order of the account."""
        return list((await self.ask("GET", "/portfolio/orders", query="?limit=1000"))["orders"])

    async def resting_ids(self) -> set[str]:
        return {order["order_id"] for order in await self.orders() if order["status"] == "resting"}

    async def faults(self, spec: str) -> None:
        """The exchange misbehaves like this from now on."""
        control = self.api_url.removesuffix("/trade-api/v2") + "/control/faults"
        assert (await self.http.post(control, json={"spec": spec})).status_code == 200


@asynccontextmanager
async def member_at(api_url: str, private_key: Path) -> AsyncIterator[Member]:
    """With the key that the exchange made, for the block."""
    async with httpx2.AsyncClient(trust_env=False, timeout=30.0) as http:
        yield Member(api_url, embedded_signer(private_key), http)


def ended_at_us(order: dict[str, Any]) -> int:
    """When the venue last touched it, by its own clock."""
    return parse_time(order["last_update_time"], datetime.now(UTC))
