"""What is ours at the venue: every amount exact, nothing missing ever made up, and what a request costs."""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from traderv3.domain.errors import RemoteProtocolError
from traderv3.protocol.rest import parse_time
from traderv3.protocol.rest_account import (
    COST_DEFAULT,
    EndpointCosts,
    read_account_limits,
    read_costs,
    read_fills,
    read_order,
    read_orders,
)
from traderv3.protocol.rest_holdings import read_balance, read_holdings, read_settlements

AT = "2026-10-04T15:19:58.101233Z"
ORDER = {
    "order_id": "o-1",
    "user_id": "u-1",
    "client_order_id": "cid-1",
    "ticker": "KX-1",
    "side": "yes",
    "action": "buy",
    "outcome_side": "yes",
    "book_side": "bid",
    "type": "limit",
    "status": "resting",
    "yes_price_dollars": "0.4700",
    "no_price_dollars": "0.5300",
    "fill_count_fp": "1.50",
    "remaining_count_fp": "8.50",
    "initial_count_fp": "10.00",
    "taker_fill_cost_dollars": "0.000000",
    "maker_fill_cost_dollars": "0.705000",
    "taker_fees_dollars": "0.000000",
    "maker_fees_dollars": "0.006543",
    "created_time": AT,
    "last_update_time": None,
    "order_group_id": "",
    "subaccount_number": None,
    "exchange_index": 2,
}
FILL = {
    "fill_id": "f-1",
    "trade_id": "f-1",
    "order_id": "o-1",
    "ticker": "KX-1",
    "market_ticker": "KX-1",
    "book_side": "ask",
    "count_fp": "2.50",
    "yes_price_dollars": "0.3050",
    "no_price_dollars": "0.6950",
    "is_taker": True,
    "fee_cost": "0.037096",
    "created_time": AT,
}
POSITION = {
    "ticker": "KX-1",
    "position_fp": "-12.50",
    "market_exposure_dollars": "5.875000",
    "total_traded_dollars": "11.2",
    "realized_pnl_dollars": "-0.000001",
    "fees_paid_dollars": "0.037096",
    "last_updated_ts": AT,
    "exchange_index": 0,
}
EVENT = {
    "event_ticker": "KX",
    "event_exposure_dollars": "5.875000",
    "total_cost_dollars": "5.875000",
    "total_cost_shares_fp": "12.50",
    "realized_pnl_dollars": "0.0000",
    "fees_paid_dollars": "0.037096",
}
BALANCE = {
    "balance": 9801,
    "balance_dollars": "98.0186",
    "portfolio_value": 198,
    "updated_ts": 1_791_127_200,
    "balance_breakdown": [{"exchange_index": 2, "balance": "98.0186"}],
}
SETTLEMENT = {
    "ticker": "KX-1",
    "event_ticker": "KX",
    "exchange_index": 0,
    "market_result": "yes",
    "yes_count_fp": "10.00",
    "yes_total_cost_dollars": "4.700000",
    "no_count_fp": "0.00",
    "no_total_cost_dollars": "0.000000",
    "revenue": 1000,
    "fee_cost": "0.3400",
    "settled_time": AT,
    "value": 100,
}
ANSWERS: dict[Callable[[bytes], Any], dict[str, Any]] = {
    read_order: {"order": ORDER},
    read_orders: {"orders": [ORDER], "cursor": "next"},
    read_fills: {"fills": [FILL], "cursor": ""},
    read_holdings: {"market_positions": [POSITION], "event_positions": [EVENT], "cursor": None},
    read_balance: BALANCE,
    read_settlements: {"settlements": [SETTLEMENT]},
}


def as_json(body: object) -> bytes:
    return json.dumps(body).encode()


def test_an_order_is_read_exactly() -> None:
    page = read_orders(as_json(ANSWERS[read_orders]))
    (order,) = page.items

    assert page.cursor == "next"
    assert order == read_order(as_json({"order": ORDER}))
    assert (order.order_id, order.client_order_id, order.book_side, order.status) == ("o-1", "cid-1", "bid", "resting")
    assert (order.price, order.initial, order.filled, order.remaining) == (4700, 1000, 150, 850)
    assert (order.maker_cost, order.maker_fees, order.taker_cost) == (705_000, 6_543, 0)
    assert (order.created_us, order.updated_us, order.expires_us) == (parse_time(AT), None, None)
    assert (order.order_group_id, order.subaccount, order.exchange_index) == (None, 0, 2)


def test_a_fill_is_read_exactly() -> None:
    (fill,) = read_fills(as_json(ANSWERS[read_fills])).items
    (older,) = read_fills(as_json({"fills": [{**FILL, "created_time": None, "ts": 1_791_127_200}]})).items

    assert (fill.fill_id, fill.book_side, fill.count, fill.price, fill.fee) == ("f-1", "ask", 250, 3050, 37_096)
    assert (fill.is_taker, fill.created_us, older.created_us) == (True, parse_time(AT), 1_791_127_200_000_000)


