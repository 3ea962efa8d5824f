"""How fast the embedded exchange is, so that no test is limited by it: the matching engine alone, REST, and the stream.

    engine   one market's orders and cancels in a loop, seeded: nine in ten rest near the touch, some take, half are cancelled
    REST     one connection kept open, requests one after the other, signed before the time is taken
    stream   a signed order by REST until its delta is in the kernel's buffer of a subscriber's socket

REST and stream are of `traderv3 exchange` in a process of its own, without its participants' noise (`--activity 0.001`).
Run: python -m benchmarks.exchange [--quick]
"""

import json
import random
import select
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import msgspec
from wsproto import ConnectionType, WSConnection
from wsproto.events import Event, Ping, Request, TextMessage

from benchmarks.processes import QUIET, exchange
from benchmarks.rounds import Report, arguments, percentile, spread
from traderv3.clients.doors import embedded_signer
from traderv3.domain.matching import MatchingEngine
from traderv3.domain.units import DOLLAR
from traderv3.protocol.signing import Signer

ORDERS, QUICK_ORDERS = 50_000, 10_000
REQUESTS, QUICK_REQUESTS = 1_000, 200
ROUNDS, QUICK_ROUNDS = 5, 1
PATH: Final = "/trade-api/v2"
ORDERS_PATH: Final = f"{PATH}/portfolio/events/orders"
WS_PATH: Final = "/trade-api/ws/v2"
ANSWER_S: Final = 5.0
OWNERS: Final = 40


def engine_rate(orders: int) -> float:
    """Orders and cancels a second of the engine alone."""
    rng, engine = random.Random(1), MatchingEngine()
    resting: list[int] = []
    drawn = [
        (rng.randrange(OWNERS), rng.random() < 0.5, rng.random(), rng.randrange(1, 40), rng.randrange(1, 500) * 100)
        for _ in range(orders)
    ]
    began = time.perf_counter()
    for owner, is_bid, dice, away, size in drawn:
        if dice < 0.5 and len(resting) > 200:
            engine.cancel(resting.pop(int(dice * 2 * len(resting))))
            continue
        step = (-away if is_bid else away) * 10 * (1 if dice < 0.95 else -1)
        price = min(DOLLAR - 10, max(10, DOLLAR // 2 + step))
        outcome = engine.submit(owner, is_bid, price, size)
        if outcome.resting is not None:
            resting.append(outcome.resting.order_id)
    took_s = time.perf_counter() - began
    engine.check()
    return orders / took_s


# -- the process -------------------------------------------------------------------------------------------------------


def request(signer: Signer, method: str, path: str, body: bytes = b"") -> bytes:
    """One signed request as it goes on the wire."""
    headers = signer.headers(method, path.partition("?")[0], at_ms=time.time_ns() // 1_000_000)
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
    lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def order(signer: Signer, ticker: str, number: int) -> bytes:
    """A request for a bid far below the market, which rests; each at the same price, so that its level changes."""
    body = {
        "ticker": ticker,
        "client_order_id": f"bench-{number}",
        "side": "bid",
        "count": "1.00",
        "price": "0.0100",
        "time_in_force": "good_till_canceled",
        "self_trade_prevention_type": "taker_at_cross",
    }
    return request(signer, "POST", ORDERS_PATH, msgspec.json.encode(body))


def ask(connection: socket.socket, data: bytes, expected: int) -> None:
    """Send one request and read its whole answer."""
    connection.sendall(data)
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(65_536)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert int(head.split(b" ", 2)[1]) == expected, answer[:500]
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    while len(body) < length:
        body += connection.recv(65_536)


def took_us(connection: socket.socket, requests: list[bytes], expected: int) -> list[float]:
    """Microseconds of each, one after the other."""
    found = []
    for data in requests:
        began = time.perf_counter()
        ask(connection, data, expected)
        found.append((time.perf_counter() - began) * 1e6)
    return found


def subscribed(port: int, signer: Signer, ticker: str) -> socket.socket:
    """A socket that gets the book of a market; its snapshot has been read."""
    connection = socket.create_connection(("127.0.0.1", port))
    protocol = WSConnection(ConnectionType.CLIENT)
    headers = signer.headers("GET", WS_PATH, at_ms=time.time_ns() // 1_000_000)
    asked = [(name.encode(), value.encode()) for name, value in headers.items()]
    connection.sendall(protocol.send(Request(host=f"127.0.0.1:{port}", target=WS_PATH, extra_headers=asked)))
    command = {
        "id": 1,
        "cmd": "subscribe",
        "params": {"channels": ["orderbook_delta"], "market_tickers": [ticker]},
    }
    is_told, heard = False, ""
    while "orderbook_snapshot" not in heard:
        protocol.receive_data(connection.recv(1 << 20))
        for event in protocol.events():
            heard += _text(connection, protocol, event)
        if not is_told:
            connection.sendall(protocol.send(TextMessage(json.dumps(command))))
            is_told = True
    return connection


def _text(connection: socket.socket, protocol: WSConnection, event: Event) -> str:
    if isinstance(event, Ping):
        connection.sendall(protocol.send(event.response()))
    return event.data if isinstance(event, TextMessage) else ""


def delta_us(connection: socket.socket, stream: socket.socket, requests: list[bytes]) -> list[float]:
    """Microseconds from each order's first byte to the delta that it makes."""
    found = []
    for data in requests:
        began = time.perf_counter()
        connection.sendall(data)
        readable, _, _ = select.select([stream], [], [], ANSWER_S)
        found.append((time.perf_counter() - began) * 1e6)
        assert readable, "an order without a delta"
        assert b"orderbook_delta" in stream.recv(1 << 20)
        connection.recv(65_536)  # the order's answer, which the next request must not meet
    return found


def main() -> int:
    args = arguments(__doc__, rounds=ROUNDS, quick_rounds=QUICK_ROUNDS)
    report = Report("exchange", args)
    orders = QUICK_ORDERS if args.is_quick else ORDERS
    count = QUICK_REQUESTS if args.is_quick else REQUESTS
    engine_rate(orders)
    rates = [engine_rate(orders) for _ in range(args.rounds)]
    report.figure("matching engine alone", spread(rates), "orders/s", note="orders and cancels of one market")
    found: dict[str, list[list[float]]] = {"book by REST": [], "order by REST": [], "order to its delta": []}
    with (
        tempfile.TemporaryDirectory() as name,
        exchange(Path(name), *QUIET) as venue,
        socket.create_connection(("127.0.0.1", venue["port"])) as connection,
    ):
        port, ticker = venue["port"], venue["markets"][0]
        signer = embedded_signer(Path(venue["private_key_path"]))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        number = 0
        for _ in range(args.rounds + 1):  # the first warms up
            book = f"{PATH}/markets/{ticker}/orderbook"
            gets = [request(signer, "GET", book) for _ in range(count)]
            found["book by REST"].append(took_us(connection, gets, 200))
            posts = [order(signer, ticker, number + at) for at in range(2 * count)]
            number += 2 * count
            found["order by REST"].append(took_us(connection, posts[:count], 201))
            with subscribed(port, signer, ticker) as stream:
                found["order to its delta"].append(delta_us(connection, stream, posts[count:]))
    for what, rounds in found.items():
        for word, share in (("p50", 0.5), ("p99", 0.99)):
            report.figure(f"{what}, {word}", spread([percentile(each, share) for each in rounds[1:]]), "us")
        if "REST" in what:
            a_second = [len(each) / sum(each) * 1e6 for each in rounds[1:]]
            report.figure(f"{what}, one after the other", spread(a_second), "requests/s")
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
