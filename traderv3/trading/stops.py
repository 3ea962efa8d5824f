"""What a stop means for what is there already: the strategy may only close, and orders that could open are wanted back.

Units: as in `domain.orders`.
"""

from traderv3.domain.orders import Order
from traderv3.domain.permission import Mode
from traderv3.trading.exposure import claim_of
from traderv3.trading.risk import RiskFacts, lock_of


def mode_of(facts: RiskFacts) -> Mode:
    """What the strategy may do: the latch's word, or closing alone while a stop has locked it."""
    return Mode.REDUCING if facts.mode is Mode.ACTIVE and lock_of(facts, facts.strategy) else facts.mode


def stopped_orders(facts: RiskFacts) -> list[tuple[Order, str]]:
    """Open orders that a stop wants back, each with the reason: those of its scope that may do more than close.

    Of the orders on one side those with the best price fill first, and close.
    """
    found: list[tuple[Order, str]] = []
    closable = {
        (ticker, is_bid): max(0, -position.count if is_bid else position.count)
        for ticker, position in facts.positions.items()
        for is_bid in (True, False)
    }
    for order in sorted(facts.orders, key=lambda order: -order.price if order.is_bid else order.price):
        left = closable.get((order.ticker, order.is_bid), 0) - claim_of(order).count
        closable[order.ticker, order.is_bid] = left
        lock = lock_of(facts, order.strategy)
        if left < 0 and lock is not None:
            found.append((order, f"stop {lock.rule}: {lock.reason}"))
    return found
