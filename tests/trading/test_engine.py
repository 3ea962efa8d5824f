"""The engine among scripted neighbours: what it sends, what it withdraws, and when it does neither."""

import itertools
from collections.abc import Sequence

import trio
from trio.testing import MockClock

from tests.trading.fake_house import House, Log
from tests.trading.risking import draft
from tests.trading.telling import NOW_US, TICKER, fill, held, reading, seconds, told
from traderv3.config.strategy_file import NOTHING_TO_SET
from traderv3.core.lifeline import Lifeline
from traderv3.domain.execution import (
    Accepted,
    Amend,
    Cancel,
    Decrease,
    KeptIntent,
    Missed,
    Rejected,
    Unknown,
    Written,
)
from traderv3.domain.market_facts import MarketLifecycle, OrderGroupUpdate
from traderv3.domain.orders import Change, Intent, Withdrawal
from traderv3.domain.permission import Mode
from traderv3.domain.units import Money, Price, Qty
from traderv3.trading.decider import MARKETS_MAX
from traderv3.trading.picture import SOON_S, STILL_S
from traderv3.trading.strategies.hold import Hold
from traderv3.trading.strategies.view import View


def wants_once(*intents: Intent) -> object:
    left: list[Intent] = list(intents)

    def decide(_: View) -> Sequence[Intent]:
        said, left[:] = tuple(left), []
        return said

    return decide


def quoting(house: House, *intents: Intent) -> None:
    """Let the strategy want this, once, and the engine step."""
    house.strategy.wants = wants_once(*intents)  # type: ignore[assignment]
    house.feed.books[TICKER].updates += 1
    house.step()


# -- deciding ----------------------------------------------------------------------------------------------------------


async def test_nothing_is_decided_before_the_account_agrees(autojump_clock: MockClock) -> None:
    house = House()
    house.strategy.wants = lambda _: (draft(),)
    house.step()
    house.read()
    house.step()

    assert house.port.requests == []
    assert house.engine.obstacle == "a second reading is to agree"

    house.read()
    house.step()

    assert len(house.creates) == 1
    assert house.engine.obstacle is None


async def test_a_draft_becomes_a_create_with_an_id_of_its_own(autojump_clock: MockClock) -> None:
    house = House()
    house.calibrate()
    quoting(house, draft(price=4500), draft(is_bid=False, price=5500))

    assert [create.client_order_id for create in house.creates] == ["o-1", "o-2"]
    assert [create.order.wanted.price for create in house.creates] == [4500, 5500]
    assert house.state_of("o-1") == "intended"


async def test_what_risk_refuses_is_shown_and_the_market_rests_a_second(autojump_clock: MockClock) -> None:
    house = House()
    house.calibrate()
    for _ in range(3):
        quoting(house, draft(count=1_000_000))
        await trio.sleep(0.1)

    assert house.port.requests == []
    assert len(house.strategy.views) == 1
    assert [(line.by, line.times) for line in house.engine.refusals.lines] == [("risk", 1)]

    await trio.sleep(1)
    house.read()
    quoting(house, draft(price=4500))

    assert len(house.creates) == 1


async def test_what_the_venue_refuses_rests_ever_longer_until_it_takes_one(autojump_clock: MockClock) -> None:
    house = House()
    house.calibrate()
    waits = []
    for _ in range(4):
        began = trio.current_time()
        house.port.requests.clear()
        while not house.creates:
            house.read()
            quoting(house, draft(price=4500))
            await trio.sleep(0.25)
        waits.append(round(trio.current_time() - began))
        house.answer(house.creates[0], Written(), Rejected("trading_is_paused", "trading is paused"))

    assert waits[0] == 0
    assert waits[1] < waits[2] < waits[3]
    assert house.engine.refusals.lines[0].times == 4


async def test_a_strategy_sees_what_changed_and_now_and_then_everything(autojump_clock: MockClock) -> None:
    house = House()
    house.calibrate()
    house.feed.books[TICKER].updates += 1
    house.step()
    house.step()
    await trio.sleep(1)
    house.step()

    assert [[market.ticker for market in view.markets] for view in house.strategy.views] == [
        [TICKER],
        list(house.feed.books),
    ]


