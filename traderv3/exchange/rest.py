"""The REST skin without a socket: one request in, status and JSON body out.

Public routes work unsigned, but access headers that are present are checked. Paths are given from the root.
Source: Kalshi's OpenAPI document, October 2026; the odd cases (limits, cursors, error shapes) are as captured.
Never: an order (later), a wait, an exception for anything a client may send.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl, unquote

import msgspec

from traderv3.domain.timestamps import rfc3339
from traderv3.domain.units import DOLLAR, format_price, format_qty
from traderv3.exchange import wire
from traderv3.exchange.auth import KeyRegistry, is_signed
from traderv3.exchange.floor import Floor
from traderv3.exchange.listing import Listing, PublicTrade
from traderv3.exchange.market import CLOSE_TIME, CLOSE_TS, EXPIRATION_TIME, OPEN_TIME, Event

BASE: Final = "/trade-api/v2"
ORDERBOOKS_MAX: Final = 100
DEPTH_MAX: Final = 100
QUERY_FIELDS_MAX: Final = 64
_DIGITS_MAX: Final = 12

Answer = tuple[int, bytes]
Query = Mapping[str, str]
_Item = TypeVar("_Item")
_encode: Final = msgspec.json.Encoder().encode
_STATUS_FILTERS: Final = ("unopened", "open", "paused", "closed", "settled")


class Refusal(Exception):
    """Ends a request with this status and body."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


def not_found() -> Refusal:
    """The venue's 404, the same for everything that is not there."""
    return Refusal(404, {"error": {"code": "not_found", "message": "not found"}})


def invalid(what: str) -> Refusal:
    """A parameter of the wrong form: the third of the venue's error shapes."""
    return Refusal(400, {"msg": f"Parameter validation failed for {what}"})


