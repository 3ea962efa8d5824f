"""Drives `kalshi-sdk` step by step: its async REST client, its WebSocket client and the books it keeps.

Run as a module inside that client's own environment, see `driving`. The client is not changed; of its private parts only the
book manager is read, for `books` of several markets on one connection.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from typing import Any

from kalshi.async_client import AsyncKalshiClient
from kalshi.auth import KalshiAuth
from kalshi.config import KalshiConfig
from kalshi.errors import KalshiError
from kalshi.models import orders
from kalshi.ws.client import KalshiWebSocket

from tests.third_party import driving

QUEUE = 100_000  # a slow reader is not what is tested here


class Driver:
    """One method per step."""

    def __init__(self, auth: Any, config: Any, session: Any) -> None:
        self._rest = AsyncKalshiClient(auth=auth, config=config)
        self._session = session
        self._tickers: list[str] = []
        self._heard: dict[str, list[dict[str, Any]]] = {kind: [] for kind in driving.KINDS}
        self._tasks: list[asyncio.Task[None]] = []
        self._complaints = driving.Complaints("kalshi")

    # -- market data ---------------------------------------------------------------------------------------------------

    async def markets(self) -> list[str]:
        return [market.ticker async for market in self._rest.markets.list_all(status="open")]

    async def market(self, ticker: str) -> dict[str, Any]:
        market = await self._rest.markets.get(ticker)
        return {"status": market.status, "yes_bid": market.yes_bid, "yes_ask": market.yes_ask}

    async def rest_book(self, ticker: str) -> dict[str, dict[str, str]]:
        return _book(await self._rest.markets.orderbook(ticker))

    async def survey(self, ticker: str) -> dict[str, Any]:
        """Everything else that can be read; this client checks each answer against its models."""
        rest = self._rest
        event_ticker = (await rest.markets.get(ticker)).event_ticker
        event = await rest.events.get(event_ticker, with_nested_markets=True)
        series = await rest.series.get(event.series_ticker)
        span = {"start_ts": 0, "end_ts": 3600, "period_interval": 60}
        schedule = await rest.exchange.schedule()
        await rest.exchange.user_data_timestamp()
        await rest.account.endpoint_costs()
        await rest.historical.cutoff()
        await rest.events.list(with_nested_markets=True)
        await rest.series.fee_changes()
        await rest.events.fee_changes()
        await rest.markets.candlesticks(series.ticker, ticker, **span)
        await rest.markets.bulk_orderbooks(tickers=[ticker])
        await rest.orders.queue_positions(market_tickers=[ticker])
        return {
            "is_trading": (await rest.exchange.status()).trading_active,
            "is_open_on_thursday": bool(schedule.standard_hours[0].thursday),
            "limits": (await rest.account.limits()).read.refill_rate > 0,
            "event": event.event_ticker,
            "markets": [market.ticker for market in event.markets],
            "series": [each.ticker for each in await rest.series.list()],
            "trades": len((await rest.markets.list_trades(ticker=ticker)).items),
        }

    async def subscribe(self, tickers: list[str], is_private: bool = False) -> None:
        """The books last: while this client waits for an answer it drops the data of what it subscribed to before."""
        self._tickers = tickers
        if is_private:
            self._keep(await self._session.subscribe_fill(maxsize=QUEUE), "fills", _fill)
            self._keep(await self._session.subscribe_user_orders(maxsize=QUEUE), "orders", _order)
            self._keep(await self._session.subscribe_market_positions(maxsize=QUEUE), "positions", _told_position)
            self._keep(await self._session.subscribe_order_group(maxsize=QUEUE), "groups", _told_group)
        self._keep(await self._session.subscribe_market_lifecycle(maxsize=QUEUE), "lifecycle", _told_lifecycle)
        self._keep(await self._session.subscribe_trade(tickers=tickers, maxsize=QUEUE), "trades", _trade)
        self._keep(await self._session.subscribe_orderbook_delta(tickers=tickers, maxsize=QUEUE), None, None)

    async def books(self) -> dict[str, dict[str, dict[str, str]] | None]:
        held = {ticker: self._session._orderbook_mgr.get(ticker) for ticker in self._tickers}
        return {ticker: _book(book) if book is not None else None for ticker, book in held.items()}

    async def heard(self) -> dict[str, list[dict[str, Any]]]:
        return self._heard

    async def complaints(self) -> list[str]:
        return self._complaints.said

    def _keep(self, stream: AsyncIterator[Any], kind: str | None, read: Any) -> None:
        async def keep() -> None:
            async for message in stream:
                if kind is not None:
                    self._heard[kind].append(read(message.msg))

        self._tasks.append(asyncio.create_task(keep()))

    # -- orders and portfolio ------------------------------------------------------------------------------------------

    async def place(self, **order: Any) -> dict[str, Any]:
        order.setdefault("self_trade_prevention_type", "taker_at_cross")
        made = await self._rest.orders.create_v2(request=orders.CreateOrderV2Request(**order))
        return {"order_id": made.order_id, "filled": made.fill_count, "remaining": made.remaining_count}

    async def amend(self, order_id: str, **change: Any) -> None:
        await self._rest.orders.amend_v2(order_id, request=orders.AmendOrderV2Request(**change))

    async def decrease(self, order_id: str, by: str) -> str:
        left = await self._rest.orders.decrease_v2(order_id, request=orders.DecreaseOrderV2Request(reduce_by=by))
        return str(left.remaining_count)

    async def cancel(self, order_id: str) -> None:
        await self._rest.orders.cancel_v2(order_id)

    async def place_batch(self, batch: list[dict[str, Any]]) -> list[str | None]:
        wanted = [
            orders.CreateOrderV2Request(**{"self_trade_prevention_type": "taker_at_cross", **order}) for order in batch
        ]
        made = await self._rest.orders.batch_create_v2(request=orders.BatchCreateOrdersV2Request(orders=wanted))
        return [item.order_id for item in made.orders]

    async def cancel_batch(self, order_ids: list[str]) -> int:
        wanted = [orders.BatchCancelOrdersV2RequestOrder(order_id=order_id) for order_id in order_ids]
        gone = await self._rest.orders.batch_cancel_v2(request=orders.BatchCancelOrdersV2Request(orders=wanted))
        return sum(item.error is None for item in gone.orders)

    async def order(self, order_id: str) -> dict[str, Any]:
        return _order(await self._rest.orders.get(order_id))

    async def orders(self, status: str | None = None) -> list[dict[str, Any]]:
        return [_order(order) async for order in self._rest.orders.list_all(status=status)]

    async def queue_position(self, order_id: str) -> str:
        return str(await self._rest.orders.queue_position(order_id))

    async def fills(self) -> list[dict[str, Any]]:
        return [_fill(fill) async for fill in self._rest.orders.fills_all()]

    async def positions(self) -> list[dict[str, Any]]:
        found = await self._rest.portfolio.positions()
        return [
            {"ticker": each.ticker, "position": each.position, "fees": each.fees_paid}
            for each in found.market_positions
        ]

    async def balance(self) -> dict[str, Any]:
        found = await self._rest.portfolio.balance()
        return {"cents": found.balance, "dollars": found.balance_dollars}

    async def settlements(self) -> list[dict[str, Any]]:
        return [
            {"ticker": each.ticker, "result": each.market_result, "cents": each.revenue}
            async for each in self._rest.portfolio.settlements_all()
        ]

    # -- order groups --------------------------------------------------------------------------------------------------

    async def create_group(self, limit: int) -> str:
        return str((await self._rest.order_groups.create(contracts_limit=limit)).order_group_id)

    async def group(self, group_id: str) -> dict[str, Any]:
        found = await self._rest.order_groups.get(group_id)
        listed = [group.id for group in await self._rest.order_groups.list()]
        return {"limit": found.contracts_limit, "orders": found.orders, "is_listed": group_id in listed}

    async def limit_group(self, group_id: str, limit: int) -> None:
        await self._rest.order_groups.update_limit(group_id, contracts_limit=limit)

    async def trigger_group(self, group_id: str) -> None:
        await self._rest.order_groups.trigger(group_id)

    async def reset_group(self, group_id: str) -> None:
        await self._rest.order_groups.reset(group_id)

    async def close(self) -> None:
        """Leave nothing running."""
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self._rest.close()


def _book(book: Any) -> dict[str, dict[str, str]]:
    return {
        "yes": {str(level.price): str(level.quantity) for level in book.yes},
        "no": {str(level.price): str(level.quantity) for level in book.no},
    }


def _trade(msg: Any) -> dict[str, Any]:
    return {
        "trade_id": msg.trade_id,
        "ticker": msg.market_ticker,
        "price": msg.yes_price,
        "count": msg.count,
        "taker": msg.taker_book_side,
    }


def _order(order: Any) -> dict[str, Any]:
    return {
        "order_id": order.order_id,
        "client_order_id": order.client_order_id,
        "ticker": order.ticker,
        "side": order.book_side,
        "status": order.status,
        "price": order.yes_price,
        "filled": order.fill_count,
        "remaining": order.remaining_count,
    }


def _fill(fill: Any) -> dict[str, Any]:
    return {
        "trade_id": fill.trade_id,
        "order_id": fill.order_id,
        "ticker": fill.market_ticker,
        "side": fill.book_side,
        "is_taker": fill.is_taker,
        "price": fill.yes_price,
        "count": fill.count,
        "fee": fill.fee_cost,
    }


def _told_position(msg: Any) -> dict[str, Any]:
    return {"ticker": msg.market_ticker, "position": msg.position, "fees": msg.fees_paid}


def _told_group(msg: Any) -> dict[str, Any]:
    return {"event": msg.event_type, "group_id": msg.order_group_id}


def _told_lifecycle(msg: Any) -> dict[str, Any]:
    return {"event": getattr(msg, "event_type", None), "ticker": getattr(msg, "market_ticker", None)}


async def main() -> None:
    """Answer steps until stdin ends."""
    where = driving.where()
    auth = KalshiAuth.from_key_path(where["key_id"], where["private_key_path"])
    config = KalshiConfig(base_url=where["api_url"], ws_base_url=where["ws_url"], max_retries=0)
    async with KalshiWebSocket(auth=auth, config=config).connect() as session:
        driver = Driver(auth, config, session)
        while line := await asyncio.to_thread(sys.stdin.readline):
            verb, arguments = driving.read_step(line)
            try:
                driving.answer(await getattr(driver, verb)(**arguments))
            except KalshiError as no:
                driving.refused(type(no).__name__, no.status_code, str(no))
        await driver.close()


if __name__ == "__main__":
    asyncio.run(main())
