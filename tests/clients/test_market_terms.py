"""The terms of events: asked for once they are needed, taken from messages at once, kept when REST is away."""

from fractions import Fraction

import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from traderv3.clients.market_terms import AGAIN_S, RETRY_S, MarketTerms
from traderv3.core.lifeline import Lifeline
from traderv3.domain.errors import ConnectivityError
from traderv3.domain.feed import Feed, Listing
from traderv3.domain.fees import FeeSchedule
from traderv3.domain.market_facts import EventFeeUpdate
from traderv3.protocol.rest import Event, Series

ORDINARY = FeeSchedule("quadratic", Fraction(1))


class Rest:
    """Two events of one series; `is_away` answers nobody."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, str]] = []
        self.is_away = False
        self.override: FeeSchedule | None = None

    async def event(self, ticker: str) -> Event:
        await self._note(ticker)
        return Event(ticker, "S", "?", ticker == "EXCLUSIVE", "", self.override, 0)

    async def series(self, ticker: str) -> Series:
        await self._note(ticker)
        return Series(ticker, "?", "", ORDINARY, 0)

    async def _note(self, ticker: str) -> None:
        await trio.lowlevel.checkpoint()
        self.asked.append((round(trio.current_time()), ticker))
        if self.is_away:
            raise ConnectivityError("away")


class Watching:
    """The actor before two markets."""

    def __init__(self) -> None:
        self.rest, self.feed = Rest(), Feed()
        self.feed.listings = {
            "A": Listing(event_ticker="EXCLUSIVE"),
            "B": Listing(event_ticker="OTHER"),
            "C": Listing(),
        }
        self.terms = MarketTerms(lambda: self.rest, self.feed)  # type: ignore[arg-type, return-value]

    async def live(self, for_s: float) -> None:
        with capture_logs(), trio.move_on_after(for_s):
            await self.terms.run(Lifeline())


async def test_each_event_is_asked_for_once_and_its_series_too(autojump_clock: MockClock) -> None:
    watching = Watching()
    await watching.live(60)

    assert [ticker for _, ticker in watching.rest.asked] == ["EXCLUSIVE", "S", "OTHER"]
    assert watching.feed.terms("A") == watching.feed.events["EXCLUSIVE"]
    assert watching.feed.events["EXCLUSIVE"].is_exclusive
    assert not watching.feed.events["OTHER"].is_exclusive
    assert watching.feed.terms("C") is None


async def test_what_cannot_be_had_is_asked_for_again(autojump_clock: MockClock) -> None:
    watching = Watching()
    watching.rest.is_away = True
    await watching.live(RETRY_S + 5)
    watching.rest.is_away = False
    tries = len(watching.rest.asked)
    await watching.live(RETRY_S + 5)

    assert tries == 4
    assert set(watching.feed.events) == {"EXCLUSIVE", "OTHER"}


async def test_a_message_changes_the_fees_at_once_and_rest_has_the_last_word(autojump_clock: MockClock) -> None:
    watching = Watching()
    await watching.live(5)
    watching.terms.heed(
        EventFeeUpdate(
            event_ticker="OTHER", fee_type="quadratic_with_maker_fees", multiplier_ppm=500_000, received_us=0
        )
    )
    told = watching.feed.events["OTHER"].fees
    await watching.live(5)

    assert told == FeeSchedule("quadratic_with_maker_fees", Fraction(1, 2))
    assert watching.feed.events["OTHER"].fees == ORDINARY


async def test_everything_is_asked_again_now_and_then_and_what_is_gone_is_forgotten(autojump_clock: MockClock) -> None:
    watching = Watching()
    await watching.live(5)
    del watching.feed.listings["B"]
    await watching.live(AGAIN_S + 5)

    assert [ticker for _, ticker in watching.rest.asked].count("EXCLUSIVE") == 2
    assert set(watching.feed.events) == {"EXCLUSIVE"}
