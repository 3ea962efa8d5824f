"""The checklist of a faithful simulator (protocol page, section 10), CF-15 to CF-26: matching and REST, through the wire.

What belongs to the matching and the money in detail is tested beside the desk; here is what a client can see of it.
"""

from fractions import Fraction

import pytest

from tests.exchange.broker import ORDERS, Broker, Clock, code, exchange_of
from tests.exchange.listener import NOW_MS
from traderv3.domain.fees import FeeSchedule
from traderv3.exchange.exchange import Exchange
from traderv3.exchange.market import made_up
from traderv3.exchange.rest import BASE

MARKETS = made_up(7)
A, B = (market.ticker for market in MARKETS[:2])  # both of one event, on tenths of a cent
CENT = next(market.ticker for market in MARKETS if market.event.structure == "linear_cent")
NOT_FOUND = (404, {"error": {"code": "not_found", "message": "not found"}})


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/portfolio/orders"),
        ("DELETE", "/portfolio/orders/x"),
        ("POST", "/portfolio/orders/x/amend"),
        ("POST", "/portfolio/orders/x/decrease"),
        ("POST", "/portfolio/orders/batched"),
        ("DELETE", "/portfolio/orders/batched"),
    ],
)
def test_cf_15_the_old_writes_are_gone(ann: Broker, method: str, path: str) -> None:
    assert code(ann.call(method, path, {})) == (410, "deprecated_v1_order_endpoint")


def test_cf_16_price_then_time_at_the_resting_price(ann: Broker, bob: Broker) -> None:
    worse = ann.placed(A, "ask", "0.5010", "1")
    first = ann.placed(A, "ask", "0.5000", "1.25")
    second = ann.placed(A, "ask", "0.5000", "1")
    fills = ann.listen(A, channels=("fill",))
    fills.hear()
    status, body = bob.order(A, "bid", "0.9900", "3.00", time_in_force="immediate_or_cancel")

    assert status == 201
    assert (body["fill_count"], body["remaining_count"]) == ("3.00", "0.00")
    assert body["average_fill_price"] == "0.5003"
    assert [(f["msg"]["order_id"], f["msg"]["count_fp"], f["msg"]["yes_price_dollars"]) for f in fills.hear()] == [
        (first, "1.25", "0.5000"),
        (second, "1.00", "0.5000"),
        (worse, "0.75", "0.5010"),
    ]
    assert ann.get(f"/portfolio/orders/{worse}")["order"]["remaining_count_fp"] == "0.25"


