"""A member of the sans-I/O exchange: signed calls, V2 orders in one line, private channels through a `Listener`."""

import json
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from tests.exchange.listener import NOW_MS, Listener
from traderv3.exchange.auth import ALL_SCOPES
from traderv3.exchange.exchange import BALANCE_DEFAULT, WS_PATH, Exchange
from traderv3.exchange.faults import NO_FAULTS, Faults
from traderv3.exchange.floor import Floor
from traderv3.exchange.market import Market, made_up
from traderv3.exchange.rest import BASE
from traderv3.exchange.session import SessionOptions
from traderv3.protocol.signing import Signer

ORDERS = "/portfolio/events/orders"
PRIVATE = ("fill", "user_orders", "market_positions", "order_group_updates")
Answer = tuple[int, Any]


class Clock:
    """The exchange's time, moved by hand."""

    def __init__(self, now_us: int = NOW_MS * 1000) -> None:
        self.now_us = now_us

    def __call__(self) -> int:
        return self.now_us


def exchange_of(
    markets: list[Market] | None = None,
    *,
    faults: Faults = NO_FAULTS,
    options: SessionOptions | None = None,
    clock: Clock | None = None,
    **more: Any,
) -> tuple[Exchange, Clock]:
    """An exchange where nobody trades but its members, and its clock."""
    clock = clock or Clock()
    floor = Floor(markets or made_up(7), now_ms=lambda: clock.now_us // 1000, faults=faults, options=options)
    return Exchange(floor, now_us=clock, **more), clock


class Broker:
    """One member and what it hears. Books of the listener start with its first subscription."""

    def __init__(
        self,
        exchange: Exchange,
        key_id: str,
        *,
        balance: int = BALANCE_DEFAULT,
        scopes: frozenset[str] = ALL_SCOPES,
    ) -> None:
        self.exchange = exchange
        key = ed25519.Ed25519PrivateKey.generate()
        pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.member = exchange.add_member(key_id, pem.decode(), balance=balance, scopes=scopes)
        self.signer = Signer(key_id, key)
        self._orders = 0

    # -- REST ------------------------------------------------------------------------------------------------------

    def headers(self, method: str, path: str) -> dict[str, str]:
        at_ms = self.exchange.now_us() // 1000
        signed = self.signer.headers(method, path.partition("?")[0], at_ms=at_ms)
        return {name.lower(): value for name, value in signed.items()} | {"content-type": "application/json"}

    def raw(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        return self.exchange.http(method, BASE + path, self.headers(method, BASE + path), data)

    def call(self, method: str, path: str, body: Any = None) -> Answer:
        status, data = self.raw(method, path, body)
        return status, json.loads(data) if data else None

    def get(self, path: str) -> Any:
        status, body = self.call("GET", path)
        assert status == 200, body
        return body

    # -- orders ----------------------------------------------------------------------------------------------------

    def order(self, ticker: str, side: str, price: str, count: str, **more: Any) -> Answer:
        """Create; GTC, `taker_at_cross` and a fresh client order id unless told otherwise."""
        return self.call("POST", ORDERS, self.order_body(ticker, side, price, count, **more))

    def order_body(self, ticker: str, side: str, price: str, count: str, **more: Any) -> dict[str, Any]:
        self._orders += 1
        return {
            "ticker": ticker,
            "side": side,
            "price": price,
            "count": count,
            "time_in_force": "good_till_canceled",
            "self_trade_prevention_type": "taker_at_cross",
            "client_order_id": f"{self.member.key_id}-{self._orders}",
        } | more

    def placed(self, ticker: str, side: str, price: str, count: str, **more: Any) -> str:
        """Create an order that must be accepted; its id."""
        status, body = self.order(ticker, side, price, count, **more)
        assert status == 201, body
        order_id: str = body["order_id"]
        return order_id

    def cancel(self, order_id: str) -> Answer:
        return self.call("DELETE", f"{ORDERS}/{order_id}")

    # -- WebSocket -------------------------------------------------------------------------------------------------

    def listen(self, *tickers: str, channels: tuple[str, ...] = (), **more: Any) -> Listener:
        """A connection of this member that subscribed to these channels."""
        session = self.exchange.open_session(self.member.user_id, may_read="read" in self.member.scopes)
        listener = Listener(self.exchange.floor, session=session)
        for channel in channels:
            named: dict[str, Any] = {"market_tickers": list(tickers)} if tickers else {}
            listener.say("subscribe", channels=[channel], **named, **more)
        return listener

    def upgrade_headers(self) -> dict[str, str]:
        return self.headers("GET", WS_PATH)


def kinds(frames: list[dict[str, Any]]) -> list[str]:
    return [frame["type"] for frame in frames]


def code(answer: Answer) -> tuple[int, str]:
    """Status and code of a refusal, whichever of the two shapes it has."""
    status, body = answer
    error = body.get("error", body)
    return status, error if isinstance(error, str) else error["code"]
