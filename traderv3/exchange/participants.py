"""Synthetic participants: seeded makers, noise and informed traders who keep each market's book busy in virtual time.

They trade through the desk as anonymous owners, against each other and against its members; while their market does not
trade they wait, and when it was emptied (a halt ended, it was re-opened) they stand there anew.

Rates, sizes, depths and bursts follow recorded sessions (an ordinary market 0.4 to 6 deltas/s, a busy one 50 to 85 with
seconds of 300; nine of ten change a level that was there; bursts of several hundred in a few ms on round clock times).
Units: times in microseconds since the epoch, sizes 0.01 contract. The same seed and steps give the same market.
Never: the wall clock, or global chance; `step(now_us)` acts out everything due until then and returns.
"""

import heapq
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from traderv3.domain.orders import TimeInForce
from traderv3.domain.units import CONTRACT, DOLLAR
from traderv3.exchange.desk import Desk
from traderv3.exchange.listing import Listing

SECOND_US: Final = 1_000_000
ROUND_US: Final = 60 * SECOND_US  # on each of these a busy market bursts
HOUR_PART_US: Final = 300 * SECOND_US  # on each of these it bursts hard
CATCH_UP_MAX_US: Final = 5 * SECOND_US  # a process that slept longer does not act out what it missed

_OWNERS: Final = 40  # makers are 1 to this
_TAKER: Final = 0
_INFORMED: Final = -1
_LEVEL_ORDERS: Final = 4  # what a level holds on average
_EMPTIED_PART: Final = 8  # a book with less than one in so many of its usual orders was emptied by the venue
_NEAR_TICKS: Final = 24  # levels this near the touch may stand on any tick, farther ones on whole cents
_TAKE, _ADD, _NEW, _CLEAR = 0.07, 0.49, 0.525, 0.56  # cumulative; the rest reduces a level

# One in so many actions is an informed trader's sweep; a market's price moves by these.
_INFORMED_EVERY_BUSY: Final = 2_500
_INFORMED_EVERY: Final = 250


@dataclass(frozen=True, slots=True)
class Temper:
    """How one market behaves. `rate_hz` actions a second on average; `swing` the spread of its seconds (log-normal)."""

    rate_hz: float
    swing: float
    size_median: float  # contracts
    size_spread: float  # of the logarithm
    is_fractional: bool


def temper(rng: random.Random, *, is_busy: bool, activity: float) -> Temper:
    """Draw a market's temper within the recorded ranges; `activity` multiplies its rate."""
    rate = rng.uniform(52, 68) if is_busy else math.exp(rng.uniform(math.log(0.5), math.log(5.5)))
    return Temper(
        rate_hz=rate * activity,
        swing=0.75 if is_busy else 1.25,
        size_median=rng.uniform(60, 120) if is_busy else rng.uniform(150, 900),
        size_spread=1.8,
        is_fractional=rng.random() < 0.4,
    )


