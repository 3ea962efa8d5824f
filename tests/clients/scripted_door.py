"""A door to a venue in memory: the model venue behind a transport that a test can cut, mute or make refuse."""

import random
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final, cast

import trio

from tests.protocol.model_venue import ModelVenue
from traderv3.clients.orderbook_connector import OrderBookConnector
from traderv3.clients.selection import Selection
from traderv3.config.limits import LIMITS
from traderv3.core.event_bus import EventBus
from traderv3.core.lifeline import Lifeline
from traderv3.core.supervision import Backoff
from traderv3.domain.errors import ConnectivityError, TraderError, VenueRefused
from traderv3.domain.feed import Feed
from traderv3.protocol.session import SessionLimits

if TYPE_CHECKING:
    from traderv3.clients.door import Door

BACKOFF: Final = Backoff(LIMITS.reconnect_first_s, LIMITS.reconnect_most_s)


def wall_us() -> int:
    """The virtual clock as a wall clock."""
    return 1_795_000_000_000_000 + int(trio.current_time() * 1e6)


class Line:
    """One connection as the connector sees it."""

    def __init__(self, venue: ModelVenue) -> None:
        self.venue = venue
        self.is_answering = True
        self.batch_at = self.heard_at = 0.0
        self._error: Exception | None = None
        self._send, self._receive = trio.open_memory_channel[list[bytes]](100)

    async def send(self, command: bytes) -> None:
        if self._error is not None:
            raise self._error
        self.venue.hear(command)
        if self.is_answering:
            self.flush()

    async def receive_batch(self) -> list[bytes]:
        try:
            return await self._receive.receive()
        except trio.EndOfChannel:
            assert self._error is not None
            raise self._error from None

    def flush(self) -> None:
        """Everything that the venue has said so far arrives, in one batch."""
        if frames := self.venue.take():
            self.deliver(*frames)

    def deliver(self, *frames: bytes) -> None:
        self._send.send_nowait(list(frames))

    def cut(self, error: Exception | None = None) -> None:
        self._error = error or ConnectivityError("cut")
        self._send.close()


class ScriptedDoor:
    """`script` says what becomes of each attempt in turn (an error to raise, or None); after it, of all: `then`."""

    def __init__(self, venue: ModelVenue, feed: Feed) -> None:
        self.venue = venue
        self.script: list[TraderError | None] = []
        self.then: TraderError | None = None
        self.cuts_at_once = False  # accepts, and then closes before any data
        self.is_answering = True
        self.attempts: list[float] = []
        self.live_when_left: list[int] = []
        self.line: Line | None = None
        self.clock = SimpleNamespace(offset_us=0)
        self.rest = self
        self.measured: list[float] = []
        self.measure_error: TraderError | None = None
        self._feed = feed

    async def measure_clock(self) -> None:
        self.measured.append(trio.current_time())
        if self.measure_error is not None:
            raise self.measure_error

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Line]:
        self.attempts.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        outcome = self.script.pop(0) if self.script else self.then
        if outcome is not None:
            raise outcome
        self.venue.connect()
        self.line = Line(self.venue)
        self.line.is_answering = self.is_answering
        if self.cuts_at_once:
            self.line.cut()
        try:
            yield self.line
        finally:
            self.live_when_left.append(self._feed.live)
            self.line = None

    @property
    def waits(self) -> list[float]:
        """Seconds between attempts."""
        return [later - earlier for earlier, later in zip(self.attempts, self.attempts[1:], strict=False)]


class RecordingBus(EventBus):
    """Keeps what is published."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[object] = []

    def publish(self, event: object) -> None:
        self.events.append(event)

    def of(self, kind: type) -> list[object]:
        return [event for event in self.events if isinstance(event, kind)]


class Rig:
    """A connector, its venue and everything that it writes to."""

    def __init__(self, *wanted: str, served: Iterable[str] | None = None, chunk: int = 200) -> None:
        self.venue = ModelVenue(wanted if served is None else served)
        self.feed = Feed()
        self.door = ScriptedDoor(self.venue, self.feed)
        self.bus = RecordingBus()
        self.selection = Selection()
        self.selection.make(wanted)
        self.given_up: list[VenueRefused] = []
        self.lifeline = Lifeline()
        self.longest_without_beat_s = 0.0
        self.connector = OrderBookConnector(
            cast("Door", self.door),
            self.selection,
            self.feed,
            self.bus,
            wall_us=wall_us,
            rng=random.Random(1),
            give_up=self._note_given_up,
            backoff=BACKOFF,
            limits=SessionLimits(chunk=chunk, answer_s=LIMITS.answer_s),
        )

    async def _note_given_up(self, refusal: VenueRefused) -> None:
        self.given_up.append(refusal)

    @property
    def line(self) -> Line:
        """The connection that is up."""
        assert self.door.line is not None
        return self.door.line

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The connector at work; cancelled at the end of the block."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.connector.run, self.lifeline)
            nursery.start_soon(self._watch_beats)
            await trio.testing.wait_all_tasks_blocked()
            yield
            nursery.cancel_scope.cancel()

    async def _watch_beats(self) -> None:
        while True:
            silent_s = trio.current_time() - self.lifeline.last_beat
            self.longest_without_beat_s = max(self.longest_without_beat_s, silent_s)
            await trio.sleep(1)

    def levels_match(self) -> bool:
        """Whether every book equals the venue's."""
        return all(
            {("yes", p): s for p, s in book.yes.items()} | {("no", p): s for p, s in book.no.items()}
            == self.venue.books[ticker]
            for ticker, book in self.feed.books.items()
        )
