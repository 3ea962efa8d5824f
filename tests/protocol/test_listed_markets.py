"""A market of a list: title and grid are read where they can be, and an odd one hides no market."""

from typing import Any

import msgspec
import pytest

from traderv3.domain.price_grid import PriceGrid
from traderv3.protocol.rest import ListedMarket, read_markets


def read(**members: Any) -> ListedMarket:
    body = msgspec.json.encode({"markets": [{"ticker": "KX-A", **members}], "cursor": ""})
    [market] = read_markets(body).items
    return market


def test_title_and_grid_are_read() -> None:
    market = read(
        title="Highest temperature?",
        yes_sub_title="61 or more",
        price_ranges=[{"start": "0.0000", "end": "1.0000", "step": "0.0100"}],
    )

    assert market.title == "Highest temperature?: 61 or more"
    assert market.grid == PriceGrid(((0, 10_000, 100),))


@pytest.mark.parametrize(
    "ranges",
    [None, "tapered", [], [{"start": "0"}], [{"start": "0.9", "end": "0.1", "step": "0.01"}], [5], {"a": 1}],
)
def test_an_odd_grid_is_none_and_the_market_is_there(ranges: object) -> None:
    market = read(price_ranges=ranges)

    assert market.ticker == "KX-A"
    assert market.grid is None


@pytest.mark.parametrize(
    ("titles", "said"), [({}, None), ({"title": None}, None), ({"title": "T", "yes_sub_title": "T"}, "T")]
)
def test_titles_that_are_missing_or_the_same_are_said_once_or_not(titles: dict[str, Any], said: str | None) -> None:
    assert read(**titles).title == said