class Router:
    """Answers requests from the floor's public state."""

    def __init__(self, floor: Floor, keys: KeyRegistry, *, now_ms: Callable[[], int]) -> None:
        self._floor = floor
        self._keys = keys
        self._now_ms = now_ms
        markets = [listing.market for listing in floor.listings.values()]
        self._events: dict[str, Event] = {market.event.ticker: market.event for market in markets}
        self._fixed: dict[str, Callable[[Query], Any]] = {
            "exchange/status": self._status,
            "exchange/schedule": self._schedule,
            "exchange/user_data_timestamp": lambda _: {"as_of_time": rfc3339(self._now_ms() * 1000)},
            "markets": self._markets,
            "markets/orderbooks": self._orderbooks,
            "markets/trades": self._trades,
            "events": self._event_page,
            "series": self._series_list,
        }

    def handle(self, method: str, target: str, headers: Mapping[str, str]) -> Answer:
        """Answer one request. `target` is path and query as sent; header names are in lower case."""
        path, _, query_text = target.partition("?")
        try:
            if is_signed(headers):
                self._authenticate(method, path, headers)
            return 200, _encode(self._route(method, path, _query(query_text), headers))
        except Refusal as refusal:
            return refusal.status, _encode(refusal.body)

    def _authenticate(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        body = self._keys.why_refused(headers, method, path, now_ms=self._now_ms())
        if body is not None:
            raise Refusal(401, body)

    def _route(self, method: str, path: str, query: Query, headers: Mapping[str, str]) -> Any:
        if not path.startswith(BASE + "/"):
            raise not_found()
        inner = path.removeprefix(BASE + "/")
        if inner == "account/limits":
            if not is_signed(headers):
                self._authenticate(method, path, headers)
            _only_get(method)
            return _LIMITS
        fixed = self._fixed.get(inner)
        if fixed is not None:
            _only_get(method)
            return fixed(query)
        match [unquote(part) for part in inner.split("/")]:
            case ["markets", ticker]:
                _only_get(method)
                return {"market": market_object(self._listing(ticker))}
            case ["markets", ticker, "orderbook"]:
                _only_get(method)
                return {"orderbook_fp": book_object(self._listing(ticker), _depth(query))}
            case ["events", ticker]:
                _only_get(method)
                return self._event(ticker, query)
            case ["series", ticker]:
                _only_get(method)
                return {"series": self._series(ticker)}
        raise not_found()

    # -- routes ----------------------------------------------------------------------------------------------------

    def _status(self, _: Query) -> Any:
        return {"exchange_active": True, "trading_active": True, "intra_exchange_transfers_active": True}

    def _schedule(self, _: Query) -> Any:
        day = [{"open_time": "00:00", "close_time": "24:00"}]
        weekdays = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
        hours = {"start_time": OPEN_TIME, "end_time": CLOSE_TIME} | dict.fromkeys(weekdays, day)
        return {"schedule": {"standard_hours": [hours], "maintenance_windows": []}}

    def _markets(self, query: Query) -> Any:
        limit = _limit(query, "GetMarkets", default=100, most=1000)
        status = query.get("status", "")
        wanted = [part for part in status.split(",") if part]
        if any(part not in _STATUS_FILTERS for part in wanted):
            raise Refusal(400, {"code": "invalid_status_filter", "message": "invalid status filter"})
        chosen = list(self._floor.listings.values())
        if wanted and "open" not in wanted:
            chosen = []  # every market of this exchange is open
        if tickers := query.get("tickers"):
            named = set(tickers.split(","))
            chosen = [listing for listing in chosen if listing.ticker in named]
        if event := query.get("event_ticker"):
            events = set(event.split(","))
            chosen = [listing for listing in chosen if listing.market.event.ticker in events]
        if series := query.get("series_ticker"):
            chosen = [listing for listing in chosen if listing.market.event.series_ticker == series]
        if query.get("mve_filter") == "only":
            chosen = []
        if not _is_close_within(query):
            chosen = []
        page, cursor = _page(chosen, limit, query)
        return {"markets": [market_object(listing) for listing in page], "cursor": cursor}

    def _orderbooks(self, query: Query) -> Any:
        tickers = [part for part in query.get("tickers", "").split(",") if part]
        if not 1 <= len(tickers) <= ORDERBOOKS_MAX:
            raise invalid(f"GetMarketOrderbooks: tickers must name 1 to {ORDERBOOKS_MAX} markets")
        known = [ticker for ticker in tickers if ticker in self._floor.listings]
        books = [{"ticker": ticker, "orderbook_fp": book_object(self._listing(ticker), 0)} for ticker in known]
        return {"orderbooks": books}

    def _trades(self, query: Query) -> Any:
        limit = _limit(query, "GetTrades", default=100, most=1000)
        ticker = query.get("ticker")
        listings = [self._listing(ticker)] if ticker else list(self._floor.listings.values())
        after_ms = 1000 * _number(query, "min_ts", "GetTrades", 0)
        before_ms = 1000 * _number(query, "max_ts", "GetTrades", CLOSE_TS)
        block = query.get("is_block_trade")
        trades = [
            trade
            for listing in listings
            for trade in listing.trades
            if after_ms <= trade.ts_ms <= before_ms and (block is None or trade.is_block == (block == "true"))
        ]
        trades.sort(key=lambda trade: trade.ts_ms, reverse=True)
        page, cursor = _page(trades, limit, query)
        return {"trades": [trade_object(trade) for trade in page], "cursor": cursor}

    def _event_page(self, query: Query) -> Any:
        limit = _limit(query, "GetEvents", default=200, most=200)
        chosen = list(self._events.values())
        if series := query.get("series_ticker"):
            chosen = [event for event in chosen if event.series_ticker == series]
        if query.get("status", "open") not in ("", "open"):
            chosen = []
        page, cursor = _page(chosen, limit, query)
        return {"events": [self._event_object(event, query) for event in page], "cursor": cursor}

    def _event(self, ticker: str, query: Query) -> Any:
        event = self._events.get(ticker)
        if event is None:
            raise not_found()
        body: dict[str, Any] = {"event": self._event_object(event, query)}
        if query.get("with_nested_markets") != "true":
            body["markets"] = self._markets_of(event)
        else:
            body["markets"] = []
        return body

    def _event_object(self, event: Event, query: Query) -> dict[str, Any]:
        body = event_object(event)
        if query.get("with_nested_markets") == "true":
            body["markets"] = self._markets_of(event)
        return body

    def _markets_of(self, event: Event) -> list[dict[str, Any]]:
        return [market_object(listing) for listing in self._floor.listings.values() if listing.market.event is event]

    def _series_list(self, _: Query) -> Any:
        return {"series": [self._series(ticker) for ticker in {e.series_ticker: None for e in self._events.values()}]}

    def _series(self, ticker: str) -> dict[str, Any]:
        event = next((event for event in self._events.values() if event.series_ticker == ticker), None)
        if event is None:
            raise not_found()
        return {
            "ticker": ticker,
            "frequency": "custom",
            "title": event.title,
            "category": event.category,
            "categories": [event.category],
            "tags": [],
            "settlement_sources": [],
            "contract_url": "",
            "contract_terms_url": "",
            "fee_type": "quadratic",
            "fee_multiplier": 1,
            "additional_prohibitions": [],
            "exchange_index": 0,
        }

    def _listing(self, ticker: str) -> Listing:
        listing = self._floor.listings.get(ticker)
        if listing is None:
            raise not_found()
        return listing


# -- bodies --------------------------------------------------------------------------------------------------------

_LIMITS: Final = {
    "usage_tier": "basic",
    "read": {"refill_rate": 200, "bucket_capacity": 400},
    "write": {"refill_rate": 100, "bucket_capacity": 100},
    "grants": [],
}


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
        "created_time": rfc3339(trade.ts_ms * 1000),
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
        "exchange_index": 0,
    }


