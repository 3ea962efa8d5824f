"""A real trader and a real exchange with a hostile line between them: what is shown as live is what the exchange has.

The exchange plays a recorded session, so the right final books are known from ten lines of code (`test_main_job`).
"""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from trio.testing import MemoryReceiveStream, MemorySendStream, memory_stream_pair

from tests.attack.crooked_trader import SILENCE_S
from tests.attack.line import Line, line_to
from tests.attack.test_processes import Crooked, crooked
from tests.integration.test_main_job import cut, reference, shown
from tests.running import RunningTrader, is_ready, running_exchange, running_trader
from traderv3.clients.transport import TransportLimits, open_transport
from traderv3.config.endpoints import parse_endpoint
from traderv3.config.environment import Environment
from traderv3.domain.errors import ConnectivityError

__all__ = ["crooked"]  # a fixture

Harm = Callable[[Line], Awaitable[None]]
FRAMES = 3_000
SPEED = "9"  # four seconds of play


async def delays(line: Line) -> None:
    line.delay_s = 0.2
    await trio.sleep(4)
    line.delay_s = 0.0


async def drips(line: Line) -> None:
    """Every frame and every HTTP head in pieces of seven bytes."""
    line.piece_bytes = 7
    await trio.sleep(4)
    line.piece_bytes = 65_536


async def cuts(line: Line) -> None:
    for _ in range(7):
        line.cut()
        await trio.sleep(0.4)


async def half_closes(line: Line) -> None:
    for _ in range(4):
        await line.half_close()
        await trio.sleep(1.0)


async def holds(line: Line) -> None:
    """As a firewall that forgot the connection: silence, and nobody is told."""
    line.is_held = True
    await trio.sleep(SILENCE_S + 2.0)
    line.cut()
    line.is_held = False
    await trio.sleep(1.0)


@pytest.mark.process
@pytest.mark.parametrize(
    "harm", [cuts, *(pytest.param(harm, marks=pytest.mark.soak) for harm in (delays, drips, half_closes, holds))]
)
async def test_after_whatever_a_line_does_every_book_is_the_exchanges(
    harm: Harm, recordings: Path, tmp_path: Path, crooked: Crooked
) -> None:
    recording = cut(recordings / "ufc-20260307-2mkt.jsonl.zst", tmp_path / "recording.jsonl", FRAMES)
    expected, _ = reference(iter(recording.read_bytes().splitlines()))
    async with (
        running_exchange(tmp_path, "--recording", str(recording), "--speed", SPEED) as exchange,
        line_to(exchange.variables["KALSHI_API_URL"]) as (line, variables),
    ):
        arguments = ("--markets", ",".join(expected))
        async with running_trader(tmp_path, *arguments, **(crooked("impatient") | variables)) as trader:
            await trader.until_ready()
            await harm(line)
            finished = await exchange.child.wait_for(rb'\{"finished": ?true.*\}\n', where="out")
            ready = await trader.until("all live", is_ready)
            books = await _quiet_books(trader, list(expected))
            code = await trader.child.end()

    assert msgspec.json.decode(finished[0])["finished"]
    assert {t: (shown(book["yes"]), shown(book["no"])) for t, book in books.items()} == expected
    assert all(node["restarts"] == 0 for node in ready["components"].values())
    assert code == 0
    assert b"Traceback" not in trader.child.err


async def _quiet_books(trader: RunningTrader, tickers: list[str]) -> dict[str, Any]:
    """The books once nothing more is on its way."""
    last: dict[str, Any] = {}
    while True:
        books = {ticker: await trader.get(f"/v3/markets/{ticker}/book") for ticker in tickers}
        if books == last:
            return books
        last = books
        await trio.sleep(1.0)


@pytest.mark.process
@pytest.mark.soak
async def test_while_the_line_is_silent_nothing_is_believed(tmp_path: Path, crooked: Crooked) -> None:
    async with (
        running_exchange(tmp_path, "--activity", "5") as exchange,
        line_to(exchange.variables["KALSHI_API_URL"]) as (line, variables),
        running_trader(tmp_path, **(crooked("impatient") | variables)) as trader,
    ):
        await trader.until_ready()
        line.is_held = True
        await trader.until("no book live", lambda s: s["metrics"]["markets_connected"] == 0, within_s=SILENCE_S + 8.0)
        states = set()
        with trio.move_on_after(3.0):
            while True:
                states |= {m["book_state"] for m in (await trader.get("/v3/markets"))["markets"]}
                await trio.sleep(0.05)
        line.cut()
        line.is_held = False
        ready = await trader.until_ready()

    assert states == {"stale"}
    assert all(node["restarts"] == 0 for node in ready["components"].values())


