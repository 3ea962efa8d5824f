"""One market as the public sees it: its definition and status, its book, what traded, and who reads its book.

Units: prices 1e-4 dollar, sizes 0.01 contract, times microseconds since the epoch; `clock` counts the market's changes with gaps.
Never: orders or owners; those belong to the matching engine behind it.
"""

import json
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from traderv3.domain.book import Book
from traderv3.exchange.lifecycle import MarketStatus
from traderv3.exchange.market import Market

if TYPE_CHECKING:
    from traderv3.exchange.session import Subscription

TRADES_KEPT_MAX: Final = 1_000  # per market, for GET /markets/trades; the venue pages back for ever


class PublicTrade(NamedTuple):
    """One trade as everybody sees it. `price` on the YES scale; the taker's direction is its outcome."""

    trade_id: str
    ticker: str
    price: int
    size: int
    is_taker_yes: bool
    is_block: bool
    ts_ms: int


class Listing:
    """The live public state of one market. Books and trades are mutated only by `Floor`, the market's life only by `Desk`.

    `settlement_value` is what one YES contract pays, known from `determined` on; `result` is "", yes, no or scalar.
    """

    __slots__ = (
        "book",
        "clock",
        "close_us",
        "determined_us",
        "dollar_open_interest",
        "dollar_volume",
        "last_price",
        "last_trade_size",
        "market",
        "names_json",
        "open_interest",
        "open_us",
        "readers",
        "result",
        "settled_us",
        "settlement_value",
        "status",
        "ticker",
        "ticker_due_us",
        "trades",
        "ts_ms",
        "volume",
    )

    def __init__(self, market: Market) -> None:
        self.market = market
        self.ticker = market.ticker
        self.book = Book(market.ticker)
        self.status = MarketStatus.ACTIVE
        self.result = ""
        self.settlement_value: int | None = None
        self.open_us = market.open_us
        self.close_us = market.close_us
        self.determined_us: int | None = None
        self.settled_us: int | None = None
        self.clock = 0
        self.ts_ms = 0
        self.last_price = 0
        self.last_trade_size = 0
        self.volume = 0
        self.open_interest = 0
        self.dollar_volume = 0
        self.dollar_open_interest = 0
        self.trades: deque[PublicTrade] = deque(maxlen=TRADES_KEPT_MAX)
        self.ticker_due_us = 0
        # Replaced, never mutated, so that a subscription may end while a change is being handed out.
        self.readers: tuple[Subscription, ...] = ()
        self.names_json = f'"market_ticker":{json.dumps(market.ticker)},"market_id":{json.dumps(market.market_id)}'

    @property
    def is_trading(self) -> bool:
        """Whether the market itself lets orders in; the whole exchange may be paused all the same."""
        return self.status is MarketStatus.ACTIVE

    def tick(self) -> int:
        """The clock of the next change: it skips values, as the venue's does."""
        self.clock += 1 + (self.clock & 3)
        return self.clock
