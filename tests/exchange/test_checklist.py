"""The checklist of a faithful simulator (protocol page, section 10), one item after the other, through the wire.

What belongs to the matching and the money in detail is tested beside the desk; here is what a client can see of it.
CF-27, the faults, goes on in `test_faults` and `test_control`.
"""

import json
import random
from fractions import Fraction
from typing import Any

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair
from trio_websocket import ConnectionRejected, WebSocketConnection
from trio_websocket import wrap_client_stream as open_client

from tests.exchange.broker import ORDERS, PRIVATE, Broker, Clock, code, exchange_of, kinds
from tests.exchange.listener import NOW_MS, Listener, held
from traderv3.domain.fees import FeeSchedule
from traderv3.exchange import control
from traderv3.exchange.exchange import WS_PATH, Exchange
from traderv3.exchange.faults import Faults
from traderv3.exchange.market import made_up
from traderv3.exchange.rest import BASE
from traderv3.exchange.server import Server
from traderv3.exchange.session import SessionOptions

MARKETS = made_up(7)
A, B = (market.ticker for market in MARKETS[:2])  # both of one event, on tenths of a cent
CENT = next(market.ticker for market in MARKETS if market.event.structure == "linear_cent")
NOT_FOUND = (404, {"error": {"code": "not_found", "message": "not found"}})


@pytest.fixture
def venue() -> tuple[Exchange, Clock]:
    return exchange_of()


@pytest.fixture
def ann(venue: tuple[Exchange, Clock]) -> Broker:
    return Broker(venue[0], "ann")


@pytest.fixture
def bob(venue: tuple[Exchange, Clock]) -> Broker:
    return Broker(venue[0], "bob")


# -- the socket ----------------------------------------------------------------------------------------------------


async def upgraded(
    nursery: trio.Nursery, server: Server, headers: dict[str, str], path: str = WS_PATH
) -> WebSocketConnection:
    """A foreign library's client on one end of a pair of streams, our server on the other."""
    ours, theirs = memory_stream_pair()
    nursery.start_soon(server.serve_stream, ours)
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    stream: Any = theirs  # the library takes any stream; its annotations say otherwise
    return await open_client(nursery, stream, "venue", path, extra_headers=pairs)


async def hear(ws: WebSocketConnection) -> dict[str, Any]:
    text = await ws.get_message()
    assert isinstance(text, str)
    assert text.endswith("}\n")
    frame: dict[str, Any] = json.loads(text)
    return frame


@pytest.mark.parametrize("path", [WS_PATH, "/trade-api/ws/v1", "/"])
async def test_cf_01_an_upgrade_without_headers_or_elsewhere_is_plain_http(ann: Broker, path: str) -> None:
    headers = {} if path == WS_PATH else ann.upgrade_headers()
    with pytest.RaisesGroup(ConnectionRejected) as caught:
        async with trio.open_nursery() as nursery:
            await upgraded(nursery, Server(ann.exchange), headers, path)

    rejection = caught.value.exceptions[0]
    assert isinstance(rejection, ConnectionRejected)
    assert rejection.status_code == 401
    assert not ann.exchange.floor.sessions


def test_cf_02_the_four_bodies_of_a_401(ann: Broker) -> None:
    path = BASE + "/portfolio/balance"
    good = ann.headers("GET", path)
    wrong = {"error": {"code": "authentication_error", "message": "authentication_error"}}
    told = {
        "none": ({}, "signature_is_missing_from_headers"),
        "late": (ann.signer.headers("GET", path, at_ms=NOW_MS - 30_001), "header_timestamp_expired"),
        "early": (ann.signer.headers("GET", path, at_ms=NOW_MS + 30_001), "header_timestamp_expired"),
    }
    bodies = {}
    for headers, expected in told.values():
        status, body = ann.exchange.http("GET", path, {key.lower(): value for key, value in headers.items()})
        assert status == 401
        assert json.loads(body)["error"]["code"] == expected
    for name, headers in {
        "key": good | {"kalshi-access-key": "nobody"},
        "signature": good | {"kalshi-access-signature": "AAAA"},
        "method": ann.headers("POST", path),
        "short path": ann.headers("GET", "/portfolio/balance"),
    }.items():
        status, body = ann.exchange.http("GET", path, headers)
        assert status == 401
        bodies[name] = json.loads(body)

    assert bodies["key"]["error"] == wrong["error"] | {"details": "NOT_FOUND"}
    for name in ("signature", "method", "short path"):
        assert bodies[name]["error"] == wrong["error"] | {"details": "INCORRECT_API_KEY_SIGNATURE"}
    assert ann.exchange.http("GET", path + "?subaccount=0", good)[0] == 200, "the query is not signed"


