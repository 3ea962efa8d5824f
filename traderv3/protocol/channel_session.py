"""One connection's conversation about everything but books: subscriptions kept, messages turned into facts.

Frames in, facts and notices out; commands come out of `commands()`. Each channel lives for itself:

    IDLE --subscribe--> SUBSCRIBING --subscribed--> STREAMING --leave--> LEAVING --over--> IDLE
    SUBSCRIBING --refused--> IDLE      STREAMING --over--> IDLE       any --give up--> GIVEN_UP

Nothing that was lost here can be asked for again on the socket: a gap is told as `StreamGap`, whoever lives on the channel
reads by REST what is now, and the stream goes on. `ticker`, `fill`, `market_positions` and `user_orders` have no sequence
numbers, so a loss there cannot be seen at all; their consumers also read by REST from time to time.
Units: `at_us` wall time in microseconds, `now_s` any monotonic clock in seconds.
Source: Kalshi's AsyncAPI, October 2026.
Never: a fact from a message that was not read whole and exactly; a loss that was seen and not told.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from traderv3.domain.errors import ConnectivityError
from traderv3.domain.events import ChannelGivenUp, FeedEvent, FrameProblem, MarketsDropped, StreamGap
from traderv3.domain.feed import FeedCounters
from traderv3.domain.market_facts import MarketFact
from traderv3.domain.units import UnitError
from traderv3.protocol import channel_wire, wire
from traderv3.protocol.channel import Channel, Life, Turn
from traderv3.protocol.channel_facts import to_fact
from traderv3.protocol.field_census import EVERY, FieldCensus
from traderv3.protocol.sequence import NEXT, Verdict
from traderv3.protocol.subscription import JOINING, Ask, Asked, SessionLimits

FACTS_MAX: Final = 1_000_000  # not taken; a batch from the transport is far smaller


class ChannelSession:
    """One connection's subscriptions to the channels of `wanted`: each to some markets, or with None to all.

    `receive` and `commands` are the two verbs; `take_facts` and `take_notices` hand out what came of them and are due after
    every batch. A fact may come twice after numbers began again; the ids of trades and fills tell.
    """

    def __init__(
        self,
        connection: str,
        wanted: Mapping[str, Iterable[str] | None],
        counters: FeedCounters,
        limits: SessionLimits | None = None,
    ) -> None:
        self.connection = connection
        self.counters = counters
        self._limits = limits or SessionLimits()
        self._channels = {name: Channel(name, tickers, self._limits) for name, tickers in wanted.items()}
        self._facts: list[MarketFact] = []
        self._notices: list[FeedEvent] = []
        self._census = FieldCensus(channel_wire.FIELDS)
        self._next_id = 1

    def take_facts(self) -> list[MarketFact]:
        """What the venue said since the last call, in its order."""
        facts, self._facts = self._facts, []
        return facts

    def take_notices(self) -> list[FeedEvent]:
        """What happened since the last call that is worth telling."""
        notices, self._notices = self._notices, []
        return notices

    def set_markets(self, channel: str, tickers: Iterable[str] | None) -> None:
        """From now on the channel is wanted for these markets, with None for all, with none of them not at all."""
        self._channels[channel].want(tickers)

    def life(self, channel: str) -> Life:
        """Where the channel's subscription is in its life."""
        return self._channels[channel].life

    # -- out -----------------------------------------------------------------------------------------------------------

    def commands(self, *, now_s: float) -> list[bytes]:
        """Commands to send now, at most one a channel. Raises `ConnectivityError` if the venue left one unanswered."""
        out: list[bytes] = []
        for channel in self._channels.values():
            asked = channel.asked
            if asked is not None and asked.sent_s < now_s - self._limits.answer_s:
                msg = f"{channel.name}: the command {asked.ask.value} was not answered in {self._limits.answer_s:g} s"
                raise ConnectivityError(msg)
            command = channel.next_command(self._next_id, now_s)
            if command is not None:
                self._next_id += 1
                out.append(command)
        return out

    # -- in ------------------------------------------------------------------------------------------------------------

    def receive(self, frames: Iterable[bytes], *, at_us: int, now_s: float) -> None:
        """Take a batch of data messages that arrived at `at_us`. What is wrong with one is counted and told as a notice."""
        assert len(self._facts) < FACTS_MAX, "facts are not taken"
        for raw in frames:
            self.counters.messages += 1
            try:
                frame = channel_wire.FRAME.decode(raw)
            except wire.UNDECODABLE as exc:
                self._on_unreadable(raw, exc, at_us, now_s)
                continue
            kind = frame.__struct_config__.tag
            for name in self._census.look(kind, raw, every=EVERY if kind in channel_wire.BUSY else 1):
                self.counters.unknown_fields += 1
                if self._census.is_news(name):
                    self._problem("unknown_field", name, at_us)
            if kind in channel_wire.REPLIES:
                self._on_reply(frame, raw, at_us, now_s)
            else:
                self._on_message(kind, frame, raw, at_us, now_s)

    def _on_message(self, kind: str, frame: channel_wire.Message, raw: bytes, at_us: int, now_s: float) -> None:
        channel = self._channel_of(kind, frame.sid, now_s)
        if channel is None:
            self._problem("unknown_sid", f"{kind} for subscription {frame.sid}", at_us)
            return
        if channel.is_past(frame.sid):
            return
        seq = getattr(frame, "seq", None)
        if seq is not None and not self._is_counted(channel, seq, raw, at_us):
            return
        try:
            fact = to_fact(frame, at_us)
        except UnitError as exc:
            self.counters.protocol_errors += 1
            self._problem("bad_number", f"{kind}: {exc}", at_us)
            self._gap(channel, None, None, f"a {kind} with a bad number", at_us)
            return
        self._facts.append(fact)

    def _channel_of(self, kind: str, sid: int, now_s: float) -> Channel | None:
        """Whose message this is. One that waits for its acknowledgement takes the first message for it."""
        named = [self._channels[name] for name in channel_wire.CHANNELS[kind] if name in self._channels]
        for channel in named:
            if channel.sid == sid or channel.is_past(sid):
                return channel
        if len(named) == 1 == len(channel_wire.CHANNELS[kind]) and named[0].life is Life.SUBSCRIBING:
            named[0].subscribed(sid, now_s)
            return named[0]
        # Without numbers nothing hangs on the sid; our own fills and orders must not be lost for its sake.
        return next(
            (channel for channel in named if channel.name in channel_wire.UNNUMBERED and channel.is_wanted), None
        )

    def _is_counted(self, channel: Channel, seq: int, raw: bytes, at_us: int) -> bool:
        """Account for one number. False if its message must not be used."""
        verdict = channel.sequence.take(seq, raw)
        if verdict is NEXT:
            return True
        if verdict is Verdict.DUPLICATE:
            self.counters.duplicates += 1
            return False
        self.counters.gaps += verdict is Verdict.GAP
        self.counters.rollbacks += verdict is Verdict.ROLLBACK
        self.counters.resets += verdict is Verdict.RESET
        expected = channel.sequence.expected
        self._gap(channel, expected, seq, f"sequence {verdict.value}: expected {expected}, got {seq}", at_us)
        if verdict is Verdict.RESET:
            channel.sequence.restart(seq)
        elif channel.sequence.late >= self._limits.late_max and channel.life is Life.STREAMING:
            channel.turn(Turn.LEAVE)
        return verdict is not Verdict.ROLLBACK

    def _on_unreadable(self, raw: bytes, why: Exception, at_us: int, now_s: float) -> None:
        """A frame that did not decode: what it may have been about is told of as a gap."""
        try:
            header = wire.HEADER.decode(raw)
        except wire.UNDECODABLE:
            header = None
        kind = None if header is None else header.type
        channel = None if header is None else self._by_sid(header.sid)
        is_known = kind is None or kind in channel_wire.REPLIES or kind in channel_wire.CHANNELS
        if channel is not None and header is not None and header.seq is not None:
            self._is_counted(channel, header.seq, raw, at_us)
        if not is_known:
            self.counters.unknown_types += 1
            self._problem("unknown_type", f"type {str(kind)[:40]!r}", at_us)
            return
        self.counters.protocol_errors += 1
        self._problem(
            "unreadable_frame" if kind is None else "missing_field", f"{str(why)[:200]}: {raw[:120]!r}", at_us
        )
        concerned = (
            [channel] if channel is not None else [c for c in self._channels.values() if self._may_concern(c, kind)]
        )
        for each in concerned:
            self._gap(each, None, None, "a message that could not be read", at_us)

    def _may_concern(self, channel: Channel, kind: str | None) -> bool:
        """Whether a message of this type (None: of any) may have been the channel's, and its numbers will not show it."""
        if channel.life is not Life.STREAMING:
            return False
        return channel.name in (channel_wire.UNNUMBERED if kind is None else channel_wire.CHANNELS.get(kind, ()))

    def _by_sid(self, sid: int | None) -> Channel | None:
        return next((c for c in self._channels.values() if sid is not None and c.sid == sid), None)

    # -- replies -------------------------------------------------------------------------------------------------------

    def _on_reply(self, frame: channel_wire.Reply, raw: bytes, at_us: int, now_s: float) -> None:
        if isinstance(frame, wire.Subscribed):
            channel = self._channels.get(frame.msg.channel)
            if channel is not None and channel.life is Life.SUBSCRIBING:
                channel.subscribed(frame.msg.sid, now_s)
            return
        asking = next((c for c in self._channels.values() if frame.id is not None and c.asked_id == frame.id), None)
        asked = None if asking is None else asking.take_asked(frame.id)
        channel = self._by_sid(frame.sid)
        if channel is not None and frame.seq is not None:
            self._is_counted(channel, frame.seq, raw, at_us)
        if isinstance(frame, wire.Unsubscribed):
            if channel is not None:
                self._on_over(channel, "the venue ended the subscription", at_us, now_s)
        elif isinstance(frame, wire.Error):
            self._on_error(frame, asking if asked is not None else channel, asked, at_us, now_s)
        elif asking is not None and asked is not None:
            self._on_ok(frame, asking, asked, at_us, now_s)

    def _on_ok(self, frame: wire.Ok, channel: Channel, asked: Asked, at_us: int, now_s: float) -> None:
        """`ok` lists the whole set after a change: what we added and it lacks, the venue does not stream to us."""
        channel.done()
        if asked.ask is Ask.SUBSCRIBE and channel.life is Life.SUBSCRIBING and frame.sid is not None:
            channel.subscribed(frame.sid, now_s, last=frame.seq or 0)  # merged into one that the venue still has
        listed = frame.msg.get("market_tickers") if isinstance(frame.msg, dict) else None
        if asked.ask in JOINING and isinstance(listed, list) and listed:
            self._drop(channel, [t for t in asked.tickers if t not in listed], "left out by the venue", at_us)

    def _on_error(
        self, frame: wire.Error, channel: Channel | None, asked: Asked | None, at_us: int, now_s: float
    ) -> None:
        code = frame.msg.code
        what = f"error {code} {frame.msg.msg[:80]!r}"
        is_over = code in wire.TERMINAL_CODES or (code == wire.UNKNOWN_SID and asked is not None)
        if channel is None:
            concerned = [c for c in self._channels.values() if is_over and frame.sid is None and c.sid is not None]
            self._problem("venue_error", what, at_us)
            for each in concerned:  # it does not say which
                self._on_over(each, what, at_us, now_s)
        elif is_over and channel.sid is not None:
            self._on_over(channel, what, at_us, now_s)
        elif code in wire.NOT_FOR_US_CODES:
            channel.give_up()
            self._notices.append(ChannelGivenUp(self.connection, channel.name, what, at_us))
        else:
            named = [ticker for ticker in frame.msg.tickers if channel.wanted and ticker in channel.wanted]
            self._drop(channel, named, what, at_us)
            self._problem("venue_error", f"{channel.name}: {what}", at_us)
            if asked is not None:
                channel.failed(asked, now_s, is_mended=bool(named))

    def _on_over(self, channel: Channel, reason: str, at_us: int, now_s: float) -> None:
        is_ours = channel.life is Life.LEAVING
        channel.over(now_s)
        if not is_ours:
            self._problem("resubscribe", f"{channel.name}: {reason}", at_us)
            self._gap(channel, None, None, reason, at_us)

    def _drop(self, channel: Channel, tickers: Iterable[str], reason: str, at_us: int) -> None:
        named = tuple(tickers)
        if named and channel.wanted is not None:
            channel.wanted.difference_update(named)
            self._notices.append(MarketsDropped(named, f"{channel.name}: {reason}", at_us))

    def _gap(self, channel: Channel, expected: int | None, got: int | None, reason: str, at_us: int) -> None:
        self._notices.append(StreamGap(self.connection, channel.name, expected, got, reason, at_us))

    def _problem(self, kind: str, detail: str, at_us: int) -> None:
        self._notices.append(FrameProblem(self.connection, kind, detail, at_us))