async def test_of_many_markets_with_news_each_has_its_turn(autojump_clock: MockClock) -> None:
    house = House()
    many = [f"KX{number:03}" for number in range(3 * MARKETS_MAX)]
    house.feed.watch(many)
    house.calibrate()
    for _ in range(4):
        for ticker in many:
            house.feed.books[ticker].updates += 1
        house.step()
    seen = [market.ticker for view in house.strategy.views for market in view.markets]

    assert max(len(view.markets) for view in house.strategy.views) == MARKETS_MAX
    assert set(many) <= set(seen)


async def test_hold_is_shown_nothing(autojump_clock: MockClock) -> None:
    house = House(strategy=Hold(NOTHING_TO_SET))
    house.calibrate()
    house.feed.books[TICKER].updates += 1
    house.step()

    assert house.engine.decider.decided_us is None
    assert house.engine.obstacle is None


async def test_every_order_of_one_decision_counts_for_the_next_of_it(autojump_clock: MockClock) -> None:
    house = House()
    house.calibrate()
    quoting(house, *(draft(price=4000 + 100 * number) for number in range(10)))

    assert len(house.creates) == 6  # RISK_MAX_MARKET_OPEN_ORDERS
    assert [line.rule for line in house.engine.refusals.lines] == ["RISK_MAX_MARKET_OPEN_ORDERS"]


# -- changes and withdrawals -------------------------------------------------------------------------------------------


async def test_a_smaller_order_is_decreased_another_price_is_amended(autojump_clock: MockClock) -> None:
    house = House()
    house.calibrate()
    quoting(house, draft(price=4500, count=500))
    house.rest(house.creates[0])
    quoting(house, Change(client_order_id="o-1", price=Price(4500), count=Qty(200)))
    smaller = house.port.requests[-1]
    house.answer(smaller, Accepted("venue-o-1", Qty(0), Qty(200), house.wall_us()))
    quoting(house, Change(client_order_id="o-1", price=Price(4600), count=Qty(200)))
    dearer = house.port.requests[-1]

    assert isinstance(smaller, Decrease)
    assert smaller.to == 200
    assert isinstance(dearer, Amend)
    assert (dearer.count, dearer.change.wanted.price) == (200, 4600)


async def test_an_order_that_something_is_on_its_way_to_is_left_alone(autojump_clock: MockClock) -> None:
    house = House()
    house.calibrate()
    quoting(house, draft(price=4500, count=500))
    change = Change(client_order_id="o-1", price=Price(4600), count=Qty(500))
    quoting(house, change)
    house.rest(house.creates[0])
    quoting(house, change)
    quoting(house, change)
    quoting(house, Withdrawal(client_order_id="o-1"))
    quoting(house, change)

    assert [type(request).__name__ for request in house.port.requests] == ["Create", "Amend", "Cancel"]


async def test_a_withdrawal_before_the_order_is_known_to_rest_is_remembered(autojump_clock: MockClock) -> None:
    house = House()
    house.calibrate()
    quoting(house, draft(price=4500))
    quoting(house, Withdrawal(client_order_id="o-1"))

    assert house.cancels == []

    house.rest(house.creates[0])

    assert house.cancels == ["o-1"]


async def test_a_side_that_is_being_cleared_is_not_quoted_before_it_is_clear(autojump_clock: MockClock) -> None:
    """Two of the kill matrix's worlds: a new ask was at the venue before the cancel of the old one."""
    house = House()
    house.calibrate()
    quoting(house, draft(price=4500))
    house.rest(house.creates[0])
    quoting(house, Withdrawal(client_order_id="o-1"))
    quoting(house, draft(price=4400), draft(price=5600, is_bid=False))
    before = [create.order.wanted.price for create in house.creates]
    cancel = house.port.requests[-2]
    assert isinstance(cancel, Cancel)
    house.answer(cancel, Accepted(cancel.order_id, Qty(0), Qty(0), house.wall_us(), Qty(100)))
    quoting(house, draft(price=4400))

    assert before == [4500, 5600]
    assert [create.order.wanted.price for create in house.creates] == [4500, 5600, 4400]