async def test_cf_03_frames_end_with_a_newline_and_pings_come_every_ten_seconds(
    autojump_clock: MockClock, ann: Broker, nursery: trio.Nursery
) -> None:
    ws = await upgraded(nursery, Server(ann.exchange), ann.upgrade_headers())
    await ws.send_message('{"id":1,"cmd":"list_subscriptions"}')
    assert (await hear(ws))["type"] == "ok"
    pongs: list[float] = []
    stream: Any = ws._stream
    send_all = stream.send_stream.send_all

    async def watched(data: bytes) -> None:
        pongs.append(trio.current_time())
        await send_all(data)

    stream.send_stream.send_all = watched
    started = trio.current_time()
    with trio.move_on_after(25):
        await ws.get_message()

    assert [round(at - started) for at in pongs] == [10, 20]
    await ws.ping(b"mine")  # answered, or this waits for ever
    nursery.cancel_scope.cancel()


def test_cf_04_every_message_says_when_it_was_sent(ann: Broker, bob: Broker) -> None:
    client = ann.listen(A, channels=("orderbook_delta", "trade", "ticker", *PRIVATE))
    client.say("nonsense")
    client.say("list_subscriptions")
    ann.placed(A, "bid", "0.4700", "10")
    bob.placed(A, "ask", "0.4700", "4")
    ann.exchange.step(ann.exchange.now_us())
    client.hear()

    assert len(set(kinds(client.heard))) >= 9
    assert {frame["sending_ts_ms"] for frame in client.heard} == {NOW_MS}


def test_cf_05_one_sid_per_channel_and_subscribing_again_merges(ann: Broker) -> None:
    client = ann.listen(A, channels=("orderbook_delta", "fill"))
    again = client.subscribe(A, B)

    assert [frame["msg"]["sid"] for frame in client.heard if frame["type"] == "subscribed"] == [1, 2]
    assert kinds(again) == ["ok", "orderbook_snapshot"]
    assert again[0]["sid"] == 1
    assert again[0]["msg"]["market_tickers"] == [A, B]
    assert again[1]["msg"]["market_ticker"] == B, "no second snapshot for what it had"


def test_cf_06_subscribed_comes_per_channel_before_data_and_id_0_is_none(ann: Broker) -> None:
    client = ann.listen()
    frames = client.say("subscribe", 7, channels=["orderbook_delta", "trade", "fill"], market_tickers=[A])
    nameless = client.say("list_subscriptions", 0)

    assert kinds(frames) == ["subscribed", "orderbook_snapshot", "subscribed", "subscribed"]
    assert {frame.get("id") for frame in frames} == {7, None}
    assert "id" not in nameless[0]


def test_cf_07_numbers_are_per_sid_and_acks_use_them_up(ann: Broker, bob: Broker) -> None:
    client = ann.listen(A, channels=("orderbook_delta", "trade", "ticker", *PRIVATE))  # the listener checks seq + 1
    client.say("update_subscription", sid=1, action="add_markets", market_tickers=[B])
    for ticker in (A, B):
        ann.placed(ticker, "bid", "0.4700", "10")
        bob.placed(ticker, "ask", "0.4700", "4")
    client.say("update_subscription", sid=1, action="add_markets")  # a scoped error
    client.say("update_subscription", sid=1, action="delete_markets", market_tickers=[B])
    ann.exchange.step(ann.exchange.now_us())
    client.hear()
    client.say("unsubscribe", sids=[1])

    numbered = {frame["type"] for frame in client.heard if "seq" in frame}
    assert numbered == {"orderbook_snapshot", "orderbook_delta", "ok", "unsubscribed", "error", "trade"}
    without = {frame["type"] for frame in client.heard if "seq" not in frame}
    assert without == {"subscribed", "ticker", "fill", "user_order", "market_position"}


