"""One market-data connection's conversation: which commands to send, what each frame means for the books.

Frames in, book changes and notices out; commands come out of `commands()`. The stream's life is a table:

    IDLE --subscribe--> SUBSCRIBING --subscribed--> STREAMING <--repaired/gap--> BROKEN
    any --ended--> ENDED (the connection must be made anew)

Sequence numbers count per subscription (sid) over all its markets, from 1; `ok`, `unsubscribed` and scoped errors take
one too. After a gap every book of the sid is stale, in the same call, until its own snapshot arrives.
Units: `at_us` wall time in microseconds, `now_s` any monotonic clock in seconds.
Source: Kalshi's AsyncAPI, October 2026; a book may look crossed inside a run of one `ts_ms`, never after it (measured).
Never: a book readable as live that a missing, unreadable or impossible message could have changed.
"""

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from traderv3.domain.book import Book, BookState, NegativeLevel
from traderv3.domain.errors import ConnectivityError, RemoteProtocolError
from traderv3.domain.events import BooksRepaired, FeedEvent, FrameProblem, GapDetected, MarketsDropped
from traderv3.domain.feed import FeedCounters
from traderv3.domain.units import UnitError
from traderv3.protocol import wire
from traderv3.protocol.repairs import Repairs


class Stream(enum.Enum):
    """Where the subscription is in its life."""

    IDLE = "idle"
    SUBSCRIBING = "subscribing"
    STREAMING = "streaming"
    BROKEN = "broken"
    ENDED = "ended"


class Input(enum.Enum):
    """What can happen to a subscription."""

    SUBSCRIBE = "subscribe"
    SUBSCRIBED = "subscribed"
    REFUSED = "refused"
    GAP = "gap"
    REPAIRED = "repaired"
    ENDED = "ended"


