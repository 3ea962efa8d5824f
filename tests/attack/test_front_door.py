"""The console's front door without a trader: what it hands on, what it answers itself, and when a connection ends."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
from hypercorn.config import Config
from hypothesis import given
from hypothesis import strategies as st
from quart import Response, request
from quart_trio import QuartTrio

from tests.attack.raw import HOST, KEY, UPGRADE, ask, head
from traderv3.console.front_door import BODY_BYTES_MAX, HEAD_BYTES_MAX, SECURITY_HEADERS, Intake, Unfit, serve

PORT = 8005
GET = head(PORT, path="/v3/health", more="")
POST = head(PORT, method="POST", path="/v3/commands", more="Content-Length: 5\r\n") + b"hello"
SOCKET = head(PORT)
IDLE_S = 0.3


def in_pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    ends = sorted({min(cut, len(data)) for cut in cuts} | {len(data)})
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def handed_on(pieces: list[bytes]) -> bytes | int:
    """What comes out of an intake, or the status with which it refuses."""
    intake, out = Intake(), bytearray()
    try:
        for piece in pieces:
            out += intake.receive(piece)
    except Unfit as why:
        return why.status
    return bytes(out)


@given(st.lists(st.integers(0, 400), max_size=20))
def test_however_requests_are_cut_into_pieces_they_come_out_as_they_went_in(cuts: list[int]) -> None:
    requests = GET + POST + POST + GET

    assert handed_on(in_pieces(requests, cuts)) == requests


@given(st.lists(st.integers(0, 400), max_size=20), st.binary(max_size=200))
def test_after_the_request_for_a_socket_everything_passes_untouched(cuts: list[int], frames: bytes) -> None:
    assert handed_on([*in_pieces(GET + SOCKET, cuts), frames]) == GET + SOCKET + frames


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_no_bytes_whatever_are_refused_with_anything_but_a_sentence(pieces: list[bytes]) -> None:
    result = handed_on(pieces)

    assert isinstance(result, bytes) or 400 <= result < 500


@given(st.binary(min_size=1, max_size=30), st.integers(0, len(SOCKET) - 5))
def test_what_comes_out_is_ascii_and_asks_for_no_extension(put_in: bytes, at: int) -> None:
    result = handed_on([SOCKET[:at] + put_in + SOCKET[at:]])

    if isinstance(result, bytes):
        first, _, _ = result.partition(b"\r\n\r\n")
        assert first.isascii()
        assert b"sec-websocket-extensions" not in first.lower()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"x" * (HEAD_BYTES_MAX + 1), 431),
        (head(PORT, more=f"Content-Length: {BODY_BYTES_MAX + 1}\r\n"), 413),
        (head(PORT, more="Transfer-Encoding: chunked\r\n"), 411),
        (head(PORT, more=UPGRADE + KEY + "Content-Length: 1\r\n"), 400),
        (head(PORT, more="Upgrade: h2c\r\nConnection: Upgrade\r\n"), 400),
        (head(PORT) + b"\x81\x80\0\0\0\0", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
    ],
)
def test_each_rule_has_its_status(data: bytes, status: int) -> None:
    assert handed_on([data]) == status


def test_extensions_are_struck_out_and_nothing_else() -> None:
    more = UPGRADE + "Sec-WebSocket-Extensions: permessage-deflate\r\nsec-websocket-extensions: x\r\n" + KEY

    assert handed_on([head(PORT, more=more)]) == SOCKET


def test_a_refusal_carries_every_security_header() -> None:
    first, _, body = Unfit(400, "no").answer().decode().partition("\r\n\r\n")

    assert all(f"{name}: {value}" in first for name, value in SECURITY_HEADERS.items())
    assert body == '{"error":"no"}'


@asynccontextmanager
async def serving() -> AsyncIterator[int]:
    """A small app behind the front door; its port."""
    app = QuartTrio("small")

    @app.route("/", methods=["GET", "POST"])
    async def answer() -> Response:
        return Response(await request.get_data(as_text=False) or b"hello")

    (listener,) = await trio.open_tcp_listeners(0, host=HOST)
    config, stopping, started = Config(), trio.Event(), trio.Event()
    config.accesslog = None
    config.errorlog = None
    config.keep_alive_timeout = IDLE_S
    config.graceful_timeout = 0.5
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(serve, app, config, listener, started=started.set, stopping=stopping))
        await started.wait()
        yield listener.socket.getsockname()[1]
        stopping.set()
    await listener.aclose()


@pytest.mark.process
async def test_a_connection_ends_when_it_is_asked_to() -> None:
    """It did not: Quart-Trio cancelled Hypercorn's last step for the request."""
    async with serving() as port:
        began = trio.current_time()
        answer = await ask(port, head(port, path="/", more="Connection: close\r\n"))
        took_s = trio.current_time() - began

    assert answer.endswith(b"hello")
    assert took_s < IDLE_S


@pytest.mark.process
async def test_a_connection_that_was_used_and_then_says_nothing_is_closed() -> None:
    """It was kept for ever, for the same reason."""
    async with serving() as port:
        began = trio.current_time()
        answer = await ask(port, head(port, path="/", more="") * 2)
        took_s = trio.current_time() - began

    assert answer.count(b"hello") == 2
    assert IDLE_S <= took_s < 5.0


@pytest.mark.process
async def test_a_body_comes_through_whole_and_the_next_request_is_heard() -> None:
    async with serving() as port:
        one = head(port, method="POST", path="/", more="Content-Length: 9\r\n") + b"something"
        answer = await ask(port, one + head(port, path="/", more="Connection: close\r\n"))

    assert answer.count(b"something") == 1
    assert answer.endswith(b"hello")
