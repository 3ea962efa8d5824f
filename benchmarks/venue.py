"""A venue for benchmarks, in a process of its own: one made stream over a loopback WebSocket, and the connector to it.

The stream is seeded and shaped like the recorded sessions (a snapshot a market, then deltas of some 300 bytes that end
with a newline). Said as fast as it is read, or so many messages a second; then the venue keeps still.
Never: anything but loopback. The process ends with whoever started it.
"""

import base64
import hashlib
import itertools
import os
import random
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from traderv3.clients.door import Door
from traderv3.clients.orderbook_connector import OrderBookConnector
from traderv3.clients.selection import Selection
from traderv3.config.endpoints import parse_endpoint
from traderv3.config.environment import Environment
from traderv3.core.clock import wall_us
from traderv3.core.event_bus import EventBus
from traderv3.core.lifeline import Lifeline
from traderv3.core.supervision import Backoff
from traderv3.domain.errors import VenueRefused
from traderv3.domain.feed import Feed
from traderv3.domain.tape import Tape
from traderv3.protocol.session import SessionLimits
from traderv3.protocol.signing import Signer

MARKETS = 50
TICKERS = [f"KXBENCH-26NOV22GAME{n:02d}-YES" for n in range(MARKETS)]
LEVELS = 40  # a side, in each snapshot
SLICE_S = 0.01  # how often a venue with a rate speaks
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_SUBSCRIBED = b'{"type":"subscribed","id":1,"msg":{"channel":"orderbook_delta","sid":1}}\n'


def messages(now_us: Callable[[], int] | None = None) -> Iterator[bytes]:
    """For ever: a snapshot a market, then deltas that never make a level negative or a book crossed.

    `clock` is the time at which a message was made, or without `now_us` its number.
    """
    rng = random.Random(1)
    held: dict[tuple[int, str, int], int] = {}
    ids = [str(uuid.UUID(int=rng.getrandbits(128))) for _ in range(MARKETS)]
    yield _SUBSCRIBED
    for seq in itertools.count(1):
        market = seq - 1 if seq <= MARKETS else rng.randrange(MARKETS)
        head = f'"sid":1,"seq":{seq},"msg":{{"market_ticker":"{TICKERS[market]}","market_id":"{ids[market]}"'
        ts_ms = 1_795_000_000_000 + seq // 3
        clock = seq if now_us is None else now_us()
        tail = f'"ts_ms":{ts_ms},"clock":{clock}}},"sending_ts_ms":{ts_ms + 1}}}\n'
        if seq <= MARKETS:
            sides = []
            for side in ("yes", "no"):
                sizes = {price: rng.randrange(100, 100_000) * 100 for price in range(1, LEVELS + 1)}
                held.update({(market, side, price): size for price, size in sizes.items()})
                printed = ",".join(f'["0.{price:02d}00","{size // 100}.00"]' for price, size in sizes.items())
                sides.append(f'"{side}_dollars_fp":[{printed}]')
            yield f'{{"type":"orderbook_snapshot",{head},{",".join(sides)},{tail}'.encode()
            continue
        side, price = rng.choice(("yes", "no")), rng.randrange(1, 50)
        size = held.get((market, side, price), 0)
        change = rng.choice((rng.randrange(1, 300_000) * 10, -(size // 300) * 100, -size)) or 10_000
        held[market, side, price] = size + change
        body = f'"price_dollars":"0.{price:02d}00","delta_fp":"{change / 100:.2f}","side":"{side}"'
        when = f'"ts":"2026-11-22T15:02:41.{seq % 10**6:06d}Z"'
        yield f'{{"type":"orderbook_delta",{head},{body},{when},{tail}'.encode()


def framed(payload: bytes) -> bytes:
    """One text frame."""
    length = len(payload)
    if length < 126:
        return bytes([0x81, length]) + payload
    return (
        b"\x81\x7e" + length.to_bytes(2, "big") if length < 65_536 else b"\x81\x7f" + length.to_bytes(8, "big")
    ) + payload


# -- the process -------------------------------------------------------------------------------------------------------


def serve(listener: socket.socket, count: int, rate: int) -> None:
    """One connection after the other, each from the beginning of the stream. `rate` 0: as fast as it is read."""
    whole = b"".join(map(framed, itertools.islice(messages(), count))) if not rate else b""
    while True:
        connection, _ = listener.accept()
        try:
            _shake_hands(connection)
            if rate:
                _say_at(connection, rate, count)
            else:
                connection.sendall(whole)
            while connection.recv(4096):
                pass
        except OSError:
            pass  # the client left
        connection.close()


def _shake_hands(connection: socket.socket) -> None:
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(4096)
    key = head.lower().index(b"sec-websocket-key:") + len(b"sec-websocket-key:")
    accept = base64.b64encode(hashlib.sha1(head[key:].split(b"\r\n")[0].strip() + _GUID).digest())
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    connection.recv(65_536)  # the subscribe command


def _say_at(connection: socket.socket, rate: int, count: int) -> None:
    stream = itertools.islice(messages(wall_us), count)
    began, said = time.monotonic(), 0
    while True:
        due = int((time.monotonic() - began + SLICE_S) * rate) - said
        part = b"".join(map(framed, itertools.islice(stream, due)))
        if due and not part:
            return
        said += due
        connection.sendall(part)
        time.sleep(SLICE_S)


@contextmanager
def venue(count: int, rate: int = 0) -> Iterator[int]:
    """A running one; its port."""
    command = [sys.executable, "-m", "benchmarks.venue", str(count), str(rate)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()


# -- our side ----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def connected(port: int, feed: Feed, bus: EventBus, tape: Tape) -> AsyncIterator[None]:
    """The order-book connector at work, as in a live run."""
    selection = Selection()
    selection.make(TICKERS)
    door = Door(
        parse_endpoint(f"http://127.0.0.1:{port}/trade-api/v2", Environment.SIM, "api"),
        parse_endpoint(f"ws://127.0.0.1:{port}/trade-api/ws/v2", Environment.SIM, "ws"),
        Signer("bench", Ed25519PrivateKey.generate()),
        wall_us=wall_us,
        rng=random.Random(1),
    )

    async def give_up(refusal: VenueRefused) -> None:
        raise AssertionError(refusal)

    connector = OrderBookConnector(
        door,
        selection,
        feed,
        bus,
        wall_us=wall_us,
        rng=random.Random(1),
        give_up=give_up,
        backoff=Backoff(0.2, 1.0),
        limits=SessionLimits(),
        tape=tape,
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(connector.run, Lifeline())
        yield
        nursery.cancel_scope.cancel()


def _main(count: int, rate: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener, count, rate), daemon=True).start()
        print(listener.getsockname()[1], flush=True)
        sys.stdin.read()
        os._exit(0)


if __name__ == "__main__":
    _main(*map(int, sys.argv[1:]))
