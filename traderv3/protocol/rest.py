"""The REST answers about markets and the exchange: read from the venue's names and strings into exact facts, or refused.

A `read_…` function takes a body and returns the fact, or raises `RemoteProtocolError`. What a trade depends on (a price,
a count, money, a grid, a time of the market's life) is never made up: missing or inexact, the answer is unreadable.
Enums are open (text), unknown fields are passed over. Schedules are in `schedule`, what is ours in `rest_account`.
Units: prices 1e-4 dollar, counts 0.01 contract, money 1e-6 dollar, times microseconds since the epoch.
Source: Kalshi's OpenAPI document 3.34.0. Cursors: an empty string or null ends the pages.
"""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Final, Generic, TypeVar

import msgspec

from traderv3.domain.errors import RemoteProtocolError
from traderv3.domain.fees import FeeSchedule
from traderv3.domain.price_grid import PriceGrid
from traderv3.domain.units import DOLLAR, Money, Price, Qty, UnitError, parse_money, parse_price, parse_qty
from traderv3.protocol.wire import UNDECODABLE, Level

_T = TypeVar("_T")
_Wire = TypeVar("_Wire")

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DIGITS_MAX: Final = 30  # of a multiplier: 1e999999 would be a fraction that fills the memory


# -- reading -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Page(Generic[_T]):
    """One page of a list. `cursor` leads to the next one, empty at the end."""

    items: list[_T]
    cursor: str


def reader(wire: type[_Wire], convert: Callable[[_Wire], _T]) -> Callable[[bytes], _T]:
    """A function that reads a body of the shape `wire` and converts it. It raises `RemoteProtocolError` and nothing else."""
    decoder = msgspec.json.Decoder(wire)

    def read(body: bytes) -> _T:
        try:
            return convert(decoder.decode(body))
        except (*UNDECODABLE, ValueError, OverflowError) as exc:
            raise RemoteProtocolError(str(exc)[:300]) from exc

    return read


def parse_time(text: str) -> int:
    """RFC 3339 with an offset, to microseconds since the epoch, exact. Raises `ValueError`."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        msg = f"{text[:40]!r} is a time without an offset"
        raise ValueError(msg)
    return (moment - _EPOCH) // timedelta(microseconds=1)


def parse_time_or_none(text: str | None) -> int | None:
    """As `parse_time`; null and the empty text are None."""
    return parse_time(text) if text else None


# -- errors --------------------------------------------------------------------------------------------------------


class _Nested(msgspec.Struct):
    code: str = ""
    message: str = ""
    details: str = ""


class _ErrorBody(msgspec.Struct):
    error: _Nested | str | None = None
    code: str = ""
    message: str = ""
    details: str = ""
    msg: str = ""


_ADVICE: Final = {
    "NOT_FOUND": "this venue does not know the key id (demo and production keys are different)",
    "INCORRECT_API_KEY_SIGNATURE": "the private key does not belong to the key id",
    "header timestamp expired": "this machine's clock is off",
}


def advice(sentence: str) -> str:
    """What to do about a refused key, in brackets, or nothing."""
    return next((f" ({what})" for word, what in _ADVICE.items() if word in sentence), "")


def error_text(body: bytes) -> tuple[str | None, str]:
    """`(code, sentence)` of an error body in any of the three shapes; the code is None where the shape has none."""
    try:
        parsed = msgspec.json.decode(body, type=_ErrorBody)
    except UNDECODABLE:
        return None, body[:200].decode("utf-8", "replace").strip() or "no reason given"
    if isinstance(parsed.error, str):
        return None, parsed.error or "no reason given"
    inner = parsed.error or parsed
    sentence = " ".join(part for part in (inner.message, inner.details) if part)
    return inner.code or None, sentence or parsed.msg or inner.code or "no reason given"


# -- the exchange --------------------------------------------------------------------------------------------------


class ShardStatus(msgspec.Struct):
    """How one of the exchange's matching shards stands."""

    exchange_index: int
    exchange_active: bool
    trading_active: bool
    description: str = ""


class ExchangeStatus(msgspec.Struct):
    """`GET /exchange/status`; also the body of its 503 and 504. The flags are those of shard 0."""

    exchange_active: bool
    trading_active: bool
    exchange_estimated_resume_time: str | None = None
    exchange_index_statuses: list[ShardStatus] = []

    @property
    def resume_us(self) -> int | None:
        """The exchange's own estimate of when it is back; None if it gives none that can be read."""
        try:
            return parse_time_or_none(self.exchange_estimated_resume_time)
        except (ValueError, OverflowError):
            return None


read_status: Final = reader(ExchangeStatus, lambda status: status)


