"""One market-data connection's conversation: which commands to send, what each frame means for the books.

Frames in, book changes and notices out; commands come out of `commands()`. `subscription` draws the life of the stream,
`sequence` says what each number means, `book_keeper` what the books are worth. What is lost, and how it comes back:

    a gap, an unreadable frame          every book stale, in the same call, until its own snapshot (`get_snapshot`)
    numbers that go backwards           the same; then unsubscribe and subscribe on the same connection
    no snapshot at all, though asked    unsubscribe and subscribe; then `ConnectivityError`
    the venue ends the subscription     every book stale, subscribe again; too often: `RemoteProtocolError`
    a bad number, a lower clock         the one book stale until its snapshot, asked for ever later if it goes on

Units: `at_us` wall time in microseconds, `now_s` any monotonic clock in seconds.
Source: Kalshi's AsyncAPI, October 2026.
Never: a book readable as live that a missing, unreadable or impossible message could have changed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from traderv3.domain.book import Book, BookState
from traderv3.domain.errors import ConnectivityError, RemoteProtocolError
from traderv3.domain.events import FeedEvent, MarketsDropped, MarketsOverLimit
from traderv3.domain.feed import FeedCounters
from traderv3.protocol import wire
from traderv3.protocol.book_keeper import BookKeeper
from traderv3.protocol.field_census import BOOK_FIELDS, FieldCensus
from traderv3.protocol.sequence import NEXT, Verdict
from traderv3.protocol.subscription import JOINING, Ask, Asked, Input, SessionLimits, Stream, Subscription

__all__ = ["BookSession", "SessionLimits"]


@dataclass(frozen=True, slots=True)
class _Undecodable:
    """A message that is not what it should be, and why."""

    why: Exception


def _decode(batch: tuple[bytes, ...]) -> list[Any]:
    """Each message as a `wire.Frame`, or as `_Undecodable`."""
    decode = wire.FRAME.decode
    try:
        return list(map(decode, batch))  # nearly always
    except wire.UNDECODABLE:
        return [_decode_one(raw) for raw in batch]


def _decode_one(raw: bytes) -> wire.Frame | _Undecodable:
    try:
        frame: wire.Frame = wire.FRAME.decode(raw)
    except wire.UNDECODABLE as exc:
        return _Undecodable(exc)
    return frame


class BookSession:
    """One connection's subscription to the order books of `books`, whose `Book`s it writes.

    `receive` and `commands` are the two verbs; `add`, `remove` and `distrust` say what others decided;
    `take_notices` says what a person, the journal or the metrics should hear of.
    """

    def __init__(
        self,
        connection: str,
        books: Mapping[str, Book],
        counters: FeedCounters,
        limits: SessionLimits | None = None,
    ) -> None:
        self.connection = connection
        self.counters = counters
        self._limits = limits or SessionLimits()
        self._keeper = BookKeeper(connection, books, counters, self._limits)
        self._repairs = self._keeper.repairs
        self._subscription = Subscription(self._limits)
        self._subscription.join(books)
        self._next_repair_s = 0.0
        self._is_last_resort = False  # subscribed anew for want of snapshots, and no book has been live since
        self.has_served = False  # the venue gave at least one book on this connection
        self._census = FieldCensus(BOOK_FIELDS)

    @property
    def books(self) -> dict[str, Book]:
        """The books of the markets that are ours, by ticker."""
        return self._keeper.books

    @property
    def state(self) -> Stream:
        """Where the subscription is in its life."""
        return self._subscription.state

    @property
    def sid(self) -> int | None:
        """The venue's number of the subscription, None while there is none."""
        return self._subscription.sid

    @property
    def last_seq(self) -> int:
        """The sequence number counted last."""
        return self._subscription.sequence.last

    @property
    def is_whole(self) -> bool:
        """Every market that is still ours has a live book."""
        return all(book.state is BookState.LIVE for book in self.books.values())

    def take_notices(self) -> list[FeedEvent]:
        """What happened since the last call that is worth telling."""
        if not self._keeper.notices:
            return []
        notices, self._keeper.notices = self._keeper.notices, []
        return notices

    # -- which markets -------------------------------------------------------------------------------------------------

    def add(self, books: Mapping[str, Book]) -> None:
        """Subscribe to further markets, whose `Book`s are ours to write from now on; those held already stay."""
        new = {ticker: book for ticker, book in books.items() if ticker not in self.books}
        self._keeper.add(new)
        self._subscription.join(new)

    def remove(self, tickers: Iterable[str], reason: str = "no longer subscribed") -> None:
        """Give markets up: their books keep the levels and are not live; deltas under way are passed over."""
        gone = list(tickers)
        self._keeper.forget(gone, reason)
        self._subscription.leave(gone)

    def distrust(self, ticker: str, reason: str, *, at_us: int, now_s: float) -> None:
        """Somebody outside found the book of `ticker` wrong: stale now, and a snapshot soon.

        Nothing happens if it is not ours, or waits for a snapshot anyway.
        """
        if ticker in self.books and ticker in self._subscription.members and ticker not in self._repairs:
            self._keeper.distrust(self.books[ticker], "distrusted", f"{ticker}: {reason}", at_us, now_s)

    def assume(self, body: wire.SnapshotBody, *, at_us: int, now_s: float) -> None:
        """Take a book that the venue never sent: for the replay of a recording whose repairs were not recorded."""
        if body.market_ticker in self.books:
            self._keeper.on_snapshot(body, self.last_seq, at_us, now_s, is_asked=True)
            self._check_repaired(at_us)

    # -- out -----------------------------------------------------------------------------------------------------------

    def commands(self, *, at_us: int, now_s: float) -> list[bytes]:
        """Commands to send now: markets that come and go, snapshots that are due; in chunks.

        Raises `ConnectivityError` when the venue left a command unanswered, or gives no snapshot at all though asked
        `asks_max` times and subscribed to anew. A market that goes unanswered while others live is told of, and asked
        for now and then.
        """
        if self._subscription.is_quiet and self._keeper.is_quiet:
            return []  # as after nearly every batch
        self._check_answers(at_us, now_s)
        if returning := self._keeper.take_returning(now_s):
            self.add(returning)
        subscription = self._subscription
        out: list[bytes] = []
        for asked, command in subscription.take_commands(now_s):
            out.append(command)
            if asked.ask in JOINING:
                self._keeper.expect(asked.tickers, now_s=now_s)
        if self._repairs and subscription.is_open and not subscription.is_held(now_s):
            due = self._repairs.take_due(now_s=now_s, but_not=subscription.joining())
            if due:
                self.counters.resyncs += 1
                self._next_repair_s = now_s + self._limits.repair_s
                out += subscription.ask_snapshots(due, now_s)
        self._check_repaired(at_us)
        return out

    def _check_answers(self, at_us: int, now_s: float) -> None:
        for asked in self._subscription.take_unanswered(now_s):
            if asked.ask in (Ask.SNAPSHOT, Ask.DELETE):
                continue  # the repairs have their own limit; what is not ours is passed over
            if asked.ask is Ask.ADD and all(self._is_settled(ticker) for ticker in asked.tickers):
                continue  # the answer was lost, what it stands for was not
            of_what = f" of {len(asked.tickers)} markets" if asked.tickers else ""
            msg = f"the command {asked.ask.value}{of_what} was not answered in {self._limits.answer_s:g} s"
            raise ConnectivityError(msg)
        ignored = self._repairs.take_ignored(now_s=now_s)
        if ignored and not self._keeper.is_any_live:
            msg = f"{ignored[0]}: no snapshot after {self._limits.asks_max} requests, and no other book is live"
            if self._is_last_resort or not self._restart(msg, at_us, now_s, is_over=False):
                raise ConnectivityError(msg)
            self._is_last_resort = True
            return
        for ticker in ignored:  # one market that the venue does not serve must not take the others down
            if not self.books[ticker].is_unserved:
                self.books[ticker].is_unserved = True
                detail = f"{ticker}: no snapshot after {self._limits.asks_max} requests; asked for again and again"
                self._keeper.problem("no_snapshot", detail, at_us)

    def _is_settled(self, ticker: str) -> bool:
        return ticker not in self.books or self.books[ticker].state is BookState.LIVE

    # -- in ------------------------------------------------------------------------------------------------------------

    def receive(self, frames: Iterable[bytes], *, at_us: int, now_s: float) -> None:
        """Take a batch of data messages that arrived at `at_us` and bring the books up to date.

        Raises `RemoteProtocolError` if the subscription cannot be kept, after which the connection must be made anew.
        Whatever else is wrong with a frame is counted, told as a notice, and costs the trust in the books it may concern.
        """
        batch = tuple(frames)
        self.counters.messages += len(batch)
        decoded = _decode(batch)
        at, sid, due = 0, self._subscription.sid, self.last_seq + 1
        first = due
        for frame in decoded:
            if type(frame) is wire.Delta and frame.seq == due and frame.sid == sid:
                due += 1  # and counted below: what a feed is made of is taken in runs
                continue
            end = at + due - first
            self._take_run(batch[at:end], decoded[at:end], at_us, now_s)
            self._take_other(frame, batch[end], at_us, now_s)
            at, sid, due = end + 1, self._subscription.sid, self.last_seq + 1
            first = due
        self._take_run(batch[at:], decoded[at:], at_us, now_s)
        if batch:
            self._look("last of a batch", batch[-1], at_us)  # a look at every delta would cost more than all the rest
        self._check_repaired(at_us)

    def _take_run(self, raws: tuple[bytes, ...], deltas: list[Any], at_us: int, now_s: float) -> None:
        """Take deltas of our subscription, of which each has the number after the one before."""
        if raws:
            self._subscription.sequence.count(raws)
            self._keeper.on_deltas(deltas, at_us, now_s)

    def _take_other(self, frame: wire.Frame | _Undecodable, raw: bytes, at_us: int, now_s: float) -> None:
        """Take a message that is not the next delta: of another kind, with another number, or unreadable."""
        if isinstance(frame, _Undecodable):
            self._on_unreadable(raw, frame.why, at_us, now_s)
        elif isinstance(frame, wire.Delta):
            if frame.sid == self.sid or self._adopt(frame.sid, at_us):
                verdict = self._subscription.sequence.take(frame.seq, raw)
                if verdict is NEXT or self._on_trouble(verdict, frame.seq, at_us, now_s):
                    self._keeper.on_deltas([frame], at_us, now_s)
        elif isinstance(frame, wire.Snapshot):
            self._on_snapshot(frame, raw, at_us, now_s)
        else:
            self._on_reply(frame, raw, at_us, now_s)

    def settle(self, *, at_us: int, now_s: float) -> None:
        """Judge books whose run does not end: quiet for a while, or of one time for longer than any run lasts."""
        self._keeper.settle(at_us, now_s)

    def lost(self, reason: str) -> None:
        """The connection is gone: nothing held may be believed."""
        self._keeper.lost(reason)

    def _adopt(self, sid: int, at_us: int) -> bool:
        """Whether a message of an unknown subscription is of ours, whose acknowledgement is lost or late."""
        if self._subscription.is_past(sid):
            return False
        if self.state is Stream.SUBSCRIBING:
            self._subscription.subscribed(sid)
            return True
        self._keeper.problem("unknown_sid", f"message for subscription {sid}, ours is {self.sid}", at_us)
        return False

    def _on_snapshot(self, frame: wire.Snapshot, raw: bytes, at_us: int, now_s: float) -> None:
        if frame.sid != self.sid and not self._adopt(frame.sid, at_us):
            return
        verdict = self._subscription.sequence.take(frame.seq, raw)
        if verdict is not NEXT and not self._on_trouble(verdict, frame.seq, at_us, now_s):
            return
        self.counters.snapshots += 1
        self._look("snapshots", raw, at_us)
        ticker = frame.msg.market_ticker
        if self._subscription.is_streamed(ticker, frame.id) and ticker in self.books:
            self._keeper.on_snapshot(frame.msg, frame.seq, at_us, now_s, is_asked=frame.id is not None)
            if self._is_settled(ticker):
                self.has_served, self._is_last_resort = True, False

    def _on_trouble(self, verdict: Verdict, got: int, at_us: int, now_s: float) -> bool:
        """A number that is not the next one came. True if its message may be used all the same."""
        if verdict is Verdict.DUPLICATE:
            self.counters.duplicates += 1
            return False
        sequence, sid = self._subscription.sequence, self._subscription.sid
        assert sid is not None
        self._distrust_all(f"sequence {verdict.value}: expected {sequence.expected}, got {got}", at_us, now_s)
        self._keeper.on_gap(verdict, sid, sequence.expected, got, at_us)
        if verdict is Verdict.GAP:
            return True
        if verdict is Verdict.RESET or sequence.late >= self._limits.late_max:
            what = f"the sequence goes backwards: {got} after {sequence.last}"
            self._restart_or_end(what, at_us, now_s, is_over=False)
        return False

    def _distrust_all(self, reason: str, at_us: int, now_s: float) -> None:
        self._subscription.step(Input.GAP)
        self._keeper.distrust_all(reason, at_us, due_s=max(now_s, self._next_repair_s))

    def _check_repaired(self, at_us: int) -> None:
        if self._keeper.check_repaired(at_us) and self._subscription.is_open:
            self._subscription.step(Input.REPAIRED)

    def _on_unreadable(self, raw: bytes, why: Exception, at_us: int, now_s: float) -> None:
        """A frame that did not decode: unknown types are accounted for, anything else may have been about any book."""
        try:
            header = wire.HEADER.decode(raw)
        except wire.UNDECODABLE:
            header = None
        if header is not None and header.type not in wire.KNOWN_TYPES:
            self.counters.unknown_types += 1
            self._keeper.problem("unknown_type", f"type {header.type[:40]!r}", at_us)
            self._count(header.sid, header.seq, raw, at_us, now_s)
            return
        self.counters.protocol_errors += 1
        kind = "unreadable_frame" if header is None else "missing_field"
        self._keeper.problem(kind, f"{str(why)[:200]}: {raw[:120]!r}", at_us)
        if header is not None:
            self._count(header.sid, header.seq, raw, at_us, now_s)
        if self._subscription.is_open:
            self._distrust_all(f"a frame that could not be read ({kind})", at_us, now_s)

    def _look(self, group: str, raw: bytes, at_us: int) -> None:
        for name in self._census.look(group, raw):
            self.counters.unknown_fields += 1
            if self._census.is_news(name):
                self._keeper.problem("unknown_field", name, at_us)

    # -- replies -------------------------------------------------------------------------------------------------------

    def _count(self, sid: int | None, seq: int | None, raw: bytes, at_us: int, now_s: float) -> None:
        """Account for the number of a message that is not about a book."""
        if sid is None or seq is None or sid != self._subscription.sid:
            return
        verdict = self._subscription.sequence.take(seq, raw)
        if verdict is not NEXT:
            self._on_trouble(verdict, seq, at_us, now_s)

    def _on_reply(
        self, frame: wire.Subscribed | wire.Ok | wire.Unsubscribed | wire.Error, raw: bytes, at_us: int, now_s: float
    ) -> None:
        self._look("replies", raw, at_us)
        subscription = self._subscription
        if isinstance(frame, wire.Subscribed):
            if frame.msg.channel == wire.BOOK_CHANNEL and self.state is Stream.SUBSCRIBING:
                subscription.subscribed(frame.msg.sid)
                subscription.ease()
            return
        asked = None if frame.id is None else subscription.pending.pop(frame.id, None)
        self._count(frame.sid, frame.seq, raw, at_us, now_s)
        if isinstance(frame, wire.Error):
            self._on_error(frame, asked, at_us, now_s)
        elif isinstance(frame, wire.Ok):
            if asked is not None:
                self._on_ok(frame, asked, at_us, now_s)
        elif self.state is Stream.LEAVING and subscription.is_past(frame.sid):
            subscription.step(Input.OVER)
        elif frame.sid == self.sid:
            self._restart_or_end("the venue ended the subscription", at_us, now_s, is_over=True)

    def _on_ok(self, frame: wire.Ok, asked: Asked, at_us: int, now_s: float) -> None:
        """`ok` lists the whole set after a change: what we added and it lacks, the venue does not stream to us."""
        self._subscription.ease()
        if asked.ask is Ask.SUBSCRIBE and self.state is Stream.SUBSCRIBING and frame.sid is not None:
            # Merged into a subscription that the venue still has: what was in it gets no snapshot by itself.
            self._subscription.subscribed(frame.sid, last=frame.seq or 0)
            self._repairs.ask_again(asked.tickers, due_s=now_s)
        listed = frame.msg.get("market_tickers") if isinstance(frame.msg, dict) else None
        if asked.ask not in JOINING or not isinstance(listed, list) or not listed:
            return
        left_out = [ticker for ticker in asked.tickers if ticker in self.books and ticker not in listed]
        if left_out:
            self._set_aside(left_out, "left out of the subscription by the venue", at_us, now_s)

    def _on_error(self, frame: wire.Error, asked: Asked | None, at_us: int, now_s: float) -> None:
        code = frame.msg.code
        what = f"error {code} {frame.msg.msg[:80]!r}"
        ask = None if asked is None else asked.ask
        is_ours = self._subscription.is_open and frame.sid in (None, self.sid)
        named = [ticker for ticker in dict.fromkeys(frame.msg.tickers) if ticker in self.books]
        if is_ours and (code in wire.TERMINAL_CODES or (code == wire.UNKNOWN_SID and ask is not None)):
            self._restart_or_end(what, at_us, now_s, is_over=True)
        elif named and ask is not Ask.DELETE:
            self._set_aside(named, what, at_us, now_s, is_over_limit=code == wire.LIMIT_CODE)
            self._repeat(asked, now_s)
        else:
            self._keeper.problem("venue_error", what, at_us)
            if asked is not None:
                self._on_refusal(code, what, asked, at_us, now_s)

    def _on_refusal(self, code: int, what: str, asked: Asked, at_us: int, now_s: float) -> None:
        """A command failed and no market is named."""
        ours = [ticker for ticker in asked.tickers if ticker in self.books]
        if code in wire.TOO_FAST_CODES or code in wire.TERMINAL_CODES:
            self._repeat(asked, self._subscription.hold(now_s))
        elif asked.ask is Ask.SNAPSHOT:
            self._restart_or_end(f"{what} to {asked.ask.value}", at_us, now_s, is_over=False)
        elif asked.ask is Ask.UNSUBSCRIBE and code == wire.UNKNOWN_SID:
            self._subscription.step(Input.OVER)
        elif asked.ask in JOINING and code in (wire.LIMIT_CODE, *wire.MARKET_CODES):
            is_over_limit = code == wire.LIMIT_CODE
            if len(ours) > 1 and (asked.ask is Ask.SUBSCRIBE or not is_over_limit):
                self._subscription.repeat(asked, ours, is_split=True)  # which one it is about has to be found out
            else:
                is_full = is_over_limit and asked.ask is Ask.ADD  # else even one is too many: no connection helps
                self._set_aside(ours, what, at_us, now_s, is_over_limit=is_full)
                self._repeat(asked, now_s)
        elif asked.ask is not Ask.DELETE:
            self._end(what)

    def _repeat(self, failed: Asked | None, due_s: float) -> None:
        """A command failed, not for the sake of the markets that are still ours: do it again for these at `due_s`."""
        if failed is None:
            return
        kept = [ticker for ticker in failed.tickers if ticker in self.books]
        if failed.ask is Ask.SNAPSHOT:
            self._repairs.ask_again(kept, due_s=due_s)
        else:
            self._subscription.repeat(failed, failed.tickers if failed.ask is Ask.DELETE else kept)

    def _set_aside(
        self, tickers: Iterable[str], reason: str, at_us: int, now_s: float, *, is_over_limit: bool = False
    ) -> None:
        """The venue does not take these: not ours for a while."""
        named = tuple(tickers)
        self._keeper.set_aside(named, reason, until_s=now_s + self._limits.absent_s)
        self._subscription.drop(named)
        if is_over_limit:
            self._keeper.notices.append(MarketsOverLimit(self.connection, named, reason, at_us))
        elif named:
            self._keeper.notices.append(MarketsDropped(named, reason, at_us))

    def _restart(self, reason: str, at_us: int, now_s: float, *, is_over: bool) -> bool:
        self._keeper.start_over(reason, at_us)
        self._keeper.problem("resubscribe", reason, at_us)
        return self._subscription.restart(self.books, is_over=is_over, now_s=now_s)

    def _restart_or_end(self, reason: str, at_us: int, now_s: float, *, is_over: bool) -> None:
        if not self._restart(reason, at_us, now_s, is_over=is_over):
            self._end(f"{reason}; again and again")

    def _end(self, reason: str) -> None:
        self._subscription.step(Input.ENDED)
        self.lost(reason)
        raise RemoteProtocolError(reason)