def market_object(listing: Listing) -> dict[str, Any]:
    """One market with every member that the venue requires."""
    market = listing.market
    body: dict[str, Any] = {
        "ticker": market.ticker,
        "event_ticker": market.event.ticker,
        "market_type": "binary",
        "title": market.event.title,
        "subtitle": market.title,
        "yes_sub_title": market.title,
        "no_sub_title": market.title,
        "created_time": OPEN_TIME,
        "updated_time": OPEN_TIME,
        "open_time": OPEN_TIME,
        "close_time": CLOSE_TIME,
        "expected_expiration_time": CLOSE_TIME,
        "latest_expiration_time": EXPIRATION_TIME,
        "settlement_timer_seconds": 60,
        "status": "active",
        **wire.quotes(listing),
        "last_price_dollars": format_price(listing.last_price),
        "volume_fp": format_qty(listing.volume),
        "volume_24h_fp": format_qty(listing.volume),
        "result": "",
        "can_close_early": True,
        "open_interest_fp": format_qty(listing.open_interest),
        "notional_value_dollars": "1.0000",
        "previous_yes_bid_dollars": "0.0000",
        "previous_yes_ask_dollars": "0.0000",
        "previous_price_dollars": "0.0000",
        "expiration_value": "",
        "rules_primary": f"If the outcome is {market.title}, then the market resolves to Yes.",
        "rules_secondary": "",
        "price_level_structure": market.event.structure,
        "price_ranges": market.price_ranges(),
        "settlement_bounds_type": "default",
        "exchange_index": 0,
        "strike_type": market.strike_type,
    }
    for name in ("floor_strike", "cap_strike"):
        value = getattr(market, name)
        if value is not None:
            body[name] = value
    return body


# -- parameters ----------------------------------------------------------------------------------------------------


def _only_get(method: str) -> None:
    if method != "GET":
        raise Refusal(405, {"code": "method_not_allowed", "message": "method not allowed"})


def _query(text: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=QUERY_FIELDS_MAX))
    except ValueError:
        raise invalid("the query string") from None


def _number(query: Query, name: str, call: str, default: int) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX):
        raise invalid(f"{call}: {name} must be a number")
    return int(text)


def _limit(query: Query, call: str, *, default: int, most: int) -> int:
    limit = _number(query, "limit", call, default)
    if limit > most:
        raise invalid(f"{call}: limit must be at most {most}")
    return limit or default


def _depth(query: Query) -> int:
    depth = _number(query, "depth", "GetMarketOrderbook", 0)
    if depth > DEPTH_MAX:
        raise invalid(f"GetMarketOrderbook: depth must be at most {DEPTH_MAX}")
    return depth


def _is_close_within(query: Query) -> bool:
    earliest = _number(query, "min_close_ts", "GetMarkets", 0)
    latest = _number(query, "max_close_ts", "GetMarkets", CLOSE_TS)
    return earliest <= CLOSE_TS <= latest


def _page(items: Sequence[_Item], limit: int, query: Query) -> tuple[Sequence[_Item], str]:
    """One page and the cursor of the next, empty at the end. A cursor that is not ours starts again, as captured."""
    start = _position(query.get("cursor", ""))
    page = items[start : start + limit]
    end = start + len(page)
    return page, b64encode(f"at:{end}".encode()).decode() if end < len(items) else ""


def _position(cursor: str) -> int:
    try:
        text = b64decode(cursor, validate=True).decode("ascii")
    except ValueError:
        return 0
    word, _, number = text.partition(":")
    return int(number) if word == "at" and number.isascii() and number.isdigit() and len(number) <= _DIGITS_MAX else 0