async def test_a_cancel_that_came_to_nothing_is_asked_again_ever_more_slowly(autojump_clock: MockClock) -> None:
    house = House()
    house.calibrate()
    quoting(house, draft(price=4500))
    house.rest(house.creates[0])
    quoting(house, Withdrawal(client_order_id="o-1"))
    asked_at = []
    for _ in range(4):
        asked_at.append(trio.current_time())
        cancel = house.port.requests[-1]
        assert isinstance(cancel, Cancel)
        house.port.requests.clear()
        house.answer(cancel, Unknown("404"))
        while not house.cancels:
            await trio.sleep(0.25)
            house.read(orders=[told("o-1", price=4500)])
            house.step()

    gaps = [round(later - earlier) for earlier, later in itertools.pairwise(asked_at)]
    assert gaps == [1, 2, 4]


async def test_what_is_over_is_not_cancelled_and_the_log_hears_of_its_end(autojump_clock: MockClock) -> None:
    house = House()
    house.calibrate()
    quoting(house, draft(price=4500))
    house.rest(house.creates[0])
    house.inbox.put(told("o-1", "executed", filled=100, price=4500))
    quoting(house, Withdrawal(client_order_id="o-1"))

    assert house.cancels == []
    assert house.log.over == ["o-1"]


# -- what nobody wants any more ----------------------------------------------------------------------------------------


async def resting(house: House, **more: object) -> None:
    house.calibrate()
    quoting(house, draft(price=4500, **more))  # type: ignore[arg-type]
    house.rest(house.creates[0])
    assert house.cancels == []


async def live(house: House, for_s: float) -> None:
    """Time passes; every reading shows the order."""
    ends_at = trio.current_time() + for_s
    while trio.current_time() < ends_at:
        house.read(orders=[told("o-1", price=4500)])
        house.step()
        await trio.sleep(0.2)


async def test_an_order_that_has_rested_for_its_time_is_cancelled(autojump_clock: MockClock) -> None:
    house = House()
    await resting(house, ttl_s=5.0)
    await live(house, 4.8)

    assert house.cancels == []

    await live(house, 0.5)

    assert house.cancels == ["o-1"]


async def test_a_market_in_the_dark_loses_its_orders(autojump_clock: MockClock) -> None:
    house = House()
    await resting(house)
    house.feed.books[TICKER].mark_stale("gap")
    await live(house, 1.0)
    house.feed.books[TICKER].replace([(4000, 1000)], [(4000, 1000)])
    await live(house, 1.5)

    assert house.cancels == []

    house.feed.books[TICKER].mark_stale("gap")
    await live(house, 2.5)

    assert house.cancels == ["o-1"]


async def test_an_account_that_is_not_heard_loses_its_orders(autojump_clock: MockClock) -> None:
    house = House()
    await resting(house)
    house.account_trouble = "the account is not heard: cut"
    await live(house, 1.5)

    assert house.cancels == []
    assert house.engine.obstacle == "the account is not heard: cut"

    await live(house, 1.0)

    assert house.cancels == ["o-1"]


async def test_orders_of_another_strategy_are_cancelled(autojump_clock: MockClock) -> None:
    log = Log(open=[KeptIntent("o-0", draft(), NOW_US, "venue-o-0")])
    house = House(log=log)
    house.engine.strategy.name = "another"  # type: ignore[misc]
    house.engine.caretaker._strategy = "another"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(house.engine.run, Lifeline())
        for _ in range(4):
            await trio.sleep(0.2)
            house.read(orders=[told("o-0", order_id="venue-o-0")])
        await trio.sleep(0.2)
        nursery.cancel_scope.cancel()

    assert house.cancels == ["o-0"]


async def test_all_that_is_open_is_withdrawn_at_a_persons_word_and_the_strategy_goes_on(
    autojump_clock: MockClock,
) -> None:
    house = House()
    house.calibrate()
    quoting(house, draft(price=4500), draft(price=4400))
    house.rest(house.creates[0])
    left = house.engine.withdraw_all("a person cancels all")
    first = left()
    quoting(house, draft(price=5700, is_bid=False))
    house.rest(house.creates[1])
    house.rest(house.creates[2])
    cancels = [request for request in house.port.requests if isinstance(request, Cancel)]

    assert first == 2
    assert house.cancels == ["o-1", "o-2"]  # the second as soon as it is known to rest; the third is new

    for cancel in cancels:
        house.answer(cancel, Accepted(cancel.order_id, Qty(0), Qty(0), house.wall_us(), Qty(100)))

    assert left() == 0
    assert [key for key, order in house.portfolio.open.items() if order.is_open] == ["o-3"]


