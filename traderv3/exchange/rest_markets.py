"""The public half of REST: markets, books, trades, events, series, and what little is said of the past.

Everything works unsigned. Candlesticks and history are empty: this exchange keeps none.
Source: Kalshi's OpenAPI document 3.34.0; the odd cases (limits, error shapes, order of levels) are as captured.
Never: anything of a member.
"""

from typing import TYPE_CHECKING, Any, Final

from traderv3.domain.units import DOLLAR, format_price, format_qty
from traderv3.exchange import member_wire, wire
from traderv3.exchange.lifecycle import MarketStatus
from traderv3.exchange.listing import Listing, PublicTrade
from traderv3.exchange.market import EXPIRATION_TIME, OPEN_TIME, Event
from traderv3.exchange.rest_request import (
    TIME_MAX_S,
    Call,
    Query,
    Refusal,
    Route,
    invalid,
    limit,
    moment,
    names,
    not_found,
    number,
    page,
    times_us,
)

if TYPE_CHECKING:
    from traderv3.exchange.floor import Floor

ORDERBOOKS_MAX: Final = 100
DEPTH_MAX: Final = 100
CANDLESTICK_MINUTES: Final = ("1", "60", "1440")
SECOND_US: Final = 1_000_000

# The words of the query filter are not those of the market object.
STATUS_FILTERS: Final[dict[str, frozenset[MarketStatus]]] = {
    "unopened": frozenset({MarketStatus.INITIALIZED}),
    "open": frozenset({MarketStatus.ACTIVE}),
    "paused": frozenset({MarketStatus.INACTIVE}),
    "closed": frozenset({MarketStatus.CLOSED, MarketStatus.DETERMINED}),
    "settled": frozenset({MarketStatus.FINALIZED}),
}
_TIME_FILTERS: Final = ("created", "updated", "close", "settled")  # a request may use one of them


