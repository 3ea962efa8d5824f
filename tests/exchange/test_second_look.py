"""What a stranger with the protocol page in hand found: each departure from it once, through the wire where it shows there."""

import json
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.exchange.broker import ORDERS, PRIVATE, Broker, Clock, code, exchange_of, kinds
from tests.exchange.listener import NOW_MS
from traderv3.domain.claims import Claim, Claims, collateral
from traderv3.domain.units import DOLLAR
from traderv3.exchange.auth import EXPIRED, KeyRegistry
from traderv3.exchange.exchange import WS_PATH, Exchange
from traderv3.exchange.market import made_up
from traderv3.exchange.session import SessionOptions

A, B, C = (market.ticker for market in made_up(7)[:3])
GROUPS = "/portfolio/order_groups"


# -- the socket ----------------------------------------------------------------------------------------------------


def test_every_answer_to_a_command_comes_before_its_first_snapshot(ann: Broker) -> None:
    client = ann.listen()
    channels = ["orderbook_delta", "trade", "ticker"]
    made = client.say("subscribe", channels=channels, market_tickers=[A, B], send_initial_snapshot=True)
    merged = client.say("subscribe", channels=channels, market_tickers=[C], send_initial_snapshot=True)

    assert kinds(made) == ["subscribed"] * 3 + ["orderbook_snapshot"] * 2 + ["ticker"] * 2
    assert kinds(merged) == ["ok"] * 3 + ["orderbook_snapshot", "ticker"]


def test_the_time_of_sending_may_be_left_out_as_in_summer_2026() -> None:
    exchange, _ = exchange_of(options=SessionOptions(is_sending_time_told=False))
    ann, bob = Broker(exchange, "ann"), Broker(exchange, "bob")
    client = ann.listen(A, channels=("orderbook_delta", "trade", *PRIVATE))
    ann.placed(A, "bid", "0.4700", "10")
    bob.placed(A, "ask", "0.4700", "4")
    client.say("nonsense")
    client.hear()

    assert {"orderbook_delta", "trade", "fill", "user_order", "subscribed", "error"} <= set(kinds(client.heard))
    assert all("sending_ts_ms" not in frame for frame in client.heard)


@pytest.mark.parametrize(("skew_ms", "refusal"), [(-2_000, None), (-2_001, EXPIRED), (1_000, None), (1_001, EXPIRED)])
def test_the_clock_window_can_be_set(skew_ms: int, refusal: Any) -> None:
    exchange, clock = exchange_of(keys=KeyRegistry(skew_ms=(-2_000, 1_000)))
    ann = Broker(exchange, "ann")
    clock.now_us = (NOW_MS + skew_ms) * 1000
    headers = ann.headers("GET", WS_PATH)

    assert exchange.keys.why_refused(headers, "GET", WS_PATH, now_ms=NOW_MS) == refusal


# -- REST ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("expires", [NOW_MS + 60_000, 2**63 - 1])
def test_an_expiry_in_milliseconds_is_refused_and_the_exchange_lives(ann: Broker, expires: int) -> None:
    answer = ann.order(A, "bid", "0.4700", "1", expiration_time=expires)
    order_id = ann.placed(A, "bid", "0.4700", "1", expiration_time=NOW_MS // 1000 + 60)
    terms = {"ticker": A, "side": "bid", "price": "0.4700", "count": "1"}
    amended = ann.call("POST", f"{ORDERS}/{order_id}/amend", terms | {"expiration_time": expires})

    assert code(answer) == code(amended) == (400, "invalid_order")
    assert [order["order_id"] for order in ann.get("/portfolio/orders")["orders"]] == [order_id]


def test_a_list_of_tickers_may_repeat_its_name(ann: Broker) -> None:
    repeated = ann.get(f"/markets/orderbooks?tickers={A}&tickers={B}")

    assert [book["ticker"] for book in repeated["orderbooks"]] == [A, B]
    assert repeated == ann.get(f"/markets/orderbooks?tickers={A},{B}")


def test_a_hundred_tickers_may_be_named_one_by_one() -> None:
    tickers = [market.ticker for market in made_up(7, 101)]
    ann = Broker(exchange_of(made_up(7, 101))[0], "ann")
    books = ann.get("/markets/orderbooks?" + "&".join(f"tickers={ticker}" for ticker in tickers[:100]))
    status, _ = ann.call("GET", "/markets/orderbooks?" + "&".join(f"tickers={ticker}" for ticker in tickers))

    assert len(books["orderbooks"]) == 100
    assert status == 400


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"contracts_limit": 5, "contracts_limit_fp": "5.00"}, 201),
        ({"contracts_limit": 5, "contracts_limit_fp": "6.00"}, 400),
        ({}, 400),
    ],
)
def test_the_two_spellings_of_a_groups_limit_must_agree(ann: Broker, body: dict[str, Any], status: int) -> None:
    assert ann.call("POST", f"{GROUPS}/create", body)[0] == status


