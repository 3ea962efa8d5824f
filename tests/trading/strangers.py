"""A market in which strangers really match: what it would say of its book, and of its trades."""

import random

from traderv3.domain.market_facts import Trade
from traderv3.domain.matching import MatchingEngine
from traderv3.domain.units import Price, Qty

TICKER = "KXDEMO-99-A"


def passed(price: int, count: int, *, is_taker_yes: bool, at_us: int = 0, is_block: bool = False) -> Trade:
    return Trade(
        trade_id="t",
        ticker=TICKER,
        yes_price=Price(price),
        count=Qty(count),
        is_taker_yes=is_taker_yes,
        is_block=is_block,
        at_us=at_us,
        received_us=at_us,
    )


class Strangers:
    """A market that really matches. What it says of its book and of its trades comes on two lines, each in its own time."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._engine = MatchingEngine()
        self.actions: list[list[tuple[bool, int, int]]] = []  # the changes of each, not yet told
        self.trades: list[Trade] = []  # not yet told
        self.clock_us = 0

    def act(self) -> None:
        rng, engine = self._rng, self._engine
        self.clock_us += rng.randint(0, 100_000)
        if engine.orders and rng.random() < 0.4:
            gone = engine.cancel(rng.choice(list(engine.orders)), rng.choice([None, 10]))
            assert gone is not None
            self.actions.append([gone[:3]])
            return
        is_bid, price = rng.random() < 0.5, rng.randint(45, 55) * 100
        outcome = engine.submit(self.clock_us, is_bid, price, rng.randint(1, 300))
        self.actions.append([change[:3] for change in outcome.changes])
        self.trades += [
            passed(match.price, match.size, is_taker_yes=is_bid, at_us=self.clock_us) for match in outcome.matches
        ]
