"""The prices that orders of a market may have, as its `price_ranges` say; the structure's name is only a name.

Units: prices 1e-4 dollar; an order's price lies strictly between 0 and a dollar.
Source: Kalshi's "Subpenny pricing" page of February 2026. A price on the boundary of two bands is right if either allows it.
Never: a rounding that the caller did not ask for.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from traderv3.domain.units import DOLLAR, Price

Band = tuple[int, int, int]  # start, end (both included), step


class GridError(ValueError):
    """Bands that make no grid."""


@dataclass(frozen=True, slots=True)
class PriceGrid:
    """Bands, ascending, that share at most their boundaries. Without bands no price is allowed."""

    bands: tuple[Band, ...]

    @classmethod
    def from_ranges(cls, ranges: Iterable[Band]) -> "PriceGrid":
        """Bands in any order. Raises `GridError` if one is empty, leaves 0 to a dollar, or overlaps another."""
        bands = tuple(sorted(ranges))
        for start, end, step in bands:
            if not (0 <= start < end <= DOLLAR and 0 < step <= end - start):
                msg = f"price band {start} to {end} by {step} (1e-4 dollar)"
                raise GridError(msg)
        for (_, end, _), (start, _, _) in itertools.pairwise(bands):
            if start < end:
                msg = f"price bands overlap between {start} and {end} (1e-4 dollar)"
                raise GridError(msg)
        return cls(bands)

    def is_on_grid(self, price: int) -> bool:
        """Whether an order may have this price."""
        return 0 < price < DOLLAR and any(
            start <= price <= end and (price - start) % step == 0 for start, end, step in self.bands
        )

    def ladder(self) -> tuple[Price, ...]:
        """Every allowed price, ascending."""
        prices = {price for start, end, step in self.bands for price in range(start, end + 1, step)}
        return tuple(Price(price) for price in sorted(prices - {0, DOLLAR}))

    def up(self, price: int) -> Price | None:
        """The lowest allowed price that is not below `price`; None if there is none."""
        found = [_lowest(band, max(price, 1)) for band in self.bands]
        return min((at for at in found if at is not None), default=None)

    def down(self, price: int) -> Price | None:
        """The highest allowed price that is not above `price`; None if there is none."""
        found = [_highest(band, min(price, DOLLAR - 1)) for band in self.bands]
        return max((at for at in found if at is not None), default=None)

    def nearest(self, price: int) -> Price | None:
        """The allowed price closest to `price`, of two the lower; None without any."""
        below, above = self.down(price), self.up(price)
        if below is None or above is None:
            return above if below is None else below
        return below if price - below <= above - price else above


def _lowest(band: Band, floor: int) -> Price | None:
    start, end, step = band
    price = start + -(-max(floor - start, 0) // step) * step  # rounded up to a step
    return Price(price) if price <= end and price < DOLLAR else None


def _highest(band: Band, ceiling: int) -> Price | None:
    start, end, step = band
    price = start + (min(ceiling, end) - start) // step * step
    return Price(price) if start <= price and price > 0 else None