class MarketRoutes:
    """Answers from the floor's public state."""

    def __init__(self, floor: "Floor") -> None:
        self._floor = floor

    def routes(self) -> list[Route]:
        """This part of the router's table."""
        nothing: dict[str, Any] = {"cursor": ""}
        return [
            Route("GET", "markets", self._markets),
            Route("GET", "markets/orderbooks", self._orderbooks),
            Route("GET", "markets/trades", self._trades),
            Route("GET", "markets/candlesticks", self._many_candlesticks),
            Route("GET", "markets/{ticker}", lambda call: {"market": market_object(self._listing(call.names[0]))}),
            Route("GET", "markets/{ticker}/orderbook", self._orderbook),
            Route("GET", "series", lambda _: {"series": [series_object(event) for event in self._series().values()]}),
            Route("GET", "series/fee_changes", lambda _: {"series_fee_change_arr": []}),
            Route("GET", "series/{series_ticker}", self._one_series),
            Route("GET", "series/{series_ticker}/markets/{ticker}/candlesticks", self._candlesticks),
            Route("GET", "events", self._event_page),
            Route("GET", "events/multivariate", lambda _: nothing | {"events": []}),
            Route("GET", "events/fee_changes", lambda _: nothing | {"event_fee_changes": []}),
            Route("GET", "events/{event_ticker}", self._event),
            Route("GET", "events/{event_ticker}/metadata", self._event_metadata),
            Route("GET", "historical/cutoff", lambda _: _CUTOFF),
            Route("GET", "historical/markets", lambda _: nothing | {"markets": []}),
            Route("GET", "historical/trades", lambda _: nothing | {"trades": []}),
        ]

    # -- markets ---------------------------------------------------------------------------------------------------

    def _markets(self, call: Call) -> Any:
        query = call.query
        size = limit(query, "GetMarkets")
        statuses = _statuses(query)
        tickers, events = names(query, "tickers"), names(query, "event_ticker")
        series, combos = query.get("series_ticker"), query.get("mve_filter")
        is_in_time = _TimeFilter(query)
        chosen = [
            listing
            for listing in self._floor.listings.values()
            if (statuses is None or listing.status in statuses)
            and (tickers is None or listing.ticker in tickers)
            and (events is None or listing.market.event.ticker in events)
            and (not series or listing.market.event.series_ticker == series)
            and (combos not in ("only", "exclude") or member_wire.is_combo(listing.ticker) == (combos == "only"))
            and is_in_time(listing)
        ]
        taken, cursor = page(chosen, lambda listing: listing.ticker, size, query)
        return {"markets": [market_object(listing) for listing in taken], "cursor": cursor}

    def _orderbook(self, call: Call) -> Any:
        depth = number(call.query, "depth", "GetMarketOrderbook", 0)
        if depth > DEPTH_MAX:
            raise invalid(f"GetMarketOrderbook: depth must be at most {DEPTH_MAX}")
        return {"orderbook_fp": book_object(self._listing(call.names[0]), depth)}

    def _orderbooks(self, call: Call) -> Any:
        tickers = [part for part in call.query.get("tickers", "").split(",") if part]
        if not 1 <= len(tickers) <= ORDERBOOKS_MAX:
            raise invalid(f"GetMarketOrderbooks: tickers must name 1 to {ORDERBOOKS_MAX} markets")
        known = [ticker for ticker in tickers if ticker in self._floor.listings]
        books = [{"ticker": ticker, "orderbook_fp": book_object(self._listing(ticker), 0)} for ticker in known]
        return {"orderbooks": books}

    def _trades(self, call: Call) -> Any:
        query = call.query
        size = limit(query, "GetTrades")
        ticker = query.get("ticker")
        listings = [self._listing(ticker)] if ticker else list(self._floor.listings.values())
        after_us, before_us = times_us(query, "GetTrades")
        block = query.get("is_block_trade")
        trades = [
            trade
            for listing in listings
            for trade in reversed(listing.trades)
            if after_us <= trade.ts_ms * 1000 <= before_us and (block is None or trade.is_block == (block == "true"))
        ]
        trades.sort(key=lambda trade: trade.ts_ms, reverse=True)
        taken, cursor = page(trades, lambda trade: trade.trade_id, size, query)
        return {"trades": [trade_object(trade) for trade in taken], "cursor": cursor}

    def _candlesticks(self, call: Call) -> Any:
        _check_period(call.query, "GetMarketCandlesticks")
        return {"ticker": self._listing(call.names[1]).ticker, "candlesticks": []}

    def _many_candlesticks(self, call: Call) -> Any:
        _check_period(call.query, "BatchGetMarketCandlesticks")
        tickers = [part for part in call.query.get("market_tickers", "").split(",") if part in self._floor.listings]
        return {"markets": [{"market_ticker": ticker, "candlesticks": []} for ticker in tickers]}

    # -- events and series -----------------------------------------------------------------------------------------

    def _event_page(self, call: Call) -> Any:
        query = call.query
        size = limit(query, "GetEvents", default=200, most=200)
        statuses = _statuses(query)
        series = query.get("series_ticker")
        chosen = {
            listing.market.event.ticker: listing.market.event
            for listing in self._floor.listings.values()
            if (statuses is None or listing.status in statuses)
            and (not series or listing.market.event.series_ticker == series)
            and not member_wire.is_combo(listing.ticker)
        }
        taken, cursor = page(chosen.values(), lambda event: event.ticker, size, query)
        return {"events": [self._event_object(event, query) for event in taken], "cursor": cursor}

    def _event(self, call: Call) -> Any:
        event = self._find_event(call.names[0])
        is_nested = call.query.get("with_nested_markets") == "true"
        return {
            "event": self._event_object(event, call.query),
            "markets": [] if is_nested else self._markets_of(event),
        }

    def _event_metadata(self, call: Call) -> Any:
        event = self._find_event(call.names[0])
        details = [
            {"market_ticker": market["ticker"], "image_url": "", "color_code": ""} for market in self._markets_of(event)
        ]
        return {"image_url": "", "settlement_sources": [], "market_details": details}

    def _event_object(self, event: Event, query: Query) -> dict[str, Any]:
        body = event_object(event)
        if query.get("with_nested_markets") == "true":
            body["markets"] = self._markets_of(event)
        return body

    def _markets_of(self, event: Event) -> list[dict[str, Any]]:
        listings = self._floor.listings.values()
        return [market_object(listing) for listing in listings if listing.market.event.ticker == event.ticker]

    def _find_event(self, ticker: str) -> Event:
        for listing in self._floor.listings.values():
            if listing.market.event.ticker == ticker:
                return listing.market.event
        raise not_found()

    def _series(self) -> dict[str, Event]:
        """One event of each series."""
        events = (listing.market.event for listing in self._floor.listings.values())
        return {event.series_ticker: event for event in events}

    def _one_series(self, call: Call) -> Any:
        event = self._series().get(call.names[0])
        if event is None:
            raise not_found()
        return {"series": series_object(event)}

    def _listing(self, ticker: str) -> Listing:
        listing = self._floor.listings.get(ticker)
        if listing is None:
            raise not_found()
        return listing


# -- parameters ----------------------------------------------------------------------------------------------------


def _statuses(query: Query) -> frozenset[MarketStatus] | None:
    """The statuses that the filter lets through; None for all."""
    wanted = names(query, "status")
    if wanted is None:
        return None
    if not wanted <= set(STATUS_FILTERS):
        raise Refusal(400, {"code": "invalid_status_filter", "message": "invalid status filter"})
    return frozenset[MarketStatus]().union(*(STATUS_FILTERS[word] for word in wanted))


class _TimeFilter:
    """`min_close_ts` and its like. What never happened to a market is in no span that is asked for."""

    def __init__(self, query: Query) -> None:
        used = [kind for kind in _TIME_FILTERS if f"min_{kind}_ts" in query or f"max_{kind}_ts" in query]
        if len(used) > 1:
            raise invalid(f"GetMarkets: {used[0]} and {used[1]} filters exclude each other")
        self._kind = used[0] if used else None
        self._first = number(query, f"min_{self._kind}_ts", "GetMarkets", 0)
        self._last = number(query, f"max_{self._kind}_ts", "GetMarkets", TIME_MAX_S)

    def __call__(self, listing: Listing) -> bool:
        if self._kind is None:
            return True
        times = {"close": listing.close_us, "settled": listing.settled_us}
        at_us = times.get(self._kind, listing.market.open_us)  # made and last updated when it opened
        return at_us is not None and self._first <= at_us // SECOND_US <= self._last


