"""The checklist of a faithful simulator (protocol page, section 10), CF-27: what goes wrong on purpose.

Each fault by itself is in `test_faults`, the operator's endpoint in `test_control`.
"""

import json
import random

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair

from tests.exchange.broker import ORDERS, Broker, Clock, exchange_of, kinds
from tests.exchange.foreign import hear, upgraded
from traderv3.exchange.exchange import Exchange
from traderv3.exchange.faults import Faults
from traderv3.exchange.market import made_up
from traderv3.exchange.rest import BASE
from traderv3.exchange.server import Server

MARKETS = made_up(7)
A, B = (market.ticker for market in MARKETS[:2])  # both of one event, on tenths of a cent
CENT = next(market.ticker for market in MARKETS if market.event.structure == "linear_cent")
NOT_FOUND = (404, {"error": {"code": "not_found", "message": "not found"}})


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
