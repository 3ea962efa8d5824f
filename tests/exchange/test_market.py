"""Definitions: grids, and a catalogue that depends on the seed alone."""

import itertools
from dataclasses import replace

import pytest

from traderv3.exchange.market import STRUCTURES, made_up, recorded


def test_the_catalogue_has_three_events_with_three_grids_and_depends_on_the_seed() -> None:
    markets = made_up(1)

    assert len(markets) >= 15
    assert len({market.event.ticker for market in markets}) == 3
    assert len({market.event.structure for market in markets}) == 3
    assert all(market.ticker.startswith("KXDEMO") for market in markets)
    assert [market.ticker for market in made_up(1)] == [market.ticker for market in markets]
    assert [market.ticker for market in made_up(2)] != [market.ticker for market in markets]


@pytest.mark.parametrize("count", [1, 2, 15, 100, 600])
def test_any_number_of_markets_have_different_tickers_and_start_on_their_grid(count: int) -> None:
    markets = made_up(3, count)

    assert len({market.ticker for market in markets}) == count
    assert len({market.market_id for market in markets}) == count
    assert all(market.is_on_grid(market.fair) for market in markets)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_bands_cover_the_dollar_without_gaps_and_hold_every_whole_cent(structure: str) -> None:
    bands = STRUCTURES[structure]

    assert bands[0][0] == 0
    assert bands[-1][1] == 10_000
    assert all(left[1] == right[0] for left, right in itertools.pairwise(bands))
    market = next(m for m in made_up(1) if m.event.structure == "tapered_deci_cent")
    assert {cent * 100 for cent in range(1, 100)} <= set(market.ladder())


def test_the_tapered_grid_is_finer_at_its_ends() -> None:
    market = next(m for m in made_up(1) if m.event.structure == "tapered_deci_cent")

    assert market.is_on_grid(990)
    assert market.is_on_grid(1_000)
    assert not market.is_on_grid(1_010)
    assert market.is_on_grid(9_010)
    assert not market.is_on_grid(0)
    assert not market.is_on_grid(10_000)


def test_a_recorded_market_takes_every_price_and_names_its_event() -> None:
    (market,) = recorded(["KXBTC15M-26MAY110145-45", "KXBTC15M-26MAY110145-45"])

    assert market.price_ranges() == [{"start": "0.0000", "end": "1.0000", "step": "0.0001"}]
    assert (market.event.ticker, market.event.series_ticker) == ("KXBTC15M-26MAY110145", "KXBTC15M")


def test_a_market_may_have_a_grid_of_its_own() -> None:
    market = replace(made_up(1)[0], own_structure="linear_cent")

    assert (market.structure, market.event.structure) == ("linear_cent", "deci_cent")
    assert not market.is_on_grid(510)
    assert market.price_ranges() == [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}]
