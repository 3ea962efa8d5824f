"""One client's WebSocket connection without a socket: its subscriptions, its numbers, and the text frames to be sent.

Sids count from 1 per connection, one per channel; subscribing again merges and is answered by `ok`. A sequenced
subscription numbers everything it sends (snapshots, deltas, trades, `ok`, `unsubscribed`, scoped errors) from 1.
The outbox is bounded: a stream that overflows it ends with error 25, as at the venue.
Source: Kalshi's AsyncAPI document, October 2026; the answer to an unknown ticker (28) is from live evidence.
What the client says is read in `client_commands`, what goes wrong on purpose in `misdelivery`. Never: a clock or a wait; whoever
owns the socket drains `take()` and holds back commands while `is_full`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from traderv3.exchange import wire
from traderv3.exchange.faults import Faults
from traderv3.exchange.misdelivery import Misdelivery
from traderv3.exchange.rate_limits import TokenBucket

if TYPE_CHECKING:
    from traderv3.exchange.floor import Floor
    from traderv3.exchange.listing import Listing

BOOK_CHANNEL: Final = "orderbook_delta"
TRADE_CHANNEL: Final = "trade"
TICKER_CHANNEL: Final = "ticker"
LIFECYCLE_CHANNEL: Final = "market_lifecycle_v2"
COMBO_CHANNEL: Final = "multivariate_market_lifecycle"

# Whether the channel numbers its messages. `communications` has no source here: accepted, and silent. The reference
# feeds (cfbenchmarks, pyth) are left out, so that they are unknown channels.
CHANNELS: Final[dict[str, bool]] = {
    BOOK_CHANNEL: True,
    TICKER_CHANNEL: False,
    TRADE_CHANNEL: True,
    "fill": False,
    "market_positions": False,
    "user_orders": False,
    LIFECYCLE_CHANNEL: True,
    COMBO_CHANNEL: True,
    "order_group_updates": True,
    "communications": True,
}
MARKET_CHANNELS: Final = frozenset(
    {BOOK_CHANNEL, TICKER_CHANNEL, TRADE_CHANNEL, "fill", "market_positions", "user_orders"}
)
MEMBER_CHANNELS: Final = frozenset({"fill", "market_positions", "user_orders", "order_group_updates"})
# Those that a key without the right to read may not subscribe to.
READ_CHANNELS: Final = MEMBER_CHANNELS | {BOOK_CHANNEL, "communications"}

OUTBOX_BYTES_MAX: Final = 8 << 20  # some 30,000 deltas; recorded bursts reach 730 in a millisecond
MARKETS_PER_SUBSCRIPTION_MAX: Final = 10_000  # the venue has a cap and does not publish it
COMMANDS_PER_S: Final = 10_000  # the venue's own, for order-book commands
BUFFER_OVERFLOW: Final = 25
CHANNEL_ERROR: Final = 10

_TERMINAL_TEXTS: Final = {BUFFER_OVERFLOW: "Subscription buffer overflow", CHANNEL_ERROR: "Channel error"}
_DATA_KIND: Final = {"market_positions": "market_position", "user_orders": "user_order"}  # else the channel's name


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """What the venue may do one way or another."""

    is_unknown_ticker_28: bool = True  # False: the older 16 "Market not found"
    use_yes_price: bool = False  # the default that the venue says it will flip
    is_sending_time_told: bool = True  # False: as in summer 2026, no `sending_ts_ms`
    is_maker_told: bool = False  # whether a maker finds its own client order id on the delta of its fill
    outbox_bytes_max: int = OUTBOX_BYTES_MAX
    markets_per_subscription_max: int = MARKETS_PER_SUBSCRIPTION_MAX
    commands_per_s: int = COMMANDS_PER_S  # on one subscription


class Subscription:
    """One channel of one connection. `markets` None means all of them."""

    __slots__ = (
        "_head",
        "_snapshot_head",
        "channel",
        "commands",
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
        per_s = session.floor.options.commands_per_s
        self.commands = TokenBucket(per_s, per_s, now_us=session.floor.now_ms() * 1000)
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

    def send_as(self, kind: str, tail: bytes) -> None:
        """One data message of another type than the channel's main form: `event_lifecycle` and its like."""
        assert self.is_sequenced
        head = wire.data_head(kind, self.sid, is_sequenced=True)
        self.session.push(self, b"%b%d%b" % (head, self.next_seq(), tail))

    def send_snapshot(self, tail: bytes) -> None:
        """A snapshot that nobody asked for by command."""
        self.session.push(self, b"%b%d%b" % (self._snapshot_head, self.next_seq(), tail))

    def scope(self) -> dict[str, int]:
        """`sid`, and the next `seq` on a sequenced channel, for a reply that belongs to this subscription."""
        return {"sid": self.sid, "seq": self.next_seq()} if self.is_sequenced else {"sid": self.sid}


