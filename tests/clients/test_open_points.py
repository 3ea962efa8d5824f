"""Our connector against a venue that reads every open point of the protocol another way: each reading is survived.

Survived means: at the end the books are live and the venue's own, or a sentence says why not; no book is ever readable
as live while it differs from what the venue last told; and the venue is never hammered (connections and commands a
minute). Real connector, door, signatures, WebSocket bytes; virtual time. Source: protocol page, 10.1 and 10.2.
"""

import random
import re
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, Final, cast

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric import ed25519
from trio.testing import MockClock

from tests.clients.readings import commands, connections, messages  # noqa: F401 - each enters its rows into the table
from tests.clients.readings.table import POINTS, Point
from tests.clients.scripted_door import BACKOFF, RecordingBus, wall_us
from tests.clients.scripted_venue import Conversation, ScriptedVenue
from traderv3.clients.door import Door, Wires
from traderv3.clients.orderbook_connector import OrderBookConnector
from traderv3.clients.selection import Selection
from traderv3.config.endpoints import parse_endpoint
from traderv3.config.environment import Environment
from traderv3.config.limits import LIMITS
from traderv3.core.lifeline import Lifeline
from traderv3.domain.book import BookState
from traderv3.domain.errors import VenueRefused
from traderv3.domain.events import ConnectionLost
from traderv3.domain.feed import Feed
from traderv3.protocol.session import SessionLimits
from traderv3.protocol.signing import Signer

SAMPLE_S: Final = 0.1
CONNECTORS_MAX: Final = 4


class Rig:
    """The real connectors and door; the venue on the other end of memory streams."""

    def __init__(self, case: Point) -> None:
        self.case = case
        self.venue = ScriptedVenue(case.served, case.reading)
        self.feed = Feed()
        self.bus = RecordingBus()
        self.given_up: list[str] = []
        self.wrong: list[str] = []
        key = ed25519.Ed25519PrivateKey.generate()
        api = parse_endpoint("http://127.0.0.1:8010/trade-api/v2", Environment.SIM, "api")
        ws = parse_endpoint("ws://127.0.0.1:8010/trade-api/ws/v2", Environment.SIM, "ws")
        self.door = Door(
            api, ws, Signer("key", key), wall_us=wall_us, rng=random.Random(1), wires=Wires(self.venue.open_stream)
        )
        self.door.rest = cast("Any", SimpleNamespace(measure_clock=trio.lowlevel.checkpoint))
        self._connectors = 0
        self._nursery: trio.Nursery | None = None
        self.selection = Selection(on_grow=self._grow)

    async def run(self) -> None:
        """Until the case's time is over; the books stand still for the last two seconds."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            await nursery.start(self.venue.run)
            self.selection.make(self.case.wanted)
            self._grow(1)
            nursery.start_soon(self._watch)
            await trio.sleep(self.case.run_s)
            self.venue.is_frozen = True
            await trio.sleep(2)
            self.check_live()
            self.said = self._sentences()
            self.live = {t for t, book in self.feed.books.items() if book.state is BookState.LIVE}
            nursery.cancel_scope.cancel()

    def _grow(self, wanted: int) -> None:
        while self._nursery is not None and self._connectors < min(wanted, CONNECTORS_MAX):
            connector = OrderBookConnector(
                self.door,
                self.selection,
                self.feed,
                self.bus,
                index=self._connectors,
                wall_us=wall_us,
                rng=random.Random(self._connectors),
                give_up=self._give_up,
                backoff=BACKOFF,
                limits=SessionLimits(chunk=self.case.chunk, answer_s=LIMITS.answer_s),
            )
            self._connectors += 1
            self._nursery.start_soon(connector.run, Lifeline())

    async def _give_up(self, refusal: VenueRefused) -> None:
        self.given_up.append(str(refusal))

    async def _watch(self) -> None:
        """Look between the venue's changes, when everything said has arrived."""
        await trio.sleep(SAMPLE_S / 2)
        while True:
            await trio.sleep(SAMPLE_S)
            await trio.testing.wait_all_tasks_blocked()
            self.check_live()

    def check_live(self) -> None:
        for ticker, book in self.feed.books.items():
            if book.state is BookState.LIVE:
                held = {("yes", at): size for at, size in book.yes.items()}
                held |= {("no", at): size for at, size in book.no.items()}
                if held != self.venue.books.get(ticker):
                    self.wrong.append(f"{trio.current_time():.2f} s: {ticker} is live and wrong: {held}")

    def _sentences(self) -> list[str]:
        lost = [event.reason for event in self.bus.events if isinstance(event, ConnectionLost)]
        details = [str(getattr(event, "detail", "")) for event in self.bus.events]
        unserved = ["no usable snapshot"] if self.feed.unserved else []
        reasons = [self.feed.link_reason, self.feed.problem or "", *self.feed.absent.values(), *unserved]
        return [*reasons, *lost, *details, *self.given_up]


def most_in_a_minute(times: Iterable[float]) -> int:
    moments = sorted(times)
    return max((sum(1 for later in moments[i:] if later < at + 60) for i, at in enumerate(moments)), default=0)


@pytest.mark.parametrize("case", POINTS, ids=lambda case: case.name)
async def test_the_client_survives(case: Point, autojump_clock: MockClock) -> None:
    rig = Rig(case)
    await rig.run()

    assert not rig.wrong, rig.wrong[:3]
    if case.is_live:
        assert rig.live == set(case.served), rig.said
    if case.sentence is not None:
        assert re.search(case.sentence, " | ".join(rig.said)), rig.said
    assert most_in_a_minute(rig.venue.connected_at) <= case.connections_max
    assert most_in_a_minute(rig.venue.commanded_at) <= case.commands_max


def test_every_point_is_in_the_table_once() -> None:
    names = [case.name for case in POINTS]

    assert len(names) == len(set(names)) > 110


async def test_what_we_offer_and_ask_is_the_same_on_every_connection(
    autojump_clock: MockClock,
) -> None:
    rig = Rig(Point(name="by the book", reading=commands.ByTheBook, run_s=5.0))
    await rig.run()

    for headers in rig.venue.requests:
        assert "sec-websocket-extensions" not in headers  # no compression: our frame reader takes none
        assert headers["kalshi-access-key"] == "key"
        assert headers["kalshi-access-signature"]


async def test_the_oracle_can_fail(autojump_clock: MockClock) -> None:
    class Lies(Conversation):
        def tell_delta(self, ticker: str, side: str, at: int, change: int) -> None:
            super().tell_delta(ticker, side, at, change if change < 0 else change + 100)

    rig = Rig(Point(name="lies", reading=Lies, run_s=20.0))
    await rig.run()

    assert rig.wrong
