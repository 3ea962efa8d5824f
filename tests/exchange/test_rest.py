"""The REST skin without a socket: what each route answers, and how it refuses."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.exchange.listener import NOW_MS, floor_of
from traderv3.exchange.auth import KeyRegistry
from traderv3.exchange.floor import Floor
from traderv3.exchange.listing import PublicTrade
from traderv3.exchange.rest import BASE, Router

MARKET_MEMBERS = {
    *("ticker", "event_ticker", "market_type", "yes_sub_title", "no_sub_title", "created_time", "updated_time"),
    *("open_time", "close_time", "latest_expiration_time", "settlement_timer_seconds", "status", "yes_bid_dollars"),
    *("yes_bid_size_fp", "yes_ask_dollars", "yes_ask_size_fp", "no_bid_dollars", "no_ask_dollars"),
    *("last_price_dollars", "volume_fp", "volume_24h_fp", "result", "can_close_early", "open_interest_fp"),
    *("notional_value_dollars", "previous_yes_bid_dollars", "previous_yes_ask_dollars", "previous_price_dollars"),
    *("expiration_value", "rules_primary", "rules_secondary", "price_level_structure", "price_ranges"),
    "settlement_bounds_type",
}


@pytest.fixture(scope="module")
def floor() -> Floor:
    floor = floor_of()
    first, second = list(floor.listings.values())[:2]
    floor.replace(first, [(4500, 12_000), (4700, 350)], [(5000, 1_000), (5100, 4_200)], ts_ms=1)
    for i, listing in enumerate((first, second, first)):
        floor.trade(listing, PublicTrade(f"trade-{i}", listing.ticker, 4700, 150, True, False, NOW_MS + i))
    return floor


@pytest.fixture(scope="module")
def router(floor: Floor) -> Router:
    return Router(floor, KeyRegistry(), now_ms=lambda: NOW_MS)


def get(router: Router, path: str) -> tuple[int, Any]:
    status, body = router.handle("GET", BASE + path, {})
    return status, json.loads(body)


def test_the_exchange_is_open(router: Router) -> None:
    assert get(router, "/exchange/status")[1]["trading_active"] is True
    assert get(router, "/exchange/schedule")[1]["schedule"]["maintenance_windows"] == []


def test_a_market_has_every_member_and_the_books_best_prices(router: Router, floor: Floor) -> None:
    ticker = next(iter(floor.listings))
    market = get(router, f"/markets/{ticker}")[1]["market"]

    assert set(market) >= MARKET_MEMBERS
    assert market["status"] == "active"
    assert (market["yes_bid_dollars"], market["yes_bid_size_fp"]) == ("0.4700", "3.50")
    assert (market["yes_ask_dollars"], market["yes_ask_size_fp"]) == ("0.4900", "42.00")
    assert (market["no_bid_dollars"], market["no_ask_dollars"]) == ("0.5100", "0.5300")


def test_a_book_is_ascending_and_depth_keeps_the_best(router: Router, floor: Floor) -> None:
    ticker = next(iter(floor.listings))

    assert get(router, f"/markets/{ticker}/orderbook")[1] == {
        "orderbook_fp": {
            "yes_dollars": [["0.4500", "120.00"], ["0.4700", "3.50"]],
            "no_dollars": [["0.5000", "10.00"], ["0.5100", "42.00"]],
        }
    }
    assert get(router, f"/markets/{ticker}/orderbook?depth=1")[1]["orderbook_fp"]["yes_dollars"] == [["0.4700", "3.50"]]
    assert get(router, f"/markets/{ticker}/orderbook?depth=101")[0] == 400
    assert get(router, "/markets/NOPE/orderbook") == (404, {"error": {"code": "not_found", "message": "not found"}})


def test_several_books_at_once(router: Router, floor: Floor) -> None:
    tickers = list(floor.listings)[:2]
    books = get(router, "/markets/orderbooks?tickers=" + ",".join(tickers))[1]["orderbooks"]

    assert [book["ticker"] for book in books] == tickers
    assert get(router, "/markets/orderbooks")[0] == 400


def test_pages_cover_everything_once_and_end_with_an_empty_cursor(router: Router, floor: Floor) -> None:
    seen, cursor = [], ""
    while True:
        page = get(router, f"/markets?limit=5&cursor={cursor}")[1]
        seen += [market["ticker"] for market in page["markets"]]
        cursor = page["cursor"]
        if not cursor:
            break

    assert seen == list(floor.listings)


def test_a_garbage_cursor_is_accepted_and_a_limit_too_large_is_not(router: Router) -> None:
    assert get(router, "/markets?cursor=what%3F")[0] == 200
    status, body = get(router, "/markets?limit=1001")

    assert status == 400
    assert body["msg"].startswith("Parameter validation failed for GetMarkets")


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 18),
        ("status=open", 18),
        ("status=closed", 0),
        ("event_ticker={event}", 6),
        ("series_ticker=KXDEMOHIGH", 6),
        ("tickers={ticker},NOPE", 1),
        ("mve_filter=only", 0),
        ("max_close_ts=1800000000", 0),
    ],
)
def test_filters(router: Router, floor: Floor, query: str, count: int) -> None:
    market = next(iter(floor.listings.values())).market
    path = "/markets?" + query.format(event=market.event.ticker, ticker=market.ticker)

    assert len(get(router, path)[1]["markets"]) == count


def test_an_unknown_status_filter_is_refused_by_name(router: Router) -> None:
    assert get(router, "/markets?status=sleeping") == (
        400,
        {"code": "invalid_status_filter", "message": "invalid status filter"},
    )


def test_events_and_series(router: Router, floor: Floor) -> None:
    events = get(router, "/events?with_nested_markets=true")[1]["events"]
    ticker = events[0]["event_ticker"]

    assert len(events) == 3
    assert sum(len(event["markets"]) for event in events) == len(floor.listings)
    assert len(get(router, f"/events/{ticker}")[1]["markets"]) == 6
    assert len(get(router, f"/events/{ticker}?with_nested_markets=true")[1]["event"]["markets"]) == 6
    assert get(router, f"/series/{events[0]['series_ticker']}")[1]["series"]["fee_type"] == "quadratic"
    assert get(router, "/series/NOPE")[0] == 404


def test_trades_come_newest_first(router: Router, floor: Floor) -> None:
    first = next(iter(floor.listings))

    assert [trade["trade_id"] for trade in get(router, "/markets/trades")[1]["trades"]] == [
        "trade-2",
        "trade-1",
        "trade-0",
    ]
    assert len(get(router, f"/markets/trades?ticker={first}&limit=1")[1]["trades"]) == 1
    assert get(router, f"/markets/trades?min_ts={NOW_MS // 1000 + 1}")[1]["trades"] == []


def test_private_routes_need_a_signature_and_public_ones_check_it_if_there(router: Router) -> None:
    assert get(router, "/account/limits")[0] == 401
    wrong = {"kalshi-access-key": "me", "kalshi-access-timestamp": str(NOW_MS), "kalshi-access-signature": "x"}
    status, body = router.handle("GET", BASE + "/markets", wrong)

    assert (status, json.loads(body)["error"]["details"]) == (401, "NOT_FOUND")


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["GET", "POST", "DELETE"]),
    st.text(max_size=40).map(lambda text: text.replace("?", "")),
    st.sampled_from(["limit", "cursor", "depth", "tickers", "min_ts", "status"]),
    st.text(max_size=20),
)
def test_nothing_that_is_asked_raises(method: str, path: str, name: str, value: str) -> None:
    router = Router(floor_of(), KeyRegistry(), now_ms=lambda: NOW_MS)
    for target in (path, f"{BASE}/{path}", f"{BASE}/markets?{name}={value}", f"{BASE}/markets/trades?{name}={value}"):
        status, body = router.handle(method, target, {})
        assert status in (200, 400, 404, 405)
        json.loads(body)
