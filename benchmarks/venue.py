"""A venue for benchmarks, in a process of its own: one made stream over a loopback WebSocket, and the connector to it.

The stream (`benchmarks.stream`) is said as fast as it is read, or so many messages a second, in slices or each at its own
moment; then the venue keeps still. Plain, or over TLS with a certificate made for the occasion.
Never: anything but loopback. The process ends with whoever started it.
"""

import argparse
import array
import base64
import hashlib
import itertools
import json
import os
import random
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.stream import MARKETS, OK, SUBSCRIBED, framed, messages, tickers
from traderv3.clients.door import SOCKETS, Door, Wires
from traderv3.clients.orderbook_connector import OrderBookConnector
from traderv3.clients.selection import Selection
from traderv3.config.endpoints import Endpoint, parse_endpoint
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

TICKERS = tickers()
SLICE_S = 0.01  # how often a venue with a rate speaks
_CLOSE = 0x88
SETTLE_S = 0.5  # from the snapshots to the first delta that is said at its moment
BURST_EVERY_S, BURST_FOR_S, BURST_TIMES = 1.0, 0.1, 10
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

# -- the process -------------------------------------------------------------------------------------------------------


def serve(listener: socket.socket, args: argparse.Namespace) -> None:
    """One connection after the other, each from the beginning of the stream."""
    context = None
    if args.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(args.certificate)
    whole: list[bytes] = []
    if args.moments or not args.rate:
        whole = [framed(message) for message in itertools.islice(messages(markets=args.markets), 1, args.count)]
    said = b"" if args.moments else b"".join(whole)
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if context is not None:
                connection = context.wrap_socket(connection, server_side=True)
            _shake_hands(connection, args.markets)
            if args.moments:
                _say_each(connection, whole, args)
            elif args.rate:
                _say_at(connection, args)
            else:
                connection.sendall(said)
            _part(connection)
        except OSError:
            pass  # the client left
        connection.close()