def test_positions_are_signed() -> None:
    holdings = read_holdings(as_json(ANSWERS[read_holdings]))
    (position,), (event,) = holdings.markets, holdings.events

    assert (position.position, position.exposure, position.realized_pnl) == (-1250, 5_875_000, -1)
    assert (position.total_traded, position.fees_paid, position.updated_us) == (11_200_000, 37_096, parse_time(AT))
    assert (event.total_count, event.total_cost, holdings.cursor) == (1250, 5_875_000, "")


def test_the_balance_is_the_exact_one() -> None:
    balance = read_balance(as_json(BALANCE))
    (restricted,) = [read_balance(as_json({k: v for k, v in BALANCE.items() if k != "balance_breakdown"}))]

    assert (balance.available, balance.portfolio) == (98_018_600, 1_980_000)
    assert (balance.updated_us, balance.by_shard) == (1_791_127_200_000_000, {2: 98_018_600})
    assert restricted.by_shard == {}


def test_a_settlement_in_cents_is_money() -> None:
    (settlement,) = read_settlements(as_json(ANSWERS[read_settlements])).items

    assert (settlement.revenue, settlement.value, settlement.fee) == (10_000_000, 1_000_000, 340_000)
    assert (settlement.yes_count, settlement.yes_cost, settlement.result) == (1000, 4_700_000, "yes")


def amounts(body: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where in an answer there is money, a price or a count that we read."""
    for key, value in body.items() if isinstance(body, dict) else enumerate(body):
        is_amount = str(key).endswith(("_dollars", "_fp")) or key in ("fee_cost", "revenue", "portfolio_value")
        if isinstance(value, dict | list):
            yield from amounts(value, (*path, key))
        elif (is_amount and key != "no_price_dollars") or (
            key == "balance" and path
        ):  # of the whole, cents are not read
            yield (*path, key)


@pytest.mark.parametrize(
    ("read", "path"),
    [(read, path) for read, body in ANSWERS.items() for path in amounts(body)],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else "",
)
@pytest.mark.parametrize("wrong", ["missing", None, 0.5, "", "0.0000001", "1e3"])
def test_an_amount_that_is_missing_or_inexact_is_an_error(
    read: Callable[[bytes], Any], path: tuple[Any, ...], wrong: object
) -> None:
    body = copy.deepcopy(ANSWERS[read])
    holder: Any = body
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = wrong
    if wrong == "missing":
        del holder[path[-1]]

    with pytest.raises(RemoteProtocolError):
        read(as_json(body))


def test_words_that_nobody_has_heard_of_are_passed_through() -> None:
    body = {"order": {**ORDER, "status": "resting_harder", "book_side": "both", "new_member": [1]}}
    order = read_order(as_json(body))

    assert (order.status, order.book_side) == ("resting_harder", "both")


# -- limits and costs ----------------------------------------------------------------------------------------------


def test_limits_are_the_accounts_own() -> None:
    body = {
        "usage_tier": "advanced",
        "read": {"refill_rate": 300, "bucket_capacity": 900},
        "write": {"refill_rate": 300, "bucket_capacity": 600},
        "grants": [],
    }
    limits = read_account_limits(as_json(body))

    assert (limits.usage_tier, limits.read.bucket_capacity, limits.write.refill_rate) == ("advanced", 900, 300)
    with pytest.raises(RemoteProtocolError):
        read_account_limits(as_json({**body, "read": {"refill_rate": 0, "bucket_capacity": 900}}))


@pytest.mark.parametrize(
    ("method", "route", "expected"),
    [
        ("GET", "/markets", 12),
        ("GET", "/portfolio/orders/o-1", 2),
        ("GET", "/portfolio/orders/queue_positions", 5),  # literal before placeholder
        ("DELETE", "/portfolio/events/orders/o-1", 3),
        ("POST", "/portfolio/events/orders/o-1", 12),
        ("GET", "/portfolio/orders/o-1/queue_position", 12),
        ("GET", "/portfolio/orders", 12),
    ],
)
def test_costs_are_found_by_method_and_path(method: str, route: str, expected: int) -> None:
    listed = [
        ("GET", "/trade-api/v2/portfolio/orders/{order_id}", 2),
        ("GET", "/portfolio/orders/queue_positions", 5),
        ("DELETE", "/portfolio/events/orders/:order_id", 3),
        ("POST", "/portfolio/free", 0),
    ]
    entries = [{"method": verb, "path": path, "cost": cost} for verb, path, cost in listed]
    costs = read_costs(as_json({"default_cost": 12, "endpoint_costs": entries}))

    assert costs.of(method, route) == expected


def test_without_a_table_everything_costs_the_default() -> None:
    assert EndpointCosts().of("GET", "/markets") == COST_DEFAULT
