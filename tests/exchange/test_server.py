"""The loopback port: HTTP and WebSocket over real sockets, and the slow things over memory streams in virtual time."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import trio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from trio.testing import MockClock, memory_stream_pair
from trio_websocket import ConnectionClosed, ConnectionRejected, WebSocketConnection
from trio_websocket import wrap_client_stream as open_client

from tests.exchange.listener import NOW_MS, Listener, floor_of
from traderv3.exchange.client import Client
from traderv3.exchange.exchange import SESSIONS_MAX, WS_PATH, Exchange
from traderv3.exchange.faults import Faults
from traderv3.exchange.floor import Floor
from traderv3.exchange.life import drive_exchange
from traderv3.exchange.market import made_up
from traderv3.exchange.server import Server, open_listener, port_of
from traderv3.exchange.session import SessionOptions
from traderv3.exchange.transport import ClientStream, framed
from traderv3.protocol.signing import Signer

A, B = (market.ticker for market in made_up(7)[:2])
KEY = ed25519.Ed25519PrivateKey.generate()
SIGNER = Signer("me", KEY)
PEM = (
    KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
)


class Venue:
    """A server on a free port, and the clients' ends of its connections."""

    def __init__(self, floor: Floor, port: int) -> None:
        self.floor = floor
        self.port = port
        self.ends: list[trio.abc.AsyncResource] = []
        self.reports: list[tuple[str, dict[str, Any]]] = []

    async def open_stream(self) -> trio.SocketStream:
        stream = await trio.open_tcp_stream("127.0.0.1", self.port)
        self.ends.append(stream)
        return stream

    async def connect(
        self, nursery: trio.Nursery, headers: dict[str, str] | None = None, path: str = WS_PATH
    ) -> WebSocketConnection:
        signed = SIGNER.headers("GET", WS_PATH, at_ms=NOW_MS) if headers is None else headers
        pairs = [(name.encode(), value.encode()) for name, value in signed.items()]
        return await open_client(nursery, await self.open_stream(), "127.0.0.1", path, extra_headers=pairs)


Start = Callable[[trio.Nursery, Floor], Awaitable[Venue]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    venues: list[Venue] = []

    async def one(nursery: trio.Nursery, floor: Floor) -> Venue:
        venues.append(await start_venue(nursery, floor))
        return venues[-1]

    yield one
    for venue in venues:
        for end in venue.ends:
            await trio.aclose_forcefully(end)


async def start_venue(nursery: trio.Nursery, floor: Floor) -> Venue:
    exchange = Exchange(floor, now_us=lambda: NOW_MS * 1000)
    exchange.add_member("me", PEM)
    listener = await open_listener(0)
    venue = Venue(floor, port_of(listener))
    server = Server(exchange, report=lambda event, facts: venue.reports.append((event, facts)))
    nursery.start_soon(server.serve, listener)
    return venue


@pytest.fixture
async def venue(nursery: trio.Nursery, start: Start) -> Venue:
    return await start(nursery, floor_of())


def grow(floor: Floor, ticker: str = A, times: int = 1) -> None:
    for _ in range(times):
        floor.change(floor.listings[ticker], True, 4000, 100, ts="", ts_ms=0)


async def hear(ws: WebSocketConnection) -> dict[str, Any]:
    frame: dict[str, Any] = json.loads(await ws.get_message())
    return frame


async def say(ws: WebSocketConnection, cmd: str, **params: Any) -> None:
    await ws.send_message(json.dumps({"id": 1, "cmd": cmd, "params": params}))


async def open_memory_client(nursery: trio.Nursery, stream: Any) -> WebSocketConnection:
    """Over a memory stream, which the library takes and its annotations do not name."""
    return await open_client(nursery, stream, "x", WS_PATH)


async def answer(stream: trio.SocketStream) -> bytes:
    """Whatever comes until both head and body are there, or the other side closes."""
    data = b""
    while b"\r\n\r\n" not in data or len(data.partition(b"\r\n\r\n")[2]) < length(data):
        more = await stream.receive_some()
        if not more:
            break
        data += more
    return data


def length(data: bytes) -> int:
    head = data.partition(b"\r\n\r\n")[0].lower()
    return int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])


async def test_only_loopback_is_listened_on(venue: Venue) -> None:
    with pytest.raises(OSError, match=r"127\.0\.0\.2"):
        await trio.open_tcp_stream("127.0.0.2", venue.port)