def _check_period(query: Query, call: str) -> None:
    if query.get("period_interval", "1") not in CANDLESTICK_MINUTES:
        raise invalid(f"{call}: period_interval must be one of {', '.join(CANDLESTICK_MINUTES)}")


# -- bodies --------------------------------------------------------------------------------------------------------

_CUTOFF: Final = dict.fromkeys(
    ("market_settled_ts", "trades_created_ts", "orders_updated_ts", "market_positions_last_updated_ts"), OPEN_TIME
)


def book_object(listing: Listing, depth: int) -> dict[str, list[list[str]]]:
    """Both sides' bids, ascending, best last; the `depth` best, or all with 0."""
    return {
        "yes_dollars": wire.printed_levels(listing, is_yes=True, depth=depth),
        "no_dollars": wire.printed_levels(listing, is_yes=False, depth=depth),
    }


def trade_object(trade: PublicTrade) -> dict[str, Any]:
    """One trade as REST prints it."""
    side = "yes" if trade.is_taker_yes else "no"
    return {
        "trade_id": trade.trade_id,
        "ticker": trade.ticker,
        "count_fp": format_qty(trade.size),
        "yes_price_dollars": format_price(trade.price),
        "no_price_dollars": format_price(DOLLAR - trade.price),
        "taker_side": side,
        "taker_outcome_side": side,
        "taker_book_side": "bid" if trade.is_taker_yes else "ask",
        "created_time": moment(trade.ts_ms * 1000),
        "is_block_trade": trade.is_block,
    }


def event_object(event: Event) -> dict[str, Any]:
    """One event, without its markets."""
    return {
        "event_ticker": event.ticker,
        "series_ticker": event.series_ticker,
        "title": event.title,
        "sub_title": event.sub_title,
        "category": event.category,
        "collateral_return_type": "MECNET" if event.is_mutually_exclusive else "",
        "mutually_exclusive": event.is_mutually_exclusive,
        "settlement_sources": [],
        "strike_period": "",
        "exchange_index": member_wire.SHARD,
    }


def series_object(event: Event) -> dict[str, Any]:
    """The series of an event."""
    return {
        "ticker": event.series_ticker,
        "frequency": "custom",
        "title": event.title,
        "category": event.category,
        "categories": [event.category],
        "tags": [],
        "settlement_sources": [],
        "contract_url": "",
        "contract_terms_url": "",
        "fee_type": str(event.fees.fee_type),
        "fee_multiplier": float(event.fees.multiplier),  # a JSON number at the venue
        "additional_prohibitions": [],
        "exchange_index": member_wire.SHARD,
    }


def market_object(listing: Listing) -> dict[str, Any]:
    """One market with every member that the venue requires."""
    market = listing.market
    opened, closes = moment(listing.open_us), moment(listing.close_us)
    body: dict[str, Any] = {
        "ticker": market.ticker,
        "event_ticker": market.event.ticker,
        "market_type": "binary",
        "title": market.event.title,
        "subtitle": market.title,
        "yes_sub_title": market.title,
        "no_sub_title": market.title,
        "created_time": opened,
        "updated_time": opened,
        "open_time": opened,
        "close_time": closes,
        "expected_expiration_time": closes,
        "latest_expiration_time": EXPIRATION_TIME,
        "settlement_timer_seconds": market.settlement_timer_s,
        "status": listing.status.value,
        **wire.quotes(listing),
        "last_price_dollars": format_price(listing.last_price),
        "volume_fp": format_qty(listing.volume),
        "volume_24h_fp": format_qty(listing.volume),
        "result": listing.result,
        "can_close_early": True,
        "open_interest_fp": format_qty(listing.open_interest),
        "notional_value_dollars": "1.0000",
        "liquidity_dollars": "0.0000",  # gone from the document, still required by kalshi-sdk 22.4.0
        "previous_yes_bid_dollars": "0.0000",
        "previous_yes_ask_dollars": "0.0000",
        "previous_price_dollars": "0.0000",
        "expiration_value": "",
        "rules_primary": f"If the outcome is {market.title}, then the market resolves to Yes.",
        "rules_secondary": "",
        "price_level_structure": market.structure,
        "price_ranges": market.price_ranges(),
        "settlement_bounds_type": "default",
        "exchange_index": member_wire.SHARD,
        "strike_type": market.strike_type,
    }
    optional = {
        "floor_strike": market.floor_strike,
        "cap_strike": market.cap_strike,
        "settlement_value_dollars": None
        if listing.settlement_value is None
        else format_price(listing.settlement_value),
        "settlement_ts": None if listing.settled_us is None else moment(listing.settled_us),
        "fee_waiver_expiration_time": None
        if market.fees_waived_until_us is None
        else moment(market.fees_waived_until_us),
    }
    return body | {name: value for name, value in optional.items() if value is not None}
