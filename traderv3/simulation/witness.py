"""What the exchange really held at each sequence number, against what the trader believes: the judge of the books.

The floor of this exchange writes down, for each message of an order-book subscription and before any fault may touch it,
the whole book as it was then. The trader's tape tells which messages a connection has taken. So for every book that reads
as live the one right content is known: the exchange's at the highest number taken of that subscription, whatever was
lost, late or doubled on the way.
Never: a look into the trader's own decoding or counting.
"""

import math
import re
import sys
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import trio

from traderv3.domain.book import BookState
from traderv3.domain.feed import Feed
from traderv3.domain.tape import Detail, Tape
from traderv3.exchange.floor import Floor
from traderv3.exchange.session import BOOK_CHANNEL, ClientSession, Subscription
from traderv3.simulation.network import PRESENT, TO_TRADER, Connection

HEAD_BYTES: Final = 400
NEVER: Final = sys.maxsize  # the number of what a subscription that is over does not tell any more
LATE_S: Final = 1.5  # less than a cross-check waits for what is under way
_NUMBERS: Final = re.compile(rb'"sid":(\d+),"seq":(\d+)')
_LEFT: Final = re.compile(rb'"cmd":"unsubscribe","params":\{"sids":\[(\d+)\]')
_MARKET: Final = re.compile(rb'"market_ticker":"([^"]+)"')

_SNAPSHOT: Final = b'{"type":"orderbook_snapshot"'

Levels = dict[int, int]
Moment = tuple[int, str, Levels, Levels, float]  # sequence number, market, its YES and its NO levels, when it was said


class Broken(AssertionError):
    """An invariant does not hold; the sentence says which, and how."""


class WitnessedFloor(Floor):
    """A floor that writes down the truth behind each order-book message. `said` is by connection and sid."""

    said: dict[tuple[int, int], deque[Moment]]

    def open_session(
        self, on_output: Callable[[], None] = lambda: None, *, user_id: str = "", may_read: bool = True
    ) -> ClientSession:
        """A new connection of a member, which is the present one."""
        session = _WitnessedSession(self, on_output=on_output, user_id=user_id, may_read=may_read)
        self.sessions.add(session)
        return session


class _WitnessedSession(ClientSession):
    def __init__(self, floor: WitnessedFloor, **given: Any) -> None:
        self._truth = floor
        self._connection = PRESENT.get()
        super().__init__(floor, **given)

    def push(self, subscription: Subscription, frame: bytes) -> None:
        if subscription.channel == BOOK_CHANNEL and not subscription.is_ended:
            self._write_down(subscription.sid, subscription.seq, frame)
        super().push(subscription, frame)

    def answer(self, frame: bytes) -> None:
        if frame.startswith(_SNAPSHOT):
            numbers = _NUMBERS.search(frame, 0, HEAD_BYTES)
            assert numbers is not None
            self._write_down(int(numbers[1]), int(numbers[2]), frame)
        super().answer(frame)

    def drop(self, subscription: Subscription) -> None:
        super().drop(subscription)
        if subscription.channel == BOOK_CHANNEL:  # whatever happens from now on, this subscription does not tell
            self._log(subscription.sid).append((NEVER, "", {}, {}, trio.current_time()))

    def _log(self, sid: int) -> deque[Moment]:
        return self._truth.said.setdefault((self._connection.number, sid), deque())

    def _write_down(self, sid: int, seq: int, frame: bytes) -> None:
        named = _MARKET.search(frame, 0, HEAD_BYTES)
        assert named is not None
        ticker = named[1].decode()
        book = self._truth.listings[ticker].book
        self._log(sid).append((seq, ticker, dict(book.yes), dict(book.no), trio.current_time()))


class _Taken:
    """What one connection of the trader has taken of the exchange's messages."""

    def __init__(self, name: str, connection: Connection) -> None:
        self.name = name
        self.connection = connection
        self.messages = 0
        self.sid = 0  # the newest subscription
        self.top = 0  # the highest number of it
        self.left = 0  # the newest subscription that the trader ends; it counts that one no more
        self.books: dict[str, tuple[Levels, Levels]] = {}  # the exchange's, as of `top`
        self.sure: set[str] = set()  # markets whose snapshot came after whatever was last lost or unreadable


