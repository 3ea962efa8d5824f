"""The REST skin without a socket: what each route answers, and how it refuses."""

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.exchange.broker import ORDERS, Broker, code, exchange_of
from tests.exchange.listener import NOW_MS, floor_of
from traderv3.exchange.exchange import Exchange
from traderv3.exchange.floor import Floor
from traderv3.exchange.listing import PublicTrade
from traderv3.exchange.rest import BASE
from traderv3.exchange.rest_exchange import schedule

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
def router(floor: Floor) -> Exchange:
    return Exchange(floor, now_us=lambda: NOW_MS * 1000, takes_orders=False)


def get(router: Exchange, path: str) -> tuple[int, Any]:
    status, body = router.http("GET", BASE + path, {})
    return status, json.loads(body)


def test_the_exchange_is_open(router: Exchange) -> None:
    assert get(router, "/exchange/status")[1]["trading_active"] is True
    windows = get(router, "/exchange/schedule")[1]["schedule"]["maintenance_windows"]
    assert windows[0] == {"start_datetime": "2026-09-24T07:00:00Z", "end_datetime": "2026-09-24T09:00:00Z"}


def test_a_market_has_every_member_and_the_books_best_prices(router: Exchange, floor: Floor) -> None:
    ticker = next(iter(floor.listings))
    market = get(router, f"/markets/{ticker}")[1]["market"]

    assert set(market) >= MARKET_MEMBERS
    assert market["status"] == "active"
    assert (market["yes_bid_dollars"], market["yes_bid_size_fp"]) == ("0.4700", "3.50")
    assert (market["yes_ask_dollars"], market["yes_ask_size_fp"]) == ("0.4900", "42.00")
    assert (market["no_bid_dollars"], market["no_ask_dollars"]) == ("0.5100", "0.5300")


def test_a_book_is_ascending_and_depth_keeps_the_best(router: Exchange, floor: Floor) -> None:
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


def test_several_books_at_once(router: Exchange, floor: Floor) -> None:
    tickers = list(floor.listings)[:2]
    books = get(router, "/markets/orderbooks?tickers=" + ",".join(tickers))[1]["orderbooks"]

    assert [book["ticker"] for book in books] == tickers
    assert get(router, "/markets/orderbooks")[0] == 400


def test_pages_cover_everything_once_and_end_with_an_empty_cursor(router: Exchange, floor: Floor) -> None:
    seen, cursor = [], ""
    while True:
        page = get(router, f"/markets?limit=5&cursor={cursor}")[1]
        seen += [market["ticker"] for market in page["markets"]]
        cursor = page["cursor"]
        if not cursor:
            break

    assert seen == list(floor.listings)


def test_a_garbage_cursor_is_accepted_and_a_limit_too_large_is_not(router: Exchange) -> None:
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
def test_filters(router: Exchange, floor: Floor, query: str, count: int) -> None:
    market = next(iter(floor.listings.values())).market
    path = "/markets?" + query.format(event=market.event.ticker, ticker=market.ticker)

    assert len(get(router, path)[1]["markets"]) == count


def test_an_unknown_status_filter_is_refused_by_name(router: Exchange) -> None:
    assert get(router, "/markets?status=sleeping") == (
        400,
        {"code": "invalid_status_filter", "message": "invalid status filter"},
    )


def test_events_and_series(router: Exchange, floor: Floor) -> None:
    events = get(router, "/events?with_nested_markets=true")[1]["events"]
    ticker = events[0]["event_ticker"]

    assert len(events) == 3
    assert sum(len(event["markets"]) for event in events) == len(floor.listings)
    assert len(get(router, f"/events/{ticker}")[1]["markets"]) == 6
    assert len(get(router, f"/events/{ticker}?with_nested_markets=true")[1]["event"]["markets"]) == 6
    assert get(router, f"/series/{events[0]['series_ticker']}")[1]["series"]["fee_type"] == "quadratic"
    assert get(router, "/series/NOPE")[0] == 404