async def test_with_nothing_open_there_is_nothing_to_withdraw(autojump_clock: MockClock) -> None:
    house = House()
    house.calibrate()
    left = house.engine.withdraw_all("a person cancels all")
    house.step()

    assert left() == 0
    assert house.port.requests == []


# -- answers that do not come ------------------------------------------------------------------------------------------


async def test_an_unknown_outcome_asks_for_evidence_and_absence_ends_it(autojump_clock: MockClock) -> None:
    house = House()
    house.calibrate()
    quoting(house, draft(price=4500))
    house.asked.clear()
    house.answer(house.creates[0], Written(), Unknown("no answer within 2.5 s"))

    assert house.state_of("o-1") == "unknown"
    assert house.asked

    await house.wait(6)

    assert house.state_of("o-1") == "void"


async def test_a_void_order_that_turns_up_is_taken_up_and_cancelled_when_it_is_unwanted(
    autojump_clock: MockClock,
) -> None:
    house = House()
    house.calibrate()
    quoting(house, draft(price=4500))
    house.answer(house.creates[0], Written(), Unknown("cut"))
    await house.wait(6)
    house.inbox.put(told("o-1", price=4500, at_us=house.wall_us()))
    quoting(house, Withdrawal(client_order_id="o-1"))

    assert house.state_of("o-1") == "resting"
    assert house.cancels == ["o-1"]


async def test_an_answer_that_was_lost_on_the_way_is_not_waited_for_for_ever(autojump_clock: MockClock) -> None:
    house = House()
    house.calibrate()
    quoting(house, draft(price=4500))
    house.answer(house.creates[0], Written())
    ends_at = trio.current_time() + 16
    while trio.current_time() < ends_at:
        house.step()
        await trio.sleep(0.5)

    assert house.state_of("o-1") == "unknown"


async def test_a_loss_in_the_inbox_stops_new_orders_until_the_account_agrees(autojump_clock: MockClock) -> None:
    house = House()
    house.calibrate()
    house.inbox.put(Missed("the socket was lost"))
    quoting(house, draft(price=4500))

    assert house.port.requests == []
    assert "the socket was lost" in house.asked[-1]

    house.read()
    quoting(house, draft(price=4500))

    assert house.port.requests == []
    assert house.engine.obstacle == "the venue's reads are older than what was missed"

    await trio.sleep(2)
    house.read()
    quoting(house, draft(price=4500))

    assert len(house.creates) == 1


async def test_an_order_that_another_made_is_forgotten_with_the_reading_that_lists_it_no_more(
    autojump_clock: MockClock,
) -> None:
    house = House()
    house.read(orders=[told("not-ours")])
    house.step()
    before = list(house.portfolio.foreign)
    await trio.sleep(1)
    house.read()
    house.step()

    assert before == ["venue-not-ours"]
    assert not house.portfolio.foreign


async def test_an_order_of_an_earlier_run_that_never_came_to_be_leaves_the_log(autojump_clock: MockClock) -> None:
    house = House(log=Log(open=[KeptIntent("o-0", draft(), NOW_US, None)]))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(house.engine.run, Lifeline())
        for _ in range(4):
            await trio.sleep(2)
            house.read()
        await trio.sleep(0.5)
        nursery.cancel_scope.cancel()

    assert house.state_of("o-0") == "void"
    assert house.log.over == ["o-0"]


async def test_what_an_earlier_run_bought_is_no_turnover_of_this_one(autojump_clock: MockClock) -> None:
    house = House()
    house.step()
    house.read(fills=[fill(100, at_us=house.wall_us())])
    house.step()
    await trio.sleep(2)
    house.step()
    old = house.engine.day.facts(house.wall_us()).turnover
    house.inbox.put(fill(100, at_us=house.wall_us()))
    await trio.sleep(2)
    house.step()

    assert old == 0
    assert house.engine.day.facts(house.wall_us()).turnover == 100 * 5000