class Witness:
    """Judges the books of `feed`, which is set once the trader is made. `said` is the account of all floors of the run."""

    def __init__(self, connections: Sequence[Connection], report: Callable[[str], None]) -> None:
        self.feed = Feed()  # until the trader is made
        self.said: dict[tuple[int, int], deque[Moment]] = {}
        self.taken = 0  # messages, by the connections that carry books
        self.jumps = 0
        self.checked = 0  # live books compared
        self.late_at: dict[str, float] = {}  # by connector: when it was last seen `LATE_S` behind the exchange
        self._connections = connections
        self._report = report  # of what is broken while an actor of the trader waits for us: it must not hear of it
        self._open: dict[int, _Taken] = {}

    def overhear(self, tape: Tape) -> Tape:
        """The tape, with us listening."""
        return _OverheardTape(tape, self)

    def guard(self, look: Callable[..., None], *about: Any) -> None:
        """Look, and report what is broken instead of raising it."""
        try:
            look(*about)
        except Broken as broken:
            self._report(str(broken))

    # -- what the tape tells -------------------------------------------------------------------------------------------

    def on_open(self, conn: int, name: str) -> None:
        """A connection that carries books was accepted: the newest of that actor."""
        connection = next(each for each in reversed(self._connections) if each.actor == name)
        if any(other.connection is connection for other in self._open.values()):
            raise Broken(f"{name} opened two conversations on connection {connection.number}")
        self._open[conn] = _Taken(name, connection)

    def on_close(self, conn: int) -> None:
        """It is over."""
        taken = self._open.pop(conn, None)
        if taken is not None and taken.messages > taken.connection.pipes["to trader"].arrived.messages:
            raise Broken(f"{taken.name} took {taken.messages} messages, and fewer came")

    def on_frames(self, conn: int, frames: Sequence[bytes]) -> None:
        """The trader has just taken these, and its books show it."""
        taken = self._open.get(conn)
        if taken is None:
            return
        taken.messages += len(frames)
        self.taken += len(frames)
        for raw in frames:
            numbers = _NUMBERS.search(raw, 0, HEAD_BYTES)
            if numbers is not None:
                self._count(taken, int(numbers[1]), int(numbers[2]))
                if raw.startswith(_SNAPSHOT) and (named := _MARKET.search(raw, 0, HEAD_BYTES)) is not None:
                    taken.sure.add(named[1].decode())
            elif not raw.rstrip().endswith(b"}"):
                taken.sure.clear()  # it may have been about any market
        self._check(taken)

    def on_sent(self, conn: int, frames: Sequence[bytes]) -> None:
        """The trader has just handed these to the connection."""
        taken = self._open.get(conn)
        for raw in frames:
            if taken is not None and (left := _LEFT.search(raw, 0, HEAD_BYTES)) is not None:
                taken.left = int(left[1])

    def _count(self, taken: _Taken, sid: int, seq: int) -> None:
        if sid > taken.sid:
            taken.sid, taken.top = sid, 0
            taken.books.clear()
            taken.sure.clear()
        if sid == taken.sid and seq > taken.top:
            if seq > taken.top + 1:
                self.jumps += sid > taken.left
                taken.sure.clear()
            taken.top = seq
            log = self.said.get((taken.connection.number, sid), deque())
            while log and log[0][0] <= seq:
                _, ticker, yes, no, _ = log.popleft()
                taken.books[ticker] = (yes, no)

    # -- judging -------------------------------------------------------------------------------------------------------

    def _check(self, taken: _Taken) -> None:
        books = self.feed.books
        for ticker in self.feed.lines[taken.name].tickers:
            book = books.get(ticker)
            if book is None or book.state is not BookState.LIVE:
                continue
            self.checked += 1
            if ticker not in taken.sure:
                raise Broken(f"{ticker} reads as live on {taken.name}, and no snapshot came after what was lost there")
            truth = taken.books.get(ticker)
            assert truth is not None
            if book.yes != truth[0] or book.no != truth[1]:
                wrong = _difference(book.yes, truth[0], "yes") + _difference(book.no, truth[1], "no")
                where = f"number {taken.top} of subscription {taken.sid} on connection {taken.connection.number}"
                raise Broken(f"{ticker} reads as live and differs from the exchange's book at {where}: {wrong[:3]}")

    def check_all(self) -> None:
        """Every book that reads as live is carried by one open connection and right. Raises `Broken`."""
        carried: dict[str, str] = {}
        for taken in self._open.values():
            line = self.feed.lines[taken.name]
            if line.holds:
                self._check(taken)
                for ticker in line.tickers:
                    if ticker in carried:
                        raise Broken(f"{ticker} is on {carried[ticker]} and on {taken.name}")
                    carried[ticker] = taken.name
        for ticker, book in self.feed.books.items():
            book.check()
            if book.state is BookState.LIVE and ticker not in carried:
                raise Broken(f"{ticker} reads as live, and no connection carries it")

    def check_lag(self, most_s: float) -> None:
        """No live book is further behind the exchange than that. Raises `Broken`."""
        for taken in self._open.values():
            log = self.said.get((taken.connection.number, taken.sid))
            if not log or not self.feed.lines[taken.name].holds:
                continue
            named, behind_s = log[0][1], trio.current_time() - log[0][4]
            if behind_s >= LATE_S:
                self.late_at[taken.name] = trio.current_time()
            held_until_s = taken.connection.pipes[TO_TRADER].held_until_s
            if math.isfinite(held_until_s):  # what was held comes then, and the silence begins anew
                behind_s = min(behind_s, trio.current_time() - held_until_s)
            if behind_s <= most_s:
                continue
            for ticker in (named,) if named else self.feed.lines[taken.name].tickers:
                book = self.feed.books.get(ticker)
                if book is not None and book.state is BookState.LIVE:
                    raise Broken(f"{ticker} reads as live on {taken.name} and is {behind_s:.1f} s behind the exchange")

    def check_quiet(self) -> None:
        """In the end, with nothing under way: everything that came was taken, and counted. Raises `Broken`."""
        for taken in self._open.values():
            came = taken.connection.pipes["to trader"].arrived.messages
            if taken.messages != came:
                raise Broken(f"{taken.name} took {taken.messages} of {came} messages")
        self.check_counters()

    def check_counters(self) -> None:
        """The trader's counters agree with ours. Raises `Broken`."""
        counters = self.feed.counters
        if counters.messages != self.taken:
            raise Broken(f"{self.taken} messages were taken and {counters.messages} counted")
        if counters.gaps != self.jumps:
            raise Broken(f"{self.jumps} gaps came and {counters.gaps} were counted")