def test_trades_come_newest_first(router: Exchange, floor: Floor) -> None:
    first = next(iter(floor.listings))

    assert [trade["trade_id"] for trade in get(router, "/markets/trades")[1]["trades"]] == [
        "trade-2",
        "trade-1",
        "trade-0",
    ]
    assert len(get(router, f"/markets/trades?ticker={first}&limit=1")[1]["trades"]) == 1
    assert get(router, f"/markets/trades?min_ts={NOW_MS // 1000 + 1}")[1]["trades"] == []


def test_private_routes_need_a_signature_and_public_ones_check_it_if_there(router: Exchange) -> None:
    assert get(router, "/account/limits")[0] == 401
    wrong = {"kalshi-access-key": "me", "kalshi-access-timestamp": str(NOW_MS), "kalshi-access-signature": "x"}
    status, body = router.http("GET", BASE + "/markets", wrong)

    assert (status, json.loads(body)["error"]["details"]) == (401, "NOT_FOUND")


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["GET", "POST", "DELETE"]),
    st.text(max_size=40).map(lambda text: text.replace("?", "")),
    st.sampled_from(["limit", "cursor", "depth", "tickers", "min_ts", "status"]),
    st.text(max_size=20),
)
def test_nothing_that_is_asked_raises(method: str, path: str, name: str, value: str) -> None:
    router = Exchange(floor_of(), now_us=lambda: NOW_MS * 1000, takes_orders=False)
    for target in (path, f"{BASE}/{path}", f"{BASE}/markets?{name}={value}", f"{BASE}/markets/trades?{name}={value}"):
        status, body = router.http(method, target, {})
        assert status in (200, 400, 401, 404, 405)
        json.loads(body)


def test_markets_are_filtered_by_the_status_they_have() -> None:
    exchange, clock = exchange_of()
    tickers = list(exchange.floor.listings)
    exchange.desk.deactivate(tickers[0])
    exchange.desk.close(tickers[1])
    exchange.desk.determine(tickers[2], "no")
    exchange.desk.determine(tickers[3], "yes")
    exchange.desk.settle(tickers[3])

    def listed(query: str) -> list[str]:
        return [market["ticker"] for market in get(exchange, f"/markets?{query}")[1]["markets"]]

    assert listed("status=paused") == tickers[:1]
    assert listed("status=closed") == tickers[1:3]
    assert listed("status=settled") == listed("min_settled_ts=1") == tickers[3:4]
    assert listed("status=open,paused") == [tickers[0], *tickers[4:]]
    assert listed(f"max_close_ts={clock.now_us // 1_000_000}") == tickers[1:4]
    assert get(exchange, "/markets?min_close_ts=1&max_settled_ts=2")[0] == 400
    assert len(get(exchange, "/events?status=settled")[1]["events"]) == 1


def test_what_is_not_kept_is_empty_and_not_missing(router: Exchange, floor: Floor) -> None:
    listing = next(iter(floor.listings.values()))
    ticker, series = listing.ticker, listing.market.event.series_ticker
    candlesticks = get(router, f"/series/{series}/markets/{ticker}/candlesticks?period_interval=60")

    assert candlesticks == (200, {"ticker": ticker, "candlesticks": []})
    assert get(router, f"/markets/candlesticks?market_tickers={ticker},NOPE")[1] == {
        "markets": [{"market_ticker": ticker, "candlesticks": []}]
    }
    assert get(router, f"/markets/candlesticks?market_tickers={ticker}&period_interval=7")[0] == 400
    assert set(get(router, "/historical/cutoff")[1]) >= {"market_settled_ts", "trades_created_ts", "orders_updated_ts"}
    assert get(router, "/series/fee_changes")[1] == {"series_fee_change_arr": []}
    assert get(router, "/events/fee_changes")[1] == {"cursor": "", "event_fee_changes": []}
    assert get(router, "/events/multivariate")[1] == {"cursor": "", "events": []}
    assert len(get(router, f"/events/{listing.market.event.ticker}/metadata")[1]["market_details"]) == 6