async def test_one_connection_carries_several_requests_with_the_venues_time(venue: Venue) -> None:
    stream = await venue.open_stream()
    request = b"GET /trade-api/v2/exchange/status HTTP/1.1\r\nHost: x\r\n\r\n"
    for _ in range(2):
        await stream.send_all(request)
        data = await answer(stream)
        assert data.startswith(b"HTTP/1.1 200")
        assert b"date: mon, 21 sep 2026 14:13:20 gmt" in data.lower()
    await stream.send_all(request + request)  # pipelined: one after the other
    assert (await answer(stream)).startswith(b"HTTP/1.1 200")

    await stream.aclose()


async def test_rest_and_socket_share_one_port(venue: Venue, nursery: trio.Nursery) -> None:
    stream = await venue.open_stream()
    await stream.send_all(b"GET /trade-api/v2/markets/NOPE HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    data = await answer(stream)
    ws = await venue.connect(nursery)
    await say(ws, "list_subscriptions")

    assert data.startswith(b"HTTP/1.1 404")
    assert await stream.receive_some() == b""
    assert (await hear(ws))["msg"] == []


async def test_an_upgrade_after_an_ordinary_request_on_the_same_connection(venue: Venue) -> None:
    stream = await venue.open_stream()
    await stream.send_all(b"GET /trade-api/v2/exchange/status HTTP/1.1\r\nHost: x\r\n\r\n")
    await answer(stream)
    signed = "".join(f"{k}: {v}\r\n" for k, v in SIGNER.headers("GET", WS_PATH, at_ms=NOW_MS).items())
    handshake = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    head = (
        f"GET {WS_PATH} HTTP/1.1\r\nHost: x\r\n{handshake}Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{signed}\r\n"
    )
    await stream.send_all(head.encode())

    reply = (await stream.receive_some()).lower()
    assert reply.startswith(b"http/1.1 101")
    assert b"sec-websocket-extensions" not in reply


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "signature_is_missing_from_headers"),
        (SIGNER.headers("GET", "/trade-api/v2", at_ms=NOW_MS), "authentication_error"),
        (SIGNER.headers("GET", WS_PATH, at_ms=NOW_MS - 60_000), "header_timestamp_expired"),
        (Signer("you", KEY).headers("GET", WS_PATH, at_ms=NOW_MS), "authentication_error"),
    ],
)
async def test_a_bad_handshake_is_refused_before_it_is_accepted(
    venue: Venue, nursery: trio.Nursery, headers: dict[str, str], code: str
) -> None:
    with pytest.RaisesGroup(ConnectionRejected) as caught:
        async with trio.open_nursery() as inner:
            await venue.connect(inner, headers)

    rejection = caught.value.exceptions[0]
    assert isinstance(rejection, ConnectionRejected)
    assert rejection.status_code == 401
    assert rejection.body is not None
    assert json.loads(rejection.body)["error"]["code"] == code
    assert not venue.floor.sessions
    assert venue.reports[0][0] == "client_refused"


async def test_no_other_path_is_a_socket(venue: Venue) -> None:
    with pytest.RaisesGroup(ConnectionRejected) as caught:
        async with trio.open_nursery() as inner:
            await venue.connect(inner, {}, path="/trade-api/ws/v3")

    rejection = caught.value.exceptions[0]
    assert isinstance(rejection, ConnectionRejected)
    assert rejection.status_code == 404


