"""What one fill costs: the trade fee by formula, then rounding to the member's grid, kept exact per order.

    raw         multiplier x rate x contracts x price x (1 - price)
    trade fee   raw, rounded up to the quantum
    change      revenue - trade fee, floored to the grid; the difference is the rounding fee
    rebate      one unit back as soon as an order's rounding fees exceed it
    net fee     trade fee + rounding fee - rebate, never below 0

Units: prices 1e-4 dollar (YES or NO scale, the formula is symmetric), counts 0.01 contract, money 1e-6 dollar.
Source: Kalshi's fee schedule of 2026-07-07 and its "Fee rounding" page (quantum as of mid-September 2026).
Never: a float. Multipliers are exact fractions.
"""

import enum
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, NamedTuple

from traderv3.domain.units import CONTRACT, DOLLAR


class FeeType(enum.StrEnum):
    """The types with a published formula. The venue's enum is open: `FeeSchedule.fee_type` takes any text."""

    QUADRATIC = "quadratic"
    QUADRATIC_WITH_MAKER_FEES = "quadratic_with_maker_fees"
    QUADRATIC_WITH_COMBO_MAKER_FEES = "quadratic_with_combo_maker_fees"


TAKER_RATE: Final = Fraction(7, 100)
MAKER_RATES: Final[dict[str, Fraction]] = {
    FeeType.QUADRATIC: Fraction(0),
    FeeType.QUADRATIC_WITH_MAKER_FEES: Fraction(175, 10_000),
    FeeType.QUADRATIC_WITH_COMBO_MAKER_FEES: Fraction(35, 1_000),
}


@dataclass(frozen=True, slots=True)
class FeeSchedule:
    """What a series, or an event that overrides it, charges.

    `flat` and types that we do not know have no published formula: both sides are charged the taker's rate, so that
    whoever reckons with it never reckons too little.
    """

    fee_type: str
    multiplier: Fraction

    def rate(self, *, is_taker: bool) -> Fraction:
        """The factor before contracts x price x (1 - price)."""
        return self.multiplier * (TAKER_RATE if is_taker else MAKER_RATES.get(self.fee_type, TAKER_RATE))


ORDINARY_FEES: Final = FeeSchedule(FeeType.QUADRATIC, Fraction(1))
NO_FEES: Final = FeeSchedule(FeeType.QUADRATIC, Fraction(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounding:
    """How the venue rounds: `quantum` 1 since September 2026, 100 before; `grid` 100 for direct members, 10 000 else."""

    quantum: int = 1
    grid: int = 100
    rebate: int = 10_000

    def __post_init__(self) -> None:
        assert self.quantum > 0
        assert self.grid > 0
        assert self.rebate > 0
        assert self.rebate % self.grid == 0, "a rebate would leave the grid"


ROUNDING: Final = Rounding()


def trade_fee(rate: Fraction, price: int, count: int, *, quantum: int = ROUNDING.quantum) -> int:
    """The fee of one fill before the member's rounding: raw, rounded up to the quantum. Money."""
    assert 0 <= price <= DOLLAR
    assert count >= 0
    # Money is 1e-6 dollar: count/100 x price/1e4 x (1e4 - price)/1e4 dollars.
    numerator = rate.numerator * count * price * (DOLLAR - price)
    denominator = rate.denominator * DOLLAR * quantum
    return -(-numerator // denominator) * quantum


class Charge(NamedTuple):
    """What one fill does to the balance: `change` = revenue - `fee`; `accumulated` goes into the order's next fill."""

    change: int
    fee: int
    accumulated: int


def charge(revenue: int, fee: int, accumulated: int, rounding: Rounding = ROUNDING) -> Charge:
    """Book one fill: `revenue` (signed, negative for a purchase) and trade fee in, change and net fee out.

    `accumulated` holds the rounding fees of the order's earlier fills. A rebate that would make the net fee negative
    waits for the next fill.
    """
    assert fee >= 0
    assert accumulated >= 0
    change = (revenue - fee) // rounding.grid * rounding.grid
    rounded = revenue - fee - change
    accumulated += rounded
    net = fee + rounded
    if accumulated > rounding.rebate and net >= rounding.rebate:
        return Charge(change + rounding.rebate, net - rounding.rebate, accumulated - rounding.rebate)
    return Charge(change, net, accumulated)


assert CONTRACT * DOLLAR == 1_000_000, "price x count must be money"