@pytest.mark.parametrize(
    ("at", "window"),
    [
        ("2026-11-05T09:59:59Z", "2026-11-05T08:00:00Z"),  # Thursday 04:59 in New York, in winter: it runs
        ("2026-11-05T10:00:00Z", "2026-11-12T08:00:00Z"),
        ("2026-10-29T06:00:00Z", "2026-10-29T07:00:00Z"),  # in summer
    ],
)
def test_the_maintenance_window_is_thursday_morning_in_new_york(at: str, window: str) -> None:
    now_us = int(datetime.fromisoformat(at).timestamp()) * 1_000_000

    assert schedule(now_us)["maintenance_windows"][0]["start_datetime"] == window


# -- members -------------------------------------------------------------------------------------------------------


@pytest.fixture
def traded() -> tuple[Broker, Broker, str, str]:
    """Two members who traded 4 of 10 contracts in one market; ann's order and one of hers elsewhere rest."""
    exchange = exchange_of()[0]
    ann, bob = Broker(exchange, "ann"), Broker(exchange, "bob")
    ticker, *_, elsewhere = exchange.floor.listings
    ann.placed(ticker, "bid", "0.4000", "10", client_order_id="mine")
    ann.placed(elsewhere, "ask", "0.9000", "1", subaccount=0)
    bob.placed(ticker, "ask", "0.4000", "4", time_in_force="immediate_or_cancel")
    return ann, bob, ticker, elsewhere


def test_orders_are_listed_newest_first_and_filtered(traded: tuple[Broker, Broker, str, str]) -> None:
    ann, bob, ticker, elsewhere = traded
    newest, oldest = ann.get("/portfolio/orders")["orders"]

    assert (newest["ticker"], oldest["ticker"]) == (elsewhere, ticker)
    assert (oldest["status"], oldest["fill_count_fp"], oldest["remaining_count_fp"]) == ("resting", "4.00", "6.00")
    assert (oldest["outcome_side"], oldest["book_side"], newest["outcome_side"]) == ("yes", "bid", "no")
    assert [(order["action"], order["side"]) for order in (oldest, newest)] == [("buy", "yes"), ("sell", "yes")]
    assert (oldest["maker_fill_cost_dollars"], oldest["created_time"]) == ("1.600000", "2026-09-21T14:13:20Z")
    assert ann.get(f"/portfolio/orders/{oldest['order_id']}")["order"] == oldest
    for query, count in {
        f"ticker={ticker}": 1,
        f"event_ticker={ann.exchange.floor.listings[elsewhere].market.event.ticker}": 1,
        "status=resting": 2,
        "status=executed": 0,
        "subaccount=1": 0,
        f"min_ts={NOW_MS // 1000 + 1}": 0,
        f"max_ts={NOW_MS // 1000}": 2,
    }.items():
        assert len(ann.get(f"/portfolio/orders?{query}")["orders"]) == count, query
    assert bob.get("/portfolio/orders")["orders"][0]["status"] == "executed"
    assert ann.call("GET", "/portfolio/orders?status=asleep")[0] == 400
    assert ann.call("GET", "/portfolio/orders?subaccount=64")[0] == 400
    assert bob.call("GET", f"/portfolio/orders/{oldest['order_id']}")[0] == 404


