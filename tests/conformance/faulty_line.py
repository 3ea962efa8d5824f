"""A recording, played by the embedded exchange into our session over a line that mistreats frames, and an oracle.

No socket and no wall clock: playback, floor, the client's numbers, the faulty line, `BookSession`, the books. The oracle
keeps its own books from the frames as the exchange made them, and after every delivery compares each book that is
readable as live with its own as of the last number delivered. One seed is one bug report.
Units: prices 1e-4 dollar, sizes 0.01 contract; time is that of the recording, in microseconds.
"""

import random
from collections import deque
from dataclasses import dataclass, fields
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from traderv3.domain.book import Book, BookState
from traderv3.domain.errors import ConnectivityError, RemoteProtocolError
from traderv3.domain.feed import FeedCounters
from traderv3.exchange import wire
from traderv3.exchange.client_commands import Commands
from traderv3.exchange.floor import Floor
from traderv3.exchange.market import recorded
from traderv3.exchange.playback import Kind, Playback
from traderv3.exchange.session import BOOK_CHANNEL, ClientSession
from traderv3.protocol.recording import RecordingReader
from traderv3.protocol.session import BookSession

if TYPE_CHECKING:
    from collections.abc import Callable

QUIET_FRAMES: Final = 200  # faults stop so many frames before the end
CONVERGE_S: Final = 120
STEP_US: Final = 250_000
TICK_US: Final = 1_000_000  # how often the connector lets the session judge quiet books

GARBAGE: Final = [
    b"",
    b"{",
    b"\xff\xfe",
    b"null",
    b'{"type":"orderbook_delta"}',
    b'{"type":"orderbook_delta","sid":1,"se\n',
]

Sides = tuple[dict[int, int], dict[int, int]]
Books = dict[str, Sides]


# -- the oracle --------------------------------------------------------------------------------------------------------


class Body(msgspec.Struct, gc=False):
    market_ticker: str = ""
    price_dollars: str = ""
    delta_fp: str = ""
    side: str = ""
    yes_dollars_fp: list[tuple[str, str]] = []
    no_dollars_fp: list[tuple[str, str]] = []


class Envelope(msgspec.Struct, gc=False):
    type: str
    sid: int = 0
    seq: int = 0
    msg: msgspec.Raw = msgspec.Raw(b"null")


BODY: Final = msgspec.json.Decoder(Body).decode
ENVELOPE: Final = msgspec.json.Decoder(Envelope).decode


@lru_cache(maxsize=100_000)
def fixed(text: str) -> int:
    """`0.4500` as 4500, `-1.50` as -150."""
    return int(text.replace(".", ""))


def apply(books: Books, kind: str, body: Body) -> None:
    """The ten lines: a snapshot replaces, a delta adds, a level at zero goes."""
    if kind == "orderbook_snapshot":
        books[body.market_ticker] = (
            {fixed(price): fixed(size) for price, size in body.yes_dollars_fp},
            {fixed(price): fixed(size) for price, size in body.no_dollars_fp},
        )
        return
    levels, price = books[body.market_ticker][body.side == "no"], fixed(body.price_dollars)
    size = levels.get(price, 0) + fixed(body.delta_fp)
    if size:
        levels[price] = size
    else:
        del levels[price]


class Sent(NamedTuple):
    """One frame on its way, with what the oracle needs to know of it; garbage has neither sid nor seq."""

    data: bytes
    sid: int = 0
    seq: int = 0
    kind: str = ""
    body: Body | None = None


def sent(data: bytes) -> Sent:
    envelope = ENVELOPE(data)
    is_book = envelope.type in ("orderbook_delta", "orderbook_snapshot")
    return Sent(data, envelope.sid, envelope.seq, envelope.type, BODY(envelope.msg) if is_book else None)


