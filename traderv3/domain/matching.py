"""One market's matching engine: price, then time; one book in YES terms; trades at the resting order's price.

A bid buys YES at its price. An ask sells YES, which is the same as buying NO at one dollar minus its price; so a
resting ask shows as a NO bid. Units: prices 1e-4 dollar on the YES scale, sizes 0.01 contract.
Source: docs.kalshi.com, order book and self-trade prevention pages.
Never: a crossed book after an action, a size out of nothing, an account (who may trade what is decided before this).
"""

import enum
from collections.abc import Iterator
from typing import Final, NamedTuple

from traderv3.domain.orders import TimeInForce
from traderv3.domain.units import DOLLAR

NONE: Final = 0  # the best price of an empty side


class SelfTrade(enum.StrEnum):
    """What happens when an order meets one of its own owner's."""

    TAKER = "taker_at_cross"  # what is left of the newcomer is cancelled
    MAKER = "maker"  # the resting order is cancelled, the newcomer goes on


class Verdict(enum.Enum):
    """What became of a new order as a whole."""

    ACCEPTED = "accepted"
    POST_ONLY_CROSSES = "post only cross"
    FOK_TOO_LARGE = "fill_or_kill_insufficient_resting_volume"


class Order:
    """A resting order; `size` is what is left of it."""

    __slots__ = ("is_bid", "order_id", "owner", "price", "size")

    def __init__(self, order_id: int, owner: int, is_bid: bool, price: int, size: int) -> None:
        self.order_id = order_id
        self.owner = owner
        self.is_bid = is_bid
        self.price = price
        self.size = size


class Change(NamedTuple):
    """One level's change as the public sees it: the side's own price, a signed size; `maker` if that order was taken."""

    is_yes: bool
    price: int
    change: int
    maker: Order | None = None


class Match(NamedTuple):
    """One trade. `price` on the YES scale."""

    price: int
    size: int
    maker: Order
    is_taker_bid: bool


class Outcome(NamedTuple):
    """Everything one action did, in the order the public hears of it.

    What comes to rest is announced before what it took: the book may look crossed inside the run of changes, as the
    venue's does, and never after its last.
    """

    verdict: Verdict
    changes: list[Change]
    matches: list[Match]
    resting: Order | None
    filled: int
    self_cancelled: list[Order]
    has_met_self: bool = False  # and was stopped by it