def test_fills_positions_and_balances(traded: tuple[Broker, Broker, str, str]) -> None:
    ann, bob, ticker, _ = traded
    (bought,), (sold,) = ann.get("/portfolio/fills")["fills"], bob.get("/portfolio/fills")["fills"]
    held = ann.get("/portfolio/positions?count_filter=position")

    assert bought["trade_id"] == bought["fill_id"] == sold["trade_id"]
    assert (bought["is_taker"], sold["is_taker"], sold["book_side"]) == (False, True, "ask")
    assert [(fill["action"], fill["side"]) for fill in (bought, sold)] == [("buy", "yes"), ("sell", "no")]
    assert (bought["yes_price_dollars"], bought["no_price_dollars"]) == ("0.4000", "0.6000")
    assert len(ann.get(f"/portfolio/fills?order_id={bought['order_id']}&ticker={ticker}")["fills"]) == 1
    assert ann.get("/portfolio/fills?order_id=other")["fills"] == []
    assert held["market_positions"][0]["position_fp"] == "4.00"
    assert held["market_positions"][0]["market_exposure_dollars"] == "1.600000"
    assert held["event_positions"][0]["event_exposure_dollars"] == "1.600000"
    assert bob.get("/portfolio/positions")["market_positions"][0]["position_fp"] == "-4.00"
    assert ann.call("GET", "/portfolio/positions?count_filter=luck")[0] == 400
    assert ann.call("GET", "/portfolio/positions?settlement_status=soon")[0] == 400
    balance = ann.get("/portfolio/balance")
    assert balance["balance_breakdown"] == [{"exchange_index": 0, "balance": balance["balance_dollars"]}]
    assert ann.get("/portfolio/subaccounts/balances")["subaccount_balances"][0]["subaccount_number"] == 0
    resting = ann.get("/portfolio/summary/total_resting_order_value")
    assert resting["total_resting_order_value"] == 250  # 6 at 0.40, and 1 NO at 0.10


def test_cancelling_in_batches_and_all(traded: tuple[Broker, Broker, str, str]) -> None:
    ann = traded[0]
    first, second = (order["order_id"] for order in ann.get("/portfolio/orders?status=resting")["orders"])
    status, body = ann.call("DELETE", f"{ORDERS}/batched", {"orders": [{"order_id": "nobody's"}, {"order_id": first}]})

    assert status == 200
    assert [item["reduced_by"] for item in body["orders"]] == ["0.00", "1.00"]
    assert body["orders"][0]["error"]["code"] == "not_found"
    assert ann.raw("DELETE", ORDERS) == (204, b"")
    assert ann.get(f"/portfolio/orders/{second}")["order"]["status"] == "canceled"


def test_a_key_may_do_what_its_scopes_say() -> None:
    exchange = exchange_of()[0]
    reader = Broker(exchange, "reader", scopes=frozenset({"read"}))
    writer = Broker(exchange, "writer", scopes=frozenset({"write"}))
    ticker = next(iter(exchange.floor.listings))

    assert reader.get("/portfolio/orders")["orders"] == []
    assert code(reader.order(ticker, "bid", "0.4000", "1")) == (403, "forbidden")
    assert writer.order(ticker, "bid", "0.4000", "1")[0] == 201
    assert code(writer.call("GET", "/portfolio/orders")) == (403, "forbidden")
    assert writer.get("/markets")["markets"], "public things need no scope"


def test_short_strings_are_numbers_too(traded: tuple[Broker, Broker, str, str]) -> None:
    ann, _, ticker, _ = traded

    assert ann.order(ticker, "bid", "0.3", "3")[1]["remaining_count"] == "3.00"
    assert ann.order(ticker, "bid", "0.30", "3.5")[1]["remaining_count"] == "3.50"


MEMBERS = st.sampled_from(
    ["ticker", "side", "count", "price", "time_in_force", "expiration_time", "subaccount", "post_only", "orders"]
)
ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.text(max_size=8), st.lists(st.integers())
)
WRITES = (
    *(("POST", ORDERS), ("POST", f"{ORDERS}/batched"), ("DELETE", f"{ORDERS}/batched"), ("POST", f"{ORDERS}/x/amend")),
    *(("POST", f"{ORDERS}/x/decrease"), ("POST", "/portfolio/order_groups/create")),
    ("PUT", "/portfolio/order_groups/x/limit"),
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(WRITES), st.dictionaries(MEMBERS, ANYTHING, max_size=4), st.booleans())
def test_nothing_that_is_written_raises(write: tuple[str, str], change: dict[str, Any], is_batched: bool) -> None:
    ann = Broker(exchange_of()[0], "ann")
    order = ann.order_body(next(iter(ann.exchange.floor.listings)), "bid", "0.4000", "1") | change
    status, _ = ann.call(*write, {"orders": [order]} if is_batched else order)

    assert status in (200, 201, 400, 404, 409)
    ann.exchange.desk.check()