class Truth:
    """What one subscription's books are after each of its numbers; goes forward only."""

    def __init__(self) -> None:
        self.books: Books = {}
        self.seq = 0
        self._ahead: deque[Sent] = deque()

    def make(self, item: Sent) -> None:
        self._ahead.append(item)

    def advance(self, seq: int) -> set[str]:
        """Go on to this number; returns the tickers that changed."""
        touched: set[str] = set()
        while self._ahead and self._ahead[0].seq <= seq:
            item = self._ahead.popleft()
            self.seq = item.seq
            if item.body is not None:
                apply(self.books, item.kind, item.body)
                touched.add(item.body.market_ticker)
        return touched


# -- the line ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Faults:
    """Probabilities per frame."""

    drop: float = 0.0
    duplicate: float = 0.0
    swap: float = 0.0  # with the next one
    again: float = 0.0  # an older frame once more
    garble: float = 0.0  # garbage in its place
    garbage: float = 0.0  # garbage before it
    delay: float = 0.0  # this and what follows wait for some steps
    disconnect: float = 0.0
    terminal: float = 0.0  # the subscription ends, 10 or 25


KINDS: Final = tuple(field.name for field in fields(Faults))
RARE: Final = frozenset({"disconnect", "terminal", "delay"})
RATES: Final = (0.0, 0.001, 0.01)
RARE_RATES: Final = (0.0, 0.0003, 0.002)


def drawn(rng: random.Random) -> Faults:
    """A swarm: some kinds of faults are absent, at least one is there."""
    while True:
        rates = {name: rng.choice(RARE_RATES if name in RARE else RATES) for name in KINDS}
        if any(rates.values()):
            return Faults(**rates)


class Line:
    """Carries frames and mistreats them."""

    def __init__(self, faults: Faults, rng: random.Random) -> None:
        self.is_quiet = False
        self._rng = rng
        self._waiting: list[Sent] = []
        self._held_steps = 0
        self._recent: deque[Sent] = deque(maxlen=50)
        self._table: list[tuple[float, Callable[[Sent, list[Sent]], None]]] = []
        total = 0.0
        for name in ("drop", "duplicate", "swap", "again", "garble", "garbage", "delay"):
            total += getattr(faults, name)
            self._table.append((total, getattr(self, f"_{name}")))
        self._total = total
        self._swapped: Sent | None = None

    def forget(self) -> None:
        """A new connection: nothing of the old one arrives any more."""
        self._waiting = []
        self._recent.clear()
        self._held_steps = 0
        self._swapped = None

    def carry(self, items: list[Sent]) -> list[Sent]:
        """What arrives now."""
        self._waiting += items
        if self._held_steps and not self.is_quiet:
            self._held_steps -= 1
            return []
        arrived: list[Sent] = []
        waiting, self._waiting = self._waiting, []
        random_, total = self._rng.random, 0.0 if self.is_quiet else self._total
        for at, item in enumerate(waiting):
            draw = random_()
            if draw < total and item.kind != "error":  # a loss of the last word on a stream cannot be noticed
                next(act for limit, act in self._table if draw < limit)(item, arrived)
                if self._held_steps:
                    self._waiting = waiting[at:]
                    break
            else:
                arrived.append(item)
            if self._swapped is not None and self._swapped is not item:
                arrived.append(self._swapped)
                self._swapped = None
        self._recent.extend(arrived[-50:])
        return arrived

    def _drop(self, item: Sent, arrived: list[Sent]) -> None:
        pass

    def _duplicate(self, item: Sent, arrived: list[Sent]) -> None:
        arrived += (item, item)

    def _swap(self, item: Sent, arrived: list[Sent]) -> None:
        if self._swapped is None:
            self._swapped = item
        else:
            arrived.append(item)

    def _again(self, item: Sent, arrived: list[Sent]) -> None:
        if self._recent:
            arrived.append(self._rng.choice(self._recent))
        arrived.append(item)

    def _garble(self, item: Sent, arrived: list[Sent]) -> None:
        arrived.append(Sent(self._rng.choice(GARBAGE)))

    def _garbage(self, item: Sent, arrived: list[Sent]) -> None:
        arrived += (Sent(self._rng.choice(GARBAGE)), item)

    def _delay(self, item: Sent, arrived: list[Sent]) -> None:
        self._held_steps = self._rng.randint(1, 20)


