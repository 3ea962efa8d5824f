"""A strategy that no person would want: it places, moves and withdraws orders of every kind, all the time, by chance.

Its chance is the seed's, drawn in the order of its decisions. Units: prices 1e-4 dollar, counts 0.01 contract.
Never: shipped; it is on the list of strategies only while a run lasts.
"""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, cast

from traderv3.domain.orders import Change, Draft, Intent, TimeInForce, Withdrawal
from traderv3.domain.units import CONTRACT, Price, Qty
from traderv3.trading import strategies
from traderv3.trading.strategies.view import MarketView, OwnOrder, View

ORDERS_MAX: Final = 5  # of one market
TICKS: Final = 4  # how far from the best prices
TICK: Final = 100
_KINDS: Final = (TimeInForce.GTC, TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestlessParameters:
    """`eagerness` is how likely it wants something of a market that it is shown."""

    seed: int = 0
    size: Qty = CONTRACT
    eagerness: float = 0.2
    ttl_s: float = 10.0


class Restless:
    """The strategy."""

    name: Final = "restless"

    def __init__(self, parameters: RestlessParameters) -> None:
        self._parameters = parameters
        self._rng = random.Random(f"restless:{parameters.seed}")

    def decide(self, view: View) -> Sequence[Intent]:
        """Something or other."""
        return [intent for market in view.markets for intent in self._in_market(market)]

    def _in_market(self, market: MarketView) -> Iterator[Intent]:
        rng = self._rng
        if rng.random() >= self._parameters.eagerness or not market.is_live or market.grid is None:
            return
        settled = [order for order in market.orders if order.is_settled]
        if settled and (len(market.orders) >= ORDERS_MAX or rng.random() < 0.5):
            yield self._move(rng.choice(settled))
        elif len(market.orders) < ORDERS_MAX and market.bids and market.asks:
            draft = self._draft(market)
            if draft is not None:
                yield draft

    def _draft(self, market: MarketView) -> Draft | None:
        rng = self._rng
        is_bid = rng.random() < 0.5
        best = rng.choice((market.bids, market.asks))[0][0]
        assert market.grid is not None
        price = market.grid.down(Price(best + TICK * rng.randint(-TICKS, TICKS)))
        if price is None:
            return None
        kind = rng.choice(_KINDS)
        return Draft(
            strategy=self.name,
            ticker=market.ticker,
            is_bid=is_bid,
            price=price,
            count=self._count(),
            time_in_force=kind,
            is_post_only=kind is TimeInForce.GTC and rng.random() < 0.5,
            is_reduce_only=kind is TimeInForce.IOC and rng.random() < 0.3,
            ttl_s=rng.choice((None, self._parameters.ttl_s)) if kind is TimeInForce.GTC else None,
        )

    def _move(self, order: OwnOrder) -> Intent:
        rng, name = self._rng, order.client_order_id
        match rng.randrange(4):
            case 0:
                return Withdrawal(client_order_id=name)
            case 1:  # less, where it stands
                return Change(
                    client_order_id=name, price=order.price, count=Qty(rng.randint(1, max(1, order.remaining)))
                )
            case 2:
                return Change(client_order_id=name, price=order.price, count=self._count())
            case _:
                price = Price(order.price + TICK * rng.choice((-1, 1)))
                return Change(client_order_id=name, price=price, count=self._count())

    def _count(self) -> Qty:
        return Qty(self._rng.randint(1, self._parameters.size))


@contextmanager
def on_the_list() -> Iterator[None]:
    """Let the trader know this strategy."""
    known = cast("dict[str, strategies.Kind]", strategies.STRATEGIES)
    known[Restless.name] = strategies.Kind(RestlessParameters(), Restless)
    try:
        yield
    finally:
        del known[Restless.name]
