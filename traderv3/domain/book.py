"""One market's order book as the venue shows it: two lists of bids, YES and NO, each in its own side's prices.

Units: prices 1e-4 dollar, sizes 0.01 contract, times microseconds since the epoch.
Source: docs.kalshi.com, "Orderbook updates": a snapshot replaces, a delta is relative, a level at zero disappears.
Never: merged, pruned or clamped. A change that would make a size negative raises and leaves the book as it was.
"""

import enum
from collections.abc import Iterable
from typing import Final

from traderv3.domain.units import DOLLAR

NONE: Final = 0  # the best price of an empty side; no real level stands at 0


class BookState(enum.StrEnum):
    """Whether the levels may be believed."""

    SYNCING = "syncing"  # asked for, no snapshot yet
    LIVE = "live"
    STALE = "stale"  # was live; something was lost since


class NegativeLevel(ValueError):
    """A change takes more from a level than it holds: our book and the venue's differ."""


class Book:
    """Levels by price for both sides, with the best of each side kept at hand.

    `yes` and `no` map price to size, every size above 0; `best_yes` and `best_no` are the highest price of a side
    or `NONE`. `run` is the venue's time of the last change, as it said it: changes of one time belong together.
    `witness`, if somebody put a list there, collects every change as `(is_yes, price, change)` until the next snapshot.
    """

    __slots__ = (
        "best_no",
        "best_yes",
        "clock",
        "is_unserved",
        "no",
        "received_us",
        "run",
        "seq",
        "stale_reason",
        "state",
        "ticker",
        "updates",
        "witness",
        "yes",
    )

    def __init__(self, ticker: str) -> None:
        self.ticker = ticker
        self.state = BookState.SYNCING
        self.stale_reason: str | None = None
        self.is_unserved = False  # the venue gives no usable snapshot, though we asked
        self.yes: dict[int, int] = {}
        self.no: dict[int, int] = {}
        self.best_yes: int = NONE
        self.best_no: int = NONE
        self.seq: int | None = None
        self.clock: int | None = None
        self.run: int | str | None = None
        self.received_us: int | None = None
        self.witness: list[tuple[bool, int, int]] | None = None
        self.updates = 0

    def replace(self, yes: Iterable[tuple[int, int]], no: Iterable[tuple[int, int]]) -> None:
        """Take a snapshot's levels in place of everything held, and be live. Raises `NegativeLevel` on a size below 0."""
        new_yes = {price: size for price, size in yes if size != 0}
        new_no = {price: size for price, size in no if size != 0}
        for levels in (new_yes, new_no):
            if levels and min(levels.values()) < 0:
                msg = f"{self.ticker}: snapshot with a negative size"
                raise NegativeLevel(msg)
        self.yes, self.no = new_yes, new_no
        self.best_yes = max(new_yes, default=NONE)
        self.best_no = max(new_no, default=NONE)
        self.state = BookState.LIVE
        self.stale_reason = None
        self.is_unserved = False
        self.witness = None
        self.updates += 1

    def apply(self, is_yes: bool, price: int, change: int) -> None:
        """Change one level by `change`, or raise `NegativeLevel` and leave the book as it was."""
        levels = self.yes if is_yes else self.no
        size = levels[price] + change if price in levels else change
        if size > 0:
            levels[price] = size
            if is_yes:
                if price > self.best_yes:
                    self.best_yes = price
            elif price > self.best_no:
                self.best_no = price
        elif size == 0:
            levels.pop(price, None)
            if is_yes:
                if price == self.best_yes:
                    self.best_yes = max(levels, default=NONE)
            elif price == self.best_no:
                self.best_no = max(levels, default=NONE)
        else:
            side = "yes" if is_yes else "no"
            msg = f"{self.ticker}: {side} level {price} would hold {size}"
            raise NegativeLevel(msg)
        self.updates += 1
        if self.witness is not None:
            self.witness.append((is_yes, price, change))

    def mark_stale(self, reason: str) -> bool:
        """Withdraw trust from a live book; True if it was live. A book never yet live stays `syncing`."""
        if self.state is not BookState.LIVE:
            return False
        self.state = BookState.STALE
        self.stale_reason = reason
        return True

    @property
    def is_crossed(self) -> bool:
        """Best YES bid plus best NO bid reach a dollar: somebody should have traded. Normal inside a run of one time."""
        return self.best_yes + self.best_no >= DOLLAR  # with an empty side it is less: no price is a whole dollar

    def levels(self, is_yes: bool, depth: int = 0) -> list[tuple[int, int]]:
        """`(price, size)` ascending, best last; the `depth` best, or all with 0."""
        ascending = sorted((self.yes if is_yes else self.no).items())
        return ascending[-depth:] if depth else ascending

    def check(self) -> None:
        """Assert every invariant of the type; for tests and simulations."""
        assert all(size > 0 for levels in (self.yes, self.no) for size in levels.values())
        assert self.best_yes == max(self.yes, default=NONE)
        assert self.best_no == max(self.no, default=NONE)
        assert (self.stale_reason is not None) == (self.state is BookState.STALE)