@asynccontextmanager
async def tls_pair(wire: "Wiretap") -> AsyncIterator[tuple[trio.SSLStream[Any], trio.SSLStream[Any]]]:
    """Both ends of a TLS connection through a wire that can be cut anywhere."""
    ours, theirs = wire.ends()
    server, client = _contexts()
    async with trio.open_nursery() as nursery:
        near = trio.SSLStream(ours, client, server_hostname="127.0.0.1", https_compatible=True)
        far = trio.SSLStream(theirs, server, server_side=True, https_compatible=True)
        nursery.start_soon(far.do_handshake)
        await near.do_handshake()
        yield near, far
        nursery.cancel_scope.cancel()


class Wiretap:
    """A connection in memory whose way to the trader may end in the middle of a TLS record."""

    def __init__(self) -> None:
        self._down: MemorySendStream | None = None
        self.cut_after: int | None = None  # bytes that still get through; None: all of them

    def ends(self) -> tuple[Any, Any]:
        ours, theirs = memory_stream_pair()
        down, source = theirs.send_stream, ours.receive_stream
        assert isinstance(down, MemorySendStream)
        assert isinstance(source, MemoryReceiveStream)

        async def pass_on() -> None:
            data = down.get_data_nowait()
            if self.cut_after is not None and len(data) > self.cut_after:
                source.put_data(bytes(data[: self.cut_after]))
                source.put_eof()
                down.send_all_hook = None  # what comes now goes nowhere
                return
            if self.cut_after is not None:
                self.cut_after -= len(data)
            source.put_data(data)

        down.send_all_hook = pass_on
        return ours, theirs


def _contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate made for this test, and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("127.0.0.1")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _load(server, pem.encode() + private)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.load_verify_locations(cadata=pem)
    return server, client


def _load(context: ssl.SSLContext, chain: bytes) -> None:
    import tempfile

    with tempfile.NamedTemporaryFile() as file:
        file.write(chain)
        file.flush()
        context.load_cert_chain(file.name)


ACCEPT = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n"
)
MESSAGE = b"\x81\x7e\x04\x00" + b"x" * 1024
WS = parse_endpoint("ws://127.0.0.1:9/trade-api/ws/v2", Environment.SIM, "ws")


@pytest.mark.parametrize("cut_after", [0, 1, 5, 29, 500, 1049, 1050, 1100, 2000])
async def test_a_tls_record_cut_in_the_middle_is_a_lost_connection_and_nothing_of_it_is_believed(
    cut_after: int,
) -> None:
    wire = Wiretap()
    got: list[bytes] = []

    async def hear_all(near: trio.abc.Stream) -> None:
        async with open_transport(near, WS, {}, TransportLimits(handshake_s=2.0, silence_s=2.0)) as transport:
            while True:
                got.extend(await transport.receive_batch())

    async with tls_pair(wire) as (near, far), trio.open_nursery() as nursery:
        nursery.start_soon(_serve_then_cut, far, wire, cut_after)
        with pytest.raises(ConnectivityError):
            await hear_all(near)
        nursery.cancel_scope.cancel()

    assert got == [b"x" * 1024] * (1 + (cut_after >= 1050))


async def _serve_then_cut(far: trio.SSLStream[Any], wire: Wiretap, cut_after: int) -> None:
    from wsproto.utilities import generate_accept_token

    head = bytearray()
    while b"\r\n\r\n" not in head:
        head += await far.receive_some()
    nonce = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")).partition(b":")[
        2
    ]
    await far.send_all(ACCEPT % generate_accept_token(bytes(nonce.strip())) + MESSAGE)
    wire.cut_after = cut_after
    try:
        await far.send_all(MESSAGE)
        await far.send_all(MESSAGE)
    except trio.BrokenResourceError:
        pass
