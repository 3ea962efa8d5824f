"""Positions: the same whatever order their fills are told in, and the same as the exchange's own."""

import random
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from traderv3.domain import positions
from traderv3.domain.book import Book
from traderv3.domain.market_facts import Fill
from traderv3.domain.positions import MarketLedger, Position, Settlement, exit_price
from traderv3.domain.units import DOLLAR, Money, Price, Qty
from traderv3.exchange.accounts import CENT
from traderv3.exchange.accounts import Position as VenuePosition

TICKER = "KXDEMO-99-A"
MS_US = 1_000


def fill(number: int, side: str, count: int, price: int, *, fee: int = 0, at_ms: int | None = None) -> Fill:
    return Fill(
        trade_id=f"t{number:04}",
        order_id="o",
        client_order_id=None,
        ticker=TICKER,
        is_yes=side == "bid",
        is_taker=True,
        yes_price=Price(price),
        count=Qty(count),
        fee=Money(fee),
        position=None,
        exchange_index=0,
        subaccount=None,
        at_us=(number if at_ms is None else at_ms) * MS_US,
        received_us=0,
    )


def ledger(*fills: Fill) -> MarketLedger:
    made = MarketLedger()
    for each in fills:
        made.add(each)
    return made


drawn = st.lists(
    st.tuples(
        st.sampled_from(["bid", "ask"]),
        st.integers(1, 700),
        st.integers(1, DOLLAR - 1),
        st.integers(0, 20_000),
        st.integers(0, 6),
    ),
    max_size=25,
)


def _fills(drawn_fills: Sequence[tuple[str, int, int, int, int]]) -> list[Fill]:
    at_ms, fills = 0, []
    for number, (side, count, price, fee, later_ms) in enumerate(drawn_fills):
        at_ms += later_ms
        fills.append(fill(number, side, count, price, fee=fee, at_ms=at_ms))
    return fills


@given(drawn, st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_comes_to_the_same(
    drawn_fills: Sequence[tuple[str, int, int, int, int]], rng: random.Random
) -> None:
    fills = _fills(drawn_fills)
    told = fills + rng.choices(fills, k=len(fills)) if fills else []
    rng.shuffle(told)
    shuffled, straight = ledger(*told), ledger(*fills)
    shuffled.check()

    assert shuffled.position == straight.position
    assert straight.position.count == sum(each.count if each.is_yes else -each.count for each in fills)
    assert straight.position.fees == sum(each.fee for each in fills)


@given(drawn, st.integers(0, DOLLAR))
def test_it_is_the_exchanges_own_position_to_the_last_millionth(
    drawn_fills: Sequence[tuple[str, int, int, int, int]], value: int
) -> None:
    ours, theirs, cash = MarketLedger(), VenuePosition(), 0
    for each in _fills(drawn_fills):
        cash += theirs.revenue(each.is_yes, each.yes_price, each.count) - each.fee
        theirs.fill(each.is_yes, each.yes_price, each.count, each.fee, each.at_us)
        ours.add(each)
        assert (ours.position.count, ours.position.cost) == (theirs.count, theirs.cost)
        assert (ours.position.realized, ours.position.fees) == (theirs.realized_pnl, theirs.fees_paid)
        assert ours.position.flow == cash

    payout = theirs.value_at(value)
    cash += payout - payout % CENT
    theirs.pay_out(payout, payout % CENT, 0)
    ours.settle(Settlement(TICKER, Price(value), 10**9))

    assert (ours.position.count, ours.position.cost, ours.position.flow) == (0, 0, cash)
    assert (ours.position.realized, ours.position.fees) == (theirs.realized_pnl, theirs.fees_paid)


@given(drawn)
def test_cash_is_what_the_formula_of_the_sum_of_fills_says(
    drawn_fills: Sequence[tuple[str, int, int, int, int]],
) -> None:
    fills = _fills(drawn_fills)
    position = ledger(*fills).position
    traded = sum((-1 if each.is_yes else 1) * each.yes_price * each.count for each in fills)

    assert position.flow == traded - position.fees - DOLLAR * max(0, -position.count)
    assert position.flow == position.realized - position.fees - position.cost


@given(drawn, drawn, st.randoms(use_true_random=False))
def test_a_base_holds_everything_up_to_its_time_and_nothing_after(
    before: Sequence[tuple[str, int, int, int, int]],
    after: Sequence[tuple[str, int, int, int, int]],
    rng: random.Random,
) -> None:
    fills = _fills([*before, *after])
    old = fills[: len(before)]
    base_us = max((each.at_us for each in old), default=0)
    young = [each for each in fills if each.at_us > base_us]
    told = [*fills, *fills]
    rng.shuffle(told)
    rebased = ledger(*told[: len(fills)])
    known_flow = rebased.position_at(base_us).flow
    base = Position(Qty(100), Money(400_000), Money(-7), Money(3), known_flow)
    rebased.rebase(base, base_us + 999)  # the same millisecond
    for each in told:
        rebased.add(each)
    rebased.check()
    expected = base
    for each in sorted(young, key=lambda each: (each.at_us, each.trade_id)):
        expected = expected.after(each.is_yes, each.yes_price, each.count, each.fee)

    assert rebased.position == expected


def test_a_settlement_pays_for_the_fills_that_are_told_after_it() -> None:
    made = ledger(fill(1, "bid", 1000, 4000))
    made.settle(Settlement(TICKER, DOLLAR, 50 * MS_US))
    made.add(fill(2, "bid", 500, 6000))

    assert made.position == Position(realized=Money(1500 * 10_000 - 7_000_000), flow=Money(8_000_000))
    assert not made.settle(Settlement(TICKER, DOLLAR, 60 * MS_US))


def test_a_time_in_microseconds_is_the_same_time_in_milliseconds() -> None:
    before = fill(0, "bid", 100, 4000, at_ms=1)
    first, second = fill(1, "bid", 100, 5000, at_ms=7), fill(2, "ask", 100, 5100, at_ms=7)
    by_rest = replace(first, at_us=first.at_us + 900)  # the socket cuts it off

    assert ledger(second, by_rest, before).position == ledger(before, first, second).position


def test_many_fills_are_folded_into_the_base_and_stay_known() -> None:
    fills = [fill(number, "bid", 1, 5000, at_ms=number // 3) for number in range(positions.ENTRIES_MAX + 10)]
    made = ledger(*fills)
    made.check()

    assert made.position.count == len(fills)
    assert len(made._entries) < positions.ENTRIES_MAX
    assert not any(made.add(each) for each in fills)
    assert made.position.count == len(fills)


def test_average_is_rounded_half_up_and_belongs_to_what_is_held() -> None:
    assert ledger(fill(1, "ask", 100, 4000)).position.average == 6000
    assert ledger(fill(1, "bid", 100, 4000), fill(2, "bid", 100, 4001)).position.average == 4001
    assert Position().average is None


def test_what_is_held_is_worth_what_the_best_of_the_book_pays() -> None:
    book = Book(TICKER)
    assert exit_price(book, Qty(5)) is None
    book.replace([(4500, 10)], [(5000, 10)])

    assert exit_price(book, Qty(5)) == 4500
    assert exit_price(book, Qty(-5)) == 5000
    assert ledger(fill(1, "ask", 100, 4000)).position.value_at(Price(5000)) == 100 * 5000
    book.replace([(4500, 10)], [])
    assert exit_price(book, Qty(-5)) is None
    assert exit_price(None, Qty(5)) is None
    book.mark_stale("gap")
    assert exit_price(book, Qty(5)) is None
