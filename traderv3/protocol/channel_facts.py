"""From the venue's messages to facts, exactly: one function a type, in one table.

Units: in the venue's strings, seconds and milliseconds; out as in `domain.market_facts`.
Never: a default for an amount. What does not convert exactly, or cannot be, raises `UnitError`.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from traderv3.domain import market_facts as facts
from traderv3.domain.units import (
    DOLLAR,
    Money,
    Price,
    Qty,
    UnitError,
    parse_money,
    parse_price,
    parse_qty,
)
from traderv3.protocol import channel_wire as wire

_PPM: Final = Decimal("0.000001")
_MULTIPLIER_MAX: Final = 1000  # of fees; the venue's are 0, 0.5 and 1
_STRIKE_MAX: Final = 40  # digits

# What an `event_type` cannot do without (source: protocol page 4.8); combos have no price ranges.
REQUIRED: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "created": ("open_ts", "close_ts", "additional_metadata"),
        "close_date_updated": ("close_ts",),
        "determined": ("determination_ts", "result", "settlement_value"),
        "settled": ("settled_ts",),
        "price_level_structure_updated": ("price_ranges",),
    }
)


def to_fact(message: wire.Message, received_us: int) -> facts.MarketFact:
    """The fact that a message means. Raises `UnitError` for amounts that are none."""
    fact: facts.MarketFact = _CONVERT[type(message)](message.msg, received_us)
    return fact


def _quote(text: str) -> Price:
    price = parse_price(text)
    if not 0 <= price <= DOLLAR:
        msg = f"price {text[:40]!r} is not within 0 and 1 dollar"
        raise UnitError(msg)
    return price


def _count(text: str) -> Qty:
    count = parse_qty(text)
    if count < 0:
        msg = f"count {text[:40]!r} is below 0"
        raise UnitError(msg)
    return count


def _ppm(multiplier: Decimal | None) -> int | None:
    """A fee multiplier in millionths."""
    if multiplier is None:
        return None
    if not multiplier.is_finite() or not 0 <= multiplier <= _MULTIPLIER_MAX or multiplier != multiplier.quantize(_PPM):
        msg = f"fee multiplier {str(multiplier)[:40]} is not between 0 and {_MULTIPLIER_MAX} with at most 6 decimals"
        raise UnitError(msg)
    return int(multiplier / _PPM)


def _us(ms: int | None) -> int | None:
    return None if ms is None else ms * 1000


def _s_to_us(seconds: int | None) -> int | None:
    return None if seconds is None else seconds * 1_000_000


def _text(number: Decimal | None) -> str | None:
    if number is None:
        return None
    text = str(number)
    if not number.is_finite() or len(text) > _STRIKE_MAX:
        msg = f"strike {text[:_STRIKE_MAX]} is no number"
        raise UnitError(msg)
    return text


def _ticker(body: wire.TickerBody, received_us: int) -> facts.Ticker:
    return facts.Ticker(
        ticker=body.market_ticker,
        last=_quote(body.price_dollars),
        yes_bid=_quote(body.yes_bid_dollars),
        yes_ask=_quote(body.yes_ask_dollars),
        yes_bid_size=_count(body.yes_bid_size_fp),
        yes_ask_size=_count(body.yes_ask_size_fp),
        last_size=_count(body.last_trade_size_fp),
        volume=_count(body.volume_fp),
        open_interest=_count(body.open_interest_fp),
        dollar_volume=Money(body.dollar_volume * 1_000_000),
        dollar_open_interest=Money(body.dollar_open_interest * 1_000_000),
        at_us=body.ts_ms * 1000,
        received_us=received_us,
    )


def _trade(body: wire.TradeBody, received_us: int) -> facts.Trade:
    yes_price = _quote(body.yes_price_dollars)
    if yes_price + _quote(body.no_price_dollars) != DOLLAR:
        msg = f"YES {body.yes_price_dollars[:40]} and NO {body.no_price_dollars[:40]} are not a dollar together"
        raise UnitError(msg)
    return facts.Trade(
        trade_id=body.trade_id,
        ticker=body.market_ticker,
        yes_price=yes_price,
        count=_count(body.count_fp),
        is_taker_yes=body.taker_outcome_side == "yes",
        is_block=body.is_block_trade,
        at_us=body.ts_ms * 1000,
        received_us=received_us,
    )


def _fill(body: wire.FillBody, received_us: int) -> facts.Fill:
    return facts.Fill(
        trade_id=body.trade_id,
        order_id=body.order_id,
        client_order_id=body.client_order_id,
        ticker=body.market_ticker,
        is_yes=body.outcome_side == "yes",
        is_taker=body.is_taker,
        yes_price=_quote(body.yes_price_dollars),
        count=_count(body.count_fp),
        fee=parse_money(body.fee_cost),
        position=parse_qty(body.post_position_fp),
        exchange_index=body.exchange_index,
        subaccount=body.subaccount,
        at_us=body.ts_ms * 1000,
        received_us=received_us,
    )


def _position(body: wire.PositionBody, received_us: int) -> facts.MarketPosition:
    return facts.MarketPosition(
        ticker=body.market_ticker,
        position=parse_qty(body.position_fp),
        cost=parse_money(body.position_cost_dollars),
        realized_pnl=parse_money(body.realized_pnl_dollars),
        fees_paid=parse_money(body.fees_paid_dollars),
        position_fee_cost=parse_money(body.position_fee_cost_dollars),
        volume=_count(body.volume_fp),
        subaccount=body.subaccount,
        received_us=received_us,
    )


def _order(body: wire.OrderBody, received_us: int) -> facts.UserOrder:
    return facts.UserOrder(
        order_id=body.order_id,
        client_order_id=body.client_order_id,
        ticker=body.ticker,
        status=body.status,
        is_yes=body.outcome_side == "yes",
        yes_price=_quote(body.yes_price_dollars),
        initial=_count(body.initial_count_fp),
        filled=_count(body.fill_count_fp),
        remaining=_count(body.remaining_count_fp),
        taker_cost=parse_money(body.taker_fill_cost_dollars),
        maker_cost=parse_money(body.maker_fill_cost_dollars),
        taker_fees=parse_money(body.taker_fees_dollars),
        maker_fees=parse_money(body.maker_fees_dollars),
        order_group_id=body.order_group_id,
        self_trade_prevention=body.self_trade_prevention_type,
        reason=body.last_update_reason,
        exchange_index=body.exchange_index,
        subaccount=body.subaccount_number,
        created_us=_us(body.created_ts_ms),
        expires_us=_us(body.expiration_ts_ms),
        at_us=_us(body.last_updated_ts_ms),
        received_us=received_us,
    )


def _details(body: wire.LifecycleBody) -> facts.MarketDetails | None:
    more = body.additional_metadata
    if more is None and body.event_type != "metadata_updated":
        return None
    strike = body if more is None else more
    return facts.MarketDetails(
        event_ticker=None if more is None else more.event_ticker,
        title=None if more is None else more.title,
        can_close_early=None if more is None else more.can_close_early,
        expected_expiration_us=None if more is None else _s_to_us(more.expected_expiration_ts),
        yes_sub_title=strike.yes_sub_title,
        no_sub_title=strike.no_sub_title,
        strike_type=strike.strike_type,
        floor_strike=_text(strike.floor_strike),
        cap_strike=_text(strike.cap_strike),
    )


def _lifecycle(body: wire.LifecycleBody, received_us: int, *, is_combo: bool = False) -> facts.MarketLifecycle:
    missing = [name for name in REQUIRED.get(body.event_type, ()) if getattr(body, name) is None]
    if missing:
        msg = f"{body.event_type[:40]} without {', '.join(missing)}"
        raise UnitError(msg)
    ranges = body.price_ranges
    return facts.MarketLifecycle(
        ticker=body.market_ticker,
        event_type=body.event_type,
        is_combo=is_combo,
        open_us=_s_to_us(body.open_ts),
        close_us=_s_to_us(body.close_ts),
        result=body.result,
        settlement_value=None if body.settlement_value is None else _quote(body.settlement_value),
        price_level_structure=body.price_level_structure,
        price_ranges=None if ranges is None else tuple(_range(each) for each in ranges),
        details=_details(body),
        exchange_index=body.exchange_index,
        at_us=_s_to_us(body.determination_ts if body.settled_ts is None else body.settled_ts),
        received_us=received_us,
    )


def _range(body: wire.RangeBody) -> facts.PriceRange:
    start, end, step = _quote(body.start), _quote(body.end), _quote(body.step)
    if start > end or step == 0:
        msg = f"no price stands between {start} and {end} in steps of {step}"
        raise UnitError(msg)
    return facts.PriceRange(start=start, end=end, step=step)


def _combo(body: wire.LifecycleBody, received_us: int) -> facts.MarketLifecycle:
    return _lifecycle(body, received_us, is_combo=True)


def _event(body: wire.EventBody, received_us: int) -> facts.EventLifecycle:
    return facts.EventLifecycle(
        event_ticker=body.event_ticker,
        series_ticker=body.series_ticker,
        title=body.title,
        subtitle=body.subtitle,
        collateral_return_type=body.collateral_return_type,
        exchange_index=body.exchange_index,
        strike_us=_s_to_us(body.strike_date),
        strike_period=body.strike_period,
        received_us=received_us,
    )


def _fees(body: wire.FeeBody, received_us: int) -> facts.EventFeeUpdate:
    return facts.EventFeeUpdate(
        event_ticker=body.event_ticker,
        fee_type=body.fee_type_override,
        multiplier_ppm=_ppm(body.fee_multiplier_override),
        received_us=received_us,
    )


def _group(body: wire.GroupBody, received_us: int) -> facts.OrderGroupUpdate:
    return facts.OrderGroupUpdate(
        order_group_id=body.order_group_id,
        event_type=body.event_type,
        limit=None if body.contracts_limit_fp is None else _count(body.contracts_limit_fp),
        at_us=body.ts_ms * 1000,
        received_us=received_us,
    )


_CONVERT: Final[Mapping[type, Callable[[Any, int], facts.MarketFact]]] = MappingProxyType(
    {
        wire.Ticker: _ticker,
        wire.Trade: _trade,
        wire.Fill: _fill,
        wire.MarketPosition: _position,
        wire.UserOrder: _order,
        wire.MarketLifecycle: _lifecycle,
        wire.ComboLifecycle: _combo,
        wire.EventLifecycle: _event,
        wire.EventFeeUpdate: _fees,
        wire.OrderGroupUpdate: _group,
    }
)
