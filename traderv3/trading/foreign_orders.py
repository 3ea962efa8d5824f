"""The account's orders that rest and that we did not make: a person's, another program's.

Words come in any order and twice: the younger one counts, and what is over stays over, whatever a late read says.
Units: as in `domain.market_facts`, times in microseconds of the venue's clock. Never: an order of ours.
"""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final

from traderv3.domain.claims import Claim
from traderv3.domain.market_facts import UserOrder

RESTING_MAX: Final = 10_000
OVER_KEPT: Final = 2_000  # ids
OVER_WORDS: Final = frozenset({"canceled", "executed"})


class ForeignOrders:
    """By order id. Verbs return how much is different for them."""

    def __init__(self) -> None:
        self._resting: dict[str, UserOrder] = {}
        self._over: dict[str, None] = {}  # ids; what a late read says of them is old

    @property
    def resting(self) -> Mapping[str, UserOrder]:
        """The last word about each."""
        return MappingProxyType(self._resting)

    def claims(self) -> list[tuple[str, str, Claim]]:
        """What they hold: ticker, order id, claim."""
        return [
            (word.ticker, order_id, Claim(word.is_yes, word.yes_price, word.remaining))
            for order_id, word in self._resting.items()
        ]

    def heed(self, word: UserOrder) -> bool:
        """The account says something of an order that is not ours."""
        known = self._resting.get(word.order_id)
        if word.status in OVER_WORDS:
            self._over[word.order_id] = None
            if len(self._over) > OVER_KEPT:
                del self._over[next(iter(self._over))]
            return self._resting.pop(word.order_id, None) is not None
        if word.order_id in self._over or (known is not None and (word.at_us or 0) < (known.at_us or 0)):
            return False
        self._resting[word.order_id] = word
        if len(self._resting) > RESTING_MAX:
            del self._resting[next(iter(self._resting))]
        return known is None or (known.remaining, known.yes_price) != (word.remaining, word.yes_price)

    def disown(self, order_id: str) -> None:
        """It is ours after all."""
        self._resting.pop(order_id, None)

    def keep(self, listed: Collection[str], as_of_us: int) -> int:
        """A complete read lists these ids as resting: those that it knew of and does not list are over."""
        gone = [
            order_id
            for order_id, word in self._resting.items()
            if order_id not in listed and (word.at_us or 0) <= as_of_us
        ]
        for order_id in gone:
            del self._resting[order_id]
        return len(gone)