def _shake_hands(connection: socket.socket, markets: int) -> None:
    """Accept, acknowledge the subscription, and wait until it is for all markets: it may come in several commands."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(4096)
    key = head.lower().index(b"sec-websocket-key:") + len(b"sec-websocket-key:")
    accept = base64.b64encode(hashlib.sha1(head[key:].split(b"\r\n")[0].strip() + _GUID).digest())
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    asked, heard = 0, b""
    while asked < markets:
        heard += connection.recv(65_536)
        while command := _unmasked(heard):
            payload, size = command
            heard = heard[size:]
            if payload.startswith(b"{"):
                said = json.loads(payload)
                connection.sendall(framed((OK if asked else SUBSCRIBED) % said["id"]))
                asked += len(said["params"].get("market_tickers", ()))


def _unmasked(heard: bytes) -> tuple[bytes, int] | None:
    """The payload of the first frame, and how long the frame is; None if it is not whole."""
    if len(heard) < 6:
        return None
    short = heard[1] & 0x7F
    start = {126: 4, 127: 10}.get(short, 2)
    length = short if short < 126 else int.from_bytes(heard[2:start], "big")
    size = start + 4 + length
    if len(heard) < size:
        return None
    mask = int.from_bytes((heard[start : start + 4] * (length // 4 + 1))[:length], "big")
    return (int.from_bytes(heard[start + 4 : size], "big") ^ mask).to_bytes(length, "big"), size


def _part(connection: socket.socket) -> None:
    """Keep still until the client closes or says that it will, and answer that."""
    heard = b""
    while more := connection.recv(65_536):
        heard += more
        while frame := _unmasked(heard):
            if heard[0] == _CLOSE:
                connection.sendall(bytes([_CLOSE, 0]))
                return
            heard = heard[frame[1] :]


def _say_at(connection: socket.socket, args: argparse.Namespace) -> None:
    stream = itertools.islice(messages(wall_us, args.markets), 1, args.count)
    began, said = time.monotonic(), 0
    while True:
        due = int((time.monotonic() - began + SLICE_S) * args.rate) - said
        part = b"".join(map(framed, itertools.islice(stream, due)))
        if due and not part:
            return
        said += due
        connection.sendall(part)
        time.sleep(SLICE_S)


def _say_each(connection: socket.socket, frames: Sequence[bytes], args: argparse.Namespace) -> None:
    """The snapshots at once, then each delta at its moment; when each was said goes into a file at the end."""
    connection.sendall(b"".join(frames[: args.markets]))
    time.sleep(SETTLE_S)
    said_at_ns = array.array("q", [0]) * len(frames)
    number, due_s, began_ns = args.markets, 0.0, time.monotonic_ns()
    while number < len(frames):
        wait_s = due_s - (time.monotonic_ns() - began_ns) / 1e9
        if wait_s > 0:
            time.sleep(wait_s)
        first = number
        gone_s = (time.monotonic_ns() - began_ns) / 1e9
        while due_s <= gone_s and number < len(frames):
            is_burst = args.bursts and due_s % BURST_EVERY_S < BURST_FOR_S
            due_s += 1 / (args.rate * (BURST_TIMES if is_burst else 1))
            number += 1
        part = b"".join(frames[first:number])
        now_ns = time.monotonic_ns()
        connection.sendall(part)
        for at in range(first, number):
            said_at_ns[at] = now_ns
    part = args.moments.with_suffix(".part")
    part.write_bytes(said_at_ns.tobytes())
    part.rename(args.moments)


@contextmanager
def venue(
    count: int,
    rate: int = 0,
    *,
    markets: int = MARKETS,
    certificate: Path | None = None,
    moments: Path | None = None,
    bursts: bool = False,
) -> Iterator[int]:
    """A running one that says `count` messages, acknowledgement included, on each connection; its port.

    With `rate` in slices of `SLICE_S`, `clock` being the time; with `moments` each delta by itself, and when each message
    was said (CLOCK_MONOTONIC, ns, as int64) in that file before the connection ends.
    """
    command = [sys.executable, "-m", "benchmarks.venue", str(count), str(rate), f"--markets={markets}"]
    command += [f"--certificate={certificate}"] if certificate else []
    command += [f"--moments={moments}"] if moments else []
    command += ["--bursts"] if bursts else []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()


# -- our side ----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def connected(
    port: int,
    feed: Feed,
    bus: EventBus,
    tape: Tape,
    markets: Sequence[str] = TICKERS,
    trusted: Path | None = None,
    signer: Signer | None = None,
) -> AsyncIterator[None]:
    """The order-book connector at work, as in a live run; over TLS if there is a certificate to be `trusted`.

    `signer`: for a venue that looks at keys; any key if it is left out.
    """
    selection = Selection(connections=1)
    selection.make(list(markets))

    async def open_tls(endpoint: Endpoint) -> trio.abc.Stream:
        """What `open_stream` does, but for whom it trusts."""
        stream = await trio.open_tcp_stream(endpoint.host, endpoint.port)
        secure = trio.SSLStream(
            stream, ssl.create_default_context(cafile=trusted), server_hostname=endpoint.host, https_compatible=True
        )
        await secure.do_handshake()
        return secure

    door = Door(
        parse_endpoint(f"http://127.0.0.1:{port}/trade-api/v2", Environment.SIM, "api"),
        parse_endpoint(f"ws://127.0.0.1:{port}/trade-api/ws/v2", Environment.SIM, "ws"),
        signer or Signer("bench", Ed25519PrivateKey.generate()),
        wall_us=wall_us,
        rng=random.Random(1),
        wires=Wires(open_stream=open_tls) if trusted else SOCKETS,
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


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("count", type=int)
    parser.add_argument("rate", type=int)
    parser.add_argument("--markets", type=int, default=MARKETS)
    parser.add_argument("--certificate", type=Path)
    parser.add_argument("--moments", type=Path)
    parser.add_argument("--bursts", action="store_true")
    args = parser.parse_args()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener, args), daemon=True).start()
        print(listener.getsockname()[1], flush=True)
        sys.stdin.read()
        os._exit(0)


if __name__ == "__main__":
    _main()
