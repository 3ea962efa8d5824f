"""The REST answers about our account: what we may ask, what we have ordered and what was filled.

As in `rest`: a `read_…` function takes a body and returns exact facts or raises `RemoteProtocolError`. Here nothing is
ever left out: a page with one unreadable order is unreadable.
Reads lag behind writes by 0.3 to 10 s; `order_id`, `fill_id` tell what is the same.
Units: prices 1e-4 dollar, counts 0.01 contract, money 1e-6 dollar, times microseconds since the epoch.
Source: Kalshi's OpenAPI document 3.34.0. Positions, balance and settlements are in `rest_holdings`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from traderv3.domain.units import Money, Price, Qty, parse_money, parse_price, parse_qty
from traderv3.protocol.rest import Page, parse_time, parse_time_or_none, reader

COST_DEFAULT: Final = 10
_API: Final = "/trade-api/v2"


# -- what we may ask -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BucketLimit:
    """One token bucket: tokens a second, and how many it holds."""

    refill_rate: int
    bucket_capacity: int

    def __post_init__(self) -> None:
        if self.refill_rate <= 0 or self.bucket_capacity <= 0:
            msg = f"a bucket of {self.bucket_capacity} filled at {self.refill_rate} a second"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class AccountLimits:
    """Our tier and its two buckets."""

    usage_tier: str
    read: BucketLimit
    write: BucketLimit


class EndpointCosts:
    """Tokens by method and path; what is not listed costs the default."""

    def __init__(self, default: int = COST_DEFAULT, listed: Mapping[tuple[str, str], int] | None = None) -> None:
        self._default = default
        self._listed = [
            (method.upper(), _segments(path), cost) for (method, path), cost in (listed or {}).items() if cost > 0
        ]
        # Of several that fit, the one with the fewest placeholders is meant.
        self._listed.sort(key=lambda entry: sum(_is_placeholder(part) for part in entry[1]))

    def of(self, method: str, route: str) -> int:
        """The cost of one request; `route` is the path behind the API's base."""
        wanted = _segments(route)
        for listed_method, parts, cost in self._listed:
            if listed_method == method and len(parts) == len(wanted) and all(map(_fits, parts, wanted)):
                return cost
        return self._default


def _segments(path: str) -> tuple[str, ...]:
    return tuple(path.partition("?")[0].removeprefix(_API).strip("/").split("/"))


def _is_placeholder(part: str) -> bool:
    return part.startswith((":", "{"))


def _fits(part: str, given: str) -> bool:
    return part == given or _is_placeholder(part)


class _Cost(msgspec.Struct):
    method: str
    path: str
    cost: int


class _CostsAnswer(msgspec.Struct):
    default_cost: int
    endpoint_costs: list[_Cost]


def _to_costs(answer: _CostsAnswer) -> EndpointCosts:
    if answer.default_cost <= 0:
        msg = f"a default cost of {answer.default_cost}"
        raise ValueError(msg)
    return EndpointCosts(answer.default_cost, {(one.method, one.path): one.cost for one in answer.endpoint_costs})


class _AsOf(msgspec.Struct):
    as_of_time: str


read_as_of: Final = reader(_AsOf, lambda answer: parse_time(answer.as_of_time))
read_account_limits: Final = reader(AccountLimits, lambda limits: limits)
read_costs: Final = reader(_CostsAnswer, _to_costs)


# -- orders --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order of ours. `book_side` is bid (long YES) or ask; `price` is the YES price for both.

    `status` is resting, canceled or executed, or a newer word; a partly filled order that was then cancelled is canceled.
    """

    order_id: str
    client_order_id: str
    ticker: str
    book_side: str
    status: str
    price: Price
    initial: Qty
    filled: Qty
    remaining: Qty
    taker_cost: Money
    maker_cost: Money
    taker_fees: Money
    maker_fees: Money
    created_us: int | None
    updated_us: int | None
    expires_us: int | None
    order_group_id: str | None
    subaccount: int
    exchange_index: int


class _Order(msgspec.Struct):
    order_id: str
    client_order_id: str
    ticker: str
    book_side: str
    status: str
    yes_price_dollars: str
    initial_count_fp: str
    fill_count_fp: str
    remaining_count_fp: str
    taker_fill_cost_dollars: str
    maker_fill_cost_dollars: str
    taker_fees_dollars: str
    maker_fees_dollars: str
    created_time: str | None = None
    last_update_time: str | None = None
    expiration_time: str | None = None
    order_group_id: str | None = None
    subaccount_number: int | None = None
    exchange_index: int = 0


class _OrderAnswer(msgspec.Struct):
    order: _Order


class _OrdersAnswer(msgspec.Struct):
    orders: list[_Order]
    cursor: str | None = None


def _to_order(raw: _Order) -> Order:
    return Order(
        order_id=raw.order_id,
        client_order_id=raw.client_order_id,
        ticker=raw.ticker,
        book_side=raw.book_side,
        status=raw.status,
        price=parse_price(raw.yes_price_dollars),
        initial=parse_qty(raw.initial_count_fp),
        filled=parse_qty(raw.fill_count_fp),
        remaining=parse_qty(raw.remaining_count_fp),
        taker_cost=parse_money(raw.taker_fill_cost_dollars),
        maker_cost=parse_money(raw.maker_fill_cost_dollars),
        taker_fees=parse_money(raw.taker_fees_dollars),
        maker_fees=parse_money(raw.maker_fees_dollars),
        created_us=parse_time_or_none(raw.created_time),
        updated_us=parse_time_or_none(raw.last_update_time),
        expires_us=parse_time_or_none(raw.expiration_time),
        order_group_id=raw.order_group_id or None,
        subaccount=raw.subaccount_number or 0,
        exchange_index=raw.exchange_index,
    )


read_order: Final = reader(_OrderAnswer, lambda answer: _to_order(answer.order))
read_orders: Final = reader(
    _OrdersAnswer, lambda answer: Page([_to_order(raw) for raw in answer.orders], answer.cursor or "")
)


# -- fills ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution of ours; `price` is the YES price, `fee` may have six decimals."""

    fill_id: str
    order_id: str
    ticker: str
    book_side: str
    count: Qty
    price: Price
    fee: Money
    is_taker: bool
    created_us: int | None
    subaccount: int
    exchange_index: int


class _Fill(msgspec.Struct):
    fill_id: str
    order_id: str
    ticker: str
    book_side: str
    count_fp: str
    yes_price_dollars: str
    fee_cost: str
    is_taker: bool
    created_time: str | None = None
    ts: int | None = None
    subaccount_number: int | None = None
    exchange_index: int = 0


class _FillsAnswer(msgspec.Struct):
    fills: list[_Fill]
    cursor: str | None = None


def _to_fill(raw: _Fill) -> Fill:
    created_us = parse_time_or_none(raw.created_time)
    if created_us is None and raw.ts is not None:
        created_us = raw.ts * 1_000_000
    return Fill(
        fill_id=raw.fill_id,
        order_id=raw.order_id,
        ticker=raw.ticker,
        book_side=raw.book_side,
        count=parse_qty(raw.count_fp),
        price=parse_price(raw.yes_price_dollars),
        fee=parse_money(raw.fee_cost),
        is_taker=raw.is_taker,
        created_us=created_us,
        subaccount=raw.subaccount_number or 0,
        exchange_index=raw.exchange_index,
    )


read_fills: Final = reader(
    _FillsAnswer, lambda answer: Page([_to_fill(raw) for raw in answer.fills], answer.cursor or "")
)
