"""Whatever is lost, repeated or garbled on the way: what can be read as live is the venue's book, and all heal."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from hypothesis import given
from hypothesis import strategies as st

from tests.protocol.model_venue import Levels, ModelVenue, encode
from traderv3.domain.book import Book, BookState
from traderv3.domain.errors import ConnectivityError, RemoteProtocolError
from traderv3.domain.feed import FeedCounters
from traderv3.protocol.session import BookSession, SessionLimits

TICKERS: Final = ["A", "B", "C", "D", "E"]
UNKNOWN: Final = ["X", "Y"]
LIMITS: Final = SessionLimits(chunk=2)
STEP_S: Final = 0.25

Event = Literal["nothing", "end", "begin again", "clock back", "refuse", "limit", "remove", "add", "distrust"]
Fate = Literal["deliver", "drop", "twice", "again", "garble", "before", "unknown", "hold"]
GARBAGE: Final = [
    b"",
    b"{",
    b"\xff\xfe",
    b"null",
    b"[" * 2000,
    b'{"type":"orderbook_delta"}',
    b'{"type":7}',
    b'{"type":"\xff"}',
]


@dataclass
class World:
    """A session, the venue at the other end, and a line that mistreats frames."""

    venue: ModelVenue = field(default_factory=lambda: ModelVenue(TICKERS))
    counters: FeedCounters = field(default_factory=FeedCounters)
    books: dict[str, Book] = field(default_factory=lambda: {t: Book(t) for t in TICKERS + UNKNOWN})
    now_s: float = 0.0
    delivered: list[bytes] = field(default_factory=list)
    held: list[bytes] = field(default_factory=list)
    raised: int = 0

    def __post_init__(self) -> None:
        self.session = BookSession("test", self.books, self.counters, LIMITS)

    @property
    def at_us(self) -> int:
        return int(self.now_s * 1e6)

    def reconnect(self) -> None:
        """What the connector does after an error."""
        self.session.lost("gone")

        assert not any(book.state is BookState.LIVE for book in self.books.values())
        self.venue.connect()
        self.delivered, self.held = [], []
        self.books = dict(self.session.books)
        self.session = BookSession("test", self.books, self.counters, LIMITS)
        self.raised += 1

    def happen(self, event: Event, ticker: str) -> None:
        """What the venue, or who else decides about the markets, does of itself."""
        match event:
            case "end":
                self.venue.end(25)
            case "begin again":
                self.venue.begin_again()
            case "clock back":
                self.venue.set_clock_back()
            case "refuse":
                self.venue.refusals += [27, 18]
            case "limit":
                self.venue.limit = 3
            case "remove":
                self.session.remove([ticker])
            case "add":
                self.session.add({ticker: Book(ticker)})
            case "distrust":
                self.session.distrust(ticker, "cross-check", at_us=self.at_us, now_s=self.now_s)
            case "nothing":
                pass

    def cross_check(self) -> None:
        """A book that differs from the venue's though nothing is under way: what no sequence number can show."""
        for ticker, book in list(self.session.books.items()):
            if book.state is BookState.LIVE and levels_of(book) != self.venue.books[ticker]:
                self.session.distrust(ticker, "cross-check", at_us=self.at_us, now_s=self.now_s)

    def command(self) -> None:
        """Let the session ask, the venue hear."""
        for command in self.session.commands(at_us=self.at_us, now_s=self.now_s):
            self.venue.hear(command)

        assert self.venue.largest_command <= LIMITS.chunk

    def deliver(self, frames: list[bytes]) -> None:
        troubles = self.troubles
        try:
            self.session.receive(frames, at_us=self.at_us, now_s=self.now_s)
        finally:
            self.delivered += frames
            if len(frames) == 1 and self.troubles > troubles:
                self.check_only_this_frame_is_believed(frames[0])
            self.check()

    @property
    def troubles(self) -> int:
        counted = self.counters
        return counted.gaps + counted.rollbacks + counted.resets + counted.protocol_errors

    def check(self) -> None:
        """Whatever is live equals the venue's book at the number that the session has seen last."""
        for ticker, book in self.session.books.items():
            book.check()
            if book.state is BookState.LIVE:
                assert self.session.sid is not None
                states = self.venue.states[self.session.sid, self.session.last_seq]
                assert levels_of(book) in [state[ticker] for state in states]

    def check_only_this_frame_is_believed(self, frame: bytes) -> None:
        live = {ticker for ticker, book in self.session.books.items() if book.state is BookState.LIVE}
        try:
            message = json.loads(frame)
            own = {message["msg"]["market_ticker"]} if message["type"] == "orderbook_snapshot" else set()
        except (ValueError, TypeError, KeyError, RecursionError):
            own = set()

        assert live <= own

    def mistreat(self, frame: bytes, fate: Fate, pick: int) -> list[bytes]:
        """What arrives in place of one frame."""
        garbage = GARBAGE[pick % len(GARBAGE)]
        match fate:
            case "drop":
                return []
            case "twice":
                return [frame, frame]
            case "again" if self.delivered:
                return [self.delivered[pick % len(self.delivered)], frame]
            case "garble":
                return [garbage]
            case "before":
                return [garbage, frame]
            case "unknown":
                return [encode({"type": "brand_new", "msg": {}}), encode({"type": "trade", "sid": 9, "seq": 3}), frame]
            case "hold" if b'"subscribed"' in frame:
                self.held.append(frame)
                return []
            case _:
                return [frame]