def test_cf_08_snapshot_then_signed_deltas_in_the_venues_spelling(ann: Broker) -> None:
    for price, count in (("0.4700", "3.5"), ("0.45", "120")):
        ann.placed(A, "bid", price, count)
    client = ann.listen(A, channels=("orderbook_delta",))
    snapshot = client.heard[-1]["msg"]
    order_id = ann.placed(A, "ask", "0.4900", "42.00")
    ann.cancel(order_id)
    grown, shrunk = (frame["msg"] for frame in client.hear())

    assert snapshot["yes_dollars_fp"] == [["0.4500", "120.00"], ["0.4700", "3.50"]]
    assert "no_dollars_fp" not in snapshot
    assert (grown["side"], grown["price_dollars"], grown["delta_fp"]) == ("no", "0.5100", "42.00")
    assert (shrunk["side"], shrunk["price_dollars"], shrunk["delta_fp"]) == ("no", "0.5100", "-42.00")
    assert client.books[A] == held(ann.exchange.floor, A)


def test_cf_09_get_snapshot_answers_with_the_id_and_leaves_the_set_alone(ann: Broker) -> None:
    client = ann.listen(A, channels=("orderbook_delta", "trade"))
    frames = client.say("update_subscription", 9, sids=[1], action="get_snapshot", market_tickers=[A, B])
    ann.placed(B, "bid", "0.4000", "1")
    refused = client.say("update_subscription", 10, sids=[2], action="get_snapshot", market_tickers=[A])

    assert [(frame["type"], frame["id"]) for frame in frames] == [("orderbook_snapshot", 9)] * 2
    assert [frame["msg"].get("code") for frame in refused] == [13], "and no delta of a market outside the set"


@pytest.mark.parametrize(
    ("default", "asked", "price"),
    [
        (False, None, "0.5100"),
        (False, True, "0.4900"),
        (True, None, "0.4900"),
        (True, False, "0.5100"),
    ],
)
def test_cf_10_use_yes_price_flips_no_prices_only(default: bool, asked: bool | None, price: str) -> None:
    exchange, _ = exchange_of(options=SessionOptions(use_yes_price=default))
    ann = Broker(exchange, "ann")
    ann.placed(A, "bid", "0.4700", "1")
    flag = {} if asked is None else {"use_yes_price": asked}
    client = ann.listen(A, channels=("orderbook_delta",), **flag)
    ann.placed(A, "ask", "0.4900", "2")

    assert client.heard[-1]["msg"]["yes_dollars_fp"] == [["0.4700", "1.00"]]
    assert client.hear()[0]["msg"]["price_dollars"] == price


def test_cf_11_the_clock_is_the_markets_own(ann: Broker, bob: Broker) -> None:
    clients = [who.listen(A, channels=("orderbook_delta",)) for who in (ann, bob)]
    for price in ("0.5000", "0.5100"):
        ann.placed(A, "ask", price, "1")
    bob.placed(A, "bid", "0.5200", "2")  # takes both levels in one action
    heard = [[frame["msg"]["clock"] for frame in client.hear()] for client in clients]
    again = clients[0].say("update_subscription", sid=1, action="get_snapshot", market_tickers=[A])

    assert heard[0] == heard[1]
    assert heard[0] == sorted(heard[0])
    assert heard[0][-1] == heard[0][-2], "one action, one clock"
    assert len(set(heard[0])) == 3
    assert again[0]["msg"]["clock"] >= heard[0][-1]


