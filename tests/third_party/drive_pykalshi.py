"""Drives `pykalshi` step by step: its REST client, its feed (a thread of its own) and the order-book helper from its manual.

Run as a module inside that client's own environment, see `driving`. The client is not changed; the address of its feed
cannot be given to it, so the attribute that holds it is set before it connects.
"""

import sys
import threading
from collections import defaultdict
from typing import Any

from pykalshi import feed as wire
from pykalshi.client import KalshiClient
from pykalshi.enums import MarketStatus, OrderStatus, SelfTradePrevention, TimeInForce
from pykalshi.exceptions import KalshiAPIError
from pykalshi.orderbook import OrderbookManager

from tests.third_party import driving


class Driver:
    """One method per step."""

    def __init__(self, where: dict[str, str]) -> None:
        self._client = KalshiClient(
            api_key_id=where["key_id"],
            private_key_path=where["private_key_path"],
            api_base=where["api_url"],
            max_retries=0,
        )
        self._feed = self._client.feed()
        self._feed._ws_url = where["ws_url"]
        self._held: dict[str, Any] = {}
        self._heard: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._lock = threading.Lock()  # the feed calls us from its own thread
        self._complaints = driving.Complaints("pykalshi.feed")  # refused requests are answers of steps

    # -- market data ---------------------------------------------------------------------------------------------------

    def markets(self) -> list[str]:
        return [market.ticker for market in self._client.get_markets(status=MarketStatus.OPEN, fetch_all=True)]

    def market(self, ticker: str) -> dict[str, Any]:
        market = self._client.get_market(ticker)
        return {"status": market.status.value, "yes_bid": market.yes_bid_dollars, "yes_ask": market.yes_ask_dollars}

    def rest_book(self, ticker: str) -> dict[str, dict[str, str]]:
        book = self._client.get_market(ticker).get_orderbook().orderbook
        return {"yes": dict(book.yes_dollars or ()), "no": dict(book.no_dollars or ())}

    def survey(self, ticker: str) -> dict[str, Any]:
        """Everything else that can be read; this client checks each answer against its models."""
        client = self._client
        market = client.get_market(ticker)
        event = client.get_event(market.event_ticker, with_nested_markets=True)
        client.get_series(event.series_ticker)
        client.get_events(fetch_all=True)
        client.history.get_cutoff()
        market.get_candlesticks(0, 3600)
        client.portfolio.get_queue_positions(market_tickers=[ticker])
        client.exchange.get_user_data_timestamp()
        return {
            "is_trading": client.exchange.is_trading(),
            "is_open_on_thursday": bool(client.exchange.get_schedule()["standard_hours"][0]["thursday"]),
            "limits": client.api_keys.get_limits().usage_tier is not None,
            "event": event.event_ticker,
            "markets": [each.ticker for each in event.get_markets()],
            "series": [each.ticker for each in client.get_all_series()],
            "trades": len(market.get_trades()),
        }

    def subscribe(self, tickers: list[str], is_private: bool = False) -> None:
        self._feed.on("orderbook_delta", self._on_book)
        self._feed.on("trade", lambda msg: self._keep("trades", _trade(msg)))
        self._feed.on("error", lambda msg: self._complaints.said.append(f"error {msg.code}: {msg.msg}"))
        self._feed.on("market_lifecycle_v2", lambda msg: self._keep("lifecycle", _told_lifecycle(msg)))
        self._feed.subscribe("market_lifecycle_v2")
        self._feed.subscribe("trade", market_tickers=tickers)
        self._feed.subscribe("orderbook_delta", market_tickers=tickers)
        if is_private:
            self._feed.on("fill", lambda msg: self._keep("fills", _told_fill(msg)))
            self._feed.on("user_orders", lambda msg: self._keep("orders", _order(msg)))
            self._feed.on("market_positions", lambda msg: self._keep("positions", _told_position(msg)))
            self._feed.on("order_group_updates", lambda msg: self._keep("groups", _told_group(msg)))
            for channel in ("fill", "user_orders", "market_positions", "order_group_updates"):
                self._feed.subscribe(channel)
        self._feed.start()

    def books(self) -> dict[str, dict[str, dict[str, str]]]:
        with self._lock:
            return {ticker: {"yes": dict(book.yes), "no": dict(book.no)} for ticker, book in self._held.items()}

    def heard(self) -> dict[str, list[dict[str, Any]]]:
        with self._lock:
            return {kind: list(self._heard[kind]) for kind in driving.KINDS}

    def complaints(self) -> list[str]:
        return self._complaints.said

    def _keep(self, kind: str, what: dict[str, Any]) -> None:
        with self._lock:
            self._heard[kind].append(what)

    def _on_book(self, msg: Any) -> None:
        with self._lock:
            book = self._held.setdefault(msg.market_ticker, OrderbookManager(msg.market_ticker))
            if isinstance(msg, wire.OrderbookSnapshotMessage):
                book.apply_snapshot(msg.yes_dollars, msg.no_dollars)
            else:
                book.apply_delta(msg.side, msg.price_dollars, msg.delta_fp)

    # -- orders and portfolio ------------------------------------------------------------------------------------------

    def place(self, ticker: str, side: str, price: str, count: str, **more: Any) -> dict[str, Any]:
        more["time_in_force"] = TimeInForce(more["time_in_force"])
        more["self_trade_prevention"] = SelfTradePrevention.CANCEL_INCOMING
        made = self._client.portfolio.place_order(ticker, book_side=side, price_dollars=price, count_fp=count, **more)
        return {"order_id": made.order_id, "filled": made.fill_count_fp, "remaining": made.remaining_count_fp}

    def amend(self, order_id: str, ticker: str, side: str, price: str, count: str) -> None:
        self._client.portfolio.amend_order(order_id, ticker=ticker, book_side=side, price_dollars=price, count_fp=count)

    def decrease(self, order_id: str, by: str) -> str:
        return str(self._client.portfolio.decrease_order(order_id, by).remaining_count_fp)

    def cancel(self, order_id: str) -> None:
        self._client.portfolio.cancel_order(order_id)

    def place_batch(self, batch: list[dict[str, Any]]) -> list[str]:
        wanted = [
            {**{name: value for name, value in order.items() if name not in ("side", "price", "count")}}
            | {"book_side": order["side"], "price_dollars": order["price"], "count_fp": order["count"]}
            for order in batch
        ]
        return [order.order_id for order in self._client.portfolio.batch_place_orders(wanted)]

    def cancel_batch(self, order_ids: list[str]) -> int:
        return len(self._client.portfolio.batch_cancel_orders(order_ids))

    def order(self, order_id: str) -> dict[str, Any]:
        return _order(self._client.portfolio.get_order(order_id).data)

    def orders(self, status: str | None = None) -> list[dict[str, Any]]:
        wanted = OrderStatus(status) if status else None
        return [_order(order.data) for order in self._client.portfolio.get_orders(status=wanted, fetch_all=True)]

    def queue_position(self, order_id: str) -> str:
        return str(self._client.portfolio.get_queue_position(order_id).queue_position_fp)

    def fills(self) -> list[dict[str, Any]]:
        return [_fill(fill) for fill in self._client.portfolio.get_fills(fetch_all=True)]

    def positions(self) -> list[dict[str, Any]]:
        return [
            {"ticker": each.ticker, "position": each.position_fp, "fees": each.fees_paid_dollars}
            for each in self._client.portfolio.get_positions(fetch_all=True)
        ]

    def balance(self) -> dict[str, Any]:
        return {"cents": self._client.portfolio.get_balance().balance, "dollars": None}  # it keeps cents only

    def settlements(self) -> list[dict[str, Any]]:
        return [
            {"ticker": each.ticker, "result": each.market_result, "cents": each.revenue}
            for each in self._client.portfolio.get_settlements(fetch_all=True)
        ]

    # -- order groups --------------------------------------------------------------------------------------------------

    def create_group(self, limit: int) -> str:
        return str(self._client.portfolio.create_order_group(f"{limit}.00").id)

    def group(self, group_id: str) -> dict[str, Any]:
        found = self._client.portfolio.get_order_group(group_id)
        listed = [group.id for group in self._client.portfolio.get_order_groups()]
        return {"limit": found.contracts_limit_fp, "orders": found.orders, "is_listed": group_id in listed}

    def limit_group(self, group_id: str, limit: int) -> None:
        self._client.portfolio.update_order_group_limit(group_id, f"{limit}.00")

    def trigger_group(self, group_id: str) -> None:
        self._client.portfolio.trigger_order_group(group_id)

    def reset_group(self, group_id: str) -> None:
        self._client.portfolio.reset_order_group(group_id)

    def close(self) -> None:
        """Leave nothing running."""
        self._feed.stop()
        self._client.close()