async def test_a_clock_set_back_stops_neither_the_wait_for_a_reading_nor_that_for_an_answer(
    autojump_clock: MockClock,
) -> None:
    house = House()
    house.calibrate()
    quoting(house, draft(price=4500))
    house.answer(house.creates[0], Written())
    house.engine._wall_us = lambda: house.wall_us() - seconds(3600)
    house.step()
    await trio.sleep(31)
    house.step()

    assert house.state_of("o-1") == "unknown"
    assert house.engine.obstacle == "no reading of the account has agreed for 60 s"


async def test_a_change_to_nothing_or_less_is_refused(autojump_clock: MockClock) -> None:
    house = House()
    house.calibrate()
    quoting(house, draft(price=4500, count=500))
    house.rest(house.creates[0])
    house.port.requests.clear()
    quoting(house, Change(client_order_id="o-1", price=Price(4500), count=Qty(0)))

    assert house.port.requests == []
    assert [line.rule for line in house.engine.refusals.lines] == ["RISK_MALFORMED"]


async def test_a_position_after_a_fill_that_is_not_ours_asks_for_a_reading(autojump_clock: MockClock) -> None:
    house = House()
    house.calibrate()
    house.asked.clear()
    house.inbox.put(fill(100, position=Qty(100), at_us=house.wall_us()))
    house.step()

    assert house.asked == []

    house.inbox.put(fill(100, position=Qty(900), at_us=house.wall_us()))
    house.step()

    assert len(house.asked) == 1


async def test_a_settled_market_pays_what_it_was_determined_at(autojump_clock: MockClock) -> None:
    house = House()
    house.read(positions=[held(1000, exposure=1000 * 4000)])
    house.step()
    house.read(positions=[held(1000, exposure=1000 * 4000)])
    house.step()
    before = house.portfolio.cash
    for event_type, value in (("determined", Price(10_000)), ("settled", None)):
        house.inbox.put(
            MarketLifecycle(
                ticker=TICKER,
                event_type=event_type,
                is_combo=False,
                settlement_value=value,
                received_us=house.wall_us(),
                at_us=house.wall_us() + seconds(1),
            )
        )
    house.step()

    assert before is not None
    assert house.portfolio.position(TICKER) == 0
    assert house.portfolio.cash == before + 1000 * 10_000


# -- halts -------------------------------------------------------------------------------------------------------------


async def test_a_halted_trader_decides_nothing(autojump_clock: MockClock) -> None:
    house = House()
    house.calibrate()
    await house.latch.set(Mode.HALTED, by="a person", reason="lunch")
    quoting(house, draft(price=4500))

    assert house.port.requests == []
    assert house.engine.obstacle == "trading is halted by a person: lunch"


async def test_the_venues_dead_mans_switch_halts_for_good(autojump_clock: MockClock) -> None:
    house = House()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(house.engine.run, Lifeline())
        await trio.sleep(0.5)
        house.inbox.put(
            OrderGroupUpdate(order_group_id="g", event_type="triggered", limit=None, at_us=0, received_us=0)
        )
        await trio.sleep(0.5)
        nursery.cancel_scope.cancel()

    assert house.latch.stand.mode is Mode.HALTED
    assert house.latch.stand.by == "venue"


async def test_a_dead_mans_switch_that_nobody_told_of_is_known_by_the_refusals(autojump_clock: MockClock) -> None:
    house = House()
    house.calibrate()
    quoting(house, draft(price=4500))
    why = "HTTP 400: invalid order order group is triggered"
    house.answer(house.creates[0], Written(), Rejected("invalid_order", why))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(house.engine.run, Lifeline())
        await trio.sleep(0.5)
        nursery.cancel_scope.cancel()

    assert house.latch.stand.mode is Mode.HALTED
    assert why in house.latch.stand.reason


# -- life --------------------------------------------------------------------------------------------------------------


