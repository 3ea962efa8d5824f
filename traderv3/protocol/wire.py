"""The venue's WebSocket messages, field by field in its own names and strings, and the commands we send.

Decoding is strict about what is known (a missing or mistyped field raises) and open to what is new (unknown fields are
passed over; unknown types are told apart by `Header`).
Source: Kalshi's AsyncAPI document, October 2026. `clock`, `ts_ms` and `sending_ts_ms` are optional: older frames lack them.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import msgspec

from traderv3.domain.units import DOLLAR, UnitError, parse_price, parse_qty

# Every number of the venue's is one of these; a longer one could not even be printed (Python refuses beyond 4300 digits).
Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]

# One level as printed: price with 4 decimals, count with 2.
Level = tuple[str, str]

BOOK_CHANNEL: Final = "orderbook_delta"

# Error codes (source: AsyncAPI).
TERMINAL_CODES: Final = frozenset({10, 25})  # the subscription is over and must be made anew
TOO_FAST_CODES: Final = frozenset({18, 27})  # the command timed out at the venue, or came too soon: wait, then again
UNKNOWN_SID: Final = 7
NOT_FOR_US_CODES: Final = frozenset({8, 9})  # no such channel, or our key may not read it
LIMIT_CODE: Final = 26  # more markets than one subscription may have
MARKET_CODES: Final = frozenset({11, 14, 16, 28})  # about a market; which one is not always said


class SnapshotBody(msgspec.Struct, gc=False):
    """A whole book; the key of an empty side is absent."""

    market_ticker: str
    market_id: str = ""
    clock: Int64 | None = None
    yes_dollars_fp: list[Level] = []
    no_dollars_fp: list[Level] = []
    ts_ms: Int64 | None = None


class DeltaBody(msgspec.Struct, gc=False, kw_only=True):
    """A signed change to one level. In the venue's order, which is the fastest to read; `market_id` is left unread."""

    market_ticker: str
    price_dollars: str
    delta_fp: str
    side: Literal["yes", "no"]
    ts: str | int | None = None  # older frames have this one only; RFC 3339, or seconds as other channels print it
    ts_ms: Int64 | None = None
    clock: Int64 | None = None


class Snapshot(msgspec.Struct, gc=False, tag="orderbook_snapshot"):
    """`id` only when it answers `get_snapshot`."""

    sid: Int64
    seq: Int64
    msg: SnapshotBody
    id: Int64 | None = None


class Delta(msgspec.Struct, gc=False, tag="orderbook_delta"):
    """One change of one book."""

    sid: Int64
    seq: Int64
    msg: DeltaBody


class SubscribedBody(msgspec.Struct):
    """Which channel got which subscription id."""

    channel: str
    sid: Int64


class Subscribed(msgspec.Struct, tag="subscribed"):
    """A new subscription exists. Carries no sequence number."""

    msg: SubscribedBody
    id: Int64 | None = None


class Ok(msgspec.Struct, tag="ok"):
    """A command was carried out. With `sid` and `seq` it consumes a sequence number of that subscription.

    `msg` is an object after `update_subscription` and an array after `list_subscriptions`.
    """

    id: Int64 | None = None
    sid: Int64 | None = None
    seq: Int64 | None = None
    msg: Any = None


class Unsubscribed(msgspec.Struct, tag="unsubscribed"):
    """The last message of a subscription; consumes its last sequence number."""

    sid: Int64
    id: Int64 | None = None
    seq: Int64 | None = None


class ErrorBody(msgspec.Struct):
    """Which rule was broken, and by which markets where the venue names them."""

    code: Int64
    msg: str = ""
    market_ticker: str | None = None
    market_tickers: list[str] | None = None

    @property
    def tickers(self) -> list[str]:
        """Every market that the error names."""
        return list(self.market_tickers or ()) + ([self.market_ticker] if self.market_ticker else [])


class Error(msgspec.Struct, tag="error"):
    """A command failed, or (no `id`) a subscription did. With `seq` it consumes a number."""

    msg: ErrorBody
    id: Int64 | None = None
    sid: Int64 | None = None
    seq: Int64 | None = None


class Header(msgspec.Struct):
    """What every message has, for those we do not know."""

    type: str
    sid: Int64 | None = None
    seq: Int64 | None = None


Frame = Snapshot | Delta | Subscribed | Ok | Unsubscribed | Error

FRAME: Final = msgspec.json.Decoder(Frame)
HEADER: Final = msgspec.json.Decoder(Header)
KNOWN_TYPES: Final = frozenset({"orderbook_snapshot", "orderbook_delta", "subscribed", "ok", "unsubscribed", "error"})

# What msgspec raises for bytes that are not what was asked for; text that is not UTF-8 and deep nesting raise their own.
UNDECODABLE: Final = (msgspec.MsgspecError, UnicodeError, RecursionError)

_encode: Final = msgspec.json.Encoder().encode

_REMEMBERED_LENGTH_MAX: Final = 24  # characters; the venue's longest have about 16


class _Exact(dict[str, int]):
    """A bounded memory of strings already converted: the feed repeats the same few thousand."""

    def __init__(self, parse: Any, capacity: int) -> None:
        super().__init__()
        self._parse = parse
        self._capacity = capacity

    def __missing__(self, text: str) -> int:
        value: int = self._parse(text)
        if len(text) > _REMEMBERED_LENGTH_MAX:
            return value
        if len(self) >= self._capacity:
            self.clear()
        self[text] = value
        return value


def _parse_book_price(text: str) -> int:
    price = parse_price(text)
    if not 0 < price < DOLLAR:
        msg = f"price {text!r} is not between 0 and 1 dollar"
        raise UnitError(msg)
    return price


PRICES: Final = _Exact(_parse_book_price, 20_000)
COUNTS: Final = _Exact(parse_qty, 40_000)  # some 6 MB; beyond 43,690 a dict takes twice the room


def levels(printed: Sequence[Level]) -> list[tuple[int, int]]:
    """Printed levels as `(price, size)` integers. Raises `UnitError`, also for a price that is printed twice."""
    exact = [(PRICES[price], COUNTS[count]) for price, count in printed]
    if len(dict(exact)) < len(exact):
        msg = "one price is printed twice"
        raise UnitError(msg)
    return exact


def subscribe(command_id: int, tickers: Sequence[str]) -> bytes:
    """The command that makes the order-book subscription, NO prices always on their own scale."""
    params = {"channels": [BOOK_CHANNEL], "market_tickers": list(tickers), "use_yes_price": False}
    return _encode({"id": command_id, "cmd": "subscribe", "params": params})


def subscribe_channel(command_id: int, channel: str, tickers: Sequence[str] | None) -> bytes:
    """The command that subscribes to any other channel: for some markets, or with None for all."""
    named = {} if tickers is None else {"market_tickers": list(tickers)}
    return _encode({"id": command_id, "cmd": "subscribe", "params": {"channels": [channel], **named}})


def unsubscribe(command_id: int, sid: int) -> bytes:
    """The command that ends a subscription."""
    return _encode({"id": command_id, "cmd": "unsubscribe", "params": {"sids": [sid]}})


def update(command_id: int, sid: int, action: str, tickers: Sequence[str]) -> bytes:
    """The command that changes a subscription: `add_markets`, `delete_markets`, or `get_snapshot` in its stream."""
    params = {"sids": [sid], "action": action, "market_tickers": list(tickers)}
    return _encode({"id": command_id, "cmd": "update_subscription", "params": params})
