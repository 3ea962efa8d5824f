"""The judge of the books is not easily pleased: it compares with what the exchange held, not with what it sent."""

import random
from collections import deque

import pytest
import trio
from trio.testing import MockClock

from traderv3.domain.feed import Feed, Link
from traderv3.domain.tape import NO_TAPE
from traderv3.simulation.network import Connection
from traderv3.simulation.witness import Broken, Witness

NAME, TICKER = "orderbook_connector", "KXONE"


class Scene:
    """A trader's feed with one book, and what the exchange said of it."""

    def __init__(self) -> None:
        self.broken: list[str] = []
        connection = Connection(1, NAME, random.Random(1), 0.0)
        self.witness = Witness([connection], self.broken.append)
        self.feed = self.witness.feed = Feed()
        self.feed.watch([TICKER])
        self.line = self.feed.line(NAME)
        self.line.tickers, self.line.link = (TICKER,), Link.CONNECTED
        self.tape = self.witness.overhear(NO_TAPE)
        self.tape.event(7, 0, "open", name=NAME, carries="books")

    def said(self, seq: int, yes: dict[int, int]) -> None:
        self.witness.said.setdefault((1, 1), deque()).append((seq, TICKER, yes, {}, 0.0))

    def takes(self, *seqs: int) -> None:
        kinds = {1: b"orderbook_snapshot"}
        frames = [
            b'{"type":"%b","sid":1,"seq":%d,"market_ticker":"KXONE"}' % (kinds.get(seq, b"orderbook_delta"), seq)
            for seq in seqs
        ]
        self.feed.counters.messages += len(frames)
        self.tape.frames(7, 0, frames, is_inbound=True)


@pytest.fixture
def scene() -> Scene:
    scene = Scene()
    scene.said(1, {4000: 100})
    scene.said(2, {4000: 100, 4100: 5})
    return scene


def test_a_right_book_passes(scene: Scene) -> None:
    scene.feed.books[TICKER].replace([(4000, 100)], [])
    scene.takes(1)
    scene.witness.check_all()
    scene.witness.check_counters()

    assert scene.broken == []
    assert scene.witness.checked == 2


@pytest.mark.parametrize("levels", [[(4000, 100)], [(4000, 100), (4100, 6)], [], [(4000, 100), (4100, 5), (1, 1)]])
def test_a_live_book_that_differs_at_the_number_taken_is_told(scene: Scene, levels: list[tuple[int, int]]) -> None:
    scene.feed.books[TICKER].replace(levels, [])
    scene.takes(1, 2)

    assert len(scene.broken) == 1
    assert "differs from the exchange's book at number 2" in scene.broken[0]


def test_a_stale_book_may_differ(scene: Scene) -> None:
    scene.feed.books[TICKER].replace([], [])
    scene.feed.books[TICKER].mark_stale("a gap")
    scene.takes(2)

    assert scene.broken == []


def test_a_gap_that_nobody_counted_is_told(scene: Scene) -> None:
    scene.takes(2)
    with pytest.raises(Broken, match="1 gaps came and 0 were counted"):
        scene.witness.check_counters()


def test_a_gap_in_a_subscription_that_the_trader_has_left_need_not_be_counted(scene: Scene) -> None:
    """Seed 1611: the exchange did not hear of it, and went on."""
    scene.takes(1)
    scene.tape.frames(7, 0, [b'{"id":4,"cmd":"unsubscribe","params":{"sids":[1]}}'], is_inbound=False)
    scene.takes(3)
    scene.witness.check_counters()


async def test_a_live_book_that_stands_still_while_the_exchange_goes_on_is_told(autojump_clock: MockClock) -> None:
    scene = Scene()
    scene.said(1, {4000: 100})
    scene.said(2, {4000: 100, 4100: 5})
    scene.feed.books[TICKER].replace([(4000, 100)], [])
    scene.takes(1)
    await trio.sleep(10.0)
    scene.witness.check_lag(10.0)
    await trio.sleep(0.1)
    with pytest.raises(Broken, match=r"10\.1 s behind the exchange"):
        scene.witness.check_lag(10.0)


def test_a_live_book_between_two_connections_is_told(scene: Scene) -> None:
    scene.feed.books[TICKER].replace([(4000, 100)], [])
    scene.takes(1)
    scene.line.link = Link.DISCONNECTED
    with pytest.raises(Broken, match="no connection carries it"):
        scene.witness.check_all()


def test_a_book_that_the_exchange_never_sent_is_told(scene: Scene) -> None:
    scene.feed.books["KXTWO"] = scene.feed.books.pop(TICKER)
    scene.feed.books["KXTWO"].replace([(4000, 100)], [])
    scene.line.tickers = ("KXTWO",)
    scene.takes(1)

    assert "no snapshot came after what was lost" in scene.broken[0]


def test_a_live_book_after_a_frame_that_cannot_be_read_is_told(scene: Scene) -> None:
    scene.feed.books[TICKER].replace([(4000, 100)], [])
    scene.takes(1)
    scene.tape.frames(7, 0, [b'{"type":"orderbook_del'], is_inbound=True)

    assert "no snapshot came after what was lost" in scene.broken[0]


def test_a_live_book_after_a_gap_is_told_even_if_it_is_right(scene: Scene) -> None:
    scene.said(4, {4000: 100})
    scene.feed.books[TICKER].replace([(4000, 100)], [])
    scene.takes(1, 4)

    assert "no snapshot came after what was lost" in scene.broken[0]