# -- markets -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """One market, as far as a trader needs it.

    `status` is initialized, inactive, active, closed, determined, disputed, amended or finalized, or a newer word;
    `result` is yes, no, scalar or empty. `fee_waiver_ends_us` and `settlement_value` are None where there is none.
    """

    ticker: str
    event_ticker: str
    title: str
    status: str
    result: str
    grid: PriceGrid
    price_level_structure: str
    open_us: int
    close_us: int
    expected_expiration_us: int | None
    latest_expiration_us: int
    settlement_timer_s: int
    can_close_early: bool
    fee_waiver_ends_us: int | None
    last_price: Price  # 0 before the first trade
    volume: Qty
    volume_24h: Qty
    open_interest: Qty
    notional: Money  # what one contract pays
    settlement_value: Price | None
    exchange_index: int


class _Range(msgspec.Struct):
    start: str
    end: str
    step: str


class _Market(msgspec.Struct):
    ticker: str
    event_ticker: str
    status: str
    result: str
    price_level_structure: str
    price_ranges: list[_Range]
    open_time: str
    close_time: str
    latest_expiration_time: str
    settlement_timer_seconds: int
    last_price_dollars: str
    volume_fp: str
    volume_24h_fp: str
    open_interest_fp: str
    notional_value_dollars: str
    yes_sub_title: str = ""
    can_close_early: bool = True  # prudence: whoever reckons with the close reckons with an earlier one
    expected_expiration_time: str | None = None
    fee_waiver_expiration_time: str | None = None
    settlement_value_dollars: str | None = None
    exchange_index: int = 0


_RANGES: Final = msgspec.json.Decoder(list[_Range])


def _to_grid(bands: Iterable[_Range]) -> PriceGrid:
    return PriceGrid.from_ranges(
        (parse_price(band.start), parse_price(band.end), parse_price(band.step)) for band in bands
    )


class _MarketAnswer(msgspec.Struct):
    market: _Market


def _to_market(raw: _Market) -> Market:
    settled = raw.settlement_value_dollars
    return Market(
        ticker=raw.ticker,
        event_ticker=raw.event_ticker,
        title=raw.yes_sub_title,
        status=raw.status,
        result=raw.result,
        grid=_to_grid(raw.price_ranges),
        price_level_structure=raw.price_level_structure,
        open_us=parse_time(raw.open_time),
        close_us=parse_time(raw.close_time),
        expected_expiration_us=parse_time_or_none(raw.expected_expiration_time),
        latest_expiration_us=parse_time(raw.latest_expiration_time),
        settlement_timer_s=raw.settlement_timer_seconds,
        can_close_early=raw.can_close_early,
        fee_waiver_ends_us=parse_time_or_none(raw.fee_waiver_expiration_time),
        last_price=parse_price(raw.last_price_dollars),
        volume=parse_qty(raw.volume_fp),
        volume_24h=parse_qty(raw.volume_24h_fp),
        open_interest=parse_qty(raw.open_interest_fp),
        notional=parse_money(raw.notional_value_dollars),
        settlement_value=None if settled is None else parse_price(settled),
        exchange_index=raw.exchange_index,
    )


@dataclass(frozen=True, slots=True)
class ListedMarket:
    """One market of a list, as far as choosing and following it needs: an odd member must not hide a market.

    `status` is the venue's word, empty if it gave none; `close_us` None if it gave no time that can be read; the
    volumes count as 0 where they are no numbers, since they only order the list. `grid` is None if its bands make none.
    """

    ticker: str
    event_ticker: str
    status: str
    close_us: int | None
    volume_24h: Qty
    open_interest: Qty
    title: str | None = None
    grid: PriceGrid | None = None
    shard: int = 0


class _Listed(msgspec.Struct):
    ticker: str
    event_ticker: str = ""
    title: str | None = None
    yes_sub_title: str | None = None
    price_ranges: msgspec.Raw = msgspec.Raw(b"null")
    status: str = ""
    close_time: str | None = None
    volume_24h_fp: str = "0"
    open_interest_fp: str = "0"
    exchange_index: int = 0


class _ListAnswer(msgspec.Struct):
    markets: list[_Listed] | None  # some of the venue's servers print an empty list as null
    cursor: str | None = None


def _to_listed(raw: _Listed) -> ListedMarket:
    try:
        close_us = parse_time_or_none(raw.close_time)
    except (ValueError, OverflowError):
        close_us = None
    try:
        volume, interest = parse_qty(raw.volume_24h_fp), parse_qty(raw.open_interest_fp)
    except UnitError:
        volume = interest = Qty(0)
    titles = [part for part in (raw.title, raw.yes_sub_title) if part]
    return ListedMarket(
        raw.ticker,
        sys.intern(raw.event_ticker),  # thousands of markets share these two
        sys.intern(raw.status),
        close_us,
        volume,
        interest,
        title=": ".join(dict.fromkeys(titles)) or None,
        grid=_to_grid_or_none(bytes(raw.price_ranges)),
        shard=raw.exchange_index,
    )


@lru_cache(maxsize=64)  # a dozen structures, and thousands of markets that share them
def _to_grid_or_none(printed: bytes) -> PriceGrid | None:
    try:
        grid = _to_grid(_RANGES.decode(printed))
    except (*UNDECODABLE, ValueError):
        return None
    return grid if grid.bands else None


read_market: Final = reader(_MarketAnswer, lambda answer: _to_market(answer.market))
read_markets: Final = reader(
    _ListAnswer, lambda answer: Page([_to_listed(raw) for raw in answer.markets or ()], answer.cursor or "")
)


# -- books ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RestBook:
    """One market's book at full depth: size by price, bids of both sides, each on its own scale."""

    yes: dict[int, int]
    no: dict[int, int]


