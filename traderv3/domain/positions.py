"""What is held in one market, what it cost and what it brought in: folded from fills, whatever order they are told in.

The fills of a market are kept in one order, the venue's milliseconds and then their trade ids, and folded in that order
from a base, which is nothing, or the venue's own word. A fill that is told late takes its place and the fold is made
again; one that is told twice is taken once; one that is not younger than the base is in the base already.
Average cost: what a fill closes leaves with its share of the cost, as at the venue (`exchange.accounts` does the same).
Units: prices 1e-4 dollar on the YES scale, counts 0.01 contract, money 1e-6 dollar, times microseconds since the epoch.
Source: Kalshi's pages on collateral and settlement (April to August 2026).
Never: a number that depends on the order in which things were told.
"""

from bisect import insort
from dataclasses import dataclass
from typing import Final, NamedTuple

from traderv3.domain.book import Book, BookState
from traderv3.domain.claims import own_price
from traderv3.domain.market_facts import Fill
from traderv3.domain.units import DOLLAR, Money, Price, Qty

NOTHING: Final = Qty(0)
NO_MONEY: Final = Money(0)
MS_US: Final = 1000  # the socket tells times in milliseconds, REST in microseconds: both are compared in the coarser
CENT: Final = 10_000  # money; a payout below it is the venue's
ENTRIES_MAX: Final = 4_096  # of one market; beyond it the older half becomes the base


@dataclass(frozen=True, slots=True)
class Settlement:
    """A market is over: `value` is what one YES contract pays."""

    ticker: str
    value: Price
    at_us: int


@dataclass(frozen=True, slots=True)
class Position:
    """One market's stake. `count` below 0 is NO; `cost` is what is held cost on its own side, without fees.

    `realized` is what closing brought in over its cost, without fees; `fees` all that were paid. `flow` is what all of it
    did to the cash of the account, fees included; what was held at the base counts as paid for before.
    """

    count: Qty = NOTHING
    cost: Money = NO_MONEY
    realized: Money = NO_MONEY
    fees: Money = NO_MONEY
    flow: Money = NO_MONEY

    def after(self, is_bid: bool, price: Price, count: Qty, fee: Money) -> "Position":
        """The stake after one fill."""
        closed = min(count, max(0, -self.count if is_bid else self.count))
        opened = count - closed
        left = self.cost * closed // abs(self.count) if closed else 0
        bought, sold = opened * own_price(is_bid, price), closed * own_price(not is_bid, price)
        return Position(
            count=Qty(self.count + (count if is_bid else -count)),
            cost=Money(self.cost - left + bought),
            realized=Money(self.realized + sold - left),
            fees=Money(self.fees + fee),
            flow=Money(self.flow + sold - bought - fee),
        )

    def settled(self, value: Price) -> "Position":
        """The stake after its market paid `value` a YES contract; less than a cent is kept back by the venue as a fee."""
        payout = self.value_at(value)
        fee = payout % CENT
        return Position(
            realized=Money(self.realized + payout - self.cost),
            fees=Money(self.fees + fee),
            flow=Money(self.flow + payout - fee),
        )

    def value_at(self, price: Price) -> Money:
        """What is held is worth if one YES contract is worth `price`."""
        return Money(abs(self.count) * own_price(self.count > 0, price))

    @property
    def average(self) -> Price | None:
        """What one contract of the held side cost, rounded half up; None where nothing is held."""
        held = abs(self.count)
        return Price((2 * self.cost + held) // (2 * held)) if held else None


def exit_price(book: Book | None, count: Qty) -> Price | None:
    """The YES price at which the best of a live book would take what is held; None where nobody would, or none is live."""
    if book is None or book.state is not BookState.LIVE:
        return None
    if count > 0:
        return Price(book.best_yes) if book.yes else None
    return Price(DOLLAR - book.best_no) if book.no else None


class _Entry(NamedTuple):
    """A fill, or a settlement at `price`, in its place: it goes after the fills of its moment."""

    at_us: int
    is_settlement: bool
    trade_id: str
    is_bid: bool
    price: Price
    size: Qty
    fee: Money

    def applied_to(self, position: Position) -> Position:
        if self.is_settlement:
            return position.settled(self.price)
        return position.after(self.is_bid, self.price, self.size, self.fee)


class MarketLedger:
    """The fills of one market in their order, and the position that they come to from the base."""

    def __init__(self) -> None:
        self.position = Position()
        self.base = Position()
        self.base_us = -1  # what happened at this time or earlier is in the base
        self._entries: list[_Entry] = []
        self._ids: set[str] = set()

    def add(self, fill: Fill) -> bool:
        """Take a fill in its place; False if it is there, or in the base, already."""
        return self._insert(
            _Entry(_moment(fill.at_us), False, fill.trade_id, fill.is_yes, fill.yes_price, fill.count, fill.fee)
        )

    def settle(self, settlement: Settlement) -> bool:
        """Take the market's end, once; False if it was taken already."""
        at_us = _moment(settlement.at_us)
        return self._insert(_Entry(at_us, True, "settlement", True, settlement.value, NOTHING, NO_MONEY))

    def rebase(self, base: Position, at_us: int) -> None:
        """Take somebody else's word for everything up to `at_us`; what is younger stays, on top of it."""
        at_us = _moment(at_us)
        self.base, self.base_us = base, at_us
        self._entries = [entry for entry in self._entries if entry.at_us > at_us]
        self._ids = {entry.trade_id for entry in self._entries}
        self._fold()

    def position_at(self, at_us: int) -> Position:
        """What it was then, as far as it is known now."""
        at_us, position = _moment(at_us), self.base
        for entry in self._entries:
            if entry.at_us > at_us:
                break
            position = entry.applied_to(position)
        return position

    def check(self) -> None:
        """Assert that the position is what a fold comes to; for tests and simulations."""
        folded = self.base
        for entry in sorted(self._entries):
            folded = entry.applied_to(folded)
        assert folded == self.position
        assert len(self._ids) == len(self._entries)
        assert self.position.count or not self.position.cost

    def _insert(self, entry: _Entry) -> bool:
        if entry.trade_id in self._ids or entry.at_us <= self.base_us:
            return False
        is_last = not self._entries or self._entries[-1] < entry
        insort(self._entries, entry)
        self._ids.add(entry.trade_id)
        if is_last:
            self.position = entry.applied_to(self.position)
        else:
            self._fold()
        if len(self._entries) > ENTRIES_MAX:
            self._compact()
        return True

    def _fold(self) -> None:
        position = self.base
        for entry in self._entries:
            position = entry.applied_to(position)
        self.position = position

    def _compact(self) -> None:
        """The older half becomes the base, whole moments of it: what is told of them later is known."""
        at_us = self._entries[ENTRIES_MAX // 2].at_us
        for entry in self._entries:
            if entry.at_us > at_us:
                break
            self.base = entry.applied_to(self.base)
        self.rebase(self.base, at_us)


def _moment(at_us: int) -> int:
    return at_us // MS_US * MS_US
