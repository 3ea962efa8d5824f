"""Which orders rest at the venue as far as the gateway knows: what a halt cancels one by one, whatever the engine knows.

Units: times in microseconds since the epoch, ours and the venue's.
Never: proof. What it lists may be over, and cancelling that is answered with a 404; the venue's reads have the last word.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from traderv3.domain.execution import Cancel, Snapshot
from traderv3.domain.market_facts import UserOrder

OVER_MAX: Final = 256  # answers are late by seconds
LATE_US: Final = 5_000_000  # between our clock and the venue's, and for what was on its way

RESTING: Final = "resting"


class RestingOrders:
    """By order id."""

    def __init__(self, wall_us: Callable[[], int]) -> None:
        self._wall_us = wall_us
        self._known: dict[str, tuple[Cancel, int]] = {}  # and since when, by our clock
        self._over: deque[str] = deque(maxlen=OVER_MAX)

    def __len__(self) -> int:
        return len(self._known)

    def cancels(self) -> list[Cancel]:
        """What would end them."""
        return [cancel for cancel, _ in self._known.values()]

    def answered(self, cancel: Cancel) -> None:
        """The venue's answer says that it rests; the socket may have been faster to say that it is over."""
        if cancel.order_id not in self._over:
            self._known[cancel.order_id] = (cancel, self._wall_us())

    def forget(self, order_id: str) -> None:
        """It is cancelled."""
        self._known.pop(order_id, None)

    def clear(self) -> None:
        """None rests: a halt is certain of it."""
        self._known.clear()

    def heed(self, order: UserOrder) -> bool:
        """What the account says of one of them; whether it rests."""
        is_resting = order.status == RESTING
        if is_resting:
            cancel = Cancel(order.client_order_id, order.order_id, order.ticker)
            self._known[order.order_id] = (cancel, self._wall_us())
        else:
            self.forget(order.order_id)
            self._over.append(order.order_id)
        return is_resting

    def heed_reading(self, reading: Snapshot) -> None:
        """What was known before a reading of the account, and it does not list as resting, rests no more."""
        listed = {order.order_id for order in reading.orders if order.status == RESTING}
        for order_id, (_, known_us) in list(self._known.items()):
            if order_id not in listed and known_us + LATE_US < reading.as_of_us:
                self.forget(order_id)
