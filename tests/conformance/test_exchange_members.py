"""What the embedded exchange tells its members, on the socket and by REST, is what the venue's documents promise.

Two members trade with each other and with the crowd through signed requests: every kind of order, change and refusal,
every read, every route, every lifecycle event. Each answer and each frame is judged; nothing here has a socket.
"""

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from tests.conformance.schemas import VenueSchemas
from tests.conformance.test_exchange_frames import Judge
from traderv3.exchange.exchange import Exchange
from traderv3.exchange.floor import Floor
from traderv3.exchange.market import Market, made_up
from traderv3.exchange.session import BOOK_CHANNEL, CHANNELS
from traderv3.protocol.signing import Signer

BASE: Final = "/trade-api/v2"
ORDERS: Final = "/portfolio/events/orders"
GROUPS: Final = "/portfolio/order_groups"
START_US: Final = 1_790_000_000_000_000
SECOND_US: Final = 1_000_000
NOBODY: Final = "00000000-0000-4000-8000-000000000000"
MARKETS: Final = made_up(7)
A, B, C = (market.ticker for market in MARKETS[:3])
EVENT, SERIES = MARKETS[0].event.ticker, MARKETS[0].event.series_ticker


class Member:
    """One member: signed calls whose answers are judged, and a connection that hears every channel."""

    def __init__(self, house: "House", name: str) -> None:
        key = ed25519.Ed25519PrivateKey.generate()
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.house = house
        member = house.exchange.add_member(name, public.decode())
        self._signer = Signer(name, key)
        self.judge = Judge(house.schemas, house.exchange.open_session(member.user_id))
        self.judge.say("subscribe", channels=[channel for channel in CHANNELS if channel != BOOK_CHANNEL])
        self.judge.say("subscribe", channels=[BOOK_CHANNEL], market_tickers=list(house.exchange.floor.listings))

    def call(self, method: str, path: str, body: Any = None, *, status: int | None = None) -> Any:
        """One signed request; the answer is judged, must have that status, and is returned decoded."""
        headers = self._signer.headers(method, BASE + path.partition("?")[0], at_ms=self.house.now_us // 1000)
        headers = {name.lower(): value for name, value in headers.items()} | {"content-type": "application/json"}
        data = b"" if body is None else json.dumps(body).encode()
        answered, payload = self.house.exchange.http(method, BASE + path, headers, data)
        self.house.judge_answer(method, path, answered, payload)

        assert status is None or answered == status, (method, path, answered, payload)
        return json.loads(payload) if payload else None

    def order(self, *, status: int | None = 201, **fields: Any) -> Any:
        """A resting bid for ten at 40 cents, or what `fields` make of it; None leaves a field out."""
        usual = {
            "ticker": A,
            "side": "bid",
            "count": "10.00",
            "price": "0.0500",
            "time_in_force": "good_till_canceled",
            "self_trade_prevention_type": "taker_at_cross",
        }
        body = {name: value for name, value in (usual | fields).items() if value is not None}
        return self.call("POST", ORDERS, body, status=status)


class House:
    """An exchange with a crowd and two members."""

    def __init__(self, schemas: VenueSchemas, *, markets: list[Market] | None = None, tier: str = "unlimited") -> None:
        self.schemas = schemas
        self.now_us = START_US
        self.answers: Counter[tuple[str, int]] = Counter()  # by path as the document writes it, and status
        floor = Floor(markets or MARKETS, now_ms=lambda: self.now_us // 1000)
        self.exchange = Exchange(floor, now_us=lambda: self.now_us, tier=tier, activity=1.0)
        self.anna, self.bert = Member(self, "anna"), Member(self, "bert")

    def judge_answer(self, method: str, path: str, status: int, payload: bytes) -> None:
        self.schemas.check_answer(method, BASE + path, status, payload)
        self.answers[f"{method} {self.schemas.template(method, BASE + path)}", status] += 1

    def get(self, path: str, status: int = 200) -> Any:
        """A public request, unsigned."""
        answered, payload = self.exchange.http("GET", BASE + path, {})
        self.judge_answer("GET", path, answered, payload)

        assert answered == status, (path, answered, payload)
        return json.loads(payload)

    def pass_time(self, seconds: float) -> None:
        """Let the crowd trade, and everybody hear of it."""
        until_us = self.now_us + int(seconds * SECOND_US)
        while self.now_us < until_us:
            self.now_us += SECOND_US // 4
            self.exchange.step(self.now_us)
        for member in (self.anna, self.bert):
            member.judge.hear()

    def touch(self, ticker: str) -> tuple[str, str]:
        """The best bid and the best ask, on the YES scale."""
        market = self.get(f"/markets/{ticker}")["market"]
        return market["yes_bid_dollars"], market["yes_ask_dollars"]


@pytest.fixture
def house(schemas: VenueSchemas) -> Iterator[House]:
    house = House(schemas)
    yield house
    house.pass_time(1)


def test_every_way_to_place_and_change_an_order_is_answered_and_told_as_promised(house: House) -> None:
    anna, bert = house.anna, house.bert
    house.pass_time(2)
    bid, ask = house.touch(A)
    resting = anna.order(client_order_id="cid-1", price=bid)
    anna.order(client_order_id="cid-1", status=409)
    taken = bert.order(side="ask", price=bid, count="2.50", time_in_force="immediate_or_cancel")
    bert.order(price=ask, count="1", time_in_force="fill_or_kill")
    bert.order(price=ask, count="900000", time_in_force="fill_or_kill", status=None)
    anna.order(price=ask, post_only=True, status=400)
    anna.order(price="0.0500", post_only=True, expiration_time=house.now_us // SECOND_US + 2)
    anna.order(
        side="ask", price="0.9000", count="1", reduce_only=True, time_in_force="immediate_or_cancel", status=None
    )
    change = {"ticker": A, "side": "bid", "price": "0.0300", "count": "12.00"}
    anna.call(
        "POST", f"{ORDERS}/{resting['order_id']}/amend", change | {"updated_client_order_id": "cid-2"}, status=200
    )
    anna.call("POST", f"{ORDERS}/{resting['order_id']}/decrease", {"reduce_by": "1.00"}, status=200)
    anna.call("POST", f"{ORDERS}/{resting['order_id']}/decrease", {"reduce_to": "2"}, status=200)
    anna.call("DELETE", f"{ORDERS}/{resting['order_id']}", status=200)
    anna.call("DELETE", f"{ORDERS}/{resting['order_id']}", status=404)
    house.pass_time(3)  # the other one expires
    anna.order()
    anna.call("DELETE", ORDERS, status=204)

    assert {"order_id", "fill_count", "remaining_count", "ts_ms"} <= set(taken)
    for schema in ("fillPayload", "userOrderPayload", "marketPositionPayload"):
        assert bert.judge.fitted[schema] >= 1, bert.judge.fitted
    assert anna.judge.fitted["userOrderPayload"] >= 6


def test_members_who_trade_with_each_other_and_with_themselves_are_told_of_both_sides(house: House) -> None:
    anna, bert = house.anna, house.bert
    alone = dataclasses.replace(MARKETS[0], ticker=f"{EVENT}-T1.00", market_id="")  # the crowd stays away
    house.exchange.desk.create_market(alone)
    for member in (anna, bert):
        member.judge.say("update_subscription", sid=len(CHANNELS), action="add_markets", market_tickers=[alone.ticker])
    anna.order(ticker=alone.ticker, price="0.4000", count="2.50")
    bert.order(ticker=alone.ticker, side="ask", price="0.4000", count="1.00", client_order_id="cid-b")
    anna.order(ticker=alone.ticker, side="ask", price="0.4000", count="1", self_trade_prevention_type="maker")
    bert.order(ticker=alone.ticker, side="ask", price="0.4500", count="1")
    bert.order(ticker=alone.ticker, price="0.4500", count="2")  # half meets hers, the rest would meet his own
    house.pass_time(1)

    assert anna.judge.fitted["fillPayload"] == bert.judge.fitted["fillPayload"] == 2
    assert anna.judge.fitted["marketPositionPayload"] == bert.judge.fitted["marketPositionPayload"] == 2
    assert anna.judge.fitted["tradePayload"] >= 1


REFUSED: Final[list[tuple[dict[str, Any], int]]] = [
    ({"price": 0.05}, 400),
    ({"count": 10}, 400),
    ({"price": "0.05001"}, 400),
    ({"price": "1.0000"}, 400),
    ({"price": "0.0505", "ticker": MARKETS[-1].ticker}, 400),
    ({"count": "0.00"}, 400),
    ({"count": "-1.00"}, 400),
    ({"count": "1.005"}, 400),
    ({"count": "99999999.00"}, 400),
    ({"side": "yes"}, 400),
    ({"side": None}, 400),
    ({"time_in_force": "gtc"}, 400),
    ({"self_trade_prevention_type": None}, 400),
    ({"ticker": "KXNOSUCH"}, 404),
    ({"expiration_time": 1}, 400),
    ({"reduce_only": True}, 400),
    ({"order_group_id": NOBODY}, 404),
]


@pytest.mark.parametrize(("fields", "status"), REFUSED)
def test_a_refused_order_is_answered_in_one_of_the_venues_shapes(
    schemas: VenueSchemas, fields: dict[str, Any], status: int
) -> None:
    house = House(schemas)
    house.anna.order(**fields, status=status)


def test_bodies_that_cannot_be_read_are_answered_in_one_of_the_venues_shapes(house: House) -> None:
    unreadable: list[Any] = [[], "text", 7, {"orders": "x"}]
    for body in unreadable:
        house.anna.call("POST", ORDERS, body, status=400)
        house.anna.call("POST", f"{ORDERS}/batched", body, status=400)
    house.anna.call("POST", ORDERS, status=400)
    house.anna.call("POST", "/portfolio/orders", {"ticker": A}, status=410)
    house.anna.call("DELETE", f"/portfolio/orders/{NOBODY}", status=410)
    for verb, change in (
        ("amend", {"ticker": A, "side": "bid", "price": "0.05", "count": "1"}),
        ("decrease", {"reduce_by": "1"}),
    ):
        house.anna.call("POST", f"{ORDERS}/{NOBODY}/{verb}", change, status=404)


def test_batches_are_answered_item_by_item(house: House) -> None:
    one = {
        "ticker": A,
        "side": "bid",
        "count": "1.00",
        "price": "0.0500",
        "time_in_force": "good_till_canceled",
        "self_trade_prevention_type": "taker_at_cross",
    }
    orders = [one | {"client_order_id": f"batch-{i}"} for i in (1, 2, 1)] + [one | {"price": "2.00"}]
    made = house.anna.call("POST", f"{ORDERS}/batched", {"orders": orders}, status=201)["orders"]
    wanted = [{"order_id": each["order_id"]} for each in made if each.get("order_id")] + [{"order_id": NOBODY}]
    cancelled = house.anna.call("DELETE", f"{ORDERS}/batched", {"orders": wanted}, status=200)["orders"]

    assert [bool(each.get("error")) for each in made] == [False, False, True, True]
    assert [bool(each.get("error")) for each in cancelled] == [False, False, True]


def test_order_groups_are_answered_and_told_as_promised(house: House) -> None:
    anna = house.anna
    group = anna.call("POST", f"{GROUPS}/create", {"contracts_limit_fp": "5.00"}, status=201)["order_group_id"]
    anna.order(order_group_id=group)
    anna.call("GET", GROUPS, status=200)
    anna.call("GET", f"{GROUPS}/{group}", status=200)
    anna.call("PUT", f"{GROUPS}/{group}/limit", {"contracts_limit_fp": "7.00"}, status=200)
    anna.call("PUT", f"{GROUPS}/{group}/trigger", {}, status=200)
    anna.order(order_group_id=group, status=None)
    anna.call("PUT", f"{GROUPS}/{group}/reset", {}, status=200)
    anna.call("DELETE", f"{GROUPS}/{group}", status=200)
    anna.call("GET", f"{GROUPS}/{group}", status=404)
    house.pass_time(1)

    assert anna.judge.fitted["orderGroupUpdatesPayload"] == 5


PRIVATE_READS: Final = [
    *("/portfolio/balance", "/portfolio/orders", "/portfolio/orders?status=resting&limit=1", "/portfolio/fills"),
    *("/portfolio/fills?limit=1", "/portfolio/positions", "/portfolio/settlements", GROUPS, "/account/limits"),
    *("/portfolio/orders/queue_positions?market_tickers=" + A, "/portfolio/summary/total_resting_order_value"),
    *("/portfolio/subaccounts/balances", "/historical/orders", "/historical/fills"),
]
PUBLIC_READS: Final = [
    *("/exchange/status", "/exchange/schedule", "/exchange/user_data_timestamp", "/account/endpoint_costs"),
    *("/markets", "/markets?limit=2", "/markets?status=open", "/markets?status=settled", f"/markets?tickers={A},{B}"),
    *(f"/markets/{A}", f"/markets/{A}/orderbook", f"/markets/{A}/orderbook?depth=1", "/markets/trades?limit=5"),
    *(f"/markets/orderbooks?tickers={A}&tickers={B}", f"/markets/trades?ticker={A}", "/series", f"/series/{SERIES}"),
    *(f"/events/{EVENT}", f"/events/{EVENT}?with_nested_markets=true", "/events", f"/events/{EVENT}/metadata"),
    *("/events?with_nested_markets=true&limit=1", "/events/multivariate", "/events/fee_changes", "/series/fee_changes"),
    *("/historical/cutoff", "/historical/markets", "/historical/trades"),
    f"/series/{SERIES}/markets/{A}/candlesticks?start_ts=1&end_ts=2&period_interval=60",
    f"/markets/candlesticks?market_tickers={A}&start_ts=1&end_ts=2&period_interval=60",
]
PUBLIC_REFUSED: Final = [
    *(("/markets?limit=5000", 400), ("/markets?status=shut", 400), ("/markets/KXNOSUCH", 404)),
    *(("/markets/KXNOSUCH/orderbook", 404), (f"/markets/{A}/orderbook?depth=1000", 400), ("/events/KXNOSUCH", 404)),
    *(("/nothing/here", 404), ("/portfolio/balance", 401), ("/markets/orderbooks", 400)),
]


def test_every_read_fits_before_and_after_there_is_something_to_read(house: House) -> None:
    for turn in range(2):
        for path in PRIVATE_READS:
            house.anna.call("GET", path, status=200)
        for path in PUBLIC_READS:
            house.get(path)
        for path, status in PUBLIC_REFUSED:
            house.get(path, status)
        house.pass_time(20)
        if turn == 0:
            _, ask = house.touch(A)
            made = house.anna.order(price=ask, count="1.50", expiration_time=house.now_us // SECOND_US + 3600)
            resting = house.anna.order(price="0.0100", client_order_id="cid-9", order_group_id=None, post_only=True)
            house.pass_time(1)
            for order in (made, resting):
                house.anna.call("GET", f"/portfolio/orders/{order['order_id']}", status=200)
            house.anna.call("GET", f"/portfolio/orders/{resting['order_id']}/queue_position", status=200)
            house.anna.call("GET", f"/portfolio/orders/{NOBODY}", status=404)

    assert house.anna.call("GET", "/portfolio/fills")["fills"]
    assert house.anna.call("GET", "/portfolio/positions")["market_positions"]


def routes(house: House) -> list[tuple[str, str]]:
    """Method and path of every row of the exchange's own table."""
    router = house.exchange._router
    rows = [("/".join(("", *shape)), methods) for table in router._patterned.values() for shape, methods in table]
    rows += [(f"/{path}", methods) for path, methods in router._fixed.items()]
    return [(method, f"/{route.path}") for _, methods in rows for method, route in methods.items()]


def test_every_route_that_the_exchange_has_answers_signed_and_unsigned_in_a_promised_form(house: House) -> None:
    group = house.anna.call("POST", f"{GROUPS}/create", {"contracts_limit_fp": "5.00"}, status=201)["order_group_id"]
    names = {
        "{ticker}": A,
        "{event_ticker}": EVENT,
        "{series_ticker}": SERIES,
        "{order_group_id}": group,
        "{order_id}": house.anna.order()["order_id"],
    }
    visited = 0
    for method, pattern in sorted(routes(house), key=lambda row: row[0] == "DELETE"):
        path = "/".join(names.get(part, part) for part in pattern.split("/"))
        assert "{" not in path, "a name that this test does not know yet"
        house.anna.call(method, path, {} if method in ("POST", "PUT") else None)
        answered, payload = house.exchange.http(method, BASE + path, {}, b"")
        house.judge_answer(method, path, answered, payload)
        visited += 1

    assert visited >= 45


def test_a_page_after_the_other_fits_and_a_garbage_cursor_is_taken(house: House) -> None:
    cursor, pages = "", 0
    while pages < 20:
        page = house.get(f"/markets?limit=5&cursor={cursor}")
        pages += 1
        cursor = page["cursor"]
        if not cursor:
            break
    house.get("/markets?cursor=%%%")

    assert pages == 4


def test_a_member_without_tokens_is_answered_429(schemas: VenueSchemas) -> None:
    house = House(schemas, tier="basic")
    for _ in range(60):
        house.anna.call("GET", "/portfolio/orders")

    assert house.answers["GET /portfolio/orders", 429] > 0


def test_pauses_are_answered_as_promised(house: House) -> None:
    desk = house.exchange.desk
    resting = house.anna.order()
    desk.pause_trading()
    house.anna.order(status=409)
    house.get("/exchange/status")
    house.anna.call("DELETE", f"{ORDERS}/{resting['order_id']}", status=200)
    desk.pause_exchange()
    house.anna.call("DELETE", ORDERS, status=409)
    status, payload = house.exchange.http("GET", f"{BASE}/exchange/status", {})
    house.judge_answer("GET", "/exchange/status", status, payload)
    desk.resume_exchange()
    desk.resume_trading()
    desk.deactivate(A)
    house.anna.order(status=409)
    desk.activate(A)
    house.anna.order()


def test_the_life_of_a_market_is_told_and_shown_as_promised(house: House) -> None:
    desk, anna = house.exchange.desk, house.anna
    house.pass_time(2)
    for ticker in (A, B):
        anna.order(ticker=ticker, price=house.touch(ticker)[1], count="2.50", time_in_force="immediate_or_cancel")
    newcomer = dataclasses.replace(MARKETS[0], ticker=f"{EVENT}-T1.00", market_id="")
    desk.create_market(newcomer)
    desk.deactivate(C)
    desk.activate(C)
    desk.change_structure(C, "deci_cent")
    desk.move_close(A, house.now_us + 5 * SECOND_US)
    desk.close(B)
    house.pass_time(10)
    desk.determine(A, "yes")
    desk.determine(B, "scalar", 3_333)
    house.pass_time(2)
    desk.settle(A)
    desk.settle(B)
    house.exchange.floor.announce_event(MARKETS[0].event)
    house.exchange.floor.announce_fees(EVENT, "quadratic_with_maker_fees", None)
    house.pass_time(2)
    for ticker in (A, B, C, newcomer.ticker):
        house.get(f"/markets/{ticker}")
    for path in ("/markets", "/markets?status=settled", "/markets?status=closed", f"/events/{EVENT}"):
        house.get(path)
    anna.order(status=400)
    settlements = anna.call("GET", "/portfolio/settlements", status=200)["settlements"]
    anna.call("GET", "/portfolio/positions?settlement_status=all", status=200)
    anna.call("GET", "/portfolio/balance", status=200)

    assert {each["ticker"] for each in settlements} == {A, B}
    assert anna.judge.fitted["marketLifecycleV2Payload"] >= 9
    assert anna.judge.fitted["eventLifecyclePayload"] >= 1
    assert anna.judge.fitted["eventFeeUpdatePayload"] == 1


def test_the_life_of_a_combo_is_told_on_its_own_channel(schemas: VenueSchemas) -> None:
    event = dataclasses.replace(MARKETS[0].event, ticker="KXMVEDEMO-S2026", series_ticker="KXMVEDEMO")
    combo = dataclasses.replace(MARKETS[0], ticker="KXMVEDEMO-S2026-ABC", event=event, market_id="")
    house = House(schemas, markets=[*MARKETS, combo])
    desk = house.exchange.desk
    desk.deactivate(combo.ticker)
    desk.activate(combo.ticker)
    desk.close(combo.ticker)
    house.pass_time(5)
    desk.determine(combo.ticker, "no")
    desk.settle(combo.ticker)
    house.pass_time(1)

    assert house.anna.judge.fitted["multivariateMarketLifecyclePayload"] >= 4
    assert house.anna.judge.fitted["marketLifecycleV2Payload"] == 0
