"""The trading floor: every market's public state, and the fan-out of each fact to the subscriptions that read it.

The desk and the playback speak to it in the same few verbs; both skins (sessions, REST) read it. Public facts go to
everybody, a member's facts to that member's connections and to the read replica.
A fact is encoded once per form it is printed in; per reader only sid and seq differ.
Units: prices 1e-4 dollar, sizes 0.01 contract. Never: a clock of its own, or a wait.
"""

import random
from collections import deque
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any, Final

import msgspec

from traderv3.domain.units import DOLLAR
from traderv3.exchange import member_wire, wire
from traderv3.exchange.faults import NO_FAULTS, Faults
from traderv3.exchange.listing import Listing, PublicTrade
from traderv3.exchange.market import Event, Market
from traderv3.exchange.records import Cause, MarketMoved, MemberFact
from traderv3.exchange.session import (
    BOOK_CHANNEL,
    COMBO_CHANNEL,
    LIFECYCLE_CHANNEL,
    MEMBER_CHANNELS,
    TICKER_CHANNEL,
    TRADE_CHANNEL,
    ClientSession,
    SessionOptions,
    Subscription,
)

TICKER_PERIOD_US: Final = 1_000_000  # recorded markets with 85 deltas/s get about one ticker a second
HELD_MAX: Final = 100_000  # private messages or trades held back on purpose; beyond that the oldest go out

_encode: Final = msgspec.json.Encoder().encode