class ClientSession:
    """The state of one connection. Public figures: `frames_sent`, `queued_bytes`, `is_aborted`, `overflows`.

    `user_id` is the member whose key opened it; without `may_read` the private channels refuse it.
    """

    def __init__(
        self, floor: "Floor", *, on_output: Callable[[], None], user_id: str = "", may_read: bool = True
    ) -> None:
        self.floor = floor
        self.user_id = user_id
        self.may_read = may_read
        self.subscriptions: dict[int, Subscription] = {}
        self.by_channel: dict[str, Subscription] = {}
        self.queued_bytes = 0
        self.frames_sent = 0
        self.overflows = 0
        self.is_aborted = False  # the owner resets the connection
        self.is_dismissed = False  # the owner closes it
        self._sids_used = 0
        self._outbox: list[bytes] = []
        self._on_output = on_output
        self._bytes_max = floor.options.outbox_bytes_max
        self._misdelivery: Misdelivery | None = None
        self.set_faults(floor.faults)

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
            self.terminate(subscription, BUFFER_OVERFLOW)
        elif self._misdelivery is None:
            self._append(frame)
        else:
            self._misdelivery.deliver(subscription, frame, held_max=self._bytes_max - self.queued_bytes)

    def answer(self, frame: bytes) -> None:
        """Queue an answer to a command: never refused, because the owner holds back commands while full."""
        if self._misdelivery is None:
            self._append(frame)
        else:
            self._misdelivery.follow(frame)

    def _append(self, frame: bytes) -> None:
        if not self.floor.options.is_sending_time_told:
            frame = wire.without_sending_time(frame)
        outbox = self._outbox
        outbox.append(frame)
        self.queued_bytes += len(frame)
        if len(outbox) == 1:
            self._on_output()

    def terminate(self, subscription: Subscription, code: int) -> None:
        """End a stream with a terminal error; the message that was to be sent had taken a number, the error takes it over."""
        self.overflows += code == BUFFER_OVERFLOW
        if subscription.is_sequenced:
            subscription.seq -= 1
        body = wire.error_body(code, _TERMINAL_TEXTS[code])
        self.answer(wire.reply("error", msg=body, sending_ms=self.floor.now_ms(), **subscription.scope()))
        self.drop(subscription)

    # -- faults ----------------------------------------------------------------------------------------------------

    def set_faults(self, faults: Faults) -> None:
        """Misbehave like this from now on; what was held back goes out first. The owner is woken to look for itself."""
        if self._misdelivery is not None:
            self._misdelivery.release(None)
        self._misdelivery = Misdelivery(self, faults, self._append) if faults.touches_frames else None
        self._on_output()

    def release(self, now_us: int) -> None:
        """Let out the frames whose delay is over."""
        if self._misdelivery is not None:
            self._misdelivery.release(now_us)

    def abort(self) -> None:
        """Ask the owner to reset the connection."""
        self.is_aborted = True
        self._on_output()

    def dismiss(self) -> None:
        """Ask the owner to close the connection."""
        self.is_dismissed = True
        self._on_output()

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