def test_cancelling_everything_costs_what_one_cancel_costs() -> None:
    exchange, _ = exchange_of(tier="basic")
    ann = Broker(exchange, "ann")
    for _ in range(9):
        ann.placed(A, "bid", "0.1000", "1")  # 90 of 100 tokens
    answers = [ann.call("DELETE", ORDERS)[0] for _ in range(6)]

    assert answers == [204] * 5 + [429]


def test_an_amend_speaks_of_the_primary_subaccount_unless_told_otherwise(venue: tuple[Exchange, Clock]) -> None:
    exchange, _ = venue
    ann = Broker(exchange, "ann")
    exchange.desk.open_account(ann.member.user_id, balance=10**9, subaccount=3)
    order_id = ann.placed(A, "bid", "0.4700", "2", subaccount=3)
    terms = {"ticker": A, "side": "bid", "price": "0.4700", "count": "1"}

    assert ann.call("POST", f"{ORDERS}/{order_id}/amend", terms)[0] == 404
    assert ann.call("POST", f"{ORDERS}/{order_id}/amend?subaccount=3", terms)[0] == 200


def test_all_queue_positions_are_those_of_each_order(ann: Broker, bob: Broker) -> None:
    for i in range(12):
        for who in (ann, bob):
            who.placed(A, "bid", f"0.4{i % 4}00", f"{i + 1}")
            who.placed(A, "ask", f"0.6{i % 3}00", "0.50")
    positions = ann.get("/portfolio/orders/queue_positions")["queue_positions"]

    assert len(positions) == 24
    for position in positions:
        alone = ann.get(f"/portfolio/orders/{position['order_id']}/queue_position")
        assert alone == {"queue_position_fp": position["queue_position_fp"]}


def test_open_interest_is_what_members_hold(ann: Broker, bob: Broker) -> None:
    seen = []
    for buyer, seller, count in ((ann, bob, "3"), (ann, bob, "2"), (bob, ann, "4"), (bob, ann, "3")):
        seller.placed(A, "ask", "0.4700", count)
        buyer.placed(A, "bid", "0.4700", count)
        seen.append(ann.get(f"/markets/{A}")["market"]["open_interest_fp"])

    assert seen == ["3.00", "5.00", "1.00", "2.00"]


# -- many orders ---------------------------------------------------------------------------------------------------

prices = st.integers(1, DOLLAR - 1)
steps = st.tuples(
    st.integers(0, 5), st.none() | st.tuples(st.booleans(), prices, st.integers(1, 2_000)), st.integers(-4_000, 4_000)
)


@given(st.lists(steps, max_size=30), st.sampled_from([Fraction(0), Fraction(7, 100), Fraction(7, 200)]))
def test_what_orders_need_is_known_without_walking_over_them(taken: list[Any], rate: Fraction) -> None:
    claims = Claims(Fraction(7, 100), 1)
    for number, terms, position in taken:
        claims.put(str(number), None if terms is None else Claim(*terms))
        walked = collateral(position, (claim for _, claim in sorted(claims.items())), rate, 1)

        assert claims.needed(position, rate) == walked


def test_many_orders_of_one_member_are_held_and_let_go_whole(ann: Broker) -> None:
    before = ann.get("/portfolio/balance")
    bodies = [ann.order_body(A, "bid", f"0.{10 + i % 30}00", "1") for i in range(1_000)]
    for _ in range(3):
        status, answer = ann.call(
            "POST", f"{ORDERS}/batched", {"orders": [b | {"client_order_id": ""} for b in bodies]}
        )
        assert status == 201
        assert not any("error" in item for item in answer["orders"])
    ann.exchange.desk.check()
    status, body = ann.raw("DELETE", ORDERS)

    assert (status, body) == (204, b"")
    assert ann.get("/portfolio/balance")["balance_dollars"] == before["balance_dollars"]
    assert json.loads(ann.raw("GET", "/portfolio/orders?status=resting")[1])["orders"] == []
