"""The one builder of the picture: prices on each side's own scale, null for what is not known, the contract's fields."""

from hypothesis import given
from hypothesis import strategies as st

from tests.console.making import NOW_US, Made
from traderv3.console.messages import Metrics, Status
from traderv3.console.reports import book_levels, market_top
from traderv3.domain.book import Book
from traderv3.domain.feed import Line, Link
from traderv3.domain.health import Health, Level, Reason
from traderv3.domain.units import DOLLAR, parse_price

CONTRACT_METRICS = (
    "markets_connected",
    "snapshots_received",
    "deltas_received",
    "connection_uptime",
    "ws_connection_status",
    "last_message_time",
    "connection_established",
    "first_snapshot_received",
    "health",
    "messages_per_second",
    "gaps_detected",
    "resyncs",
    "reconnects",
    "dropped_events",
    "loop_lag_ms",
    "rss_mb",
)
CONTRACT_STATUS = (
    "running",
    "uptime",
    "state",
    "health",
    "environment",
    "markets",
    "metrics",
    "components",
    "supervision",
    "transitions",
)

sides = st.dictionaries(st.integers(1, 4_999), st.integers(1, 10**9), max_size=5)


@given(sides, sides)
def test_an_ask_is_a_dollar_less_the_other_sides_best_bid(yes: dict[int, int], no: dict[int, int]) -> None:
    book = Book("KX")
    book.replace(yes.items(), no.items())
    top = market_top(book)

    assert (top.yes_bid is None) == (top.no_ask is None) == (not yes)
    assert (top.no_bid is None) == (top.yes_ask is None) == (not no)
    if top.no_bid is not None and top.yes_ask is not None:
        assert parse_price(top.yes_ask) == DOLLAR - parse_price(top.no_bid)
        assert top.yes_ask_size == top.no_bid_size
    if top.yes_bid is not None and top.no_ask is not None:
        assert parse_price(top.no_ask) == DOLLAR - parse_price(top.yes_bid)


def test_levels_are_printed_ascending_with_the_best_last_and_cut_to_the_best() -> None:
    book = Book("KX")
    book.replace([(4500, 12000), (4700, 350), (100, 1)], [])

    body = book_levels(book, depth=2)
    assert body["yes"] == [("0.4500", "120.00"), ("0.4700", "3.50")]
    assert body["no"] == []
    assert body["clock"] is None


async def test_the_contracts_fields_are_there() -> None:
    assert set(CONTRACT_METRICS) <= set(Metrics.__struct_fields__)
    assert set(CONTRACT_STATUS) <= set(Status.__struct_fields__)


async def test_what_is_not_known_is_null_never_zero() -> None:
    metrics = Made().hub().picture.metrics()

    assert metrics.last_message_time is None
    assert metrics.connection_established is None
    assert metrics.first_snapshot_received is None
    assert metrics.ws_connection_status == "disconnected"


async def test_a_quiet_market_is_not_an_error() -> None:
    made = Made()
    made.feed.watch(["KX"])
    made.feed.books["KX"].replace([], [])
    made.feed.lines["orderbook_connector"] = Line(Link.CONNECTED, "", NOW_US - 3_600_000_000)
    metrics = made.hub().picture.metrics()

    assert metrics.markets_connected == 1
    assert metrics.health == "healthy"
    assert metrics.connection_uptime == 3600.0


async def test_health_stands_at_both_places_from_one_value() -> None:
    made = Made(health=Health(Level.DEGRADED, (Reason("c", "m", NOW_US, Level.DEGRADED),)))
    picture = made.hub().picture
    status = picture.trader_status()

    assert status.health == status.metrics.health == "degraded"
    assert [reason.component for reason in status.reasons] == ["c"]
    assert picture.status([]).health == "degraded"