def levels_of(book: Book) -> Levels:
    return {("yes", p): size for p, size in book.yes.items()} | {("no", p): size for p, size in book.no.items()}


FATES: Final[st.SearchStrategy[Fate]] = st.sampled_from([*["deliver"] * 8, *get_args(Fate)])
CHANGES = st.tuples(
    st.sampled_from(TICKERS), st.sampled_from(["yes", "no"]), st.sampled_from([1000, 4000]), st.integers(-500, 500)
)


EVENTS: Final[st.SearchStrategy[Event]] = st.sampled_from([*["nothing"] * 8, *get_args(Event)])
ROUNDS = st.tuples(st.lists(CHANGES, max_size=4), st.booleans(), st.integers(0, 8), EVENTS, st.sampled_from(TICKERS))


@given(rounds=st.lists(ROUNDS, max_size=25), data=st.data())
def test_no_faults_lead_to_a_wrong_book_and_all_heal_when_they_stop(
    rounds: list[tuple[list[tuple[str, str, int, int]], bool, int, Event, str]], data: st.DataObject
) -> None:
    world = World()
    for changes, is_single, steps, event, ticker in rounds:
        world.now_s += steps * STEP_S
        with recovery(world):
            world.command()
            for change in changes:
                world.venue.change(*change)
            if steps == 1:
                world.venue.invent()
            frames = [
                arrived
                for frame in world.venue.take()
                for arrived in world.mistreat(frame, data.draw(FATES), data.draw(st.integers(0, 50)))
            ]
            world.happen(event, ticker)
            frames += world.venue.take()  # that numbers begin again can be seen from the first one only
            if is_single:
                frames += world.held
                world.held = []
            batches = [[frame] for frame in frames] if is_single else [frames]
            for batch in batches:
                world.deliver(batch)
    world.session.add({ticker: Book(ticker) for ticker in TICKERS})
    converge(world)

    assert {t for t, book in world.session.books.items() if book.state is BookState.LIVE} == set(TICKERS)
    for ticker in TICKERS:
        assert levels_of(world.session.books[ticker]) == world.venue.books[ticker]


@contextlib.contextmanager
def recovery(world: World) -> Iterator[None]:
    """The two ways in which a session may end; the connector makes a new one."""
    try:
        yield
    except (ConnectivityError, RemoteProtocolError):
        world.reconnect()


def converge(world: World) -> None:
    """Faults have stopped; time goes on until all is whole, for at most three minutes.

    The venue says something, for a loss that nothing follows cannot be seen; what was lost with a subscription that
    ended unheard is found by the cross-check.
    """
    world.venue.limit, world.venue.refusals = 1000, []
    world.venue.invent()
    for _ in range(int(180 / STEP_S)):
        world.now_s += STEP_S
        with recovery(world):
            world.command()
            world.deliver(world.held + world.venue.take())
            world.held = []
            world.cross_check()
        if world.session.is_whole and set(TICKERS) <= set(world.session.books):
            return


@given(changes=st.lists(CHANGES, max_size=30), data=st.data())
def test_on_a_good_line_nothing_is_ever_taken_for_a_gap(
    changes: list[tuple[str, str, int, int]], data: st.DataObject
) -> None:
    world = World()
    world.command()
    world.deliver(world.venue.take())
    for change in changes:
        world.now_s += STEP_S
        world.venue.change(*change)
        if data.draw(st.booleans()):
            world.command()
            world.deliver(world.venue.take())
    converge(world)

    assert (world.counters.gaps, world.counters.duplicates, world.counters.protocol_errors) == (0, 0, 0)
    assert world.raised == 0
    assert set(world.session.books) == set(TICKERS)
    assert world.session.is_whole


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
KEYS = [
    "type",
    "sid",
    "seq",
    "id",
    "msg",
    "market_ticker",
    "price_dollars",
    "delta_fp",
    "side",
    "yes_dollars_fp",
    "code",
    "channel",
]
TYPES = ["orderbook_snapshot", "orderbook_delta", "subscribed", "ok", "unsubscribed", "error", "new"]
VALUES = JSON | st.sampled_from(
    [*TYPES, *TICKERS, 1, 2, 3, "0.4500", "-1.00", "yes", [["0.4500", "1.00"]], "orderbook_delta", 10, 25]
)
LIKE_A_MESSAGE = st.dictionaries(st.sampled_from(KEYS), VALUES | st.dictionaries(st.sampled_from(KEYS), VALUES)).map(
    lambda message: json.dumps(message, ensure_ascii=False).encode("utf-8", "surrogatepass")
)
TYPED = st.tuples(st.sampled_from(TYPES), LIKE_A_MESSAGE).map(
    lambda pair: b'{"type":"' + pair[0].encode() + b'","sid":1,"seq":3,' + pair[1][1:]
)


@given(st.lists(st.binary(max_size=60) | LIKE_A_MESSAGE | TYPED, max_size=5))
def test_no_bytes_whatever_raise_anything_but_our_own_error(frames: list[bytes]) -> None:
    world = World()
    world.command()
    world.deliver(world.venue.take())
    try:
        world.session.receive(frames, at_us=0, now_s=0.0)
        world.session.settle(at_us=10_000_000, now_s=0.0)
        world.session.commands(at_us=0, now_s=0.0)
    except RemoteProtocolError:
        assert not any(book.state is BookState.LIVE for book in world.session.books.values())

    assert all(getattr(notice, "connection", "test") == "test" for notice in world.session.take_notices())
