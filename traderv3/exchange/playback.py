"""A recorded session played as an exchange would have sent it: into the floor's books, out with each client's numbers.

What the recording lacks or starts anew (sequence numbers, connections) is reported and counted; it disconnects nobody.
A recorded snapshot goes out only where it differs from the held book. Clocks are made up; times of changes are kept.
Units: times in microseconds since the epoch. Source: design, "Recording format".
Never: a socket, a wait or the wall clock; the driver asks for steps. One unreadable frame never ends the playback.
"""

import enum
from collections.abc import Callable, Iterator
from typing import Any, Final, Literal

import msgspec

from traderv3.domain.book import NegativeLevel
from traderv3.domain.timestamps import rfc3339
from traderv3.domain.units import DOLLAR, UnitError
from traderv3.exchange.floor import Floor
from traderv3.exchange.listing import Listing, PublicTrade
from traderv3.protocol.recording import Entry, RecordingProblem, RecordingReader
from traderv3.protocol.wire import COUNTS, PRICES, levels

REPORTS_MAX: Final = 100  # of each kind; beyond that only counted
RUN_MAX: Final = 2_000  # entries of one time; recorded: 730


class Snapshot(msgspec.Struct, gc=False):
    """The part of a recorded snapshot that we play."""

    market_ticker: str
    yes_dollars_fp: list[tuple[str, str]] = []
    no_dollars_fp: list[tuple[str, str]] = []
    ts_ms: int | None = None
    # The shape before March 2026: cents and whole contracts. Read only to be refused by name.
    yes: Any = None
    no: Any = None


class Delta(msgspec.Struct, gc=False):
    """The part of a recorded delta that we play."""

    market_ticker: str
    price_dollars: str
    delta_fp: str
    side: Literal["yes", "no"]
    ts: str | None = None
    ts_ms: int | None = None


class Trade(msgspec.Struct, gc=False):
    """A recorded trade; older ones lack members that are required today."""

    trade_id: str
    market_ticker: str
    yes_price_dollars: str
    count_fp: str
    taker_outcome_side: Literal["yes", "no"] | None = None
    taker_side: Literal["yes", "no"] | None = None
    is_block_trade: bool = False
    ts: int | None = None
    ts_ms: int | None = None


class TickerFacts(msgspec.Struct, gc=False):
    """What the floor keeps of a recorded ticker; the message itself goes out untouched."""

    market_ticker: str
    price_dollars: str = "0.0000"
    volume_fp: str = "0.00"
    open_interest_fp: str = "0.00"
    last_trade_size_fp: str = "0.00"
    dollar_volume: int = 0
    dollar_open_interest: int = 0


class DeltaFrame(msgspec.Struct, tag="orderbook_delta", gc=False):
    """Envelope."""

    msg: Delta
    sid: int | None = None
    seq: int | None = None


class SnapshotFrame(msgspec.Struct, tag="orderbook_snapshot", gc=False):
    """Envelope."""

    msg: Snapshot
    sid: int | None = None
    seq: int | None = None


class TradeFrame(msgspec.Struct, tag="trade", gc=False):
    """Envelope."""

    msg: Trade
    sid: int | None = None
    seq: int | None = None


class TickerFrame(msgspec.Struct, tag="ticker", gc=False):
    """Envelope."""

    msg: msgspec.Raw
    sid: int | None = None
    seq: int | None = None


class Envelope(msgspec.Struct, gc=False):
    """What every frame has."""

    type: str
    sid: int | None = None
    seq: int | None = None


_FRAME: Final = msgspec.json.Decoder(DeltaFrame | SnapshotFrame | TradeFrame | TickerFrame)
_ENVELOPE: Final = msgspec.json.Decoder(Envelope)
_TICKER: Final = msgspec.json.Decoder(TickerFacts)
_PLAYED: Final = frozenset({"orderbook_delta", "orderbook_snapshot", "trade", "ticker"})

Report = Callable[[str, dict[str, Any]], None]


class Kind(enum.StrEnum):
    """What is counted; the names are those of the finished line."""

    FRAMES = "frames"
    DELTAS = "deltas"
    SNAPSHOTS = "snapshots"
    SNAPSHOTS_SERVED = "snapshots_served"
    TRADES = "trades"
    TICKERS = "tickers"
    OTHERS = "others"
    OUTBOUND = "outbound"
    EVENTS = "events"
    CONNECTIONS = "connections"
    MISSING_SEQS = "missing_seqs"
    RESET_SEQS = "reset_seqs"
    UNDECODABLE = "undecodable"
    REFUSED_CHANGES = "refused_changes"
    UNKNOWN_MARKETS = "unknown_markets"


