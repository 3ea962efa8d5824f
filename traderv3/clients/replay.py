"""A recording played through the code path of a live run: the same book lines, sessions, books, counters and states.

A recording of ours holds every step: frames, ticks, what others did to a book, and where the state machine moved; at
those places, and nowhere else, the machine is asked again, so the same recording leads to the same end. A recording of
somebody else holds frames alone: a connection opens with its first snapshot, the machine is asked once a second, and a
gap whose repair was not recorded is closed with what a shadow book says that counts no numbers.
Units: times in microseconds since the epoch. Never: a socket to a venue, or a frame other than as recorded.
"""

import itertools
import operator
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from traderv3.clients.book_line import BookLine
from traderv3.core.event_bus import EventBus
from traderv3.domain.book import Book, BookState, NegativeLevel
from traderv3.domain.errors import ConnectivityError, RemoteProtocolError
from traderv3.domain.feed import AWAY_FAILURES, Feed
from traderv3.domain.states import OPERATING, State
from traderv3.domain.tape import NO_TAPE
from traderv3.domain.units import UnitError, format_price, format_qty
from traderv3.protocol import channel_wire, wire
from traderv3.protocol.recording import Entry
from traderv3.protocol.session import SessionLimits

LOOK_US: Final = 1_000_000
_MOMENT: Final = operator.attrgetter("at_us", "conn", "event")
UNANSWERED: Final = SessionLimits(chunk=1_000_000, answer_s=1e12)  # nobody is there to answer


@dataclass(slots=True)
class Played:
    """What came of it so far. `diverged` counts moves of the machine that came out other than recorded."""

    frames: int = 0
    connections: int = 0
    assumed: int = 0  # books taken from the shadow: after a gap, or because nobody answered when they were added
    diverged: int = 0
    recorded_hash: str | None = None  # how the live run ended


@dataclass(slots=True)
class _Connection:
    """One recorded connection that carries books."""

    line: BookLine
    tickers: tuple[str, ...]
    shadow: dict[str, Book] = field(default_factory=dict)  # of somebody else's recording
    is_ours: bool = True


