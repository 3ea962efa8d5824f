"""The worst case against the dumbest model: every outcome, with every choice of orders that may have filled."""

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from traderv3.domain.units import DOLLAR, Money, Price, Qty
from traderv3.domain.worst_case import Exposure, outcomes, worst_case


def _orders(most: int) -> st.SearchStrategy[list[tuple[Price, Qty]]]:
    price = st.integers(1, DOLLAR - 1).map(Price)
    return st.lists(st.tuples(price, st.integers(1, 500).map(Qty)), max_size=most)


def _exposure(position: int, average: int, bids: list[tuple[Price, Qty]], asks: list[tuple[Price, Qty]]) -> Exposure:
    return Exposure(Qty(position), Money(abs(position) * average), bids, asks)


exposures = st.lists(
    st.builds(_exposure, st.integers(-500, 500), st.integers(1, DOLLAR - 1), _orders(2), _orders(2)), max_size=3
)


def _result(exposure: Exposure, filled: Sequence[tuple[bool, Price, Qty]], value: int) -> int:
    """What a market brings over what was paid, if these orders filled and it pays `value` a YES contract."""
    held = abs(exposure.position) * (value if exposure.position > 0 else DOLLAR - value)
    bought = sum((value - price if is_bid else price - value) * count for is_bid, price, count in filled)
    return held - exposure.cost + bought


def _dumb(markets: Sequence[Exposure], *, is_exclusive: bool) -> int:
    ends = list(itertools.product([0, int(DOLLAR)], repeat=len(markets)))
    if is_exclusive:
        ends = [end for end in ends if sum(end) <= DOLLAR]
    worst = 0
    for end in ends:
        total = 0
        for exposure, value in zip(markets, end, strict=True):
            orders = [*((True, *bid) for bid in exposure.bids), *((False, *ask) for ask in exposure.asks)]
            choices = itertools.product([False, True], repeat=len(orders))
            total += min(_result(exposure, list(itertools.compress(orders, chosen)), value) for chosen in choices)
        worst = max(worst, -total)
    return worst


@settings(max_examples=60)
@given(exposures, st.booleans())
def test_no_outcome_and_no_choice_of_fills_is_worse(markets: list[Exposure], is_exclusive: bool) -> None:
    assert worst_case(markets, is_exclusive=is_exclusive) == _dumb(markets, is_exclusive=is_exclusive)


@given(exposures, st.booleans(), st.integers(1, DOLLAR - 1), st.booleans())
def test_one_order_more_never_makes_it_better(
    markets: list[Exposure], is_exclusive: bool, price: int, is_bid: bool
) -> None:
    if not markets:
        return
    order = (Price(price), Qty(100))
    first = markets[0]
    more = first._replace(bids=[*first.bids, order]) if is_bid else first._replace(asks=[*first.asks, order])

    assert worst_case([more, *markets[1:]], is_exclusive=is_exclusive) >= worst_case(markets, is_exclusive=is_exclusive)


def test_of_exclusive_outcomes_only_one_can_happen() -> None:
    shorts = [Exposure(Qty(-100), Money(100 * 6000)) for _ in range(3)]  # three NO at 60 cents

    assert worst_case(shorts, is_exclusive=False) == 3 * 100 * 6000
    assert worst_case(shorts, is_exclusive=True) == max(0, 3 * 100 * 6000 - 2 * 100 * int(DOLLAR))


def test_that_none_of_them_happens_is_an_outcome_too() -> None:
    longs = [Exposure(Qty(100), Money(100 * 2000)) for _ in range(3)]

    assert worst_case(longs, is_exclusive=True) == 3 * 100 * 2000


@pytest.mark.parametrize("is_exclusive", [False, True])
def test_nothing_loses_nothing(is_exclusive: bool) -> None:
    assert worst_case([], is_exclusive=is_exclusive) == 0
    assert outcomes(Exposure(Qty(0), Money(0))) == (0, 0)
