"""Price grids: the venue's structures, boundaries, and the plain ladder as the model of every question."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traderv3.domain.price_grid import Band, GridError, PriceGrid
from traderv3.domain.units import DOLLAR

CENT = ((0, 10_000, 100),)
TAPERED = ((0, 1_000, 10), (1_000, 9_000, 100), (9_000, 10_000, 10))
CENTI_EDGES = ((0, 100, 1), (100, 9_900, 10), (9_900, 10_000, 1))
GRIDS = [(), CENT, TAPERED, CENTI_EDGES, ((0, 1_000, 30), (1_000, 10_000, 70)), ((2_000, 3_000, 100),)]


@pytest.mark.parametrize(
    ("bands", "price", "expected"),
    [
        (CENT, 100, True),
        (CENT, 150, False),
        (CENT, 0, False),
        (CENT, DOLLAR, False),
        (TAPERED, 990, True),
        (TAPERED, 1_000, True),
        (TAPERED, 1_010, False),
        (TAPERED, 9_010, True),
        (((0, 1_000, 30), (1_000, 10_000, 70)), 1_000, True),  # on the second band's steps, not on the first's
        (((0, 1_000, 100), (1_000, 10_000, 70)), 1_000, True),
    ],
)
def test_a_price_is_allowed_if_any_band_allows_it(bands: tuple[Band, ...], price: int, expected: bool) -> None:
    assert PriceGrid.from_ranges(bands).is_on_grid(price) is expected


@pytest.mark.parametrize(
    "ranges",
    [
        [(0, 0, 10)],
        [(0, 10_000, 0)],
        [(0, 10_000, -1)],
        [(-100, 10_000, 100)],
        [(0, 10_001, 1)],
        [(500, 400, 10)],
        [(0, 100, 200)],
        [(0, 5_000, 10), (4_990, 10_000, 10)],
    ],
)
def test_bands_that_make_no_grid_are_refused(ranges: list[Band]) -> None:
    with pytest.raises(GridError):
        PriceGrid.from_ranges(ranges)


def test_bands_may_come_in_any_order() -> None:
    assert PriceGrid.from_ranges(reversed(TAPERED)) == PriceGrid.from_ranges(TAPERED)


def test_without_bands_no_price_is_allowed() -> None:
    grid = PriceGrid.from_ranges([])

    assert grid.ladder() == ()
    assert (grid.up(1), grid.down(9_999), grid.nearest(5_000)) == (None, None, None)


@given(st.sampled_from(GRIDS), st.integers(-50, DOLLAR + 50))
def test_every_question_is_answered_as_the_ladder_would(bands: tuple[Band, ...], price: int) -> None:
    grid = PriceGrid.from_ranges(bands)
    ladder = grid.ladder()

    assert grid.is_on_grid(price) == (price in ladder)
    assert grid.up(price) == min((p for p in ladder if p >= price), default=None)
    assert grid.down(price) == max((p for p in ladder if p <= price), default=None)
    assert grid.nearest(price) == min(ladder, key=lambda p: (abs(p - price), p), default=None)