@pytest.mark.parametrize("junk", [b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"x" * 20_000])
async def test_what_is_no_http_is_answered_and_closed(venue: Venue, junk: bytes) -> None:
    stream = await venue.open_stream()
    await stream.send_all(junk + b"\r\n\r\n")
    data = await answer(stream)

    assert data[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 431")


async def test_a_stream_of_changes_arrives_whole_and_in_order(venue: Venue, nursery: trio.Nursery) -> None:
    ws = await venue.connect(nursery)
    await say(ws, "subscribe", channels=["orderbook_delta"], market_ticker=A)
    assert (await hear(ws))["type"] == "subscribed"
    assert (await hear(ws))["seq"] == 1
    for start in range(0, 3_000, 500):
        grow(venue.floor, times=500)
        for seq in range(start + 2, start + 502):
            assert (await hear(ws))["seq"] == seq


async def test_frames_of_every_length_are_framed_right() -> None:
    texts = [b"x" * size for size in (0, 1, 125, 126, 65_535, 65_536, 70_000)] * 4
    ours, theirs = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        client = Client(floor_of(), ClientStream(ours, b""))
        nursery.start_soon(client.run)
        ws = await open_memory_client(nursery, theirs)
        for piece in framed(texts):
            await ours.send_all(piece)
        for text in texts:
            assert await ws.get_message() == text.decode()
        nursery.cancel_scope.cancel()


async def test_a_client_that_closes_or_vanishes_leaves_nothing_behind(venue: Venue, nursery: trio.Nursery) -> None:
    polite, rude = await venue.connect(nursery), await venue.connect(nursery)
    for ws in (polite, rude):
        await say(ws, "subscribe", channels=["orderbook_delta"], market_ticker=A)
        await hear(ws)
    await polite.aclose()
    await trio.aclose_forcefully(rude._stream)
    while venue.floor.sessions:
        grow(venue.floor)
        await trio.sleep(0.001)

    assert venue.floor.listings[A].readers == ()


async def test_a_client_that_stops_reading_harms_nobody(nursery: trio.Nursery, start: Start) -> None:
    venue = await start(nursery, floor_of(options=SessionOptions(outbox_bytes_max=100_000)))
    stuck, other = await venue.connect(nursery), await venue.connect(nursery)
    for ws in (stuck, other):
        await say(ws, "subscribe", channels=["orderbook_delta"], market_ticker=A)
        await hear(ws)
        await hear(ws)
    sessions = set(venue.floor.sessions)
    heard = 0
    while not any(session.overflows for session in sessions):
        grow(venue.floor, times=100)
        for _ in range(100):
            await hear(other)
            heard += 1

    assert [session.overflows for session in sessions].count(1) == 1
    assert max(session.queued_bytes for session in sessions) < 110_000
    grow(venue.floor)
    assert (await hear(other))["seq"] == heard + 2


async def test_an_aborted_connection_ends_without_a_close_frame(nursery: trio.Nursery, start: Start) -> None:
    venue = await start(nursery, floor_of(faults=Faults(abort=1)))
    ws = await venue.connect(nursery)
    await say(ws, "subscribe", channels=["orderbook_delta"], market_ticker=A)
    await hear(ws)
    await hear(ws)
    grow(venue.floor)
    with pytest.raises(ConnectionClosed) as caught:
        await hear(ws)

    assert caught.value.reason is not None
    assert caught.value.reason.code == 1006


async def test_clients_are_told_when_the_exchange_goes(nursery: trio.Nursery, start: Start) -> None:
    async with trio.open_nursery() as serving:
        venue = await start(serving, floor_of())
        ws = await venue.connect(nursery)
        serving.cancel_scope.cancel()
    with pytest.raises(ConnectionClosed) as caught:
        await ws.get_message()

    assert caught.value.reason is not None
    assert caught.value.reason.code == 1001


async def test_the_port_being_taken_is_an_os_error(venue: Venue) -> None:
    with pytest.raises(OSError, match="in use"):
        await open_listener(venue.port)


# -- virtual time --------------------------------------------------------------------------------------------------


async def test_the_venue_pings_every_ten_seconds(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    ours, theirs = memory_stream_pair()
    nursery.start_soon(Client(floor_of(), ClientStream(ours, b"")).run)
    ws = await open_memory_client(nursery, theirs)
    started = trio.current_time()
    sent: list[tuple[float, bytes]] = []
    send_all = theirs.send_stream.send_all

    async def watched(data: bytes | bytearray | memoryview) -> None:
        sent.append((trio.current_time() - started, bytes(data)))
        await send_all(data)

    theirs.send_stream.send_all = watched  # type: ignore[method-assign]
    with trio.move_on_after(35):
        await ws.get_message()

    assert [round(at) for at, _ in sent] == [10, 20, 30]  # the client's pongs, masked
    assert all(data[0] == 0x8A for _, data in sent)


async def test_a_silent_connection_stays_open_and_says_nothing(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    floor = floor_of(faults=Faults(silent_after=30))
    ours, theirs = memory_stream_pair()
    nursery.start_soon(Client(floor, ClientStream(ours, b"")).run)
    ws = await open_memory_client(nursery, theirs)
    await say(ws, "subscribe", channels=["orderbook_delta"], market_ticker=A)
    await hear(ws)
    await hear(ws)
    await trio.sleep(31)
    grow(floor)
    await say(ws, "list_subscriptions")
    with trio.move_on_after(3600) as scope:
        await hear(ws)

    assert scope.cancelled_caught
    assert ws.closed is None
    assert not floor.sessions
    nursery.cancel_scope.cancel()


async def test_what_is_no_handshake_is_given_up(autojump_clock: MockClock) -> None:
    ours, theirs = memory_stream_pair()
    await theirs.send_all(b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n")
    with trio.fail_after(6):
        await Client(floor_of(), ClientStream(ours, b"")).run()


async def test_pings_alone_may_stop(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    floor = floor_of(faults=Faults(pings_stop=15))
    ours, theirs = memory_stream_pair()
    nursery.start_soon(Client(floor, ClientStream(ours, b"")).run)
    ws = await open_memory_client(nursery, theirs)
    pongs = 0
    send_all = theirs.send_stream.send_all

    async def watched(data: bytes | bytearray | memoryview) -> None:
        nonlocal pongs
        pongs += bytes(data)[0] == 0x8A
        await send_all(data)

    theirs.send_stream.send_all = watched  # type: ignore[method-assign]
    with trio.move_on_after(60):
        await ws.get_message()
    await say(ws, "list_subscriptions")

    assert pongs == 1
    assert (await hear(ws))["type"] == "ok"


async def test_silence_may_be_asked_for_while_a_client_is_there(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    floor = floor_of()
    ours, theirs = memory_stream_pair()
    nursery.start_soon(Client(floor, ClientStream(ours, b"")).run)
    ws = await open_memory_client(nursery, theirs)
    await say(ws, "list_subscriptions")
    await hear(ws)
    floor.set_faults(Faults(silent_after=5))
    await trio.sleep(6)
    await say(ws, "list_subscriptions")
    with trio.move_on_after(100) as scope:
        await hear(ws)

    assert scope.cancelled_caught
    nursery.cancel_scope.cancel()


# -- the whole exchange over streams in memory ---------------------------------------------------------------------


@pytest.fixture
def served(nursery: trio.Nursery) -> tuple[Exchange, Server]:
    """An exchange whose participants trade in virtual time; the test itself must ask for the clock."""
    start_us = NOW_MS * 1000 - round(trio.current_time() * 1_000_000)

    def now_us() -> int:
        return start_us + round(trio.current_time() * 1_000_000)

    floor = Floor(made_up(7), now_ms=lambda: now_us() // 1000)
    exchange = Exchange(floor, now_us=now_us, activity=5.0)
    exchange.add_member("me", PEM)
    nursery.start_soon(drive_exchange, exchange)
    return exchange, Server(exchange)


def signed(exchange: Exchange, method: str, path: str) -> dict[str, str]:
    return SIGNER.headers(method, path, at_ms=exchange.now_us() // 1000)


async def dial(nursery: trio.Nursery, served: tuple[Exchange, Server]) -> WebSocketConnection:
    exchange, server = served
    ours, theirs = memory_stream_pair()
    nursery.start_soon(server.serve_stream, ours)
    pairs = [(name.encode(), value.encode()) for name, value in signed(exchange, "GET", WS_PATH).items()]
    stream: Any = theirs
    return await open_client(nursery, stream, "127.0.0.1", WS_PATH, extra_headers=pairs)


async def request(nursery: trio.Nursery, server: Server, method: str, path: str, **parts: Any) -> bytes:
    """One request over a fresh pair of streams; everything that comes back until it ends or is complete."""
    ours, theirs = memory_stream_pair()
    nursery.start_soon(server.serve_stream, ours)
    body = json.dumps(parts.get("body", {})).encode()
    headers = {"Host": "127.0.0.1", "Content-Type": "application/json", "Content-Length": str(len(body))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in (headers | parts.get("headers", {})).items())
    await theirs.send_all(f"{method} {path} HTTP/1.1\r\n{lines}Connection: close\r\n\r\n".encode() + body)
    data = b""
    while more := await theirs.receive_some():
        data += more
    return data


async def test_a_foreign_client_follows_a_book_and_trades_on_a_virtual_clock(
    autojump_clock: MockClock, served: tuple[Exchange, Server], nursery: trio.Nursery
) -> None:
    exchange, server = served
    ws = await dial(nursery, served)
    await say(ws, "subscribe", channels=["orderbook_delta", "user_orders", "fill"], market_ticker=A)
    client = Listener(floor_of())  # for its arithmetic
    touch = exchange.floor.listings[A].book
    order = {
        "ticker": A,
        "side": "bid",
        "price": f"{(10_000 - touch.best_no) / 10_000:.4f}",
        "count": "1.00",
        "time_in_force": "immediate_or_cancel",
        "self_trade_prevention_type": "taker_at_cross",
        "client_order_id": "mine",
    }
    path = "/trade-api/v2/portfolio/events/orders"
    answer_ = await request(nursery, server, "POST", path, headers=signed(exchange, "POST", path), body=order)
    kinds = []
    with trio.move_on_after(20):
        while True:
            kinds.append(client._hear_one(await hear(ws))["type"])

    assert answer_.startswith(b"HTTP/1.1 201")
    assert {"subscribed", "orderbook_snapshot", "orderbook_delta", "user_order", "fill"} <= set(kinds)
    assert kinds.count("orderbook_delta") > 50
    exchange.desk.check()
    nursery.cancel_scope.cancel()


async def test_everybody_is_sent_away_at_once_and_may_come_back(
    autojump_clock: MockClock, served: tuple[Exchange, Server], nursery: trio.Nursery
) -> None:
    clients = [await dial(nursery, served) for _ in range(3)]
    answer_ = await request(nursery, served[1], "POST", "/control/maintenance", body={"seconds": 5})
    for ws in clients:
        with pytest.raises(ConnectionClosed) as caught:
            await ws.get_message()
        assert caught.value.reason is not None
        assert caught.value.reason.code == 1001
    ws = await dial(nursery, served)
    await say(ws, "list_subscriptions")
    status = await request(nursery, served[1], "GET", "/trade-api/v2/exchange/status")
    await trio.sleep(6)
    later = await request(nursery, served[1], "GET", "/trade-api/v2/exchange/status")

    assert b'{"clients":3,"trading_active":false}' in answer_
    assert (await hear(ws))["type"] == "ok"
    assert b'"trading_active":false' in status
    assert b'"trading_active":true' in later
    nursery.cancel_scope.cancel()


async def test_a_lost_answer_ends_the_connection_after_the_deed(
    autojump_clock: MockClock, served: tuple[Exchange, Server], nursery: trio.Nursery
) -> None:
    exchange, server = served
    path = "/trade-api/v2/portfolio/order_groups/create"
    exchange.set_faults(Faults(lose_ack=1))
    headers = signed(exchange, "POST", path)
    lost = await request(nursery, server, "POST", path, headers=headers, body={"contracts_limit": 5})
    path = "/trade-api/v2/portfolio/order_groups"
    groups = await request(nursery, server, "GET", path, headers=signed(exchange, "GET", path))

    assert lost == b""
    assert b'"contracts_limit_fp":"5.00"' in groups
    nursery.cancel_scope.cancel()


async def test_an_answer_without_a_body_has_no_length(
    autojump_clock: MockClock, served: tuple[Exchange, Server], nursery: trio.Nursery
) -> None:
    exchange, server = served
    path = "/trade-api/v2/portfolio/events/orders"
    answer_ = await request(nursery, server, "DELETE", path, headers=signed(exchange, "DELETE", path))

    assert answer_.startswith(b"HTTP/1.1 204")
    assert b"content-length" not in answer_.lower()
    nursery.cancel_scope.cancel()


async def test_one_members_connections_are_counted(
    autojump_clock: MockClock, served: tuple[Exchange, Server], nursery: trio.Nursery
) -> None:
    exchange, _ = served
    for _ in range(SESSIONS_MAX):
        exchange.open_session(exchange.keys.members[0].user_id)
    with pytest.RaisesGroup(ConnectionRejected) as caught:
        async with trio.open_nursery() as inner:
            await dial(inner, served)
            inner.cancel_scope.cancel()

    rejection = caught.value.exceptions[0]
    assert isinstance(rejection, ConnectionRejected)
    assert rejection.status_code == 429
    nursery.cancel_scope.cancel()
