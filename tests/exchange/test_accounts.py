"""Accounts: what is held, what comes free when a position closes, what fees and settlement leave behind."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.exchange.house import MILLION, ORDINARY, TICKER, House, market
from traderv3.domain.claims import Claim, collateral
from traderv3.domain.fees import FeeSchedule, FeeType, Rounding, trade_fee
from traderv3.domain.orders import TimeInForce
from traderv3.domain.units import DOLLAR
from traderv3.exchange.accounts import Position
from traderv3.exchange.operations import Rules
from traderv3.exchange.records import BalanceChanged, Filled, PositionChanged, PositionRecord

IOC = TimeInForce.IOC
MAKER_FEES = FeeSchedule(FeeType.QUADRATIC_WITH_MAKER_FEES, Fraction(1))
HALF = FeeSchedule(FeeType.QUADRATIC, Fraction(1, 2))


def house(**more: Any) -> House:
    made = House(market(**more))
    made.open("ann", "bob")
    return made


def last_position(h: House, user_id: str) -> PositionRecord:
    return [
        fact.position
        for fact in h.floor.facts
        if isinstance(fact, PositionChanged) and fact.position.user_id == user_id
    ][-1]


def fees(h: House, user_id: str) -> list[int]:
    return [fact.fill.fee for fact in h.floor.facts if isinstance(fact, Filled) and fact.fill.user_id == user_id]


# -- collateral ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("terms", "held"), [("bid 10 @ 30", 3_000_000), ("ask 10 @ 30", 7_000_000), ("bid 0.01 @ 30", 3_000)]
)
def test_a_bid_holds_its_price_and_an_ask_what_is_left_of_the_dollar(terms: str, held: int) -> None:
    h = house()
    h.order("ann", terms)

    assert h.balance("ann") == MILLION - held


def test_the_takers_fee_is_held_too_and_comes_back_where_it_is_not_charged() -> None:
    h = house(fees=ORDINARY)
    h.order("ann", "bid 100 @ 50")
    assert h.balance("ann") == MILLION - 50_000_000 - 1_750_000
    h.order("bob", "ask 100 @ 50")

    assert h.balance("ann") == MILLION - 50_000_000, "a maker pays nothing in a quadratic series"
    assert h.balance("bob") == MILLION - 50_000_000 - 1_750_000


def test_a_closing_order_holds_only_for_what_opens() -> None:
    h = house()
    h.order("bob", "ask 10 @ 50")
    h.order("ann", "bid 10 @ 50")
    before = h.balance("ann")
    h.order("ann", "ask 4 @ 60")
    assert h.balance("ann") == before
    h.order("ann", "ask 8 @ 70")

    assert h.balance("ann") == before - 2 * 300_000, "two of the twelve open NO at 30 cents"


def test_of_several_closing_orders_the_best_priced_need_nothing() -> None:
    claims = [Claim(False, 7000, 500), Claim(False, 6000, 500), Claim(True, 4000, 100)]

    assert collateral(600, claims, Fraction(0), 1) == 400 * 3000 + 100 * 4000
    assert collateral(-50, claims, Fraction(0), 1) == 500 * 3000 + 500 * 4000 + 50 * 4000


def test_buying_no_while_long_yes_reduces_the_position_and_frees_its_money() -> None:
    h = house()
    h.order("bob", "ask 10 @ 40")
    h.order("ann", "bid 10 @ 40")
    h.order("bob", "bid 20 @ 45")
    h.order("ann", "ask 4 @ 45", tif=IOC)

    assert h.position("ann") == 600
    assert h.balance("ann") == MILLION - 10 * 400_000 + 4 * 450_000
    assert last_position(h, "ann").realized_pnl == 4 * 50_000
    assert last_position(h, "ann").cost == 6 * 400_000


def test_a_position_may_turn_over_in_one_fill() -> None:
    h = house()
    h.order("bob", "ask 10 @ 40")
    h.order("ann", "bid 10 @ 40")
    h.order("bob", "bid 20 @ 45")
    h.order("ann", "ask 15 @ 45", tif=IOC)
    position = last_position(h, "ann")

    assert (position.position, position.cost) == (-500, 5 * 550_000)
    assert position.realized_pnl == 10 * 50_000
    assert (position.volume, position.traded) == (2500, 10 * 400_000 + 15 * 550_000)
    assert h.balance("ann") == MILLION - 4_000_000 + 4_500_000 - 5 * 550_000
    h.desk.check()


def test_balances_are_told_with_what_positions_are_worth_at_the_last_price() -> None:
    h = house()
    h.order("bob", "ask 10 @ 40")
    h.order("ann", "bid 10 @ 40")
    told = [fact.balance for fact in h.floor.facts if isinstance(fact, BalanceChanged)]

    assert {(each.user_id, each.portfolio_value) for each in told[-2:]} == {("ann", 4_000_000), ("bob", 6_000_000)}


@given(
    st.integers(-500, 500),
    st.lists(st.builds(Claim, st.booleans(), st.integers(1, 9_999), st.integers(1, 300)), min_size=1, max_size=6),
    st.data(),
)
def test_whatever_fills_the_money_held_for_the_rest_is_there(position: int, claims: list[Claim], data: Any) -> None:
    rate = Fraction(7, 100)
    side = data.draw(st.sampled_from([claim.is_bid for claim in claims]))
    best = min((c for c in claims if c.is_bid == side), key=lambda c: -c.price if side else c.price)
    size = data.draw(st.integers(1, best.size))
    improvement = data.draw(st.integers(0, 9_999 - best.price if not side else best.price - 1))
    price = best.price - improvement if side else best.price + improvement
    stake = Position()
    stake.count = position
    rest = [c for c in claims if c is not best]
    if size < best.size:
        rest.append(best._replace(size=best.size - size))
    before = collateral(position, claims, rate, 1)
    flow = stake.revenue(side, price, size) - trade_fee(rate, price, size)
    after = collateral(position + (size if side else -size), rest, rate, 1)

    assert after <= before + flow + len(claims) + 1, "beyond rounding"


# -- fees ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "taker", "maker"),
    [(ORDINARY, 17_500, 0), (MAKER_FEES, 17_500, 4_400), (HALF, 8_800, 0)],
)
def test_each_side_pays_what_its_series_says_on_the_grid_of_a_direct_member(
    schedule: FeeSchedule, taker: int, maker: int
) -> None:
    h = house(fees=schedule)
    h.order("bob", "ask 1 @ 50")
    record = h.order("ann", "bid 1 @ 50")

    assert (fees(h, "ann"), fees(h, "bob")) == ([taker], [maker])
    assert (record.taker_fees, record.taker_cost) == (taker, 500_000)
    assert h.desk.pit.ledger.fees == taker + maker
    h.desk.check()


def test_rounding_follows_the_rules_of_the_exchange_and_accumulates_by_order() -> None:
    h = House(
        market(fees=ORDINARY, structure="center_half_edge_half_cent"), rules=Rules(rounding=Rounding(grid=10_000))
    )
    h.open("ann", "bob")
    record = h.order("bob", "ask 10 @ 5.5")
    for _ in range(8):
        h.order("ann", "bid 1 @ 5.5")
    assert fees(h, "ann") == [5_000] * 8, "an order each: nothing accumulates"
    h.order("ann", "bid 2 @ 5.5")

    assert record.filled == 0
    assert fees(h, "bob") == [5_000] * 8 + [0], "0.9450 would end off the grid of a cent: 0.94 is booked"
    assert h.balance("ann") % 10_000 == h.balance("bob") % 10_000 == 0


def test_an_event_may_charge_otherwise_than_its_series_and_what_cannot_pay_goes() -> None:
    h = house(fees=ORDINARY)
    h.desk.override_fees("KXDEMO-99", HALF)
    h.open("cid", balance=50_875_000)
    h.order("cid", "bid 100 @ 50")
    h.desk.override_fees("KXDEMO-99", None)

    assert h.reasons("cid")[-1] == ("canceled", "MarginCancel")
    assert h.balance("cid") == 50_875_000
    h.desk.check()


def test_a_waiver_ends_at_its_time() -> None:
    h = House()
    h = House(market(fees=ORDINARY, fees_waived_until_us=h.at_us + 1_000_000))
    h.open("ann", "bob")
    h.order("bob", "ask 2 @ 50")
    h.order("ann", "bid 1 @ 50")
    h.pass_time(1)
    h.order("ann", "bid 1 @ 50")

    assert fees(h, "ann") == [0, 17_500]


def test_fees_of_what_is_open_leave_with_it() -> None:
    h = house(fees=ORDINARY)
    h.order("bob", "ask 10 @ 50")
    h.order("ann", "bid 10 @ 50")
    h.order("bob", "bid 10 @ 50")
    h.order("ann", "ask 4 @ 50", tif=IOC)
    position = last_position(h, "ann")

    assert (position.fees_paid, position.fee_cost) == (175_000 + 70_000, 105_000)


# -- the anonymous ---------------------------------------------------------------------------------------------------


def test_a_member_trades_with_the_anonymous_whose_books_balance() -> None:
    h = house(fees=ORDINARY)
    listing, rng = h.floor.listings[TICKER], h.floor.rng
    h.desk.pit.submit_anonymous(listing, 1, False, 5000, 300, at_us=h.at_us, rng=rng)
    h.order("ann", "bid 5 @ 50")
    h.desk.pit.submit_anonymous(listing, 2, False, 4000, 100, at_us=h.at_us, rng=rng)

    assert h.fills("ann") == [(5000, 300, 300), (5000, 100, 400)]
    assert h.desk.pit.ledger.anonymous == {TICKER: -400}
    assert h.book() == ({5000: 100}, {})
    h.desk.check()


def test_the_anonymous_cannot_take_a_members_order_away() -> None:
    h = house()
    h.order("ann", "bid 5 @ 50")
    orders = list(h.desk.engine(TICKER).orders.values())
    h.desk.pit.cancel_anonymous(h.floor.listings[TICKER], orders, at_us=h.at_us)

    assert h.book()[0] == {5000: 500}


def test_a_dollar_is_a_dollar() -> None:
    h = house()
    h.order("bob", "ask 10 @ 40")
    h.order("ann", "bid 10 @ 40")
    h.order("ann", "ask 10 @ 60")
    h.order("bob", "bid 10 @ 60")

    assert (h.position("ann"), h.position("bob")) == (0, 0)
    assert (h.balance("ann") - MILLION, h.balance("bob") - MILLION) == (2_000_000, -2_000_000)
    assert sum(h.desk.pit.ledger.anonymous.values()) * DOLLAR == 0