class Crowd:
    """Everybody who trades one market. `stands`: with a whole book from the start, else once the market trades."""

    def __init__(
        self, desk: Desk, listing: Listing, seed: int, *, activity: float, start_us: int, stands: bool = True
    ) -> None:
        self.listing = listing
        self.engine = desk.engine(listing.ticker)
        self._desk = desk
        self._pit = desk.pit
        self._rng = random.Random(f"{seed}:{listing.ticker}")
        self.temper = temper(self._rng, is_busy=listing.market.is_busy, activity=activity)
        self._learn_grid()
        self._fair = self._index(listing.market.fair)
        self._home = self._fair
        self._intensity = 1.0
        self._intensity_until_us = start_us
        orders = list(self._first_orders())
        self._orders_wanted = len(orders)
        if stands:
            self._stand(orders)
        self.next_us = start_us + self._pause_us(start_us)

    # -- what they do ----------------------------------------------------------------------------------------------

    def act(self, at_us: int) -> None:
        """One action of somebody, if the market trades, and the time of the next."""
        if self._desk.is_open(self.listing):
            self._prepare(at_us)
            one_in = _INFORMED_EVERY_BUSY if self._market.is_busy else _INFORMED_EVERY
            if self._rng.random() * one_in < 1:
                self._informed(at_us)
            else:
                self._ordinary(at_us)
        self.next_us = at_us + self._pause_us(at_us)

    def burst(self, at_us: int, count: int, within_us: int) -> None:
        """Many actions within a few milliseconds, if the market trades."""
        if self._desk.is_open(self.listing):
            self._prepare(at_us)
            for offset_us in sorted(self._rng.randrange(within_us) for _ in range(count)):
                self._ordinary(at_us + offset_us)

    def _prepare(self, at_us: int) -> None:
        """Take notice of a new price grid, and of a book that the venue emptied."""
        if self.listing.market is not self._market:
            fair, home = self._ladder[self._fair], self._ladder[self._home]
            self._learn_grid()
            self._fair, self._home = self._index(fair), self._index(home)
            strays = [order for order in self.engine.orders.values() if order.price not in self._grid]
            self._pit.cancel_anonymous(self.listing, strays, at_us=at_us)
        if len(self.engine.orders) * _EMPTIED_PART < self._orders_wanted:
            for owner, is_bid, price, size in self._first_orders():
                self._pit.submit_anonymous(
                    self.listing, owner, is_bid, price, size, at_us=at_us, rng=self._rng, is_post_only=True
                )

    def _ordinary(self, at_us: int) -> None:
        draw = self._rng.random()
        is_bid = self._rng.random() < 0.5
        if draw < _TAKE:
            self._take(at_us, is_bid)
        elif draw < _ADD:
            self._add(at_us, is_bid)
        elif draw < _NEW:
            self._open_level(at_us, is_bid)
        elif draw < _CLEAR:
            self._clear_level(at_us, is_bid)
        else:
            self._reduce(at_us, is_bid)

    def _take(self, at_us: int, is_bid: bool) -> None:
        """Noise: a small order that takes from the best level."""
        price = self.engine.best_ask if is_bid else self.engine.best_bid
        if 0 < price < DOLLAR:
            size = self._size(self.temper.size_median / 4)
            self._pit.submit_anonymous(
                self.listing, _TAKER, is_bid, price, size, at_us=at_us, rng=self._rng, time_in_force=TimeInForce.IOC
            )

    def _add(self, at_us: int, is_bid: bool) -> None:
        """A maker joins a level; where the touch has moved off, one comes closer instead."""
        if self._is_wide() and self._rng.random() < 0.3:
            self._open_level(at_us, is_bid)
            return
        price = self._some_level(is_bid)
        if price in self._grid:
            self._rest(at_us, is_bid, price)

    def _open_level(self, at_us: int, is_bid: bool) -> None:
        """A maker stands where nobody stood, inside a wide spread if there is one."""
        levels = self.engine.bids if is_bid else self.engine.asks
        step = -1 if is_bid else 1
        edge = self._fair + (0 if is_bid else 1)
        if self._is_wide():
            candidates = list(range(edge, edge + step * 4, step))
        else:
            near = [edge + step * self._rng.randrange(_NEAR_TICKS) for _ in range(4)]
            candidates = near + [self._rng.choice(self._whole) for _ in range(4)]
        for index in candidates:
            if 0 <= index < len(self._ladder) and ((index <= edge) if is_bid else (index >= edge)):
                price = self._ladder[index]
                crosses = price >= self.engine.best_ask if is_bid else price <= self.engine.best_bid
                if price not in levels and not crosses:
                    self._rest(at_us, is_bid, price)
                    return
        self._reduce(at_us, is_bid)

    def _clear_level(self, at_us: int, is_bid: bool) -> None:
        """The thinnest of a few levels goes."""
        levels = self.engine.bids if is_bid else self.engine.asks
        if len(levels) < 3:
            return
        tried = [price for price in (self._some_level(is_bid) for _ in range(6)) if price is not None]
        price = min(tried, key=lambda each: len(levels[each]))
        self._pit.cancel_anonymous(self.listing, list(levels[price].values()), at_us=at_us)

    def _reduce(self, at_us: int, is_bid: bool) -> None:
        """A maker takes an order, or a part of it, away from a level where others stay."""
        levels = self.engine.bids if is_bid else self.engine.asks
        for _ in range(4):
            price = self._some_level(is_bid)
            if price is None:
                return
            orders = levels[price]
            if len(orders) > 1:
                break
        else:
            return
        order = orders[self._rng.choice(list(orders))]
        crowding = len(self.engine.orders) / max(1, self._orders_wanted)
        is_whole = self._rng.random() < 0.75 * crowding**3
        part = None if is_whole or order.size < 2 * CONTRACT else self._part(order.size)
        self._pit.cancel_anonymous(self.listing, [order], part, at_us=at_us)

    def _informed(self, at_us: int) -> None:
        """Somebody knows: sweeps everything up to the new fair price in one action, and makers follow within 60 ms."""
        rng = self._rng
        ticks = rng.randint(1, 4) if self._ladder[1] - self._ladder[0] < 100 else rng.randint(1, 2)
        pull = 0.5 + 0.35 * (self._home - self._fair) / (0.08 * len(self._ladder))
        is_bid = rng.random() < min(0.95, max(0.05, pull))
        target = self._fair + (ticks if is_bid else -ticks)
        if not 4 <= target < len(self._ladder) - 4:
            return
        self._fair = target
        limit = self._ladder[target if is_bid else target + 1]
        facing = self.engine.asks if is_bid else self.engine.bids
        crossed = [price for price in facing if (price <= limit if is_bid else price >= limit)]
        size = sum(self.engine.level_size(not is_bid, price) for price in crossed) + self._size(self.temper.size_median)
        self._pit.submit_anonymous(self.listing, _INFORMED, is_bid, limit, size, at_us=at_us, rng=rng)
        for offset_us in sorted(rng.randrange(60_000) for _ in range(rng.randint(6, 24))):
            self._add(at_us + offset_us, rng.random() < 0.5)

    def _learn_grid(self) -> None:
        self._market = self.listing.market
        self._ladder = self._market.ladder()
        self._grid = frozenset(self._ladder)
        self._whole = [i for i, price in enumerate(self._ladder) if price % 100 == 0]

    # -- draws -----------------------------------------------------------------------------------------------------

    def _pause_us(self, at_us: int) -> int:
        """Until the next action: a Poisson process whose rate changes every second or two."""
        if at_us >= self._intensity_until_us:
            swing = self.temper.swing
            self._intensity = math.exp(self._rng.gauss(-swing * swing / 2, swing))
            self._intensity_until_us = at_us + int(self._rng.uniform(0.7, 2.0) * SECOND_US)
        pause_us = int(self._rng.expovariate(self.temper.rate_hz * self._intensity) * SECOND_US)
        # A quiet spell ends when its intensity does.
        return max(1, min(pause_us, self._intensity_until_us - at_us + self._first_us()))

    def _first_us(self) -> int:
        return int(self._rng.expovariate(self.temper.rate_hz) * SECOND_US)

    def _size(self, median: float) -> int:
        """A log-normal size; whole contracts unless this market trades fractions."""
        contracts = median * math.exp(self._rng.gauss(0, self.temper.size_spread))
        contracts = min(contracts, 50_000.0)
        if self.temper.is_fractional and self._rng.random() < 0.35:
            return max(1, int(contracts * CONTRACT))
        return max(1, round(contracts)) * CONTRACT

    def _part(self, size: int) -> int:
        part = int(size * self._rng.uniform(0.1, 0.9))
        if size % CONTRACT == 0:
            part -= part % CONTRACT
        return min(size - 1, max(CONTRACT, part))

    def _maker(self) -> int:
        return self._rng.randint(1, _OWNERS)

    def _some_level(self, is_bid: bool) -> int | None:
        """A level of one side, the nearer to the touch the likelier; a quarter of the time the best."""
        levels = self.engine.bids if is_bid else self.engine.asks
        if not levels:
            return None
        draw = self._rng.random()
        best = self.engine.best_bid if is_bid else self.engine.best_ask
        if draw < 0.15:
            return best
        prices = sorted(levels, reverse=is_bid)
        return prices[int(len(prices) * self._rng.random() ** 1.7)]

    def _is_wide(self) -> bool:
        """Whether the spread asks for somebody to come closer."""
        bid, ask = self.engine.best_bid, self.engine.best_ask
        return bid < self._ladder[self._fair] or ask > self._ladder[min(self._fair + 1, len(self._ladder) - 1)]

    def _index(self, price: int) -> int:
        return min(range(len(self._ladder)), key=lambda index: abs(self._ladder[index] - price))

    # -- placing and telling ---------------------------------------------------------------------------------------

    def _first_orders(self) -> Iterator[tuple[int, bool, int, int]]:
        """A whole book, `(owner, is_bid, price, size)` by order: dense near the touch, whole cents farther away."""
        for is_bid in (True, False):
            step = -1 if is_bid else 1
            edge = self._fair + (0 if is_bid else 1)
            near = {edge + step * i for i in range(_NEAR_TICKS) if i == 0 or self._rng.random() < 0.8}
            far = {i for i in self._whole if ((i < edge) if is_bid else (i > edge)) and self._rng.random() < 0.9}
            for index in sorted(near | far):
                if 0 <= index < len(self._ladder):
                    for _ in range(self._rng.randint(1, 2 * _LEVEL_ORDERS)):
                        yield self._maker(), is_bid, self._ladder[index], self._size(self.temper.size_median)

    def _stand(self, orders: list[tuple[int, bool, int, int]]) -> None:
        """The book before the first visitor, told to nobody."""
        for owner, is_bid, price, size in orders:
            self.engine.submit(owner, is_bid, price, size)
        self.listing.book.replace(self.engine.public_levels(True), self.engine.public_levels(False))
        self.listing.clock = self._rng.randint(10_000, 90_000)
        self.listing.last_price = self._ladder[self._fair]

    def _rest(self, at_us: int, is_bid: bool, price: int) -> None:
        size = self._size(self.temper.size_median)
        self._pit.submit_anonymous(
            self.listing, self._maker(), is_bid, price, size, at_us=at_us, rng=self._rng, is_post_only=True
        )