class _Sides(msgspec.Struct):
    yes_dollars: list[Level] | None
    no_dollars: list[Level] | None


class _BookAnswer(msgspec.Struct):
    orderbook_fp: _Sides
    ticker: str = ""


class _BooksAnswer(msgspec.Struct):
    orderbooks: list[_BookAnswer]


def _to_levels(printed: Iterable[Level] | None) -> dict[int, int]:
    levels: dict[int, int] = {}
    for price_text, size_text in printed or ():
        price, size = parse_price(price_text), parse_qty(size_text)
        if not (0 < price < DOLLAR and size > 0 and price not in levels):
            msg = f"a book with {size_text} at {price_text}"
            raise ValueError(msg)
        levels[price] = size
    return levels


def _to_book(answer: _BookAnswer) -> RestBook:
    return RestBook(_to_levels(answer.orderbook_fp.yes_dollars), _to_levels(answer.orderbook_fp.no_dollars))


read_book: Final = reader(_BookAnswer, _to_book)
read_books: Final = reader(_BooksAnswer, lambda answer: {one.ticker: _to_book(one) for one in answer.orderbooks})


# -- events and series ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Event:
    """One question. `fees` is None unless the event overrides its series' fees."""

    ticker: str
    series_ticker: str
    title: str
    is_mutually_exclusive: bool
    collateral_return_type: str
    fees: FeeSchedule | None
    exchange_index: int


@dataclass(frozen=True, slots=True)
class Series:
    """Questions of one kind, with what their trades cost."""

    ticker: str
    title: str
    category: str
    fees: FeeSchedule
    exchange_index: int


class _Event(msgspec.Struct):
    event_ticker: str
    series_ticker: str
    title: str
    mutually_exclusive: bool
    collateral_return_type: str = ""
    fee_type_override: str | None = None
    fee_multiplier_override: Decimal | None = None
    exchange_index: int = 0


class _EventAnswer(msgspec.Struct):
    event: _Event


class _Series(msgspec.Struct):
    ticker: str
    title: str
    fee_type: str
    fee_multiplier: Decimal
    category: str = ""
    exchange_index: int = 0


class _SeriesAnswer(msgspec.Struct):
    series: _Series


def _to_fees(fee_type: str, multiplier: Decimal) -> FeeSchedule:
    _, digits, exponent = multiplier.as_tuple()
    is_short = len(digits) <= _DIGITS_MAX and isinstance(exponent, int) and abs(exponent) <= _DIGITS_MAX
    if not is_short or multiplier < 0:
        msg = f"a fee multiplier of {str(multiplier)[:40]}"
        raise ValueError(msg)
    return FeeSchedule(fee_type, Fraction(multiplier))


def _to_event(answer: _EventAnswer) -> Event:
    raw = answer.event
    kind, multiplier = raw.fee_type_override, raw.fee_multiplier_override
    if (kind is None) != (multiplier is None):
        msg = f"{raw.event_ticker}: half a fee override"
        raise ValueError(msg)
    return Event(
        ticker=raw.event_ticker,
        series_ticker=raw.series_ticker,
        title=raw.title,
        is_mutually_exclusive=raw.mutually_exclusive,
        collateral_return_type=raw.collateral_return_type,
        fees=None if kind is None or multiplier is None else _to_fees(kind, multiplier),
        exchange_index=raw.exchange_index,
    )


def _to_series(answer: _SeriesAnswer) -> Series:
    raw = answer.series
    return Series(raw.ticker, raw.title, raw.category, _to_fees(raw.fee_type, raw.fee_multiplier), raw.exchange_index)


read_event: Final = reader(_EventAnswer, _to_event)
read_series: Final = reader(_SeriesAnswer, _to_series)
