"""The checklist of a faithful simulator (protocol page, section 10), CF-01 to CF-14: what a client sees on the socket.

Orders and REST go on in `test_checklist_orders`, faults in `test_checklist_faults`.
"""

import json
from fractions import Fraction
from typing import Any

import pytest
import trio
from trio.testing import MockClock
from trio_websocket import ConnectionRejected

from tests.exchange.broker import PRIVATE, Broker, Clock, exchange_of, kinds
from tests.exchange.foreign import hear, upgraded
from tests.exchange.listener import NOW_MS, Listener, held
from traderv3.domain.fees import FeeSchedule
from traderv3.exchange import control
from traderv3.exchange.exchange import WS_PATH, Exchange
from traderv3.exchange.market import made_up
from traderv3.exchange.rest import BASE
from traderv3.exchange.server import Server
from traderv3.exchange.session import SessionOptions

MARKETS = made_up(7)
A, B = (market.ticker for market in MARKETS[:2])  # both of one event, on tenths of a cent
CENT = next(market.ticker for market in MARKETS if market.event.structure == "linear_cent")
NOT_FOUND = (404, {"error": {"code": "not_found", "message": "not found"}})


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

    assert kinds(frames) == ["subscribed", "subscribed", "subscribed", "orderbook_snapshot"]
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