def test_cf_12_every_code_and_the_terminal_ones() -> None:
    exchange, clock = exchange_of(options=SessionOptions(markets_per_subscription_max=2, commands_per_s=3))
    ann = Broker(exchange, "ann")
    blind = Broker(exchange, "blind", scopes=frozenset({"write"}))
    client = ann.listen(A, channels=("orderbook_delta",))

    def codes(frames: list[dict[str, Any]]) -> list[int]:
        return [frame["msg"]["code"] for frame in frames if frame["type"] == "error"]

    assert codes(client.say_raw("{")) == [1]
    assert codes(client.say_raw('{"id":1,"cmd":"subscribe"}')) == [2]
    assert codes(client.say("subscribe")) == [3]
    assert codes(client.say("unsubscribe", market_tickers=[A])) == [4]
    assert codes(client.say("hello")) == [5]
    assert codes(client.say("unsubscribe", sids=[9])) == [7]
    for gone in ("ticker_v2", "multivariate", "cfbenchmarks_value", "pyth_value"):
        assert codes(client.say("subscribe", channels=[gone])) == [8]
    assert codes(blind.listen().say("subscribe", channels=["fill"])) == [9]
    assert codes(client.say("subscribe", channels="fill")) == [11]
    assert codes(client.say("update_subscription", sids=[1, 2])) == [12]
    assert codes(client.say("update_subscription", sid=1, action="dance")) == [13]
    assert codes(client.say("subscribe", channels=["orderbook_delta"])) == [14]
    assert codes(client.say("update_subscription", sid=1)) == [15]
    assert codes(client.subscribe("NOPE")) == [28]
    third = MARKETS[2].ticker
    clock.now_us += 1_000_000
    assert codes(client.subscribe(B, third)) == [26]
    for _ in range(3):
        client.say("update_subscription", sid=1, action="delete_markets", market_tickers=[B])
    assert codes(client.say("update_subscription", sid=1, action="delete_markets", market_tickers=[B])) == [27]
    old, _ = exchange_of(options=SessionOptions(is_unknown_ticker_28=False))
    assert codes(Listener(old.floor).subscribe("NOPE")) == [16]


def test_cf_12_a_slow_consumer_loses_its_stream_and_nothing_grows() -> None:
    exchange, _ = exchange_of(options=SessionOptions(outbox_bytes_max=20_000))
    ann = Broker(exchange, "ann")
    client = ann.listen(A, channels=("orderbook_delta", "fill"))
    for _ in range(200):
        ann.cancel(ann.placed(A, "bid", "0.4000", "1"))
        assert client.session.queued_bytes < 21_000
    last = client.hear()[-1]

    assert (last["type"], last["sid"], last["msg"]["code"]) == ("error", 1, 25)
    assert "id" not in last
    assert client.say("list_subscriptions")[0]["msg"] == [{"channel": "fill", "sid": 2}]
    assert kinds(client.subscribe(A)) == ["subscribed", "orderbook_snapshot"]


@pytest.mark.parametrize("is_maker_told", [False, True])
def test_cf_13_the_client_order_id_is_on_deltas_of_the_owner_only(is_maker_told: bool) -> None:
    exchange, _ = exchange_of(options=SessionOptions(is_maker_told=is_maker_told))
    ann, bob = Broker(exchange, "ann"), Broker(exchange, "bob")
    clients = [who.listen(A, channels=("orderbook_delta",)) for who in (ann, bob)]

    def told() -> list[str | None]:
        return [client.hear()[-1]["msg"].get("client_order_id") for client in clients]

    order_id = ann.placed(A, "bid", "0.4000", "5", client_order_id="mine")
    assert told() == ["mine", None]
    bob.placed(A, "ask", "0.4000", "1", client_order_id="his")
    assert told() == ["mine" if is_maker_told else None, "his"]
    ann.cancel(order_id)
    assert told() == ["mine", None]
    assert clients[0].seqs == clients[1].seqs