class Playback:
    """One pass over a recording. `counts` grows with every step; `is_finished` when nothing is left."""

    def __init__(self, reader: RecordingReader, floor: Floor, *, report: Report) -> None:
        self.counts: dict[Kind, int] = dict.fromkeys(Kind, 0)
        self.is_finished = False
        self._reader = reader
        self._floor = floor
        self._report_to = report
        self._reported: dict[Kind, int] = {}
        self._seqs: dict[tuple[int, int], int] = {}
        self._conn: int | None = None
        self._conns: set[int] = set()
        self._entries = self._readable(reader)
        self._next: Entry | None = None
        self._next_line = 0
        self._line = 0
        self._advance()

    @property
    def next_at_us(self) -> int | None:
        """When the next entry was recorded; None at the end."""
        return None if self._next is None else self._next.at_us

    def step(self, *, until_us: int | None, entries_max: int) -> int:
        """Play what was recorded until then (None: whatever comes), at most so many; returns how many.

        Entries of one time are played together, beyond the limit if need be: a book may look crossed between them.
        """
        played = 0
        at_us: int | None = None
        while self._next is not None and (until_us is None or self._next.at_us <= until_us):
            if played >= entries_max and (self._next.at_us != at_us or played >= entries_max + RUN_MAX):
                break
            at_us = self._next.at_us
            self._line = self._next_line
            self._play(self._next)
            self._advance()
            played += 1
        return played

    def finished(self) -> dict[str, Any]:
        """The line that says that all was played, and what was found on the way."""
        line: dict[str, Any] = {"finished": True}
        line.update({kind.value: count for kind, count in self.counts.items()})
        line["torn"] = self._reader.torn
        return line

    # -- reading ---------------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        self._next = next(self._entries, None)
        self._next_line = self._reader.line
        if self._next is None and not self.is_finished:
            self.is_finished = True
            if self._reader.torn:
                self._report_to("recording_torn", {"what": self._reader.torn})

    def _readable(self, reader: RecordingReader) -> Iterator[Entry]:
        while True:
            try:
                yield next(reader)
            except StopIteration:
                return
            except RecordingProblem as cause:
                self._line = cause.line
                self._report(Kind.UNDECODABLE, what=str(cause))

    def _report(self, kind: Kind, count: int = 1, **facts: Any) -> None:
        """Count, and say it unless it was said too often."""
        self.counts[kind] += count
        reported = self._reported[kind] = self._reported.get(kind, 0) + 1
        if reported <= REPORTS_MAX:
            last = {"further_ones_are_only_counted": True} if reported == REPORTS_MAX else {}
            self._report_to(f"recording_{kind.value}", {"line": self._line, **facts, **last})

    # -- playing ---------------------------------------------------------------------------------------------------

    def _play(self, entry: Entry) -> None:
        if entry.conn != self._conn and entry.conn not in self._conns:
            if self._conn is not None and self.counts[Kind.CONNECTIONS] <= REPORTS_MAX:
                self._report_to("recording_conn_changed", {"source": self._conn, "target": entry.conn})
            self._conns.add(entry.conn)
            self.counts[Kind.CONNECTIONS] += 1
        self._conn = entry.conn
        if entry.frame is msgspec.UNSET:
            self.counts[Kind.EVENTS] += 1
        elif not entry.is_inbound:
            self.counts[Kind.OUTBOUND] += 1
        else:
            self.counts[Kind.FRAMES] += 1
            assert isinstance(entry.frame, msgspec.Raw)
            self._play_frame(entry.frame, entry.at_us)

    def _play_frame(self, raw: msgspec.Raw, at_us: int) -> None:
        try:
            frame = _FRAME.decode(raw)
        except (msgspec.MsgspecError, UnicodeError) as cause:
            self._play_other(raw, cause)
            return
        if frame.seq is not None:
            self._check_seq(frame.sid, frame.seq)
        try:
            if type(frame) is DeltaFrame:
                self._play_delta(frame.msg, at_us)
            elif type(frame) is TradeFrame:
                self._play_trade(frame.msg, at_us)
            elif type(frame) is SnapshotFrame:
                self._play_snapshot(frame.msg, at_us)
            elif type(frame) is TickerFrame:
                self._play_ticker(frame.msg)
        except NegativeLevel as cause:
            self._report(Kind.REFUSED_CHANGES, what=str(cause))
        except (UnitError, msgspec.MsgspecError) as cause:
            self._report(Kind.UNDECODABLE, what=str(cause))

    def _play_other(self, raw: msgspec.Raw, cause: Exception) -> None:
        """A reply or a message of a channel that is not played; or one that cannot be read."""
        try:
            envelope = _ENVELOPE.decode(raw)
        except (msgspec.MsgspecError, UnicodeError):
            self._report(Kind.UNDECODABLE, what=str(cause))
            return
        if envelope.seq is not None:
            self._check_seq(envelope.sid, envelope.seq)
        if envelope.type in _PLAYED:
            self._report(Kind.UNDECODABLE, what=str(cause), type=envelope.type)
        else:
            self.counts[Kind.OTHERS] += 1

    def _check_seq(self, sid: int | None, seq: int) -> None:
        assert self._conn is not None
        stream = (self._conn, sid or 0)
        expected = self._seqs.get(stream, 0) + 1
        self._seqs[stream] = seq
        if seq == expected:
            return
        if seq > expected:
            self._report(Kind.MISSING_SEQS, seq - expected, sid=sid, expected=expected, got=seq)
        else:
            self._report(Kind.RESET_SEQS, sid=sid, expected=expected, got=seq)

    def _listing(self, ticker: str) -> Listing | None:
        listing = self._floor.listings.get(ticker)
        if listing is None:
            self._report(Kind.UNKNOWN_MARKETS, market=ticker)
        return listing

    def _play_delta(self, msg: Delta, at_us: int) -> None:
        listing = self._listing(msg.market_ticker)
        if listing is None:
            return
        price, change = PRICES[msg.price_dollars], COUNTS[msg.delta_fp]
        ts_ms = at_us // 1000 if msg.ts_ms is None else msg.ts_ms
        ts = msg.ts if msg.ts is not None and _is_plain(msg.ts) else rfc3339(ts_ms * 1000)
        if ts_ms != listing.ts_ms:
            listing.tick()  # the changes of one action share time and clock
        self._floor.change(listing, msg.side == "yes", price, change, ts=ts, ts_ms=ts_ms)
        self.counts[Kind.DELTAS] += 1

    def _play_snapshot(self, msg: Snapshot, at_us: int) -> None:
        listing = self._listing(msg.market_ticker)
        if listing is None:
            return
        yes, no = levels(msg.yes_dollars_fp), levels(msg.no_dollars_fp)
        if not (yes or no) and (msg.yes or msg.no):
            self._report(Kind.UNDECODABLE, what="a snapshot in cents, as before March 2026")
            return
        ts_ms = at_us // 1000 if msg.ts_ms is None else msg.ts_ms
        is_served = self._floor.replace(listing, yes, no, ts_ms=ts_ms)
        self.counts[Kind.SNAPSHOTS] += 1
        self.counts[Kind.SNAPSHOTS_SERVED] += is_served

    def _play_trade(self, msg: Trade, at_us: int) -> None:
        listing = self._listing(msg.market_ticker)
        if listing is None:
            return
        price, size = PRICES[msg.yes_price_dollars], COUNTS[msg.count_fp]
        if not 0 < price < DOLLAR or size <= 0:
            self._report(Kind.UNDECODABLE, what=f"a trade of {msg.count_fp} at {msg.yes_price_dollars}")
            return
        taker = msg.taker_outcome_side or msg.taker_side
        ts_ms = msg.ts_ms or (msg.ts * 1000 if msg.ts else at_us // 1000)
        trade = PublicTrade(msg.trade_id, msg.market_ticker, price, size, taker == "yes", msg.is_block_trade, ts_ms)
        self._floor.trade(listing, trade)
        self.counts[Kind.TRADES] += 1

    def _play_ticker(self, raw: msgspec.Raw) -> None:
        facts = _TICKER.decode(raw)
        listing = self._listing(facts.market_ticker)
        if listing is None:
            return
        listing.volume = COUNTS[facts.volume_fp]
        listing.open_interest = COUNTS[facts.open_interest_fp]
        listing.last_trade_size = COUNTS[facts.last_trade_size_fp]
        listing.dollar_volume = facts.dollar_volume
        listing.dollar_open_interest = facts.dollar_open_interest
        if facts.price_dollars != "0.0000":
            listing.last_price = PRICES[facts.price_dollars]
        self._floor.ticker(listing, bytes(raw))
        self.counts[Kind.TICKERS] += 1


def _is_plain(ts: str) -> bool:
    """Whether the text may stand between quotes as it is."""
    return ts.isascii() and ts.isprintable() and '"' not in ts and "\\" not in ts
