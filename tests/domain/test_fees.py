"""Fees: the venue's own examples, and that rounding never loses or makes money."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traderv3.domain.fees import NO_FEES, FeeSchedule, FeeType, Rounding, charge, trade_fee
from traderv3.domain.units import parse_money, parse_price, parse_qty

QUADRATIC = FeeSchedule(FeeType.QUADRATIC, Fraction(1))
MAKER_FEES = FeeSchedule(FeeType.QUADRATIC_WITH_MAKER_FEES, Fraction(1))
HALF = FeeSchedule(FeeType.QUADRATIC, Fraction(1, 2))
CENT_GRID = Rounding(grid=10_000)


@pytest.mark.parametrize(
    ("schedule", "is_taker", "count", "price", "fee", "fee_of_summer"),
    [
        (QUADRATIC, True, "1", "0.52", "0.017472", "0.0175"),
        (QUADRATIC, True, "100", "0.50", "1.75", "1.75"),
        (QUADRATIC, True, "1", "0.99", "0.000693", "0.0007"),
        (QUADRATIC, True, "2.50", "0.305", "0.037096", "0.0371"),
        (MAKER_FEES, False, "100", "0.50", "0.4375", "0.4375"),
        (HALF, True, "100", "0.40", "0.84", "0.84"),
        (QUADRATIC, True, "1", "0.055", "0.003639", "0.0037"),
    ],
)
def test_the_table_of_the_fee_page(
    schedule: FeeSchedule, is_taker: bool, count: str, price: str, fee: str, fee_of_summer: str
) -> None:
    rate = schedule.rate(is_taker=is_taker)

    assert trade_fee(rate, parse_price(price), parse_qty(count)) == parse_money(fee)
    assert trade_fee(rate, parse_price(price), parse_qty(count), quantum=100) == parse_money(fee_of_summer)


@pytest.mark.parametrize(
    ("fee_type", "taker", "maker"),
    [
        ("quadratic", "0.07", "0"),
        ("quadratic_with_maker_fees", "0.07", "0.0175"),
        ("quadratic_with_combo_maker_fees", "0.07", "0.035"),
        ("flat", "0.07", "0.07"),
        ("margin_market_maker_program_fees", "0.07", "0.07"),
        ("whatever comes next", "0.07", "0.07"),
    ],
)
def test_a_type_without_a_formula_is_reckoned_at_the_takers_rate(fee_type: str, taker: str, maker: str) -> None:
    schedule = FeeSchedule(fee_type, Fraction(1))

    assert (schedule.rate(is_taker=True), schedule.rate(is_taker=False)) == (Fraction(taker), Fraction(maker))


def test_nothing_is_charged_where_the_multiplier_is_nothing() -> None:
    assert trade_fee(NO_FEES.rate(is_taker=True), 5000, 10_000) == 0


@pytest.mark.parametrize(
    ("rounding", "change", "fee"), [(CENT_GRID, "-0.06", "0.005"), (Rounding(), "-0.0587", "0.0037")]
)
def test_the_balance_stays_on_the_members_grid(rounding: Rounding, change: str, fee: str) -> None:
    charged = charge(-parse_money("0.055"), parse_money("0.003639"), 0, rounding)

    assert (charged.change, charged.fee) == (parse_money(change), parse_money(fee))
    assert charged.accumulated == parse_money(fee) - parse_money("0.003639")


def test_a_cent_comes_back_when_the_rounding_of_an_order_exceeds_it() -> None:
    reached = charge(-parse_money("0.555"), parse_money("0.034"), parse_money("0.009"), CENT_GRID)
    beyond = charge(-parse_money("0.555"), parse_money("0.034"), parse_money("0.009001"), CENT_GRID)

    assert (reached.change, reached.fee) == (parse_money("-0.59"), parse_money("0.035"))
    assert (beyond.change, beyond.fee) == (parse_money("-0.58"), parse_money("0.025"))
    assert (reached.accumulated, beyond.accumulated) == (parse_money("0.01"), parse_money("0.000001"))


def test_a_rebate_waits_for_a_fill_whose_fee_is_as_large() -> None:
    small = charge(-parse_money("0.055"), parse_money("0.003639"), parse_money("0.009"), CENT_GRID)
    large = charge(-parse_money("0.5"), parse_money("0.02"), small.accumulated, CENT_GRID)

    assert (small.fee, small.accumulated) == (parse_money("0.005"), parse_money("0.010361"))
    assert (large.fee, large.accumulated) == (parse_money("0.01"), parse_money("0.000361"))


fills = st.lists(st.tuples(st.integers(1, 9_999), st.integers(1, 5_000), st.booleans()), max_size=40)
roundings = st.builds(Rounding, quantum=st.sampled_from([1, 100]), grid=st.sampled_from([100, 10_000]))


@given(fills, roundings, st.sampled_from([Fraction(0), Fraction(1, 2), Fraction(1), Fraction(1, 3)]))
def test_an_order_overpays_by_what_waits_to_come_back_and_a_quantum_for_each_fill(
    orders: list[tuple[int, int, bool]], rounding: Rounding, multiplier: Fraction
) -> None:
    accumulated, paid, change, revenue = 0, 0, 0, 0
    exact = Fraction(0)
    rate = FeeSchedule(FeeType.QUADRATIC, multiplier).rate(is_taker=True)
    for price, count, is_sale in orders:
        fee = trade_fee(rate, price, count, quantum=rounding.quantum)
        flow = price * count if is_sale else -price * count
        charged = charge(flow, fee, accumulated, rounding)
        assert charged.fee >= 0
        assert charged.change % rounding.grid == 0
        assert charged.change == flow - charged.fee
        accumulated = charged.accumulated
        paid += charged.fee
        change += charged.change
        revenue += flow
        exact += rate * Fraction(count * price * (10_000 - price), 10_000)

    assert change == revenue - paid
    assert exact + accumulated <= paid <= exact + accumulated + rounding.quantum * len(orders)
