"""A loss, from the book that shows it to the order that is cancelled for it: the stops of the day through the whole engine."""

from collections.abc import Sequence

import trio
from trio.testing import MockClock

from tests.trading.fake_house import House
from tests.trading.risking import draft
from tests.trading.telling import TICKER, fill, held, told
from traderv3.domain.orders import Intent
from traderv3.domain.permission import Mode
from traderv3.domain.units import Money
from traderv3.trading.strategies.view import View

CONTRACTS = 1_000_00
OTHER = "EV3-A"  # of another series: what is held leaves no room in its own
FELL_BY = 1_000  # 0.10 a contract: 100 dollars, twice the limit


def price(house: House, bid: int) -> None:
    """The book's YES bid, with an ask 0.20 above it."""
    house.feed.books[TICKER].replace([(bid, CONTRACTS)], [(8_000 - bid, CONTRACTS)])


async def live(house: House, for_s: float, *resting: str) -> None:
    """Time passes; every reading shows what we hold, and these orders."""
    orders = [told(key, ticker=OTHER) for key in resting]
    ends_at = trio.current_time() + for_s
    while trio.current_time() < ends_at:
        house.read(positions=[held(CONTRACTS)], orders=orders)
        house.step()
        await trio.sleep(0.2)


async def holding_house() -> House:
    """A thousand contracts held, and trading allowed."""
    house = House()
    house.inbox.put(fill(CONTRACTS, price=4_000))
    await live(house, 2.0)
    assert house.engine.reconciliation.is_clean
    return house


async def test_a_loss_locks_new_exposure_and_takes_back_what_could_open(autojump_clock: MockClock) -> None:
    house = await holding_house()
    house.strategy.wants = lambda _: [draft(OTHER, count=100)]
    await live(house, 0.1)
    (create,) = house.creates[:1]
    house.strategy.wants = lambda _: ()
    house.rest(create)
    price(house, 4_000 - FELL_BY)
    await live(house, 2.5, create.client_order_id)
    (lock, _) = house.engine.day.facts(house.wall_us()).locks

    assert lock.reason == "account lost 100.000000 today; at most 50.000000"
    assert house.cancels == [create.client_order_id]
    assert house.strategy.views[-1].mode is Mode.REDUCING
    assert "stop RISK_MAX_DAY_LOSS" in str(house.picture.troubles(house.wall_us()))


async def test_under_a_stop_closing_goes_on_and_a_resume_ends_it(autojump_clock: MockClock) -> None:
    house = await holding_house()
    price(house, 4_000 - FELL_BY)
    await live(house, 1.5)

    def both(_: View) -> Sequence[Intent]:
        return [draft(is_bid=False, price=5_000, count=500), draft(OTHER, count=100)]

    house.strategy.wants = both
    await live(house, 0.1)
    house.strategy.wants = lambda _: ()

    assert {create.order.wanted.ticker for create in house.creates} == {TICKER}
    assert house.engine.refusals.lines[0].rule == "RISK_STOPPED"
    house.engine.day.lift(house.wall_us())
    await live(house, 2.0)
    assert house.engine.day.facts(house.wall_us()).locks == ()
    house.strategy.wants = lambda _: [draft(OTHER, count=100)]
    await live(house, 1.5)
    assert house.creates[-1].order.wanted.ticker == OTHER


async def test_a_gap_in_the_book_is_no_loss(autojump_clock: MockClock) -> None:
    house = await holding_house()
    house.feed.books[TICKER].mark_stale("a gap")
    await live(house, 40.0)
    facts = house.engine.day.facts(house.wall_us())

    assert facts.locks == ()
    assert not facts.is_blind
    assert facts.losses == {"account": Money(0), "s": Money(0)}
