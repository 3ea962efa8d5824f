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

    def reconnect(self) -> None:
        """What the connector does after an error."""
        self.session.lost("gone")

        assert not any(book.state is BookState.LIVE for book in self.books.values())
        self.venue.connect()
        self.delivered, self.held = [], []
        self.books = dict(self.session.books)
        self.session = BookSession("test", self.books, self.counters, LIMITS)
        self.raised += 1

    def command(self) -> None:
        """Let the session ask, the venue hear."""
        for command in self.session.commands(at_us=0, now_s=self.now_s):
            self.venue.hear(command)

        assert self.venue.largest_command <= LIMITS.chunk

    def deliver(self, frames: list[bytes]) -> None:
        gaps, problems = self.counters.gaps, self.counters.protocol_errors
        try:
            self.session.receive(frames, at_us=int(self.now_s * 1e6), now_s=self.now_s)
        finally:
            self.delivered += frames
            if len(frames) == 1 and (self.counters.gaps > gaps or self.counters.protocol_errors > problems):
                self.check_only_this_frame_is_believed(frames[0])
            self.check()

    def check(self) -> None:
        """Whatever is live equals the venue's book at the number that the session has seen last."""
        for ticker, book in self.session.books.items():
            book.check()
            if book.state is BookState.LIVE:
                assert levels_of(book) == self.venue.states[self.session.last_seq][ticker]

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


@given(
    rounds=st.lists(st.tuples(st.lists(CHANGES, max_size=4), st.booleans(), st.integers(0, 8)), max_size=25),
    data=st.data(),
)
def test_no_faults_lead_to_a_wrong_book_and_all_heal_when_they_stop(
    rounds: list[tuple[list[tuple[str, str, int, int]], bool, int]], data: st.DataObject
) -> None:
    world = World()
    for changes, is_single, steps in rounds:
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
            if is_single:
                frames += world.held
                world.held = []
            batches = [[frame] for frame in frames] if is_single else [frames]
            for batch in batches:
                world.deliver(batch)
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
    """Faults have stopped; time goes on until all is whole, for at most 90 seconds.

    The venue says something, for a loss that nothing follows cannot be seen.
    """
    world.venue.invent()
    for _ in range(int(90 / STEP_S)):
        world.now_s += STEP_S
        with recovery(world):
            world.command()
            world.deliver(world.held + world.venue.take())
            world.held = []
        if world.session.is_whole:
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