TRANSITIONS: Final[Mapping[tuple[Stream, Input], Stream]] = MappingProxyType(
    {
        (Stream.IDLE, Input.SUBSCRIBE): Stream.SUBSCRIBING,
        (Stream.IDLE, Input.ENDED): Stream.ENDED,
        (Stream.SUBSCRIBING, Input.SUBSCRIBED): Stream.STREAMING,
        (Stream.SUBSCRIBING, Input.REFUSED): Stream.IDLE,
        (Stream.SUBSCRIBING, Input.ENDED): Stream.ENDED,
        (Stream.STREAMING, Input.GAP): Stream.BROKEN,
        (Stream.STREAMING, Input.REPAIRED): Stream.STREAMING,  # one market's own repair
        (Stream.STREAMING, Input.ENDED): Stream.ENDED,
        (Stream.BROKEN, Input.GAP): Stream.BROKEN,
        (Stream.BROKEN, Input.REPAIRED): Stream.STREAMING,
        (Stream.BROKEN, Input.ENDED): Stream.ENDED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """The session's bounds; see `config.limits` for the reasons."""

    chunk: int = 200  # tickers in one command
    answer_s: float = 5.0  # a command or a snapshot unanswered for so long is asked for again, then the connection goes
    asks_max: int = 2
    settle_us: int = 1_000_000  # a book crossed for so long without a message is wrong
    repair_s: float = 0.25  # between the repairs of two gaps: a lossy line must not make us hammer
    distrust_s_first: float = 0.5  # second repair in a row of one market waits, then twice as long
    distrust_s_max: float = 30.0
    calm_s: float = 5.0  # a book that stood so long since its snapshot is not in a row of repairs any more
    pause_s: float = 5.0  # after "too many requests"
    absent_s: float = 60.0  # a market that the venue did not know is asked for again
    late_max: int = 3  # numbers used before, in a row: the stream cannot be followed any more


@dataclass(frozen=True, slots=True)
class _Pending:
    """One command sent and not answered."""

    tickers: tuple[str, ...]
    sent_s: float
    is_snapshot: bool = False


class BookSession:
    """One connection's subscription to the order books of `books`, whose `Book`s it writes.

    `receive` and `commands` are the two verbs; `take_notices` says what a person or the metrics should hear of.
    """

    def __init__(
        self,
        connection: str,
        books: Mapping[str, Book],
        counters: FeedCounters,
        limits: SessionLimits | None = None,
    ) -> None:
        self.connection = connection
        self.books = dict(books)
        self.counters = counters
        self.state = Stream.IDLE
        self.sid: int | None = None
        self.last_seq = 0
        self._limits = limits or SessionLimits()
        self._last_frame = b""
        self._late_in_a_row = 0
        self._to_subscribe: list[str] = list(books)
        self._dropped: dict[str, tuple[Book, float]] = {}  # by ticker, and when to ask for it again
        self._crossed: dict[
            str, tuple[int | str | None, int]
        ] = {}  # by ticker: in which run it was seen so, since when
        self._pending: dict[int, _Pending] = {}
        self._repairs = Repairs(
            answer_s=self._limits.answer_s,
            asks_max=self._limits.asks_max,
            first_s=self._limits.distrust_s_first,
            most_s=self._limits.distrust_s_max,
            calm_s=self._limits.calm_s,
        )
        self._stale_since_us: int | None = None
        self._next_repair_s = 0.0
        self._next_id = 1
        self._notices: list[FeedEvent] = []

    def take_notices(self) -> list[FeedEvent]:
        """What happened since the last call that is worth telling."""
        notices, self._notices = self._notices, []
        return notices

    @property
    def is_whole(self) -> bool:
        """Every market that is still ours has a live book."""
        return all(book.state is BookState.LIVE for book in self.books.values())

    # -- out -----------------------------------------------------------------------------------------------------------

    def commands(self, *, at_us: int, now_s: float) -> list[bytes]:
        """Commands to send now: subscriptions in chunks, snapshots that are due.

        Raises `ConnectivityError` when the venue left a command unanswered, or `asks_max` requests for a snapshot while
        no book is live. A market that goes unanswered while others live is told of, and asked for now and then.
        """
        self._give_up_if_ignored(at_us, now_s)
        self._readmit(now_s)
        out: list[bytes] = []
        if self.state is Stream.IDLE and self._to_subscribe:
            chunk = self._take_chunk()
            self._step(Input.SUBSCRIBE)
            out.append(wire.subscribe(self._command(chunk, now_s), chunk))
        while self.sid is not None and self._to_subscribe and self.state is not Stream.ENDED:
            chunk = self._take_chunk()
            out.append(wire.add_markets(self._command(chunk, now_s), self.sid, chunk))
        if self.sid is not None and self._repairs and self.state is not Stream.ENDED:
            out += self._snapshot_commands(self.sid, now_s)
        return out

    def _snapshot_commands(self, sid: int, now_s: float) -> list[bytes]:
        # The venue also prints books that it does not stream to us; such a one would look live and stand still.
        not_ours_yet = {t for pending in self._pending.values() if not pending.is_snapshot for t in pending.tickers}
        due = self._repairs.take_due(now_s=now_s, but_not=not_ours_yet)
        if due:
            self.counters.resyncs += 1
            self._next_repair_s = now_s + self._limits.repair_s
        chunks = [due[at : at + self._limits.chunk] for at in range(0, len(due), self._limits.chunk)]
        return [wire.get_snapshot(self._command(chunk, now_s, is_snapshot=True), sid, chunk) for chunk in chunks]

    def _take_chunk(self) -> list[str]:
        chunk = self._to_subscribe[: self._limits.chunk]
        del self._to_subscribe[: self._limits.chunk]
        return chunk

    def _command(self, tickers: Sequence[str], now_s: float, *, is_snapshot: bool = False) -> int:
        command_id = self._next_id
        self._next_id += 1
        self._pending[command_id] = _Pending(tuple(tickers), now_s, is_snapshot)
        if not is_snapshot:
            self._repairs.expect(tickers, now_s=now_s)
        return command_id

    def _give_up_if_ignored(self, at_us: int, now_s: float) -> None:
        late_s = now_s - self._limits.answer_s
        for command_id, pending in list(self._pending.items()):
            if pending.sent_s >= late_s:
                continue
            if pending.is_snapshot:
                del self._pending[command_id]  # the repairs of its markets have their own limit
            else:
                msg = f"a subscribe command for {len(pending.tickers)} markets was not answered in {self._limits.answer_s:g} s"
                raise ConnectivityError(msg)
        ignored = self._repairs.take_ignored(now_s=now_s)
        if ignored and not any(book.state is BookState.LIVE for book in self.books.values()):
            msg = f"{ignored[0]}: no snapshot after {self._limits.asks_max} requests, and no other book is live"
            raise ConnectivityError(msg)
        for ticker in ignored:  # one market that the venue does not serve must not take the others down
            if not self.books[ticker].is_unserved:
                self.books[ticker].is_unserved = True
                detail = f"{ticker}: no snapshot after {self._limits.asks_max} requests; asked for again and again"
                self._problem("no_snapshot", detail, at_us)

    # -- in ------------------------------------------------------------------------------------------------------------

    def receive(self, frames: Iterable[bytes], *, at_us: int, now_s: float) -> None:
        """Take a batch of data messages that arrived at `at_us` and bring the books up to date.

        Raises `RemoteProtocolError` if the subscription has ended, after which the connection must be made anew.
        Whatever else is wrong with a frame is counted, told as a notice, and costs the trust in the books it may concern.
        """
        decode = wire.FRAME.decode
        for raw in frames:
            self.counters.messages += 1
            try:
                frame = decode(raw)
            except wire.UNDECODABLE as exc:
                self._on_unreadable(raw, exc, at_us, now_s)
                continue
            if type(frame) is wire.Delta:
                if self._is_next(frame.sid, frame.seq, raw, at_us, now_s):
                    self._on_delta(frame.msg, frame.seq, at_us, now_s)
            elif type(frame) is wire.Snapshot:
                if self._is_next(frame.sid, frame.seq, raw, at_us, now_s):
                    self._on_snapshot(frame, at_us, now_s)
            else:
                self._on_reply(frame, raw, at_us, now_s)

    def settle(self, *, at_us: int, now_s: float) -> None:
        """Judge books whose run does not end: quiet for a while, or of one time for longer than any run lasts."""
        for ticker, book in self.books.items():
            if book.state is not BookState.LIVE or not book.is_crossed:
                self._crossed.pop(ticker, None)
                continue
            run, since_us = self._crossed.setdefault(ticker, (book.run, at_us))
            if run != book.run:
                self._crossed[ticker] = (book.run, at_us)
            last_us = book.received_us if book.received_us is not None else at_us
            if at_us - last_us >= self._limits.settle_us or (
                run == book.run and at_us - since_us >= self._limits.settle_us
            ):
                del self._crossed[ticker]
                self._on_crossed(book, at_us, now_s)

    def lost(self, reason: str) -> None:
        """The connection is gone: nothing held may be believed."""
        for book in self.books.values():
            book.mark_stale(reason)

    def _is_next(self, sid: int, seq: int, raw: bytes, at_us: int, now_s: float) -> bool:
        """Account for one sequenced message. False if it must not be used (a duplicate, or not our subscription)."""
        if sid == self.sid and seq == self.last_seq + 1:
            self.last_seq = seq
            self._last_frame = raw
            self._late_in_a_row = 0
            return True
        if self.sid is None and self.state is Stream.SUBSCRIBING:
            self._on_sid(sid)  # the acknowledgement was lost or comes late; the stream itself says its sid
        elif sid != self.sid:
            self._problem("unknown_sid", f"message for subscription {sid}, ours is {self.sid}", at_us)
            return False
        if seq == self.last_seq and raw == self._last_frame:
            self.counters.duplicates += 1
            return False
        if seq != self.last_seq + 1:
            self._on_gap(seq, at_us, now_s)
        if seq <= self.last_seq:  # from the past: it must not change a book, nor bring one back to life
            self._late_in_a_row += 1
            if self._late_in_a_row >= self._limits.late_max:
                self._end(f"the sequence goes backwards: {seq} after {self.last_seq}")
            return False
        self.last_seq = seq
        self._last_frame = raw
        self._late_in_a_row = 0
        return True

    def _on_gap(self, got: int, at_us: int, now_s: float) -> None:
        expected = self.last_seq + 1
        self.counters.gaps += 1
        reason = f"sequence gap: expected {expected}, got {got}"
        self._step(Input.GAP)
        self._distrust_all(reason, at_us, now_s)
        assert self.sid is not None
        self._notices.append(GapDetected(self.connection, self.sid, expected, got, len(self.books), at_us))

    def _distrust_all(self, reason: str, at_us: int, now_s: float) -> None:
        due_s = max(now_s, self._next_repair_s)
        for ticker, book in self.books.items():
            if book.mark_stale(reason) or self._repairs.is_asked(ticker):  # what was lost may be its snapshot
                self._repairs.want(ticker, due_s=due_s)
        if self._stale_since_us is None:
            self._stale_since_us = at_us

    def _on_delta(self, body: wire.DeltaBody, seq: int, at_us: int, now_s: float) -> None:
        self.counters.deltas += 1
        book = self.books.get(body.market_ticker)
        if book is None or book.state is not BookState.LIVE:
            self.counters.deltas_unused += 1
            return
        run = body.ts if body.ts_ms is None else body.ts_ms
        if run != book.run:
            if book.run is not None and book.is_crossed:  # a snapshot may have been taken inside a run
                self._on_crossed(book, at_us, now_s)
                return
            book.run = run
        try:
            book.apply(body.side == "yes", wire.PRICES[body.price_dollars], wire.COUNTS[body.delta_fp])
        except NegativeLevel as exc:
            self.counters.negative_levels += 1
            self._distrust_one(book, "negative_level", str(exc), at_us, now_s)
            return
        except UnitError as exc:
            self.counters.protocol_errors += 1
            self._distrust_one(book, "bad_number", f"{book.ticker}: {exc}", at_us, now_s)
            return
        book.seq = seq
        book.clock = body.clock
        book.received_us = at_us

    def _on_snapshot(self, frame: wire.Snapshot, at_us: int, now_s: float) -> None:
        body = frame.msg
        self.counters.snapshots += 1
        if frame.id is not None:
            self._pending.pop(frame.id, None)
        book = self.books.get(body.market_ticker)
        if book is None:
            return
        try:
            book.replace(wire.levels(body.yes_dollars_fp), wire.levels(body.no_dollars_fp))
        except (UnitError, NegativeLevel) as exc:
            self.counters.protocol_errors += 1
            self._distrust_one(book, "bad_number", f"{book.ticker}: snapshot: {exc}", at_us, now_s)
            return
        book.seq, book.clock, book.run, book.received_us = frame.seq, body.clock, body.ts_ms, at_us
        self._repairs.settle(book.ticker, now_s=now_s)
        if not self._repairs:
            self._on_repaired(at_us)

    def _on_repaired(self, at_us: int) -> None:
        if self._stale_since_us is None:
            return
        took_ms = (at_us - self._stale_since_us) // 1000
        self._stale_since_us = None
        self._step(Input.REPAIRED)
        self._notices.append(BooksRepaired(self.connection, took_ms, at_us))

    def _on_crossed(self, book: Book, at_us: int, now_s: float) -> None:
        self.counters.crossed_books += 1
        detail = f"{book.ticker}: best YES {book.best_yes} + best NO {book.best_no} reach a dollar after a run ended"
        self._distrust_one(book, "crossed_book", detail, at_us, now_s)

    def _distrust_one(self, book: Book, kind: str, detail: str, at_us: int, now_s: float) -> None:
        """One market is wrong: stale now, and a snapshot soon; the more often in a row, the later."""
        book.mark_stale(detail)
        if self._repairs.want_patiently(book.ticker, now_s=now_s):
            book.is_unserved = True
        if self._stale_since_us is None:
            self._stale_since_us = at_us
        self._problem(kind, detail, at_us)

    def _on_unreadable(self, raw: bytes, why: Exception, at_us: int, now_s: float) -> None:
        """A frame that did not decode: unknown types are accounted for, anything else may have been about any book."""
        try:
            header = wire.HEADER.decode(raw)
        except wire.UNDECODABLE:
            header = None
        if header is not None and header.type not in wire.KNOWN_TYPES:
            self.counters.unknown_types += 1
            self._problem("unknown_type", f"type {header.type[:40]!r}", at_us)
            if header.sid is not None and header.sid == self.sid and header.seq is not None:
                self._is_next(header.sid, header.seq, raw, at_us, now_s)
            return
        self.counters.protocol_errors += 1
        kind = "unreadable_frame" if header is None else "missing_field"
        self._problem(kind, f"{why}: {raw[:120]!r}", at_us)
        if header is not None and header.sid is not None and header.sid == self.sid and header.seq is not None:
            self._is_next(header.sid, header.seq, raw, at_us, now_s)
        if self.sid is not None:
            self._step(Input.GAP)
            self._distrust_all(f"a frame that could not be read ({kind})", at_us, now_s)

    # -- replies -------------------------------------------------------------------------------------------------------

    def _on_reply(
        self, frame: wire.Subscribed | wire.Ok | wire.Unsubscribed | wire.Error, raw: bytes, at_us: int, now_s: float
    ) -> None:
        if isinstance(frame, wire.Subscribed):
            if frame.id is not None:
                self._pending.pop(frame.id, None)
            if frame.msg.channel == wire.BOOK_CHANNEL and self.sid is None and self.state is Stream.SUBSCRIBING:
                self._on_sid(frame.msg.sid)
            return
        pending = self._pending.pop(frame.id, None) if frame.id is not None else None
        if frame.sid is not None and frame.seq is not None:
            self._is_next(frame.sid, frame.seq, raw, at_us, now_s)
        if isinstance(frame, wire.Error):
            self._on_error(frame, pending, at_us, now_s)
        elif isinstance(frame, wire.Ok) and pending is not None:
            self._on_ok(frame, pending, at_us, now_s)
        elif isinstance(frame, wire.Unsubscribed) and frame.sid == self.sid:
            self._end("the venue ended the subscription")

    def _on_sid(self, sid: int) -> None:
        self._pending.clear()  # nothing but the subscribe command was sent so far, and this is its answer
        self.sid = sid
        self.last_seq = 0
        self._step(Input.SUBSCRIBED)

    def _on_ok(self, frame: wire.Ok, pending: _Pending, at_us: int, now_s: float) -> None:
        """`ok` lists the whole set after a change: what we added and it lacks, the venue does not stream to us."""
        listed = frame.msg.get("market_tickers") if isinstance(frame.msg, dict) else None
        if pending.is_snapshot or not isinstance(listed, list) or not listed:
            return
        left_out = [ticker for ticker in pending.tickers if ticker in self.books and ticker not in listed]
        if left_out:
            self._drop(left_out, "left out of the subscription by the venue", at_us, now_s)

    def _on_error(self, frame: wire.Error, pending: _Pending | None, at_us: int, now_s: float) -> None:
        named = [ticker for ticker in frame.msg.tickers if ticker in self.books]
        what = f"error {frame.msg.code} {frame.msg.msg!r}"
        is_terminal = frame.msg.code in wire.TERMINAL_CODES and frame.sid in (None, self.sid)
        if named and not is_terminal:
            self._drop(named, what, at_us, now_s)
            if pending is not None:
                self._try_the_rest(pending, now_s)
            return
        self._problem("venue_error", what, at_us)
        if pending is not None and pending.is_snapshot and frame.msg.code in wire.TOO_FAST_CODES:
            self._repairs.ask_again(pending.tickers, due_s=now_s + self._limits.pause_s)
            return
        if pending is not None or is_terminal:
            self._end(what)

    def _try_the_rest(self, failed: _Pending, now_s: float) -> None:
        """A command failed for the sake of markets that were dropped since: do it again for the others."""
        rest = [ticker for ticker in failed.tickers if ticker in self.books]
        if failed.is_snapshot:
            self._repairs.ask_again(rest, due_s=now_s)
            return
        self._to_subscribe += rest
        if self.state is Stream.SUBSCRIBING and self.sid is None:
            self._step(Input.REFUSED)

    def _readmit(self, now_s: float) -> None:
        """Ask once more for markets that the venue did not know a while ago: it may know them by now."""
        for ticker, (book, due_s) in list(self._dropped.items()):
            if due_s <= now_s and self.sid is not None:
                del self._dropped[ticker]
                self.books[ticker] = book
                self._to_subscribe.append(ticker)

    def _drop(self, tickers: Sequence[str], reason: str, at_us: int, now_s: float) -> None:
        for ticker in tickers:
            book = self.books.pop(ticker)
            book.mark_stale(reason)
            self._dropped[ticker] = (book, now_s + self._limits.absent_s)
            self._repairs.settle(ticker, now_s=now_s)
        self._notices.append(MarketsDropped(tuple(tickers), reason, at_us))
        if not self._repairs and self.state in (Stream.STREAMING, Stream.BROKEN):
            self._on_repaired(at_us)

    def _end(self, reason: str) -> None:
        self._step(Input.ENDED)
        self.lost(reason)
        raise RemoteProtocolError(reason)

    def _problem(self, kind: str, detail: str, at_us: int) -> None:
        self._notices.append(FrameProblem(self.connection, kind, detail, at_us))

    def _step(self, happened: Input) -> None:
        target = TRANSITIONS.get((self.state, happened))
        assert target is not None, f"{self.state} cannot take {happened}"
        self.state = target
