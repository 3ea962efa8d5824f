"""An exchange of members only, and two of them."""

import pytest

from tests.exchange.broker import Broker, Clock, exchange_of
from traderv3.exchange.exchange import Exchange


@pytest.fixture
def venue() -> tuple[Exchange, Clock]:
    return exchange_of()


@pytest.fixture
def ann(venue: tuple[Exchange, Clock]) -> Broker:
    return Broker(venue[0], "ann")


@pytest.fixture
def bob(venue: tuple[Exchange, Clock]) -> Broker:
    return Broker(venue[0], "bob")