async def test_a_log_that_cannot_be_read_keeps_the_engine_from_starting_and_is_tried_again(
    autojump_clock: MockClock,
) -> None:
    house = House(log=Log(failures=3))
    lifeline = Lifeline()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(house.engine.run, lifeline)
        await trio.sleep(2.5)
        obstacle, is_started = house.engine.obstacle, lifeline.is_started
        await trio.sleep(1)
        nursery.cancel_scope.cancel()

    assert obstacle == "the intent log cannot be read: No space left on device"
    assert not is_started
    assert lifeline.is_started


async def test_orders_of_an_earlier_run_are_taken_up_once_however_often_the_engine_starts(
    autojump_clock: MockClock,
) -> None:
    house = House(log=Log(open=[KeptIntent("o-0", draft(), NOW_US, None)]))
    for _ in range(2):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(house.engine.run, Lifeline())
            await trio.sleep(0.5)
            nursery.cancel_scope.cancel()

    assert list(house.portfolio.orders) == ["o-0"]
    assert house.state_of("o-0") == "unknown"


async def test_a_stop_cancels_what_rests_and_waits_for_its_end(autojump_clock: MockClock) -> None:
    house = House()
    await resting(house)
    lifeline = Lifeline()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(house.engine.run, lifeline)
        await trio.sleep(0.5)
        lifeline.stopping.set()
        await trio.sleep(0.5)
        cancels = list(house.cancels)
        is_waiting = bool(nursery.child_tasks)
        house.inbox.put(told("o-1", "canceled", price=4500))
        await trio.sleep(0.1)
        is_over = not nursery.child_tasks

    assert cancels == ["o-1"]
    assert is_waiting
    assert is_over


async def test_a_stop_does_not_wait_for_ever(autojump_clock: MockClock) -> None:
    house = House()
    await resting(house)
    lifeline = Lifeline()
    lifeline.stopping.set()
    began = trio.current_time()
    await house.engine.run(lifeline)

    assert trio.current_time() - began < 3


# -- what people see ---------------------------------------------------------------------------------------------------


async def test_the_picture_shows_stage_orders_refusals_and_money(autojump_clock: MockClock) -> None:
    house = House()
    house.step()
    waiting = house.picture.report(house.wall_us()).stage
    house.calibrate()
    await trio.sleep(SOON_S)
    clean = house.picture.report(house.wall_us()).stage
    quoting(house, draft(price=4500))
    await trio.sleep(SOON_S)
    report = house.picture.report(house.wall_us())

    assert (waiting, clean, report.stage) == ("calibrating", "clean", "acting")
    assert [order.state for order in report.orders] == ["intended"]
    assert report.balance == Money(100_000_000)
    assert report.why is None
    assert house.picture.report(house.wall_us()) is report


async def test_before_the_first_reading_nothing_is_claimed_of_the_account(autojump_clock: MockClock) -> None:
    house = House(log=Log(open=[KeptIntent("o-0", draft(), NOW_US, None)]))
    before = house.picture.report(house.wall_us())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(house.engine.run, Lifeline())
        await trio.sleep(1)
        unread = house.picture.report(house.wall_us())
        house.read(positions=[held(-143)])
        await trio.sleep(1)
        read = house.picture.report(house.wall_us())
        nursery.cancel_scope.cancel()

    assert (before.is_read, before.stale_reason, before.unknown) == (False, "the engine has not started", None)
    assert (unread.is_read, unread.stale_since_us) == (False, None)
    assert unread.stale_reason == "the engine starts: the account is read"
    assert unread.positions is None
    assert unread.resting is None
    assert unread.limits == ()
    assert (unread.balance, unread.realized, unread.unrealized, unread.fees, unread.worst_case) == (None,) * 5
    assert unread.unknown == 1
    assert read.is_read
    assert read.stale_reason == "1 orders of before are looked for"
    assert read.positions is not None
    assert [line.position for line in read.positions if line.ticker == TICKER] == [-143]
    assert None not in (read.resting, read.realized, read.fees, read.worst_case)


