"""An example, not advice: quotes one bid and one ask inside wide spreads, and leans against what it holds.

    middle   of the best bid and the best ask of others
    lean     `skew` x contracts held: long lowers both quotes, short raises them
    quotes   middle - lean -/+ `edge`, onto the price grid away from the middle, always inside the others' spread

A side is quoted while the spread is at least `spread_min`, the prices lie within `price_min` and a dollar less it, and the
position is below `position_max` on that side. A quote is moved when it is off by `requote` or more. Post-only, so it never
takes; paused trading (`reducing`) leaves the side that closes; without a live book it wants its orders back.
It remembers nothing: everything follows from the view. What it earns in a market without makers' fees is the edge; what it
loses is that whoever fills it may know better.
Units: prices 1e-4 dollar on the YES scale, counts 0.01 contract.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from traderv3.domain.orders import Change, Draft, Intent, Withdrawal
from traderv3.domain.permission import Mode
from traderv3.domain.units import CONTRACT, DOLLAR, Price, Qty
from traderv3.trading.strategies.view import MarketView, OwnOrder, View


@dataclass(frozen=True, slots=True, kw_only=True)
class SpreadMakerParameters:
    """`skew` is the lean for one contract held. Raises `ValueError` if they contradict each other."""

    size: Qty
    position_max: Qty
    spread_min: Price
    edge: Price
    skew: Price
    requote: Price
    price_min: Price
    ttl_s: int

    def __post_init__(self) -> None:
        if not 0 < 2 * self.edge < self.spread_min:
            msg = "spread_min must be more than twice the edge, and the edge above 0"
            raise ValueError(msg)
        if self.size > self.position_max or self.size <= 0:
            msg = "size must be above 0 and not above position_max"
            raise ValueError(msg)
        if not 0 < self.price_min < DOLLAR // 2:
            msg = "price_min must be above 0 and below half a dollar"
            raise ValueError(msg)


DEFAULTS: Final = SpreadMakerParameters(
    size=Qty(5_00),
    position_max=Qty(20_00),
    spread_min=Price(300),
    edge=Price(50),
    skew=Price(10),
    requote=Price(100),
    price_min=Price(500),
    ttl_s=300,
)


class SpreadMaker:
    """The strategy. Each market by itself."""

    name: Final = "spread_maker"

    def __init__(self, parameters: SpreadMakerParameters) -> None:
        self._parameters = parameters

    def decide(self, view: View) -> Sequence[Intent]:
        """What is to change in each market of the view."""
        return [intent for market in view.markets for intent in self._in_market(market, view.mode)]

    def _in_market(self, market: MarketView, mode: Mode) -> Iterator[Intent]:
        targets = self._targets(market, mode)
        for is_bid in (True, False):
            orders = [order for order in market.orders if order.is_bid == is_bid]
            yield from self._toward(targets.get(is_bid), market.ticker, is_bid, orders)

    def _targets(self, market: MarketView, mode: Mode) -> dict[bool, tuple[Price, Qty]]:
        """Price and size to be quoted by side (True: bid); a side that is missing is not quoted."""
        wanted, grid, held = self._parameters, market.grid, market.position
        if mode is Mode.HALTED or not market.is_live or grid is None or not market.bids or not market.asks:
            return {}
        bid, ask = market.bids[0][0], market.asks[0][0]
        if ask - bid < wanted.spread_min or bid < wanted.price_min or ask > DOLLAR - wanted.price_min:
            return {}
        middle = (bid + ask) // 2 - wanted.skew * held // CONTRACT
        low, high = grid.up(bid + 1), grid.down(ask - 1)
        buy, sell = grid.down(middle - wanted.edge), grid.up(middle + wanted.edge)
        if low is None or high is None or buy is None or sell is None:
            return {}
        targets = {}
        for is_bid, price in ((True, min(max(buy, low), high)), (False, max(min(sell, high), low))):
            room = wanted.position_max - held if is_bid else wanted.position_max + held
            if mode is Mode.REDUCING:
                room = max(0, -held if is_bid else held)
            size = min(wanted.size, room)
            if size > 0:
                targets[is_bid] = (price, Qty(size))
        if (
            len(targets) == 2 and targets[True][0] >= targets[False][0]
        ):  # no room for both: only what closes, if anything
            return {is_bid: target for is_bid, target in targets.items() if (held < 0 if is_bid else held > 0)}
        return targets

    def _toward(
        self, target: tuple[Price, Qty] | None, ticker: str, is_bid: bool, orders: list[OwnOrder]
    ) -> Iterator[Intent]:
        """What brings the orders of one side to one order at the target, or to none; whatever is not settled is waited for."""
        if target is None or len(orders) > 1:
            yield from (Withdrawal(client_order_id=order.client_order_id) for order in orders if order.is_settled)
            return
        price, size = target
        if not orders:
            yield Draft(
                strategy=self.name,
                ticker=ticker,
                is_bid=is_bid,
                price=price,
                count=size,
                is_post_only=True,
                ttl_s=self._parameters.ttl_s,
            )
        elif orders[0].is_settled:
            order = orders[0]
            if abs(order.price - price) >= self._parameters.requote:
                yield Change(client_order_id=order.client_order_id, price=price, count=size)
            elif order.remaining > size:  # a fill elsewhere took the room: less, at its place in the queue
                yield Change(client_order_id=order.client_order_id, price=order.price, count=size)