class Participants:
    """All crowds of the exchange, driven by `step`."""

    def __init__(self, desk: Desk, *, seed: int, start_us: int, activity: float = 1.0) -> None:
        assert activity > 0
        self._desk = desk
        self._seed = seed
        self._activity = activity
        self._now_us = start_us
        self._rng = random.Random(f"bursts:{seed}")
        self.crowds = [
            Crowd(desk, listing, seed, activity=activity, start_us=start_us) for listing in desk.floor.listings.values()
        ]
        self._due = [(crowd.next_us, i) for i, crowd in enumerate(self.crowds)]
        heapq.heapify(self._due)

    def join(self, listing: Listing) -> None:
        """Trade a market too that was created since; its book fills once it opens."""
        crowd = Crowd(self._desk, listing, self._seed, activity=self._activity, start_us=self._now_us, stands=False)
        heapq.heappush(self._due, (crowd.next_us, len(self.crowds)))
        self.crowds.append(crowd)

    def step(self, now_us: int) -> None:
        """Act out everything due until `now_us`; time never goes back."""
        if now_us - self._now_us > CATCH_UP_MAX_US:
            self._skip_to(now_us)
        while self._due[0][0] <= now_us:
            at_us, i = self._due[0]
            self._bursts_until(at_us)
            crowd = self.crowds[i]
            crowd.act(at_us)
            heapq.heapreplace(self._due, (crowd.next_us, i))
        self._bursts_until(now_us)
        self._desk.floor.flush_tickers(now_us)

    def _bursts_until(self, at_us: int) -> None:
        """What round clock times bring to the busy markets."""
        round_us = at_us - at_us % ROUND_US
        if round_us > self._now_us:
            busy = [crowd for crowd in self.crowds if crowd.listing.market.is_busy]
            hard = self._rng.choice(busy) if busy and round_us % HOUR_PART_US == 0 else None
            for crowd in busy:
                if crowd is hard:
                    crowd.burst(round_us, self._rng.randint(300, 700), within_us=8_000)
                else:
                    crowd.burst(round_us, self._rng.randint(40, 120), within_us=4_000)
        self._now_us = max(self._now_us, at_us)

    def _skip_to(self, now_us: int) -> None:
        shift_us = now_us - self._now_us
        self._due = [(at_us + shift_us, i) for at_us, i in self._due]
        self._now_us = now_us