class MatchingEngine:
    """The orders of one market. Orders of a level are held in the order of their arrival."""

    def __init__(self) -> None:
        self.orders: dict[int, Order] = {}
        self.bids: dict[int, dict[int, Order]] = {}
        self.asks: dict[int, dict[int, Order]] = {}
        self.best_bid: int = NONE
        self.best_ask: int = DOLLAR
        self._ids_used = 0

    def submit(
        self,
        owner: int,
        is_bid: bool,
        price: int,
        size: int,
        *,
        time_in_force: TimeInForce = TimeInForce.GTC,
        is_post_only: bool = False,
        self_trade: SelfTrade = SelfTrade.TAKER,
    ) -> Outcome:
        """Match a new order against the book, then let the rest stand (GTC) or lapse."""
        assert 0 < price < DOLLAR
        assert size > 0
        if is_post_only and self._crosses(is_bid, price):
            return Outcome(Verdict.POST_ONLY_CROSSES, [], [], None, 0, [])
        if time_in_force is TimeInForce.FOK and self._available(owner, is_bid, price, size) < size:
            return Outcome(Verdict.FOK_TOO_LARGE, [], [], None, 0, [])
        taken: list[Change] = []
        matches: list[Match] = []
        cancelled: list[Order] = []
        left, met_self = self._match(owner, is_bid, price, size, self_trade, (taken, matches, cancelled))
        filled = sum(match.size for match in matches)
        resting = None
        changes = taken
        if left and time_in_force is TimeInForce.GTC and not met_self:
            resting = self._rest(owner, is_bid, price, left)
            changes = [_public(is_bid, price, left), *taken]
        return Outcome(Verdict.ACCEPTED, changes, matches, resting, filled, cancelled, met_self)

    def cancel(self, order_id: int, by: int | None = None) -> Change | None:
        """Take an order, or `by` of its size, out of the book; None if there is no such order. Time priority stays."""
        order = self.orders.get(order_id)
        if order is None:
            return None
        reduction = order.size if by is None else min(by, order.size)
        assert reduction > 0
        self._reduce(order, reduction)
        return _public(order.is_bid, order.price, -reduction)

    def ahead_of(self, order_id: int) -> int:
        """How much must trade or go before this order is the next: better prices, then its level's older orders."""
        order = self.orders[order_id]
        total = 0
        for other in self._facing(not order.is_bid, order.price):
            if other is order:
                break
            total += other.size
        return total

    def queue(self) -> Iterator[tuple[Order, int]]:
        """Every order with what stands before it, side by side, in the order in which they would trade."""
        for is_bid in (True, False):
            ahead = 0
            for order in self._facing(not is_bid, NONE if is_bid else DOLLAR):
                yield order, ahead
                ahead += order.size

    def level_size(self, is_bid: bool, price: int) -> int:
        """Everything that rests at one price."""
        return sum(order.size for order in (self.bids if is_bid else self.asks).get(price, {}).values())

    def public_levels(self, is_yes: bool) -> list[tuple[int, int]]:
        """`(price, size)` of one side as the public sees it, ascending in the side's own price."""
        levels = self.bids if is_yes else self.asks
        return sorted((price if is_yes else DOLLAR - price, self.level_size(is_yes, price)) for price in levels)

    def check(self) -> None:
        """Assert every invariant; for tests."""
        assert self.best_bid == max(self.bids, default=NONE)
        assert self.best_ask == min(self.asks, default=DOLLAR)
        assert self.best_bid < self.best_ask, "crossed"
        for is_bid, levels in ((True, self.bids), (False, self.asks)):
            for price, orders in levels.items():
                assert orders, "an empty level"
                for order_id, order in orders.items():
                    assert order.size > 0
                    assert (order.is_bid, order.price) == (is_bid, price)
                    assert self.orders[order_id] is order
        assert len(self.orders) == sum(len(orders) for side in (self.bids, self.asks) for orders in side.values())

    # -- parts -----------------------------------------------------------------------------------------------------

    def _crosses(self, is_bid: bool, price: int) -> bool:
        return price >= self.best_ask if is_bid else price <= self.best_bid

    def _facing(self, is_bid: bool, price: int) -> Iterator[Order]:
        """The resting orders that a newcomer may take, best price first, then oldest."""
        levels = self.asks if is_bid else self.bids
        for level in sorted(levels, reverse=not is_bid):
            if (level > price) if is_bid else (level < price):
                return
            yield from levels[level].values()

    def _available(self, owner: int, is_bid: bool, price: int, wanted: int) -> int:
        """How much a fill-or-kill would get. Meeting an own order it counts as immediate-or-cancel, as at the venue."""
        total = 0
        for order in self._facing(is_bid, price):
            if order.owner == owner:
                return wanted
            total += order.size
            if total >= wanted:
                break
        return total

    def _match(
        self,
        owner: int,
        is_bid: bool,
        price: int,
        size: int,
        self_trade: SelfTrade,
        out: tuple[list[Change], list[Match], list[Order]],
    ) -> tuple[int, bool]:
        """Fill `out`; returns what is left of the size, and whether an own order stopped it."""
        changes, matches, cancelled = out
        left = size
        while left and self._crosses(is_bid, price):
            levels, best = (self.asks, self.best_ask) if is_bid else (self.bids, self.best_bid)
            maker = next(iter(levels[best].values()))
            if maker.owner == owner:
                if self_trade is SelfTrade.TAKER:
                    return left, True
                changes.append(_public(maker.is_bid, maker.price, -maker.size))
                cancelled.append(maker)
                self._reduce(maker, maker.size)
                continue
            traded = min(left, maker.size)
            left -= traded
            self._reduce(maker, traded)
            changes.append(_public(maker.is_bid, maker.price, -traded, maker))
            matches.append(Match(maker.price, traded, maker, is_bid))
        return left, False

    def _rest(self, owner: int, is_bid: bool, price: int, size: int) -> Order:
        self._ids_used += 1
        order = Order(self._ids_used, owner, is_bid, price, size)
        self.orders[order.order_id] = order
        levels = self.bids if is_bid else self.asks
        level = levels.get(price)
        if level is not None:
            level[order.order_id] = order
            return order
        levels[price] = {order.order_id: order}
        if is_bid:
            self.best_bid = max(self.best_bid, price)
        else:
            self.best_ask = min(self.best_ask, price)
        return order

    def _reduce(self, order: Order, by: int) -> None:
        order.size -= by
        if order.size:
            return
        del self.orders[order.order_id]
        levels = self.bids if order.is_bid else self.asks
        level = levels[order.price]
        del level[order.order_id]
        if level:
            return
        del levels[order.price]
        if order.is_bid:
            if order.price == self.best_bid:
                self.best_bid = max(levels, default=NONE)
        elif order.price == self.best_ask:
            self.best_ask = min(levels, default=DOLLAR)


def _public(is_bid: bool, price: int, change: int, maker: Order | None = None) -> Change:
    return Change(is_bid, price if is_bid else DOLLAR - price, change, maker)