async def test_an_account_that_is_not_heard_is_stale_since_it_last_was(autojump_clock: MockClock) -> None:
    house = House()
    house.calibrate()
    await house.wait(2)
    well = house.picture.report(house.wall_us())
    heard_us = house.wall_us()
    house.read()
    house.step()
    house.account_trouble = "the account is not heard: cut"
    await house.wait(3, read=False)
    unheard = house.picture.report(house.wall_us())
    house.account_trouble = None
    house.inbox.put(Missed("the connection was made anew"))
    house.step()
    await trio.sleep(2 * SOON_S)
    doubted = house.picture.report(house.wall_us())
    await house.wait(3)
    again = house.picture.report(house.wall_us())

    assert (well.is_read, well.stale_reason, well.stale_since_us) == (True, None, None)
    assert (unheard.is_read, unheard.stale_reason) == (True, "the account is not heard: cut")
    assert unheard.balance == Money(100_000_000)  # shown, and marked
    assert doubted.stale_reason == "the connection was made anew: the account is read"
    assert unheard.stale_since_us == doubted.stale_since_us == heard_us
    assert (again.stale_reason, again.stale_since_us) == (None, None)


async def test_an_account_of_which_no_reading_agrees_is_stale_while_halted_too(autojump_clock: MockClock) -> None:
    house = House()
    house.calibrate()
    await house.latch.set(Mode.HALTED, by="a person", reason="a look")
    reports = []
    for wait_s in (19, 3, 40):
        await house.wait(wait_s, read=False)
        reports.append(house.picture.report(house.wall_us()))

    assert [report.stale_reason for report in reports] == [
        None,
        "no reading of the account has agreed for more than 20 s",
        "no reading of the account has agreed for 60 s",
    ]
    assert reports[1].stale_since_us == reports[2].stale_since_us  # it only grows


async def test_an_engine_that_stands_still_leaves_the_account_stale(autojump_clock: MockClock) -> None:
    house = House()
    house.calibrate()
    stood_us = house.wall_us()
    await trio.sleep(STILL_S + 1)
    report = house.picture.report(house.wall_us())

    assert report.stale_reason == "the engine does not step"
    assert report.stale_since_us == stood_us


async def test_a_request_that_never_left_was_refused_by_the_gateway(autojump_clock: MockClock) -> None:
    house = House()
    house.calibrate()
    quoting(house, draft(price=4500))
    house.answer(house.creates[0], Written(is_dropped=True, why="there is no order group for it yet"))

    assert [(line.rule, line.by) for line in house.engine.refusals.lines] == [("NOT_SENT", "gateway")]


async def test_trading_facts_follow_the_account_the_latch_and_the_orders(autojump_clock: MockClock) -> None:
    house = House()
    house.calibrate()
    idle = house.picture.facts()
    quoting(house, draft(price=4500))
    acting = house.picture.facts()
    house.account_trouble = "cut"
    unheard = house.picture.facts()

    assert idle.may_trade
    assert idle.is_clean
    assert idle.idle_s >= 1
    assert acting.idle_s == 0
    assert (unheard.may_trade, unheard.why) == (False, "cut")


async def test_an_engine_that_stands_still_trades_nothing_and_is_a_trouble(autojump_clock: MockClock) -> None:
    house = House()
    never = house.picture.facts()
    house.calibrate()
    running, well = house.picture.facts(), house.picture.troubles(house.wall_us())
    await trio.sleep(STILL_S + 1)
    still, ill = house.picture.facts(), house.picture.troubles(house.wall_us())

    assert (never.may_trade, never.why) == (False, "the engine has not started")
    assert running.may_trade
    assert (still.may_trade, still.why) == (False, "the engine does not step")
    assert well == {}
    assert "has not moved for 3 s" in ill["engine"]


async def test_an_order_of_which_nothing_is_known_for_long_is_a_trouble(autojump_clock: MockClock) -> None:
    house = House()
    house.calibrate()
    quoting(house, draft(price=4500))
    house.answer(house.creates[0], Written(), Unknown("cut"))
    early = house.picture.troubles(house.wall_us())
    late = house.picture.troubles(house.wall_us() + seconds(11))

    assert early == {}
    assert "o-1" in late["unknown"]


async def test_answers_about_orders_that_are_not_ours_do_no_harm(autojump_clock: MockClock) -> None:
    house = House()
    house.calibrate()
    house.answer(Cancel("not-ours", "x", TICKER), Unknown("404"))
    house.inbox.put(reading(house.wall_us(), orders=[told("not-ours")]))
    house.step()

    assert list(house.portfolio.foreign) == ["venue-not-ours"]
