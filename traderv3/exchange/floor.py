"""The trading floor: every market's public state, and the fan-out of each fact to the subscriptions that read it.

Both sources of life (participants, playback) speak to it in the same few verbs; both skins (sessions, REST) read it.
A fact is encoded once per form it is printed in; per reader only sid and seq differ.
Units: prices 1e-4 dollar, sizes 0.01 contract. Never: a clock of its own, or a wait.
"""

import random
from collections.abc import Callable, Iterable
from typing import Final

from traderv3.domain.units import DOLLAR
from traderv3.exchange import wire
from traderv3.exchange.faults import NO_FAULTS, Faults
from traderv3.exchange.listing import Listing, PublicTrade
from traderv3.exchange.market import Market
from traderv3.exchange.session import (
    BOOK_CHANNEL,
    TICKER_CHANNEL,
    TRADE_CHANNEL,
    ClientSession,
    SessionOptions,
    Subscription,
)

TICKER_PERIOD_US: Final = 1_000_000  # recorded markets with 85 deltas/s get about one ticker a second


class Floor:
    """The markets and their readers. `now_ms` is only used to stamp what is sent."""

    def __init__(
        self,
        markets: Iterable[Market],
        *,
        now_ms: Callable[[], int],
        options: SessionOptions | None = None,
        faults: Faults = NO_FAULTS,
        rng: random.Random | None = None,
    ) -> None:
        self.listings = {market.ticker: Listing(market) for market in markets}
        self.by_id = {listing.market.market_id: listing for listing in self.listings.values()}
        self.now_ms = now_ms
        self.options = options or SessionOptions()
        self.faults = faults
        self.rng = rng or random.Random(0)
        self.sessions: set[ClientSession] = set()
        self.channel_readers: dict[str, tuple[Subscription, ...]] = {TRADE_CHANNEL: (), TICKER_CHANNEL: ()}
        self.has_had_book_reader = False
        self._dirty: dict[str, Listing] = {}

    # -- clients ---------------------------------------------------------------------------------------------------

    def open_session(self, on_output: Callable[[], None] = lambda: None) -> ClientSession:
        """A new connection; `on_output` is called when its outbox goes from empty to not empty."""
        session = ClientSession(self, on_output=on_output)
        self.sessions.add(session)
        return session

    def close_session(self, session: ClientSession) -> None:
        """The connection is gone; its subscriptions end. Closing twice does nothing."""
        session.end()
        self.sessions.discard(session)

    def attach(self, subscription: Subscription) -> None:
        """Let a trade or ticker subscription hear from now on; books are attached market by market."""
        if subscription.channel in self.channel_readers:
            self.channel_readers[subscription.channel] += (subscription,)

    def read_book(self, subscription: Subscription, listing: Listing) -> None:
        """Let a book subscription hear one market's changes from now on."""
        listing.readers += (subscription,)
        self.has_had_book_reader = True

    def leave_book(self, subscription: Subscription, listing: Listing) -> None:
        """The opposite of `read_book`."""
        listing.readers = tuple(reader for reader in listing.readers if reader is not subscription)

    def detach(self, subscription: Subscription) -> None:
        """A subscription ended: nothing more goes to it."""
        if subscription.channel in self.channel_readers:
            readers = self.channel_readers[subscription.channel]
            self.channel_readers[subscription.channel] = tuple(r for r in readers if r is not subscription)
        elif subscription.channel == BOOK_CHANNEL:
            for listing in (subscription.markets or {}).values():
                self.leave_book(subscription, listing)

    # -- facts -----------------------------------------------------------------------------------------------------

    def change(self, listing: Listing, is_yes: bool, price: int, change: int, *, ts: str, ts_ms: int) -> None:
        """Change one level and tell its readers, or raise `NegativeLevel` and do neither.

        The caller moves `listing.clock`: the changes of one action share it.
        """
        listing.book.apply(is_yes, price, change)
        listing.ts_ms = ts_ms
        readers = listing.readers
        if not readers:
            return
        sending_ms = self.now_ms()
        own: bytes | None = None
        flipped: bytes | None = None
        for reader in readers:
            if is_yes or not reader.use_yes_price:
                if own is None:
                    own = wire.delta_tail(listing, is_yes, price, change, ts=ts, ts_ms=ts_ms, sending_ms=sending_ms)
                reader.send(own)
            else:
                if flipped is None:
                    flipped = wire.delta_tail(
                        listing, is_yes, DOLLAR - price, change, ts=ts, ts_ms=ts_ms, sending_ms=sending_ms
                    )
                reader.send(flipped)

    def replace(self, listing: Listing, yes: list[tuple[int, int]], no: list[tuple[int, int]], *, ts_ms: int) -> bool:
        """Put a whole book in place and tell its readers by snapshot; False, and silence, if it is the held one.

        Raises `NegativeLevel` and leaves the book as it was.
        """
        book = listing.book
        if _held(yes) == book.yes and _held(no) == book.no:
            return False
        book.replace(yes, no)
        listing.tick()
        listing.ts_ms = ts_ms
        sending_ms = self.now_ms()
        for reader in listing.readers:
            reader.send_snapshot(wire.snapshot_tail(listing, use_yes_price=reader.use_yes_price, sending_ms=sending_ms))
        return True

    def trade(self, listing: Listing, trade: PublicTrade) -> None:
        """Print one trade and tell the trade channel. Open interest is a plausible figure until accounts exist."""
        listing.trades.append(trade)
        listing.last_price = trade.price
        listing.last_trade_size = trade.size
        listing.volume += trade.size
        listing.open_interest += trade.size // 2
        listing.dollar_volume = listing.volume // 200  # the venue counts half a dollar per contract
        listing.dollar_open_interest = listing.open_interest // 200
        tail: bytes | None = None
        for reader in self.channel_readers[TRADE_CHANNEL]:
            if reader.markets is None or listing.ticker in reader.markets:
                if tail is None:
                    tail = wire.trade_tail(trade, self.now_ms())
                reader.send(tail)

    def ticker(self, listing: Listing, message_json: bytes) -> None:
        """Tell the ticker channel; `message_json` is the finished `msg`."""
        tail: bytes | None = None
        for reader in self.channel_readers[TICKER_CHANNEL]:
            if reader.markets is None or listing.ticker in reader.markets:
                if tail is None:
                    tail = wire.tail(message_json, self.now_ms())
                reader.send(tail)

    def touch_ticker(self, listing: Listing) -> None:
        """A field of the market's ticker may have changed; it goes out with the next `flush_tickers` that is due."""
        self._dirty[listing.ticker] = listing

    def flush_tickers(self, now_us: int) -> None:
        """Send the tickers that changed, each market at most once a period."""
        if not self._dirty:
            return
        due = [listing for listing in self._dirty.values() if listing.ticker_due_us <= now_us]
        for listing in due:
            del self._dirty[listing.ticker]
            listing.ticker_due_us = now_us + TICKER_PERIOD_US
            if self.channel_readers[TICKER_CHANNEL]:
                self.ticker(listing, wire.ticker_message(listing, now_us // 1000))


def _held(levels: list[tuple[int, int]]) -> dict[int, int]:
    return {price: size for price, size in levels if size}