class _OverheardTape:
    """Passes everything on, then tells the witness."""

    def __init__(self, tape: Tape, witness: Witness) -> None:
        self._tape = tape
        self._witness = witness

    def frames(
        self, conn: int, at_us: int, frames: Sequence[bytes], *, is_inbound: bool, is_json: bool = False
    ) -> None:
        self._tape.frames(conn, at_us, frames, is_inbound=is_inbound, is_json=is_json)
        if is_inbound:
            self._witness.guard(self._witness.on_frames, conn, frames)
        else:
            self._witness.on_sent(conn, frames)

    def event(self, conn: int, at_us: int, event: str, **fields: Detail) -> None:
        self._tape.event(conn, at_us, event, **fields)
        if event == "open" and fields.get("carries") == "books":
            self._witness.guard(self._witness.on_open, conn, str(fields["name"]))
        elif event == "close":
            self._witness.guard(self._witness.on_close, conn)


def _difference(ours: Levels, theirs: Levels, side: str) -> list[str]:
    prices: Iterable[int] = sorted(ours.keys() | theirs.keys())
    return [
        f"{side} {price}: {ours.get(price, 0)} instead of {theirs.get(price, 0)}"
        for price in prices
        if ours.get(price, 0) != theirs.get(price, 0)
    ]