def test_cf_14_lifecycle_is_announced_for_what_is_done_not_for_what_time_does(
    venue: tuple[Exchange, Clock], ann: Broker
) -> None:
    exchange, clock = venue
    client = ann.listen(channels=("market_lifecycle_v2", "multivariate_market_lifecycle"))
    client.hear()
    desk = exchange.desk
    desk.deactivate(A)
    desk.activate(A)
    desk.move_close(A, clock.now_us + 5_000_000)
    assert [frame["msg"]["event_type"] for frame in client.hear()] == [
        *("deactivated", "activated", "close_date_updated"),
    ]
    clock.now_us += 6_000_000
    exchange.step(clock.now_us)
    assert client.hear() == []
    assert ann.get(f"/markets/{A}")["market"]["status"] == "closed"
    desk.determine(A, "yes")
    clock.now_us += 60_000_000
    exchange.step(clock.now_us)
    determined, settled = client.hear()
    assert (determined["seq"], settled["seq"]) == (4, 5)
    assert (determined["msg"]["result"], determined["msg"]["settlement_value"]) == ("yes", "1.0000")
    assert settled["msg"] == {"event_type": "settled", "market_ticker": A, "settled_ts": clock.now_us // 1_000_000}
    assert ann.get("/markets?status=settled")["markets"][0]["settlement_value_dollars"] == "1.0000"


def test_cf_14_combos_have_a_channel_of_their_own_and_events_are_announced(
    venue: tuple[Exchange, Clock], ann: Broker
) -> None:
    exchange = venue[0]
    both = ann.listen(channels=("market_lifecycle_v2", "multivariate_market_lifecycle"))
    both.hear()
    for ticker in ("KXMVEDEMO-1-A", "KXNEW-1-A"):
        control.handle(exchange, "POST", f"/control/markets/{ticker}/create", {"host": "localhost"}, b"{}")
    exchange.desk.change_structure("KXMVEDEMO-1-A", "deci_cent")
    exchange.desk.change_structure("KXNEW-1-A", "deci_cent")
    exchange.desk.override_fees("KXNEW-1", FeeSchedule("quadratic_with_maker_fees", Fraction(1, 2)))
    frames = both.hear()

    assert [(frame["sid"], frame["type"], frame["msg"].get("event_type")) for frame in frames] == [
        (2, "event_lifecycle", None),
        (2, "multivariate_market_lifecycle", "created"),
        (1, "event_lifecycle", None),
        (1, "market_lifecycle_v2", "created"),
        (1, "market_lifecycle_v2", "price_level_structure_updated"),
        (1, "event_fee_update", None),
    ]
    assert "price_ranges" not in frames[1]["msg"]
    assert frames[5]["msg"]["fee_multiplier_override"] == 0.5
    assert frames[4]["msg"]["price_ranges"] == [{"start": "0.0000", "end": "1.0000", "step": "0.0010"}]


# -- orders --------------------------------------------------------------------------------------------------------


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


# -- faults --------------------------------------------------------------------------------------------------------


def test_cf_27_a_dropped_frame_leaves_a_gap_and_a_late_one_keeps_its_place() -> None:
    exchange, clock = exchange_of()
    ann = Broker(exchange, "ann")
    client = ann.listen(A, channels=("orderbook_delta",))
    exchange.set_faults(Faults(delay=0.5))
    for _ in range(3):
        ann.placed(A, "bid", "0.4000", "1")
    ann_command = client.say("list_subscriptions")
    clock.now_us += 499_000
    exchange.step(clock.now_us)
    assert ann_command == client.hear() == []
    clock.now_us += 1_000
    exchange.step(clock.now_us)
    assert kinds(client.hear()) == ["orderbook_delta"] * 3 + ["ok"]

    exchange.set_faults(Faults(drop=1.0))
    ann.placed(A, "bid", "0.4000", "1")
    exchange.set_faults(Faults())
    ann.placed(A, "bid", "0.4000", "1")
    (frame,) = (json.loads(text) for text in client.session.take())
    assert frame["seq"] == 6, "5 was used up"


def test_cf_27_reads_are_as_stale_as_they_are_told_to_be() -> None:
    exchange, clock = exchange_of(faults=Faults(stale_reads=2))
    ann = Broker(exchange, "ann")
    clock.now_us += 3_000_000
    order_id = ann.placed(A, "bid", "0.4000", "1")
    assert ann.call("GET", f"/portfolio/orders/{order_id}") == NOT_FOUND
    clock.now_us += 2_000_000
    assert ann.get(f"/portfolio/orders/{order_id}")["order"]["status"] == "resting"
    ann.cancel(order_id)
    assert ann.get(f"/portfolio/orders/{order_id}")["order"]["status"] == "resting"
    assert ann.get("/exchange/user_data_timestamp")["as_of_time"] == "2026-09-21T14:13:23Z"
    clock.now_us += 2_000_000
    assert ann.get(f"/portfolio/orders/{order_id}")["order"]["status"] == "canceled"


def test_cf_27_an_ack_may_be_lost_after_the_order_was_accepted() -> None:
    exchange, _ = exchange_of(faults=Faults(lose_ack=1))
    ann = Broker(exchange, "ann")
    path = BASE + ORDERS
    body = json.dumps(ann.order_body(A, "bid", "0.4000", "1")).encode()
    answer = exchange.answer("POST", path, ann.headers("POST", path), body)

    assert answer.is_lost
    assert len(ann.get("/portfolio/orders?status=resting")["orders"]) == 1
    assert not exchange.answer(
        "GET", BASE + "/portfolio/orders", ann.headers("GET", BASE + "/portfolio/orders")
    ).is_lost


@pytest.mark.parametrize(
    ("fault", "order"),
    [
        ("trade_before_fill", ["trade", "fill"]),
        ("fill_before_trade", ["fill", "trade"]),
    ],
)
def test_cf_27_fill_and_trade_come_in_the_order_asked_for(fault: str, order: list[str]) -> None:
    exchange, _ = exchange_of(faults=Faults(**{fault: 1}))
    ann, bob = Broker(exchange, "ann"), Broker(exchange, "bob")
    client = ann.listen(channels=("fill", "trade"))
    client.hear()
    ann.placed(A, "bid", "0.4000", "1")
    bob.placed(A, "ask", "0.4000", "1")

    assert kinds(client.hear()) == order


async def test_cf_27_a_fill_comes_before_or_after_the_answer(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    orders = []
    for faults in (Faults(fill_before_ack=0.5), Faults(fill_after_ack=0.5)):
        exchange, clock = exchange_of(faults=faults)
        ann, bob = Broker(exchange, "ann"), Broker(exchange, "bob")
        bob.placed(A, "ask", "0.4000", "1")
        heard: list[str] = []
        orders.append(heard)
        async with trio.open_nursery() as day:
            day.start_soon(drive, exchange, clock)
            server = Server(exchange)
            ws = await upgraded(day, server, ann.upgrade_headers())
            await ws.send_message('{"id":1,"cmd":"subscribe","params":{"channels":["fill"]}}')
            assert (await hear(ws))["type"] == "subscribed"
            day.start_soon(post, server, ann, heard)
            heard.append((await hear(ws))["type"])
            await trio.sleep(1)
            day.cancel_scope.cancel()

    assert orders == [["fill", "ack"], ["ack", "fill"]]


async def drive(exchange: Exchange, clock: Clock) -> None:
    """The exchange's clock follows the virtual one."""
    start_us, start_s = clock.now_us, trio.current_time()
    while True:
        await trio.sleep(0.01)
        clock.now_us = start_us + round((trio.current_time() - start_s) * 1_000_000)
        exchange.step(clock.now_us)


async def post(server: Server, who: Broker, heard: list[str]) -> None:
    """One order by plain HTTP over a pair of streams."""
    ours, theirs = memory_stream_pair()
    body = json.dumps(who.order_body(A, "bid", "0.4000", "1"))
    headers = who.headers("POST", BASE + ORDERS) | {"host": "venue", "content-length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    await theirs.send_all(f"POST {BASE}{ORDERS} HTTP/1.1\r\n{head}\r\n{body}".encode())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.serve_stream, ours)
        answer = await theirs.receive_some()
        assert bytes(answer).startswith(b"HTTP/1.1 201"), answer
        heard.append("ack")
        nursery.cancel_scope.cancel()


def test_cf_27_upgrades_are_refused_on_reconnect_only() -> None:
    exchange, _ = exchange_of(faults=Faults(refuse_upgrade=2))
    ann = Broker(exchange, "ann")
    statuses = [exchange.admit(ann.upgrade_headers()).status for _ in range(4)]

    assert statuses == [101, 401, 401, 101]


def test_cf_27_one_seed_is_one_story() -> None:
    def told(seed: int) -> list[bytes]:
        exchange, clock = exchange_of(faults=Faults(drop=0.1, reorder=0.2, duplicate=0.1))
        exchange.floor.rng = random.Random(seed)
        ann = Broker(exchange, "ann")
        client = ann.listen(A, channels=("orderbook_delta",))
        for _ in range(50):
            ann.cancel(ann.placed(A, "bid", "0.4000", "1", client_order_id=None))
            exchange.step(clock.now_us)
        return client.session.take()

    assert told(1) == told(1) != told(2)
