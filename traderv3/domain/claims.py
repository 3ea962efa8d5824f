"""What the orders of one account in one market may yet do to it, and the money to be set aside for that.

Units: prices 1e-4 dollar on the YES scale, counts 0.01 contract, money 1e-6 dollar.
Source: Kalshi's order page: a bid costs price x count, an ask the rest of the dollar, and the fee; closing costs nothing.
Never: a walk over all of an account's orders for the sake of one; members rest tens of thousands in a market.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import NamedTuple

from traderv3.domain.fees import trade_fee
from traderv3.domain.units import DOLLAR


class Claim(NamedTuple):
    """What an order may yet do to an account."""

    is_bid: bool
    price: int
    size: int


def own_price(is_bid: bool, price: int) -> int:
    """What a contract of the side that an order buys costs: YES for a bid, NO for an ask."""
    return price if is_bid else DOLLAR - price


def collateral(position: int, claims: Iterable[Claim], fee_rate: Fraction, quantum: int) -> int:
    """What must be set aside so that every one of `claims` may fill, in any order the book allows. Money.

    Of each side's orders the best-priced fill first, so these are the ones that close the position and need nothing
    (a closing fill brings in its fee); whatever fills, the sum set aside for the others does not grow. A price better
    than asked for lowers the cost by more than it raises the fee. What is left uncovered is rounding.
    """
    closing = {True: max(0, -position), False: max(0, position)}
    total = 0
    for claim in sorted(claims, key=_best_first):
        closed = min(closing[claim.is_bid], claim.size)
        closing[claim.is_bid] -= closed
        total += _needed(claim, claim.size - closed, fee_rate, quantum)
    return total


def _best_first(claim: Claim) -> int:
    return -claim.price if claim.is_bid else claim.price


def _needed(claim: Claim, opened: int, fee_rate: Fraction, quantum: int) -> int:
    """What so much of an order needs if it opens a position."""
    return opened * own_price(claim.is_bid, claim.price) + trade_fee(fee_rate, claim.price, opened, quantum=quantum)


class Claims:
    """The claims by order id, with the sum that they would need if none of them closed anything."""

    __slots__ = ("_by_id", "_opening", "_quantum", "_queues", "_rate")

    def __init__(self, fee_rate: Fraction, quantum: int) -> None:
        self._by_id: dict[str, Claim] = {}
        self._queues: dict[bool, list[tuple[int, str]]] = {True: [], False: []}  # best first
        self._opening = 0
        self._rate = fee_rate
        self._quantum = quantum

    def __bool__(self) -> bool:
        return bool(self._by_id)

    def get(self, order_id: str) -> Claim | None:
        """What an order claims."""
        return self._by_id.get(order_id)

    def items(self) -> Iterator[tuple[str, Claim]]:
        """Every claim, the oldest order first."""
        yield from self._by_id.items()

    def newest(self) -> str:
        """The order that came last."""
        return next(reversed(self._by_id))

    def put(self, order_id: str, claim: Claim | None) -> None:
        """Set what an order claims; None: nothing any more."""
        held = self._by_id.get(order_id)
        if held is not None:
            self._opening -= _needed(held, held.size, self._rate, self._quantum)
            queue = self._queues[held.is_bid]
            del queue[bisect_left(queue, (_best_first(held), order_id))]
        if claim is None:
            self._by_id.pop(order_id, None)
            return
        self._by_id[order_id] = claim
        self._opening += _needed(claim, claim.size, self._rate, self._quantum)
        insort(self._queues[claim.is_bid], (_best_first(claim), order_id))

    def needed(self, position: int, fee_rate: Fraction) -> int:
        """The `collateral` of them all."""
        if fee_rate != self._rate:
            self._rate = fee_rate
            self._opening = collateral(0, self._by_id.values(), fee_rate, self._quantum)
        needed, closing = self._opening, abs(position)
        for _, order_id in self._queues[position < 0]:
            if not closing:
                break
            claim = self._by_id[order_id]
            closed = min(closing, claim.size)
            closing -= closed
            needed -= _needed(claim, claim.size, fee_rate, self._quantum)
            needed += _needed(claim, claim.size - closed, fee_rate, self._quantum)
        return needed

    def check(self, position: int) -> None:
        """Assert that the sum is what a walk over all claims, orders of one price by their id, comes to."""
        walked = collateral(position, (claim for _, claim in sorted(self.items())), self._rate, self._quantum)
        assert self.needed(position, self._rate) == walked