class Floor:
    """The markets and their readers. `now_ms` is only used to stamp what is sent.

    `on_fact` hears every fact of a member at once: the exchange puts its read replica there.
    """

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
        self.now_ms = now_ms
        self.options = options or SessionOptions()
        self.faults = faults
        self.rng = rng or random.Random(0)
        self.sessions: set[ClientSession] = set()
        self.channel_readers: dict[str, tuple[Subscription, ...]] = dict.fromkeys(
            (TRADE_CHANNEL, TICKER_CHANNEL, LIFECYCLE_CHANNEL, COMBO_CHANNEL), ()
        )
        self.member_readers: dict[tuple[str, str], tuple[Subscription, ...]] = {}
        self.on_fact: Callable[[MemberFact], None] = lambda _: None
        self.has_had_book_reader = False
        self._by_id: dict[str, Listing] = {}
        self._dirty: dict[str, Listing] = {}
        self._held_facts: deque[tuple[int, MemberFact]] = deque()
        self._held_trades: deque[tuple[Listing, PublicTrade]] = deque()

    @property
    def by_id(self) -> dict[str, Listing]:
        """The markets by their UUID; markets are added, never taken away."""
        if len(self._by_id) != len(self.listings):
            self._by_id = {listing.market.market_id: listing for listing in self.listings.values()}
        return self._by_id

    # -- clients ---------------------------------------------------------------------------------------------------

    def open_session(
        self, on_output: Callable[[], None] = lambda: None, *, user_id: str = "", may_read: bool = True
    ) -> ClientSession:
        """A new connection of a member; `on_output` is called when its owner has something to do."""
        session = ClientSession(self, on_output=on_output, user_id=user_id, may_read=may_read)
        self.sessions.add(session)
        return session

    def close_session(self, session: ClientSession) -> None:
        """The connection is gone; its subscriptions end. Closing twice does nothing."""
        session.end()
        self.sessions.discard(session)

    def set_faults(self, faults: Faults) -> None:
        """Misbehave like this from now on, in every connection."""
        self.faults = faults
        for session in list(self.sessions):
            session.set_faults(faults)

    def attach(self, subscription: Subscription) -> None:
        """Let a subscription hear from now on; books are attached market by market."""
        if subscription.channel in self.channel_readers:
            self.channel_readers[subscription.channel] += (subscription,)
        elif subscription.channel in MEMBER_CHANNELS:
            key = (subscription.channel, subscription.session.user_id)
            self.member_readers[key] = (*self.member_readers.get(key, ()), subscription)

    def read_book(self, subscription: Subscription, listing: Listing) -> None:
        """Let a book subscription hear one market's changes from now on."""
        listing.readers += (subscription,)
        self.has_had_book_reader = True

    def leave_book(self, subscription: Subscription, listing: Listing) -> None:
        """The opposite of `read_book`."""
        listing.readers = tuple(reader for reader in listing.readers if reader is not subscription)

    def detach(self, subscription: Subscription) -> None:
        """A subscription ended: nothing more goes to it."""
        channel = subscription.channel
        if channel in self.channel_readers:
            readers = self.channel_readers[channel]
            self.channel_readers[channel] = tuple(r for r in readers if r is not subscription)
        elif channel in MEMBER_CHANNELS:
            key = (channel, subscription.session.user_id)
            left = tuple(r for r in self.member_readers.get(key, ()) if r is not subscription)
            if left:
                self.member_readers[key] = left
            else:
                self.member_readers.pop(key, None)
        elif channel == BOOK_CHANNEL:
            for listing in (subscription.markets or {}).values():
                self.leave_book(subscription, listing)

    # -- public facts ----------------------------------------------------------------------------------------------

    def change(
        self,
        listing: Listing,
        is_yes: bool,
        price: int,
        change: int,
        *,
        ts: str,
        ts_ms: int,
        cause: Cause | None = None,
        maker: Cause | None = None,
    ) -> None:
        """Change one level and tell its readers, or raise `NegativeLevel` and do neither.

        The caller moves `listing.clock`: the changes of one action share it. `cause` is whose action it was, `maker` whose
        resting order it took; their own connections find their client order id on the delta (the maker's if so set).
        """
        listing.book.apply(is_yes, price, change)
        listing.ts_ms = ts_ms
        readers = listing.readers
        if not readers:
            return
        sending_ms = self.now_ms()
        if cause is not None or maker is not None:
            owners = {maker.user_id: maker} if maker is not None and self.options.is_maker_told else {}
            if cause is not None:
                owners[cause.user_id] = cause
            readers = _told_as_owners(owners, listing, is_yes, price, change, ts=ts, ts_ms=ts_ms, sending_ms=sending_ms)
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
        """Print one trade and tell the trade channel."""
        listing.trades.append(trade)
        listing.last_price = trade.price
        listing.last_trade_size = trade.size
        listing.volume += trade.size
        listing.dollar_volume = listing.volume // 200  # the venue counts half a dollar per contract
        if self.faults.fill_before_trade:
            self._held_trades.append((listing, trade))
        else:
            self._print(listing, trade)

    def open_contracts(self, listing: Listing, change: int) -> None:
        """So many more contracts of a market are held than before; to be told before the trade that opened them."""
        listing.open_interest += change
        listing.dollar_open_interest = listing.open_interest // 200

    def _print(self, listing: Listing, trade: PublicTrade) -> None:
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

    # -- lifecycle -------------------------------------------------------------------------------------------------

    def announce(self, moved: MarketMoved) -> None:
        """Tell the lifecycle channel, or the combos' own, of a transition that the venue announces."""
        message = member_wire.lifecycle_message(moved)
        if message is not None:
            self._announce(COMBO_CHANNEL if member_wire.is_combo(moved.ticker) else LIFECYCLE_CHANNEL, None, message)

    def announce_event(self, event: Event) -> None:
        """Tell the lifecycle channel of a new event."""
        channel = COMBO_CHANNEL if member_wire.is_combo(event.ticker) else LIFECYCLE_CHANNEL
        self._announce(channel, "event_lifecycle", member_wire.event_message(event))

    def announce_fees(self, event_ticker: str, fee_type: str | None, multiplier: Fraction | None) -> None:
        """Tell the lifecycle channel of an event's own fees; None: the series' fees apply again."""
        message = {
            "event_ticker": event_ticker,
            "fee_type_override": fee_type,
            "fee_multiplier_override": None if multiplier is None else float(multiplier),  # a JSON number at the venue
        }
        self._announce(LIFECYCLE_CHANNEL, "event_fee_update", message)

    def _announce(self, channel: str, kind: str | None, message: dict[str, Any]) -> None:
        readers = self.channel_readers[channel]
        if readers:
            tail = wire.tail(_encode(message), self.now_ms())
            for reader in readers:
                if kind is None:
                    reader.send(tail)
                else:
                    reader.send_as(kind, tail)

    # -- members' facts --------------------------------------------------------------------------------------------

    def tell(self, fact: MemberFact) -> None:
        """Tell the replica at once and the member's own connections, unless a fault holds that back."""
        self.on_fact(fact)
        faults = self.faults
        if faults.fill_after_ack or faults.trade_before_fill or self._held_facts:
            due_us = self.now_ms() * 1000 + int(faults.fill_after_ack * 1_000_000)
            self._held_facts.append((due_us, fact))
            if len(self._held_facts) > HELD_MAX:
                self._tell_member(self._held_facts.popleft()[1])
        else:
            self._tell_member(fact)

    def _tell_member(self, fact: MemberFact) -> None:
        private = member_wire.private_message(fact)
        if private is None:
            return
        channel, user_id, ticker, message = private
        readers = self.member_readers.get((channel, user_id))
        if readers is None:
            return
        tail = wire.tail(_encode(message), self.now_ms())
        for reader in readers:
            if reader.markets is None or ticker is None or ticker in reader.markets:
                reader.send(tail)

    # -- time ------------------------------------------------------------------------------------------------------

    def end_action(self, now_us: int) -> None:
        """One action is over: what was held back to its end, or until now, goes out."""
        while self._held_facts and self._held_facts[0][0] <= now_us:
            self._tell_member(self._held_facts.popleft()[1])
        while self._held_trades:
            self._print(*self._held_trades.popleft())

    def step(self, now_us: int) -> None:
        """Let out everything that is due by now."""
        self.end_action(now_us)
        self.flush_tickers(now_us)
        if self.faults.touches_frames:
            for session in list(self.sessions):
                session.release(now_us)


def _held(levels: list[tuple[int, int]]) -> dict[int, int]:
    return {price: size for price, size in levels if size}


def _told_as_owners(
    owners: dict[str, Cause], listing: Listing, is_yes: bool, price: int, change: int, **stamps: Any
) -> tuple[Subscription, ...]:
    """Tell a delta to the connections of those whose orders it concerns; returns the readers that are left."""
    others: list[Subscription] = []
    for reader in listing.readers:
        owner = owners.get(reader.session.user_id)
        if owner is None:
            others.append(reader)
        else:
            printed = price if is_yes or not reader.use_yes_price else DOLLAR - price
            reader.send(wire.owned_tail(wire.delta_tail(listing, is_yes, printed, change, **stamps), owner))
    return tuple(others)