def test_cf_17_how_long_an_order_lives_and_what_it_may_do(
    venue: tuple[Exchange, Clock], ann: Broker, bob: Broker
) -> None:
    exchange, clock = venue
    ann.placed(A, "ask", "0.5000", "2")
    fok = bob.order(A, "bid", "0.5000", "3", time_in_force="fill_or_kill")
    assert code(fok) == (409, "fill_or_kill_insufficient_resting_volume")
    status, body = bob.order(A, "bid", "0.4000", "3", time_in_force="immediate_or_cancel")
    assert (status, body["fill_count"], body["remaining_count"]) == (201, "0.00", "0.00")
    crossing = bob.order(A, "bid", "0.5000", "1", post_only=True)
    assert crossing[1]["error"] == {"code": "invalid_order", "message": "invalid order", "details": "post only cross"}
    assert bob.order(A, "ask", "0.5000", "1", reduce_only=True, time_in_force="immediate_or_cancel")[0] == 400
    assert ann.order(A, "bid", "0.5000", "1")[1]["remaining_count"] == "0.00", "taker_at_cross meets itself"
    assert ann.order(A, "bid", "0.5000", "1", self_trade_prevention_type="maker")[1]["remaining_count"] == "1.00"

    past = bob.order(A, "bid", "0.3000", "1", expiration_time=clock.now_us // 1_000_000 - 1)
    assert past[0] == 400
    orders = bob.listen(A, channels=("user_orders",))
    orders.hear()
    for more in ({"expiration_time": clock.now_us // 1_000_000 + 5}, {"cancel_order_on_pause": True}):
        bob.placed(A, "bid", "0.3000", "1", **more)
    clock.now_us += 6_000_000
    exchange.step(clock.now_us)
    exchange.desk.pause_trading()
    ended = [frame["msg"] for frame in orders.hear() if frame["msg"]["status"] == "canceled"]
    assert [message.get("last_update_reason") for message in ended] == ["ExpiryCancel", "HaltCancel"]


def test_cf_18_a_smaller_order_keeps_its_place_a_larger_one_loses_it(ann: Broker, bob: Broker) -> None:
    first = ann.placed(A, "bid", "0.4000", "10")
    second = bob.placed(A, "bid", "0.4000", "5")

    def ahead(who: Broker, order_id: str) -> str:
        position: str = who.get(f"/portfolio/orders/{order_id}/queue_position")["queue_position_fp"]
        return position

    assert (ahead(ann, first), ahead(bob, second)) == ("0.00", "10.00")
    status, body = ann.call("POST", f"{ORDERS}/{first}/decrease", {"reduce_to": "8"})
    assert (status, body["remaining_count"], ahead(bob, second)) == (200, "8.00", "8.00")
    amended = {"ticker": A, "side": "bid", "price": "0.4000", "count": "6"}
    status, body = ann.call("POST", f"{ORDERS}/{first}/amend", amended)
    assert (status, body["remaining_count"], body["fill_count"], ahead(bob, second)) == (200, "6.00", "0.00", "6.00")
    assert "remaining_count" not in ann.call("POST", f"{ORDERS}/{first}/amend", amended)[1], "nothing changed"
    ann.call("POST", f"{ORDERS}/{first}/amend", amended | {"count": "7"})
    assert (ahead(ann, first), ahead(bob, second)) == ("5.00", "0.00")
    listed = ann.get("/portfolio/orders/queue_positions")["queue_positions"]
    assert listed == [{"order_id": first, "market_ticker": A, "queue_position_fp": "5.00"}]
    wrong = ann.call("POST", f"{ORDERS}/{first}/amend", amended | {"side": "ask"})
    assert code(wrong) == (400, "order_side_mismatch")


def test_cf_19_off_the_grid_and_not_a_string(ann: Broker) -> None:
    assert ann.order(A, "bid", "0.4710", "1")[0] == 201
    assert code(ann.order(CENT, "bid", "0.4710", "1")) == (400, "invalid_price")
    assert code(ann.order(A, "bid", "1.0000", "1")) == (400, "invalid_price")
    assert code(ann.order(A, "bid", "0.4000", "0")) == (400, "invalid_order_size")
    assert code(ann.order(A, "bid", "0.4000", "0.001")) == (400, "invalid_order_size")
    number = ann.call("POST", ORDERS, ann.order_body(A, "bid", "0.4000", "1") | {"count": 1})
    assert number == (
        400,
        {
            "code": "bad_request",
            "message": "bad request",
            "details": "json: cannot unmarshal number into Go struct field CreateOrderV2Request.count of type string",
        },
    )
    for wrong in ({"price": 0.4}, {"post_only": "yes"}, {"expiration_time": 1.5}, {"ticker": ["x"]}):
        assert code(ann.call("POST", ORDERS, ann.order_body(A, "bid", "0.4000", "1") | wrong)) == (400, "bad_request")


def test_cf_20_an_id_is_used_up_for_ever_and_dead_orders_are_unknown(ann: Broker, bob: Broker) -> None:
    order_id = ann.placed(A, "bid", "0.4000", "1", client_order_id="once")
    assert code(ann.order(A, "bid", "0.4000", "1", client_order_id="once")) == (409, "order_already_exists")
    status, body = ann.cancel(order_id)
    assert (status, body["reduced_by"], body["order_id"]) == (200, "1.00", order_id)
    assert code(ann.order(A, "bid", "0.4000", "1", client_order_id="once")) == (409, "order_already_exists")
    killed = {"time_in_force": "fill_or_kill", "client_order_id": "killed"}
    ann.order(A, "bid", "0.4000", "1", **killed)
    assert code(ann.order(A, "bid", "0.4000", "1", client_order_id="killed")) == (409, "order_already_exists")
    assert bob.order(A, "bid", "0.4000", "1", client_order_id="once")[0] == 201
    executed = ann.placed(A, "ask", "0.4000", "1")
    of_bob = bob.placed(A, "bid", "0.1000", "1")
    answers = {ann.raw("DELETE", f"{ORDERS}/{each}") for each in (order_id, executed, of_bob, "unknown")}

    assert answers == {(404, b'{"error":{"code":"not_found","message":"not found"}}')}


def test_cf_21_fees_are_charged_and_printed_with_six_decimals(ann: Broker, bob: Broker) -> None:
    fills = {who: who.listen(channels=("fill",)) for who in (ann, bob)}
    for client in fills.values():
        client.hear()
    ann.placed(A, "ask", "0.5200", "1")
    _, taken = bob.order(A, "bid", "0.5200", "1")
    event = next(market.event.ticker for market in MARKETS if market.ticker == A)
    ann.exchange.desk.override_fees(event, FeeSchedule("quadratic_with_maker_fees", Fraction(1)))
    ann.placed(A, "ask", "0.5000", "100")
    bob.placed(A, "bid", "0.5000", "100")
    costs = {who: [frame["msg"]["fee_cost"] for frame in client.hear()] for who, client in fills.items()}

    assert taken["average_fee_paid"] == costs[bob][0]
    assert [len(cost.partition(".")[2]) for cost in costs[ann] + costs[bob]] == [6] * 4
    assert costs[ann][0] == "0.000000"
    assert costs[bob][0].startswith("0.0175")  # 0.017472 and the rounding to the member's grid
    assert (costs[ann][1], costs[bob][1]) == ("0.437500", "1.750000")
    assert [fill["fee_cost"] for fill in reversed(bob.get("/portfolio/fills")["fills"])] == costs[bob]


def test_cf_22_positions_net_and_settle(venue: tuple[Exchange, Clock], ann: Broker, bob: Broker) -> None:
    exchange, clock = venue
    start = ann.get("/portfolio/balance")
    assert (start["balance"], start["balance_dollars"]) == (1_000_000, "10000.0000")
    moved = ann.listen(channels=("market_positions",))
    moved.hear()
    ann.placed(A, "bid", "0.4000", "10")
    bob.placed(A, "ask", "0.4000", "10")
    assert ann.get("/portfolio/balance")["balance_dollars"] == "9996.0000"
    ann.placed(A, "ask", "0.5000", "4")
    bob.placed(A, "bid", "0.5000", "4")
    assert ann.get("/portfolio/balance")["balance_dollars"] == "9998.0000", "the sale needed no collateral"
    assert [frame["msg"]["position_fp"] for frame in moved.hear()] == ["10.00", "6.00"]
    (position,) = bob.get("/portfolio/positions")["market_positions"]
    assert position["position_fp"] == "-6.00"
    exchange.desk.determine(A, "scalar", 2_500)
    assert ann.get("/portfolio/settlements")["settlements"] == []
    clock.now_us += 60_000_000
    exchange.step(clock.now_us)
    (settlement,) = ann.get("/portfolio/settlements")["settlements"]
    assert (settlement["market_result"], settlement["revenue"], settlement["yes_count_fp"]) == ("scalar", 150, "6.00")
    assert ann.get("/portfolio/balance")["balance_dollars"] == "9999.5000"
    assert ann.get("/portfolio/positions")["market_positions"] == []
    assert len(ann.get("/portfolio/positions?settlement_status=settled")["market_positions"]) == 1


def test_cf_23_buckets_bill_by_cost_and_a_batch_as_a_whole() -> None:
    exchange, clock = exchange_of(tier="basic")
    ann = Broker(exchange, "ann")
    other = Broker(exchange, "other")
    ids = [ann.placed(A, "bid", "0.1000", "1") for _ in range(10)]
    refused = ann.raw("POST", ORDERS, ann.order_body(A, "bid", "0.1000", "1"))

    assert refused == (429, b'{"error":"too many requests"}')
    assert other.order(A, "bid", "0.1000", "1")[0] == 201, "buckets are a member's own"
    assert ann.call("GET", "/portfolio/orders")[0] == 200, "reads have their own"
    clock.now_us += 40_000  # 4 tokens: two cancels
    assert [ann.cancel(each)[0] for each in ids[:3]] == [200, 200, 429]
    clock.now_us += 900_000  # 90 tokens, a bill of 100
    batch = {"orders": [ann.order_body(A, "bid", "0.1000", "1") for _ in range(10)]}
    assert ann.call("POST", f"{ORDERS}/batched", batch)[0] == 429
    batch["orders"] = batch["orders"][:9]
    batch["orders"][4]["price"] = "0.12345"
    status, body = ann.call("POST", f"{ORDERS}/batched", batch)
    assert status == 201
    assert [item.get("error", {}).get("code") for item in body["orders"]] == [None] * 4 + ["invalid_price"] + [None] * 4
    assert ann.call("GET", "/portfolio/balance")[0] == 200
    assert code(ann.call("GET", "/portfolio/balance")) == (429, "too many requests")
    limits = ann.get("/account/limits")
    assert (limits["usage_tier"], limits["write"]) == ("basic", {"refill_rate": 100, "bucket_capacity": 100})
    costs = {
        (cost["method"], cost["path"]): cost["cost"] for cost in ann.get("/account/endpoint_costs")["endpoint_costs"]
    }
    assert costs["DELETE", f"{BASE}{ORDERS}/{{order_id}}"] == 2


def test_cf_24_a_group_trips_within_fifteen_seconds_and_tells_it(
    venue: tuple[Exchange, Clock], ann: Broker, bob: Broker
) -> None:
    _, clock = venue
    events = ann.listen(channels=("order_group_updates",))
    events.hear()
    status, body = ann.call("POST", "/portfolio/order_groups/create", {"contracts_limit": 10})
    group = body["order_group_id"]
    assert status == 201
    kept = [ann.placed(A, "bid", "0.4000", "8", order_group_id=group) for _ in range(2)]
    bob.placed(A, "ask", "0.4000", "8")
    assert ann.get(f"/portfolio/order_groups/{group}")["orders"] == kept[1:]
    clock.now_us += 16_000_000
    bob.placed(A, "ask", "0.4000", "4")
    assert ann.get(f"/portfolio/orders/{kept[1]}")["order"]["status"] == "resting", "the window has moved on"
    ann.call("PUT", f"/portfolio/order_groups/{group}/limit", {"contracts_limit_fp": "3.00"})
    assert ann.get(f"/portfolio/orders/{kept[1]}")["order"]["status"] == "canceled"
    assert ann.order(A, "bid", "0.4000", "1", order_group_id=group)[0] == 400
    assert ann.get("/portfolio/order_groups")["order_groups"][0]["is_auto_cancel_enabled"] is False
    assert ann.call("PUT", f"/portfolio/order_groups/{group}/reset", {}) == (200, {})
    assert ann.order(A, "bid", "0.4000", "1", order_group_id=group)[0] == 201
    assert ann.call("PUT", f"/portfolio/order_groups/{group}/reset")[0] == 400, "a PUT needs a body"
    assert ann.call("DELETE", f"/portfolio/order_groups/{group}")[0] == 200
    assert bob.call("PUT", f"/portfolio/order_groups/{group}/trigger", {}) == NOT_FOUND
    frames = events.hear()

    assert [frame["seq"] for frame in frames] == [1, 2, 3, 4, 5]
    assert [frame["msg"]["event_type"] for frame in frames] == [
        *("created", "limit_updated", "triggered", "reset", "deleted"),
    ]
    assert frames[0]["msg"]["contracts_limit_fp"] == "10.00"


def test_cf_25_trading_pauses_leave_cancels_and_exchange_pauses_do_not(ann: Broker) -> None:
    desk = ann.exchange.desk
    first, second = (ann.placed(A, "bid", "0.4000", "1") for _ in range(2))
    desk.pause_trading()
    refused = ann.order(A, "bid", "0.4000", "1")
    assert refused == (409, {"error": {"code": "trading_is_paused", "message": "trading is paused"}})
    amended = {"ticker": A, "side": "bid", "price": "0.4100", "count": "1"}
    assert code(ann.call("POST", f"{ORDERS}/{second}/amend", amended)) == (409, "trading_is_paused")
    assert ann.cancel(first)[0] == 200
    assert ann.get("/exchange/status")["trading_active"] is False
    desk.pause_exchange()
    assert code(ann.cancel(second)) == (409, "exchange_is_paused")
    status, body = ann.call("GET", "/exchange/status")
    assert (status, body["exchange_active"]) == (503, False)
    desk.resume_exchange()
    desk.resume_trading()
    desk.deactivate(A)
    assert code(ann.order(A, "bid", "0.4000", "1")) == (409, "trading_is_paused")
    assert ann.order(B, "bid", "0.4000", "1")[0] == 201
    desk.activate(A)
    assert ann.get(f"/portfolio/orders/{second}")["order"]["status"] == "canceled"


def test_cf_26_pages_and_the_three_shapes_of_an_error(ann: Broker) -> None:
    ids = [ann.placed(A, "bid", "0.4000", "1") for _ in range(5)]
    seen: list[str] = []
    cursor = ""
    for _ in range(3):
        body = ann.get(f"/portfolio/orders?limit=2&cursor={cursor}")
        seen += [order["order_id"] for order in body["orders"]]
        cursor = body["cursor"]
        ann.placed(B, "bid", "0.4000", "1")  # what comes in front moves no page

    assert seen == ids[::-1]
    assert cursor == ""
    assert len(ann.get("/portfolio/orders?cursor=garbage%21")["orders"]) == 8
    status, body = ann.call("GET", "/portfolio/fills?limit=1001")
    assert (status, body["msg"][:39]) == (400, "Parameter validation failed for GetFill")
    flat = {"code": "invalid_content_type", "message": "invalid_content_type"}
    assert ann.call("POST", ORDERS) == (400, flat)
    unnamed = {name: value for name, value in ann.headers("POST", BASE + ORDERS).items() if name != "content-type"}
    assert ann.exchange.http("POST", BASE + ORDERS, unnamed, b"{}")[0] == 400
    assert ann.call("GET", "/portfolio/orders/unknown") == NOT_FOUND


def test_an_exchange_that_starts_anew_gives_no_id_twice() -> None:
    """Seeds 480, 641, 847: its fills had the trade ids of before it was killed, and every client took them for known."""
    ids: set[str] = set()
    for start in range(3):
        exchange, _ = exchange_of(clock=Clock(NOW_MS * 1000 + start))
        ids.add(Broker(exchange, "ann").placed(A, "bid", "0.5000", "1"))

    assert len(ids) == 3
