"""Our orders in their tables: all that are kept, those that are open, those at risk, those that are over; by either id.

Never: a change of an order itself.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Final

from traderv3.domain.orders import Draft, Order

OVER_KEPT: Final = 2_000  # orders that are over; a late word about an older one is about an order that is not ours


class OwnOrders:
    """Whoever changed an order says so by `changed`; until then the tables show what it was."""

    def __init__(self) -> None:
        self._all: dict[str, Order] = {}  # by client order id, like every table here
        self._open: dict[str, Order] = {}
        self._at_risk: dict[str, Order] = {}  # open, or filled without the fills being booked
        self._over: dict[str, None] = {}  # in the order of their end
        self._by_order_id: dict[str, str] = {}
        self.all: Mapping[str, Order] = MappingProxyType(self._all)  # in the order of their making
        self.open: Mapping[str, Order] = MappingProxyType(self._open)
        self.at_risk: Mapping[str, Order] = MappingProxyType(self._at_risk)

    def over(self, most: int) -> Iterator[Order]:
        """So many of those that are over, the latest first."""
        return (self._all[key] for key in islice(reversed(self._over), most))

    def by_order_id(self, order_id: str) -> Order | None:
        """The one that the venue knows by that id."""
        key = self._by_order_id.get(order_id)
        return None if key is None else self._all[key]

    def add(self, draft: Draft, client_order_id: str, at_us: int) -> Order:
        """A new one, which is open."""
        assert client_order_id not in self._all, f"{client_order_id} was used before"
        order = Order(
            client_order_id=client_order_id,
            strategy=draft.strategy,
            ticker=draft.ticker,
            is_bid=draft.is_bid,
            price=draft.price,
            count=draft.count,
            time_in_force=draft.time_in_force,
            is_post_only=draft.is_post_only,
            ttl_s=draft.ttl_s,
            created_us=at_us,
            remaining=draft.count,
            since_us=at_us,
        )
        self._all[client_order_id] = self._open[client_order_id] = self._at_risk[client_order_id] = order
        return order

    def name(self, order: Order, order_id: str) -> None:
        """The venue's id of an order is known."""
        if order.order_id is not None:  # never seen; if the venue does it, the newer name is its own
            del self._by_order_id[order.order_id]
        order.order_id = order_id
        self._by_order_id[order_id] = order.client_order_id

    def changed(self, order: Order) -> Order | None:
        """Keep the tables in step with an order; returns the one that is kept no more, if it is too many for that."""
        key = order.client_order_id
        if order.is_at_risk:
            self._at_risk.setdefault(key, order)
        else:
            self._at_risk.pop(key, None)
        if order.is_open:
            self._over.pop(key, None)
            self._open.setdefault(key, order)
        elif self._open.pop(key, None) is not None:
            self._over[key] = None
            if len(self._over) > OVER_KEPT:
                return self._forget(next(iter(self._over)))
        return None

    def _forget(self, key: str) -> Order:
        order = self._all.pop(key)
        del self._over[key]
        self._at_risk.pop(key, None)
        if order.order_id is not None:
            del self._by_order_id[order.order_id]
        return order

    def check(self) -> None:
        """Assert every invariant; for tests and simulations."""
        assert self._open == {key: order for key, order in self._all.items() if order.is_open}
        assert self._at_risk == {key: order for key, order in self._all.items() if order.is_at_risk}
        assert all(self._all[key].order_id == order_id for order_id, key in self._by_order_id.items())
        assert sum(not order.is_open for order in self._all.values()) <= OVER_KEPT