class Replay:
    """Plays entries in their order. `look` asks the machine to move, `follow` makes it move where it was not to be asked;
    `excuse` starts the time limit of its state anew.
    """

    def __init__(
        self,
        feed: Feed,
        bus: EventBus,
        *,
        limits: SessionLimits,
        look: Callable[[], Awaitable[None]],
        follow: Callable[[State, str], Awaitable[None]],
        state: Callable[[], State],
        excuse: Callable[[], None] = lambda: None,
    ) -> None:
        self.played = Played()
        self._feed = feed
        self._bus = bus
        self._limits = limits
        self._look = look
        self._follow = follow
        self._state = state
        self._excuse = excuse
        self._lines: dict[str, BookLine] = {}
        self._connections: dict[int, _Connection] = {}
        self._others: set[int] = set()  # connections that carry no books
        self._has_own_moves = False
        self._look_at_us = 0

    async def play(self, entries: Iterator[Entry], until: Callable[[int], Awaitable[None]]) -> None:
        """To the end. `until` waits for the clock to reach a moment, before what was recorded then is played."""
        moments = itertools.groupby(entries, key=_MOMENT)
        for (at_us, conn, event), group in moments:
            await until(at_us)
            if event is not None:
                for entry in group:
                    await self._on_event(entry)
            else:
                frames = [entry.exact for entry in group if entry.is_inbound]
                self.played.frames += len(frames)
                if frames and conn not in self._others:
                    self._on_frames(conn, frames, at_us)
            if not self._has_own_moves and at_us >= self._look_at_us:
                self._look_at_us = at_us + LOOK_US
                await self._look()

    # -- events --------------------------------------------------------------------------------------------------------

    async def _on_event(self, entry: Entry) -> None:
        feed, ticker, reason = self._feed, entry.ticker or "", entry.reason or ""
        match entry.event:
            case "transition":
                await self._on_transition(entry)
            case "end":
                self.played.recorded_hash = entry.state_hash
            case "open" if entry.carries == "books":
                self._open(entry)
            case "open" if entry.carries is not None:
                self._others.add(entry.conn)
            case "suspect" if ticker in feed.books:
                feed.suspect(ticker, reason)
            case "closed":
                feed.watch([ticker])
                feed.close(ticker, reason)
            case "reopened":
                feed.reopen(ticker)
            case "forgotten":
                feed.forget(ticker)
            case _ if (connection := self._connections.get(entry.conn)) is not None:
                self._on_connection_event(connection, entry)

    def _on_connection_event(self, connection: _Connection, entry: Entry) -> None:
        match entry.event:
            case "tick":
                self._step(connection, [], entry.at_us)
            case "markets":
                connection.tickers = _tickers(entry)
            case "close" | "error":
                connection.line.close(entry.reason or "closed in the recording", at_us=entry.at_us)
                del self._connections[entry.conn]

    def _open(self, entry: Entry) -> None:
        connection = self._connect(entry.conn, entry.name or "orderbook_connector", self._limits)
        connection.tickers = _tickers(entry)
        connection.line.open(entry.conn, connection.tickers, at_us=entry.at_us)

    def _connect(self, conn: int, name: str, limits: SessionLimits) -> _Connection:
        self.played.connections += 1
        line = self._lines.get(name)
        if line is None:
            line = self._lines[name] = BookLine(
                name, self._feed, NO_TAPE, tell=self._bus.publish, over_limit=lambda _: None, limits=limits
            )
        connection = self._connections[conn] = _Connection(line, ())
        return connection

    async def _on_transition(self, entry: Entry) -> None:
        """Here the live machine moved: ask ours, and where it says otherwise count that and follow the recording."""
        self._has_own_moves = True
        target = State(entry.target or "")
        self._feed.problem = entry.problem
        for name, line in self._feed.lines.items():  # tries that failed are not on the tape, only what was made of them
            line.failures = AWAY_FAILURES if name in (entry.away or "").split(",") else 0
        if (
            target is not State.ERROR
        ):  # the recorded clock may have been set; the live machine's time limit did not mind
            self._excuse()
        is_of_trading = target in OPERATING and self._state() in OPERATING  # nobody trades here: these are followed
        is_ours = target is not State.SHUTDOWN and not is_of_trading
        if is_ours:
            await self._look()
        if self._state() is not target:
            self.played.diverged += is_ours
            await self._follow(target, entry.context or "as recorded")

    # -- frames --------------------------------------------------------------------------------------------------------

    def _on_frames(self, conn: int, frames: list[bytes], at_us: int) -> None:
        connection = self._connections.get(conn)
        if connection is None or not connection.is_ours:
            self._on_foreign(conn, connection, frames, at_us)
        else:
            self._step(connection, frames, at_us)

    def _step(self, connection: _Connection, frames: list[bytes], at_us: int) -> None:
        try:
            connection.line.step(frames, connection.tickers, at_us=at_us)
        except (ConnectivityError, RemoteProtocolError):
            return  # as live; the recording says what became of the connection

    # -- recordings of others ------------------------------------------------------------------------------------------

    def _on_foreign(self, conn: int, connection: _Connection | None, frames: list[bytes], at_us: int) -> None:
        """Keep the shadow, open the connection with its first snapshot, and step with the frames that are about books."""
        shadow = connection.shadow if connection is not None else {}
        ours = [raw for raw in frames if _shade(shadow, raw)]
        if not ours or not shadow:
            return
        if connection is None:
            connection = self._connect(conn, f"connection {conn}", UNANSWERED)
            connection.shadow, connection.is_ours = shadow, False
            connection.tickers = tuple(shadow)
            connection.line.open(conn, connection.tickers, at_us=at_us - 1)
        if len(connection.tickers) != len(shadow):
            connection.tickers = tuple(shadow)
        self._step(connection, ours, at_us)
        self._repair(connection, at_us)

    def _repair(self, connection: _Connection, at_us: int) -> None:
        line = connection.line
        for ticker, book in line.session.books.items():
            if book.state is BookState.LIVE:
                continue
            shadow = connection.shadow.get(ticker)
            if shadow is not None and not shadow.is_crossed:
                self.played.assumed += 1
                line.assume(_snapshot_of(shadow), at_us=at_us)


def _tickers(entry: Entry) -> tuple[str, ...]:
    return tuple(ticker for ticker in (entry.markets or "").split(",") if ticker)


def _shade(shadow: dict[str, Book], raw: bytes) -> bool:
    """Apply one frame without counting; False if it is of another channel, which has a connection of its own when live.

    What cannot be read is the session's to judge.
    """
    try:
        frame = wire.FRAME.decode(raw)
    except wire.UNDECODABLE:
        return not _is_of_other_channel(raw)
    body = frame.msg if isinstance(frame, wire.Snapshot | wire.Delta) else None
    try:
        if isinstance(body, wire.DeltaBody) and body.market_ticker in shadow:
            shadow[body.market_ticker].apply(
                body.side == "yes", wire.PRICES[body.price_dollars], wire.COUNTS[body.delta_fp]
            )
        elif isinstance(body, wire.SnapshotBody):
            book = shadow.setdefault(body.market_ticker, Book(body.market_ticker))
            book.replace(wire.levels(body.yes_dollars_fp), wire.levels(body.no_dollars_fp))
    except (UnitError, NegativeLevel):
        pass
    return True


def _is_of_other_channel(raw: bytes) -> bool:
    try:
        return wire.HEADER.decode(raw).type in channel_wire.CHANNELS
    except wire.UNDECODABLE:
        return False


def _snapshot_of(book: Book) -> wire.SnapshotBody:
    yes, no = (
        [(format_price(price), format_qty(size)) for price, size in book.levels(is_yes=is_yes)]
        for is_yes in (True, False)
    )
    return wire.SnapshotBody(market_ticker=book.ticker, yes_dollars_fp=yes, no_dollars_fp=no)