# -- the world ---------------------------------------------------------------------------------------------------------


class World:
    """An exchange that plays a recording, a line, and our client as the connector would run it."""

    def __init__(self, reader: RecordingReader, rng: random.Random, session_type: type[BookSession]) -> None:
        self.rng = rng
        self._session_type = session_type
        self.faults = drawn(self.rng)
        self.line = Line(self.faults, self.rng)
        self.now_us = reader.header.started_us
        self.floor = Floor(recorded(reader.header.markets), now_ms=lambda: self.now_us // 1000)
        self.playback = Playback(reader, self.floor, report=lambda _event, _facts: None)
        self.books = {ticker: Book(ticker) for ticker in self.floor.listings}
        self.counters = FeedCounters()
        self.connections = self.terminals = self.compared = 0
        self._venue: ClientSession | None = None
        self._client: BookSession | None = None
        self._down_steps = 0
        self._settle_us = 0

    # -- connections -------------------------------------------------------------------------------------------------

    def connect(self) -> None:
        self._venue = self.floor.open_session()
        self._commands = Commands(self._venue)
        self._client = self._session_type("line", self.books, self.counters)
        self.line.forget()
        self.truths: dict[int, Truth] = {}
        self._sid = 0
        self._high = 0
        self._seen: dict[str, tuple[int, BookState]] = {}
        self.connections += 1

    def disconnect(self, reason: str) -> None:
        assert self._venue is not None
        assert self._client is not None
        self._client.lost(reason)
        self.floor.close_session(self._venue)
        self._venue = self._client = None
        self._down_steps = 0 if self.line.is_quiet else self.rng.randint(1, 5)

        assert not any(book.state is BookState.LIVE for book in self.books.values()), "live without a connection"

    # -- one step ------------------------------------------------------------------------------------------------------

    def play(self, entries: int) -> None:
        if self.playback.next_at_us is not None:
            self.now_us = max(self.now_us, self.playback.next_at_us)
        self.playback.step(until_us=None, entries_max=entries)

    def exchange(self) -> None:
        """Commands out, frames in, the oracle's verdict."""
        if self._client is None:
            if self._down_steps:
                self._down_steps -= 1
                return
            self.connect()
        assert self._client is not None
        assert self._venue is not None
        now_s = self.now_us / 1e6
        try:
            for command in self._client.commands(at_us=self.now_us, now_s=now_s):
                self._commands.receive(command)
            made = self._take()
            if self._is_drawn(self.faults.disconnect, len(made)):
                self.disconnect("cut by the line")
                return
            arrived = self.line.carry(made)
            if arrived:
                self._receive(arrived, now_s)
            if self.now_us >= self._settle_us:
                self._settle_us = self.now_us + TICK_US
                self._client.settle(at_us=self.now_us, now_s=now_s)
                self._compare(set(self.books))
        except (ConnectivityError, RemoteProtocolError) as cause:
            self.disconnect(str(cause))
        if self._client is not None:
            self._client.take_notices()

    def _is_drawn(self, rate: float, frames: int) -> bool:
        """Whether a fault with this rate per frame happens among so many."""
        return not self.line.is_quiet and self.rng.random() < rate * frames

    def _take(self) -> list[Sent]:
        assert self._venue is not None
        subscription = self._venue.by_channel.get(BOOK_CHANNEL)
        if subscription and self._is_drawn(self.faults.terminal, self._venue.queued_frames):
            body = wire.error_body(self.rng.choice((10, 25)), "the end of this stream")
            self._venue.answer(wire.reply("error", msg=body, sending_ms=0, **subscription.scope()))
            self._venue.drop(subscription)
            self.terminals += 1
        made = [sent(data) for data in self._venue.take()]
        for item in made:
            if item.seq:
                self.truths.setdefault(item.sid, Truth()).make(item)
        return made

    def _receive(self, arrived: list[Sent], now_s: float) -> None:
        assert self._client is not None
        self._client.receive([item.data for item in arrived], at_us=self.now_us, now_s=now_s)
        touched: set[str] = set()
        for item in arrived:
            if item.sid > self._sid and item.seq:
                self._sid, self._high = item.sid, 0
                touched = set(self.books)
            if item.sid == self._sid:
                self._high = max(self._high, item.seq)
        if self._sid:
            touched |= self.truths[self._sid].advance(self._high)
        self._compare(touched)

    def _compare(self, touched: set[str]) -> None:
        """Every live book that changed, or whose truth did, is right."""
        for ticker, book in self.books.items():
            if book.state is not BookState.LIVE:
                self._seen.pop(ticker, None)
                continue
            seen = (book.updates, book.state)
            if ticker in touched or self._seen.get(ticker) != seen:
                self._seen[ticker] = seen
                self.compared += 1
                truth = self.truths[self._sid].books.get(ticker)
                assert (book.yes, book.no) == truth, f"{ticker} is live and wrong at {self._sid}/{self._high}"

    # -- the end -------------------------------------------------------------------------------------------------------

    def converge(self) -> None:
        """Faults have stopped. The venue says something, for a loss that nothing follows cannot be seen."""
        listing = next(iter(self.floor.listings.values()))
        for change in (100, -100):
            listing.tick()
            self.floor.change(listing, True, 1, change, ts="2026-10-04T15:20:00Z", ts_ms=self.now_us // 1000)
        for _ in range(CONVERGE_S * 1_000_000 // STEP_US):
            self.now_us += STEP_US
            self.exchange()
            if all(book.state is BookState.LIVE for book in self.books.values()):
                return


def simulate(
    folder: Path, name: str, seed: int, frames_max: int | None, session_type: type[BookSession] = BookSession
) -> World:
    """Play one recording, or its beginning, under one seed's faults; raises `AssertionError` where the oracle objects."""
    expected, frames = reference(folder / f"{name}.jsonl.zst", frames_max)
    with (folder / f"{name}.jsonl.zst").open("rb") as file:
        world = World(RecordingReader(file, file.name), random.Random(f"{name}:{seed}"), session_type)
        counts, size = world.playback.counts, (1, 8, 64)
        while counts[Kind.FRAMES] < frames and not world.playback.is_finished:
            left = frames - counts[Kind.FRAMES]
            world.line.is_quiet = left <= QUIET_FRAMES
            world.play(min(left, world.rng.choice(size)))
            world.exchange()
        world.line.is_quiet = True
        world.converge()

    assert all(book.state is BookState.LIVE for book in world.books.values()), "not healed"
    for ticker, book in world.books.items():
        held = world.floor.listings[ticker].book
        book.check()
        assert (book.yes, book.no) == (held.yes, held.no), f"{ticker} is not healed"
        if counts[Kind.FRAMES] == frames:
            assert (book.yes, book.no) == expected.get(ticker, ({}, {})), f"{ticker} is not the reference"
    return world


@cache
def reference(path: Path, frames_max: int | None) -> tuple[Books, int]:
    """Books by the ten lines alone, straight from the file, and how many frames that took."""
    books: Books = {}
    frames = 0
    with path.open("rb") as file:
        for entry in RecordingReader(file, path.name):
            if not entry.is_inbound:
                continue
            assert isinstance(entry.frame, msgspec.Raw)
            item = sent(bytes(entry.frame))
            if item.body is not None:
                apply(books, item.kind, item.body)
            frames += 1
            if frames == frames_max:
                break
    return books, frames
