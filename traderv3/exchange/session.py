"""One client's WebSocket connection without a socket: its subscriptions, its numbers, and the text frames to be sent.

Sids count from 1 per connection, one per channel; subscribing again merges and is answered by `ok`. A sequenced
subscription numbers everything it sends (snapshots, deltas, trades, `ok`, `unsubscribed`, scoped errors) from 1.
The outbox is bounded: a stream that overflows it ends with error 25, as at the venue.
Source: Kalshi's AsyncAPI document, October 2026; the answer to an unknown ticker (28) is from live evidence.
What the client says is read in `client_commands`. Never: a clock or a wait; whoever owns the socket drains `take()` and holds
back commands while `is_full`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from traderv3.exchange import wire

if TYPE_CHECKING:
    from traderv3.exchange.floor import Floor
    from traderv3.exchange.listing import Listing

BOOK_CHANNEL: Final = "orderbook_delta"
TRADE_CHANNEL: Final = "trade"
TICKER_CHANNEL: Final = "ticker"

# Whether the channel numbers its messages. Channels without a source yet are accepted and stay silent.
CHANNELS: Final[dict[str, bool]] = {
    BOOK_CHANNEL: True,
    TICKER_CHANNEL: False,
    TRADE_CHANNEL: True,
    "fill": False,
    "market_positions": False,
    "user_orders": False,
    "market_lifecycle_v2": True,
    "multivariate_market_lifecycle": True,
    "order_group_updates": True,
    "communications": True,
}
MARKET_CHANNELS: Final = frozenset(
    {BOOK_CHANNEL, TICKER_CHANNEL, TRADE_CHANNEL, "fill", "market_positions", "user_orders"}
)

OUTBOX_BYTES_MAX: Final = 8 << 20  # some 30,000 deltas; recorded bursts reach 730 in a millisecond
GARBAGE: Final = b'{"type":"orderbook_delta","sid":1,"se\n'

_DATA_KIND: Final = {BOOK_CHANNEL: "orderbook_delta", TRADE_CHANNEL: "trade", TICKER_CHANNEL: "ticker"}


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """What the venue may do one way or another."""

    is_unknown_ticker_28: bool = True  # False: the older 16 "Market not found"
    use_yes_price: bool = False  # the default that the venue says it will flip
    outbox_bytes_max: int = OUTBOX_BYTES_MAX


class Subscription:
    """One channel of one connection. `markets` None means all of them."""

    __slots__ = (
        "_head",
        "_snapshot_head",
        "channel",
        "is_by_id",
        "is_ended",
        "is_sequenced",
        "markets",
        "seq",
        "session",
        "sid",
        "skip_ack",
        "use_yes_price",
    )

    def __init__(self, session: "ClientSession", channel: str, sid: int) -> None:
        self.session = session
        self.channel = channel
        self.sid = sid
        self.seq = 0
        self.is_sequenced = CHANNELS[channel]
        self.markets: dict[str, Listing] | None = None
        self.use_yes_price = False
        self.skip_ack = False
        self.is_by_id = False
        self.is_ended = False
        kind = _DATA_KIND.get(channel, channel)
        self._head = wire.data_head(kind, sid, is_sequenced=self.is_sequenced)
        self._snapshot_head = wire.data_head("orderbook_snapshot", sid, is_sequenced=True)

    def next_seq(self) -> int:
        """Use up one sequence number."""
        self.seq += 1
        return self.seq

    def send(self, tail: bytes) -> None:
        """One data message in this channel's main form."""
        if self.is_sequenced:
            self.seq += 1
            self.session.push(self, b"%b%d%b" % (self._head, self.seq, tail))
        else:
            self.session.push(self, self._head + tail)

    def send_snapshot(self, tail: bytes) -> None:
        """A snapshot that nobody asked for by command."""
        self.session.push(self, b"%b%d%b" % (self._snapshot_head, self.next_seq(), tail))

    def scope(self) -> dict[str, int]:
        """`sid`, and the next `seq` on a sequenced channel, for a reply that belongs to this subscription."""
        return {"sid": self.sid, "seq": self.next_seq()} if self.is_sequenced else {"sid": self.sid}


