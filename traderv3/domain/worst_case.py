"""The most that what is held, and what rests or is on its way, can lose: by market, and by event.

A market ends YES or NO, or in between, which is never worse than the worse of the two. Of an event's mutually exclusive
markets one ends YES, or none does. In each outcome exactly those orders are taken to fill that lose by it: no order is
needed for another to fill.
Units: prices 1e-4 dollar on the YES scale, counts 0.01 contract, money 1e-6 dollar.
Never: a loss made smaller by an order that may not fill, or by a profit that was not made; fees are the caller's to add.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from traderv3.domain.units import DOLLAR, Money, Price, Qty


class Exposure(NamedTuple):
    """One market. `position` below 0 is NO, `cost` what it cost on its own side; orders as `(YES price, count)`."""

    position: Qty
    cost: Money
    bids: Sequence[tuple[Price, Qty]] = ()
    asks: Sequence[tuple[Price, Qty]] = ()


def outcomes(exposure: Exposure) -> tuple[Money, Money]:
    """What comes of a market at the worst, over what was paid: `(if it ends NO, if it ends YES)`; below 0 is a loss."""
    held_no, held_yes = max(0, -exposure.position), max(0, exposure.position)
    if_no = held_no * DOLLAR - exposure.cost - sum(price * count for price, count in exposure.bids)
    if_yes = held_yes * DOLLAR - exposure.cost - sum((DOLLAR - price) * count for price, count in exposure.asks)
    return Money(if_no), Money(if_yes)


def worst_case(exposures: Iterable[Exposure], *, is_exclusive: bool) -> Money:
    """The most that markets together can lose, 0 or above; `is_exclusive`: at most one of them ends YES."""
    return worst_of([outcomes(exposure) for exposure in exposures], is_exclusive=is_exclusive)


def worst_of(results: Sequence[tuple[Money, Money]], *, is_exclusive: bool) -> Money:
    """As `worst_case`, of the `outcomes` of its markets."""
    if not is_exclusive:
        return Money(max(0, -sum(min(result) for result in results)))
    if_none = sum(if_no for if_no, _ in results)
    worst_turn = min((if_yes - if_no for if_no, if_yes in results), default=0)  # the market whose YES hurts most
    return Money(max(0, -(if_none + min(0, worst_turn))))
