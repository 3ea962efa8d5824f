"""The venue's WebSocket messages as this exchange prints them, in pieces that are made once and shared by every client.

A data message is `head + seq + tail`: the head names type and sid, the tail is everything that is the same for all.
Units: prices 1e-4 dollar, sizes 0.01 contract on the way in; strings with 4 and 2 decimals on the wire.
Source: Kalshi's AsyncAPI document, October 2026. Every text frame ends with a newline, as captured.
"""

import json
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from traderv3.domain.timestamps import rfc3339
from traderv3.domain.units import DOLLAR, format_price, format_qty
from traderv3.exchange.listing import Listing, PublicTrade
from traderv3.exchange.records import Cause

_encode: Final = msgspec.json.Encoder().encode
_STAMP: Final = b',"sending_ts_ms":'  # the last member of every message
_PRICES: Final = tuple(format_price(price) for price in range(DOLLAR + 1))


def data_head(kind: str, sid: int, *, is_sequenced: bool) -> bytes:
    """The bytes before the sequence number, or before the tail where the channel has none."""
    seq = ',"seq":' if is_sequenced else ""
    return f'{{"type":"{kind}","sid":{sid}{seq}'.encode()


def delta_tail(
    listing: Listing, is_yes: bool, price: int, change: int, *, ts: str, ts_ms: int, sending_ms: int
) -> bytes:
    """`price` as it is to be printed: the caller flips it for readers on the YES scale. `ts` is RFC 3339 text."""
    size = -change if change < 0 else change
    whole, cents = divmod(size, 100)
    return (
        f',"msg":{{{listing.names_json},"clock":{listing.clock},"price_dollars":"{_PRICES[price]}",'
        f'"delta_fp":"{"-" if change < 0 else ""}{whole}.{cents:02d}","side":"{"yes" if is_yes else "no"}",'
        f'"ts":"{ts}","ts_ms":{ts_ms}}},"sending_ts_ms":{sending_ms}}}\n'
    ).encode()


def owned_tail(delta: bytes, owner: Cause) -> bytes:
    """A delta as the connections of the member see it whose order it was."""
    message, end, stamp = delta.rpartition(b"}" + _STAMP)
    own = f',"subaccount":{owner.subaccount}'
    if owner.client_order_id:
        own = f',"client_order_id":{json.dumps(owner.client_order_id)}{own}'
    return b"".join((message, own.encode(), end, stamp))


def snapshot_tail(listing: Listing, *, use_yes_price: bool, sending_ms: int) -> bytes:
    """The held book; the key of an empty side is left out."""
    body = f',"msg":{{{listing.names_json},"clock":{listing.clock}'
    for key, is_yes in (("yes_dollars_fp", True), ("no_dollars_fp", False)):
        levels = printed_levels(listing, is_yes=is_yes, use_yes_price=use_yes_price)
        if levels:
            body += f',"{key}":{json.dumps(levels, separators=(",", ":"))}'
    return f'{body}}},"sending_ts_ms":{sending_ms}}}\n'.encode()


def printed_levels(listing: Listing, *, is_yes: bool, use_yes_price: bool = False, depth: int = 0) -> list[list[str]]:
    """`[price, size]` as strings, ascending in the printed price; the `depth` best, or all with 0."""
    levels = listing.book.levels(is_yes, depth)
    if use_yes_price and not is_yes:
        levels = [(DOLLAR - price, size) for price, size in reversed(levels)]
    return [[_PRICES[price], format_qty(size)] for price, size in levels]


def trade_tail(trade: PublicTrade, sending_ms: int) -> bytes:
    """One public trade."""
    side = "yes" if trade.is_taker_yes else "no"
    message = {
        "trade_id": trade.trade_id,
        "market_ticker": trade.ticker,
        "yes_price_dollars": _PRICES[trade.price],
        "no_price_dollars": _PRICES[DOLLAR - trade.price],
        "count_fp": format_qty(trade.size),
        "taker_side": side,
        "taker_outcome_side": side,
        "taker_book_side": "bid" if trade.is_taker_yes else "ask",
        "is_block_trade": trade.is_block,
        "ts": trade.ts_ms // 1000,
        "ts_ms": trade.ts_ms,
    }
    return tail(_encode(message), sending_ms)


def ticker_message(listing: Listing, ts_ms: int) -> bytes:
    """The `msg` of a `ticker` message: the state of the market now."""
    quote = quotes(listing)
    return _encode(
        {
            "market_id": listing.market.market_id,
            "market_ticker": listing.ticker,
            "price_dollars": format_price(listing.last_price),
            "yes_bid_dollars": quote["yes_bid_dollars"],
            "yes_ask_dollars": quote["yes_ask_dollars"],
            "volume_fp": format_qty(listing.volume),
            "open_interest_fp": format_qty(listing.open_interest),
            "dollar_volume": listing.dollar_volume,
            "dollar_open_interest": listing.dollar_open_interest,
            "yes_bid_size_fp": quote["yes_bid_size_fp"],
            "yes_ask_size_fp": quote["yes_ask_size_fp"],
            "last_trade_size_fp": format_qty(listing.last_trade_size),
            "ts": ts_ms // 1000,
            "ts_ms": ts_ms,
            "time": rfc3339(ts_ms * 1000),
        }
    )


def quotes(listing: Listing) -> dict[str, str]:
    """The best prices as the venue prints them; an empty side bids 0.0000 and its other side asks 1.0000."""
    book = listing.book
    return {
        "yes_bid_dollars": _PRICES[book.best_yes],
        "yes_bid_size_fp": format_qty(book.yes.get(book.best_yes, 0)),
        "yes_ask_dollars": _PRICES[DOLLAR - book.best_no],
        "yes_ask_size_fp": format_qty(book.no.get(book.best_no, 0)),
        "no_bid_dollars": _PRICES[book.best_no],
        "no_ask_dollars": _PRICES[DOLLAR - book.best_yes],
    }


def tail(message_json: bytes, sending_ms: int) -> bytes:
    """The end of a data message whose `msg` is already JSON."""
    return b',"msg":%b,"sending_ts_ms":%d}\n' % (message_json, sending_ms)


def without_sending_time(frame: bytes) -> bytes:
    """A whole frame as it was before the venue stamped its messages."""
    message, stamp, _ = frame.rpartition(_STAMP)
    return message + b"}\n" if stamp else frame


def reply(
    kind: str,
    *,
    sending_ms: int,
    command_id: int | None = None,
    sid: int | None = None,
    seq: int | None = None,
    msg: Any = None,
) -> bytes:
    """A message that answers a command. Members that are None are left out."""
    members = {"type": kind, "id": command_id, "sid": sid, "seq": seq, "msg": msg, "sending_ts_ms": sending_ms}
    return _encode({name: value for name, value in members.items() if value is not None}) + b"\n"


def error_body(code: int, text: str, tickers: Sequence[str] = ()) -> dict[str, Any]:
    """The `msg` of an `error`."""
    body: dict[str, Any] = {"code": code, "msg": text}
    if tickers:
        body["market_tickers"] = list(tickers)
    return body
