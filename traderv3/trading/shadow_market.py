"""One market in the shadow: its live book in a matching engine, with our orders in their place in the queue.

    book changes ─► `sync`:  what is new stands at the back of its level, what is gone leaves from the back
    public trades ─► `trade`: takes from the front, ours too if their turn has come
    our orders ─► `submit`:  take what stands in the live book, or rest behind it

So an order of ours moves up only by trades, or when less than what was before it is left. A trade and the change of the
book that it made come in either order; what the change took from before us, the trade does not take once more (`_gone`).
What we took is not there a second time: of a level that still shows it, so much less is ours to take (`_taken`), until
the level shrinks by itself, the oldest first. A newcomer of the live book who would have met an order of ours trades with it.
Units: prices 1e-4 dollar on the YES scale, counts 0.01 contract.
Never: a fill that the live market did not offer or trade; a change of the book that others see.
"""

from typing import Final

from traderv3.domain.book import Book, BookState
from traderv3.domain.market_facts import Trade
from traderv3.domain.matching import Match, MatchingEngine, Order, Outcome
from traderv3.domain.orders import TimeInForce
from traderv3.domain.units import DOLLAR, Price, Qty

PUBLIC: Final = 0  # who stands in the live book
PASSER: Final = 1  # who traded with it; not the same, or the engine would take the two for one
OURS: Final = 2
TOGETHER_US: Final = 1_000_000  # a trade and its change of the book come within so long of each other


class ShadowMarket:
    """The mirror of one `book`, which it only reads."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self._engine = MatchingEngine()
        self._shown: dict[bool, dict[int, int]] = {True: {}, False: {}}
        self._taken: dict[bool, dict[int, int]] = {True: {}, False: {}}
        self._gone: dict[tuple[bool, int], tuple[int, int]] = {}  # by level: when it was heard, and how much
        self._updates = -1

    @property
    def is_live(self) -> bool:
        """Whether the book can be believed, and is not in the middle of a run of changes."""
        return self.book.state is BookState.LIVE and not self.book.is_crossed

    @property
    def is_idle(self) -> bool:
        """Nothing of ours is here, and nothing is missing because of us: the mirror may be forgotten."""
        return not any(self._taken.values()) and all(order.owner != OURS for order in self._engine.orders.values())

    def sync(self) -> list[Match]:
        """Bring the mirror to what the live book shows; without one everything stays. Returns who met an order of ours."""
        if not self.is_live or self.book.updates == self._updates:
            return []
        self._updates = self.book.updates
        wanted = {is_bid: self._wanted(is_bid) for is_bid in (True, False)}
        for is_bid, levels in wanted.items():
            for price in self._levels(is_bid):
                self._shrink(is_bid, price, levels.get(price, 0))
        matches: list[Match] = []
        for is_bid, levels in wanted.items():
            for price, size in sorted(levels.items(), reverse=is_bid):
                more = size - self._public_size(is_bid, price)
                if more > 0:
                    matches += self._add(is_bid, price, more)
        return matches

    def trade(self, trade: Trade) -> list[Match]:
        """Somebody traded in the live book: as much is taken from the front, from us where it is our turn: that is returned."""
        if trade.is_block or not 0 < trade.yes_price < DOLLAR or trade.count <= 0:
            return []
        level = (not trade.is_taker_yes, trade.yes_price)
        heard_us, gone = self._gone.pop(level, (0, 0))
        known = min(gone, trade.count) if abs(trade.received_us - heard_us) <= TOGETHER_US else 0
        if known < gone:
            self._gone[level] = (heard_us, gone - known)
        if known == trade.count:
            return []
        outcome = self._engine.submit(
            PASSER, trade.is_taker_yes, trade.yes_price, trade.count - known, time_in_force=TimeInForce.IOC
        )
        return [match for match in outcome.matches if match.maker.owner == OURS]

    def submit(self, is_bid: bool, price: Price, count: Qty, tif: TimeInForce, *, is_post_only: bool) -> Outcome:
        """An order of ours, as it arrives. Its `resting` is its place."""
        outcome = self._engine.submit(OURS, is_bid, price, count, time_in_force=tif, is_post_only=is_post_only)
        for match in outcome.matches:
            self._take(not is_bid, match.price, match.size)
        return outcome

    def withdraw(self, place: Order, by: Qty | None = None) -> None:
        """Take an order of ours, or so much of it, out of the mirror; what is left keeps its place."""
        self._engine.cancel(place.order_id, by)

    def ahead_of(self, place: Order) -> Qty:
        """How much stands before an order of ours."""
        return Qty(self._engine.ahead_of(place.order_id))

    def check(self) -> None:
        """Assert that the mirror shows no more than the live book; for tests."""
        self._engine.check()
        for is_bid in (True, False):
            for price in self._levels(is_bid):
                assert self._public_size(is_bid, price) <= self._shown[is_bid].get(price, 0)

    # -- parts -----------------------------------------------------------------------------------------------------

    def _wanted(self, is_bid: bool) -> dict[int, int]:
        """What of each level is there for us, by YES price."""
        shown, taken = self._shown[is_bid], self._taken[is_bid]
        own_levels = self.book.yes if is_bid else self.book.no
        levels = {price if is_bid else DOLLAR - price: size for price, size in own_levels.items() if 0 < price < DOLLAR}
        for price, size in list(taken.items()):
            left = size - max(0, shown.get(price, 0) - levels.get(price, 0))
            if left > 0:
                taken[price] = left
            else:
                del taken[price]
        self._shown[is_bid] = levels
        return {price: max(0, size - taken.get(price, 0)) for price, size in levels.items()}

    def _levels(self, is_bid: bool) -> list[int]:
        return list(self._engine.bids if is_bid else self._engine.asks)

    def _level(self, is_bid: bool, price: int) -> list[Order]:
        """Everything at a price, the oldest first; an order's id grows with its arrival."""
        return list((self._engine.bids if is_bid else self._engine.asks).get(price, {}).values())

    def _public(self, is_bid: bool, price: int) -> list[Order]:
        return [order for order in self._level(is_bid, price) if order.owner == PUBLIC]

    def _public_size(self, is_bid: bool, price: int) -> int:
        return sum(order.size for order in self._public(is_bid, price))

    def _shrink(self, is_bid: bool, price: int, wanted: int) -> None:
        """Let so much of a level go that no more than `wanted` is left, the newest first."""
        surplus = self._public_size(is_bid, price) - wanted
        newest_of_ours = max((order.order_id for order in self._level(is_bid, price) if order.owner == OURS), default=0)
        from_before_us = 0
        for order in reversed(self._public(is_bid, price)):
            if surplus <= 0:
                break
            gone = min(surplus, order.size)
            surplus -= gone
            from_before_us += gone if order.order_id < newest_of_ours else 0
            self._engine.cancel(order.order_id, gone)
        if from_before_us:
            now_us = self.book.received_us or 0
            heard_us, gone = self._gone.get((is_bid, price), (0, 0))
            before = gone if now_us - heard_us <= TOGETHER_US else 0
            self._gone[is_bid, price] = (now_us, before + from_before_us)

    def _add(self, is_bid: bool, price: int, size: int) -> list[Match]:
        """Newcomers of the live book, behind everybody; those who meet us trade with us."""
        outcome = self._engine.submit(PUBLIC, is_bid, price, size)
        for match in outcome.matches:
            self._take(is_bid, price, match.size)
        return outcome.matches

    def _take(self, is_bid: bool, price: int, size: int) -> None:
        """So much of what a level shows has traded with us and is not there any more."""
        taken = self._taken[is_bid]
        taken[price] = taken.get(price, 0) + size