def _trade(msg: Any) -> dict[str, Any]:
    return {
        "trade_id": msg.trade_id,
        "ticker": msg.market_ticker,
        "price": msg.yes_price_dollars,
        "count": msg.count_fp,
        "taker": msg.taker_book_side,
    }


def _order(order: Any) -> dict[str, Any]:
    return {
        "order_id": order.order_id,
        "client_order_id": order.client_order_id,
        "ticker": order.ticker,
        "side": getattr(order.book_side, "value", order.book_side),
        "status": getattr(order.status, "value", order.status),
        "price": order.yes_price_dollars,
        "filled": order.fill_count_fp,
        "remaining": order.remaining_count_fp,
    }


def _fill(fill: Any) -> dict[str, Any]:
    return {
        "trade_id": fill.trade_id,
        "order_id": fill.order_id,
        "ticker": fill.ticker,
        "side": fill.book_side.value,
        "is_taker": fill.is_taker,
        "price": fill.yes_price_dollars,
        "count": fill.count_fp,
        "fee": fill.fee_cost_dollars,
    }


def _told_fill(msg: Any) -> dict[str, Any]:
    return {
        "trade_id": msg.trade_id,
        "order_id": msg.order_id,
        "ticker": msg.market_ticker,
        "side": msg.book_side,
        "is_taker": msg.is_taker,
        "price": msg.yes_price_dollars,
        "count": msg.count_fp,
        "fee": msg.fee_cost,
    }


def _told_position(msg: Any) -> dict[str, Any]:
    return {"ticker": msg.market_ticker, "position": msg.position_fp, "fees": msg.fees_paid_dollars}


def _told_group(msg: Any) -> dict[str, Any]:
    return {"event": msg.event_type, "group_id": msg.order_group_id}


def _told_lifecycle(msg: Any) -> dict[str, Any]:
    return {"event": msg.event_type, "ticker": msg.market_ticker}


def main() -> None:
    """Answer steps until stdin ends."""
    driver = Driver(driving.where())
    for line in sys.stdin:
        verb, arguments = driving.read_step(line)
        try:
            driving.answer(getattr(driver, verb)(**arguments))
        except KalshiAPIError as no:
            driving.refused(type(no).__name__, no.status_code, str(no))
    driver.close()


if __name__ == "__main__":
    main()