class ClientSession:
    """The state of one connection. Public figures: `frames_sent`, `queued_bytes`, `is_aborted`, `overflows`."""

    def __init__(self, floor: "Floor", *, on_output: Callable[[], None]) -> None:
        self.floor = floor
        self.subscriptions: dict[int, Subscription] = {}
        self.by_channel: dict[str, Subscription] = {}
        self.queued_bytes = 0
        self.frames_sent = 0
        self.overflows = 0
        self.is_aborted = False
        self._sids_used = 0
        self._outbox: list[bytes] = []
        self._on_output = on_output
        self._bytes_max = floor.options.outbox_bytes_max
        self._faults = floor.faults if floor.faults.touches_frames else None

    # -- out -------------------------------------------------------------------------------------------------------

    def take(self) -> list[bytes]:
        """Everything to be sent, in order; the outbox is empty afterwards."""
        frames, self._outbox = self._outbox, []
        self.queued_bytes = 0
        self.frames_sent += len(frames)
        return frames

    @property
    def is_full(self) -> bool:
        """Whether the owner should wait with the next command until the client has read some more."""
        return self.queued_bytes >= self._bytes_max

    @property
    def queued_frames(self) -> int:
        """Frames that wait to be sent."""
        return len(self._outbox)

    def push(self, subscription: Subscription, frame: bytes) -> None:
        """Queue one data message of a stream; the stream ends where the outbox would overflow."""
        if subscription.is_ended:
            return
        if self.queued_bytes + len(frame) > self._bytes_max:
            self._overflow(subscription)
        elif self._faults is None:
            self._append(frame)
        else:
            self._push_badly(frame)

    def answer(self, frame: bytes) -> None:
        """Queue an answer to a command: never refused, because the owner holds back commands while full."""
        self._append(frame)

    def _append(self, frame: bytes) -> None:
        outbox = self._outbox
        outbox.append(frame)
        self.queued_bytes += len(frame)
        if len(outbox) == 1:
            self._on_output()

    def _push_badly(self, frame: bytes) -> None:
        faults = self._faults
        assert faults is not None
        draw = self.floor.rng.random()
        dropped, duplicated = faults.drop, faults.drop + faults.duplicate
        garbled = duplicated + faults.garbage
        if draw < dropped:
            return
        if duplicated <= draw < garbled:
            frame = GARBAGE
        elif garbled <= draw < garbled + faults.abort:
            self.is_aborted = True
            self._on_output()
        self._append(frame)
        if dropped <= draw < duplicated:
            self._append(frame)

    def _overflow(self, subscription: Subscription) -> None:
        self.overflows += 1
        subscription.seq -= 1  # the message that found no room had taken a number; the error takes it over
        body = wire.error_body(25, "Subscription buffer overflow")
        self._append(wire.reply("error", msg=body, sending_ms=self.floor.now_ms(), **subscription.scope()))
        self.drop(subscription)

    # -- subscriptions ---------------------------------------------------------------------------------------------

    def subscribe(self, channel: str) -> Subscription:
        """Make a subscription that reads nothing yet."""
        assert channel not in self.by_channel
        self._sids_used += 1
        subscription = Subscription(self, channel, self._sids_used)
        self.subscriptions[subscription.sid] = subscription
        self.by_channel[channel] = subscription
        return subscription

    def drop(self, subscription: Subscription) -> None:
        """End a subscription; its sid is never used again on this connection."""
        subscription.is_ended = True
        del self.subscriptions[subscription.sid]
        del self.by_channel[subscription.channel]
        self.floor.detach(subscription)

    def end(self) -> None:
        """The connection is gone."""
        for subscription in list(self.subscriptions.values()):
            self.drop(subscription)

    def add_markets(self, subscription: Subscription, listings: Iterable["Listing"]) -> list["Listing"]:
        """Widen the set; returns those that are new."""
        if subscription.markets is None:
            return []
        fresh = [listing for listing in listings if listing.ticker not in subscription.markets]
        for listing in fresh:
            subscription.markets[listing.ticker] = listing
            if subscription.channel == BOOK_CHANNEL:
                self.floor.read_book(subscription, listing)
        return fresh

    def delete_markets(self, subscription: Subscription, listings: Iterable["Listing"]) -> None:
        """Narrow the set; markets outside it are passed over."""
        if subscription.markets is None:
            return
        for listing in listings:
            if subscription.markets.pop(listing.ticker, None) and subscription.channel == BOOK_CHANNEL:
                self.floor.leave_book(subscription, listing)

    def snapshots(
        self, subscription: Subscription, listings: Iterable["Listing"], command_id: int | None = None
    ) -> None:
        """Queue a snapshot for each of these markets, with the id of the command that asked for it."""
        named = "" if command_id is None else f',"id":{command_id}'
        head = f'{{"type":"orderbook_snapshot"{named},"sid":{subscription.sid},"seq":'.encode()
        for listing in listings:
            tail = wire.snapshot_tail(listing, use_yes_price=subscription.use_yes_price, sending_ms=self.floor.now_ms())
            self.answer(b"%b%d%b" % (head, subscription.next_seq(), tail))
