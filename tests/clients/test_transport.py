"""The WebSocket: handshake and its refusals, batches, life and death of a connection, on a virtual clock."""

from collections.abc import Awaitable, Callable
from typing import NoReturn

import pytest
import trio
import trio_websocket
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, lockstep_stream_pair, memory_stream_pair
from wsproto.events import CloseConnection, Ping

from tests.clients.raw_venue import ENDPOINT, HEADERS, LIMITS, RawVenue, connected
from tests.protocol.framing import BINARY, CLOSE, CONTINUATION, PING, TEXT, frame
from traderv3.clients.transport import ABSENT_S, Transport, open_transport
from traderv3.domain.errors import ConnectivityError, RemoteProtocolError, TraderError, VenueRefused

Serve = Callable[[RawVenue], Awaitable[None]]


async def shake_hands(serve: Serve) -> None:
    """Let `serve` be the venue and go through a handshake; what it raises comes out."""
    client, server = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve, RawVenue(server))
        try:
            async with open_transport(client, ENDPOINT, HEADERS, LIMITS):
                pass
        except TraderError as error:
            outcome: TraderError | None = error
        else:
            outcome = None
        nursery.cancel_scope.cancel()
    if outcome is not None:
        raise outcome


async def read_to_the_end(transport: Transport) -> NoReturn:
    while True:
        await transport.receive_batch()


async def outcome_of_bytes(data: bytes, *, is_accepted: bool) -> TraderError:
    """What becomes of a connection whose venue says `data` (after a good answer to the handshake, or instead), then ends."""
    client, server = memory_stream_pair()
    venue = RawVenue(server)
    outcome: TraderError | None = None

    async def serve() -> None:
        if is_accepted:
            await venue.accept()
        else:
            await venue.read_request()
        await venue.send(data)
        await venue.send_eof()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        try:
            async with open_transport(client, ENDPOINT, HEADERS, LIMITS) as transport:
                await read_to_the_end(transport)
        except TraderError as error:
            outcome = error
    assert outcome is not None
    return outcome


# -- handshake -----------------------------------------------------------------------------------------------------


async def test_a_real_server_is_reached_with_our_headers(autojump_clock: MockClock) -> None:
    client, server = memory_stream_pair()
    asked: list[trio_websocket.WebSocketRequest] = []

    async def serve() -> None:
        async with trio.open_nursery() as nursery:
            request = await trio_websocket.wrap_server_stream(nursery, server)
            asked.append(request)
            socket = await request.accept()
            await socket.send_message(await socket.get_message())
            with pytest.raises(trio_websocket.ConnectionClosed):
                await socket.get_message()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        async with open_transport(client, ENDPOINT, HEADERS, LIMITS) as transport:
            await transport.send(b'{"id":1}')
            answer = await transport.receive_batch()
    headers = {name.decode().upper(): value.decode() for name, value in asked[0].headers}

    assert answer == [b'{"id":1}']
    assert asked[0].path == "/trade-api/ws/v2"
    assert HEADERS.items() <= headers.items()
    assert trio.current_time() < 1


@pytest.mark.parametrize("status", [302, 400, 401, 403, 429, 500, 503])
@pytest.mark.parametrize("form", ["length", "pieces", "no length", "cut short", "then silent"])
async def test_a_refusal_keeps_its_status_and_reason(autojump_clock: MockClock, status: int, form: str) -> None:
    body = b'{"error":{"code":"authentication_error","details":"NOT_FOUND"}}'
    claimed = {"no length": b"", "cut short": b"content-length: 500\r\n", "then silent": b"content-length: 500\r\n"}
    length = claimed.get(form, b"Content-Length: %d\r\n" % len(body))
    answer = b"HTTP/1.1 %d Nope\r\n" % status + length + b"Date: x\r\n\r\n" + body

    async def serve(venue: RawVenue) -> None:
        await venue.read_request()
        step = 7 if form == "pieces" else len(answer)
        for at in range(0, len(answer), step):
            await venue.send(answer[at : at + step])
            await trio.sleep(0.001)
        if form == "cut short":
            await venue.stream.aclose()
        await trio.sleep_forever()

    with pytest.raises(VenueRefused, match="NOT_FOUND") as refused:
        await shake_hands(serve)

    assert refused.value.status == status
    assert str(status) in str(refused.value)
    assert trio.current_time() <= LIMITS.handshake_s + LIMITS.close_s


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9\r\n\r\n",
        b"HTTP/1.1 999999 x\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: bad\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nno colon here\r\n\r\n",
        b"HTTP/1.1 101 \xff\xff\r\n\xff: \xff\r\n\r\n",
        b"HTTP/1.1 101 x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
        b"x" * 70_000,
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 20_000,
    ],
)
@pytest.mark.parametrize("ending", ["ends", "falls silent"])
async def test_garbage_in_the_handshake_is_a_failed_connection(
    autojump_clock: MockClock, answer: bytes, ending: str
) -> None:
    async def serve(venue: RawVenue) -> None:
        await venue.read_request()
        await venue.send(answer)
        if ending == "ends":
            await venue.stream.aclose()
        await trio.sleep_forever()

    with pytest.raises(ConnectivityError, match=r"127\.0\.0\.1:8010"):
        await shake_hands(serve)

    assert trio.current_time() <= LIMITS.handshake_s + LIMITS.close_s


async def test_a_compression_that_nobody_asked_for_is_a_failed_connection(autojump_clock: MockClock) -> None:
    async def serve(venue: RawVenue) -> None:
        key = (await venue.read_request())["sec-websocket-key"]
        extension = b"\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
        await venue.send(venue.acceptance(key).replace(b"\r\n\r\n", extension))
        await trio.sleep_forever()

    with pytest.raises(ConnectivityError, match="extension that we did not ask for: permessage-deflate"):
        await shake_hands(serve)


async def test_a_peer_that_takes_nothing_is_left_after_the_limit(autojump_clock: MockClock) -> None:
    client, _server = lockstep_stream_pair()
    with pytest.raises(ConnectivityError, match="within 10 s"):
        async with open_transport(client, ENDPOINT, HEADERS, LIMITS):
            pass

    assert trio.current_time() <= LIMITS.handshake_s + LIMITS.close_s


@given(st.binary(max_size=80) | st.binary(max_size=60).map(lambda data: b"HTTP/1.1 101 x\r\n" + data + b"\r\n\r\n"))
def test_no_answer_whatever_to_the_handshake_raises_anything_else(data: bytes) -> None:
    error = trio.run(lambda: outcome_of_bytes(data, is_accepted=False), clock=MockClock(autojump_threshold=0))

    assert isinstance(error, ConnectivityError | VenueRefused)


# -- data ----------------------------------------------------------------------------------------------------------


async def test_what_arrives_together_is_one_batch(autojump_clock: MockClock) -> None:
    messages = [b"%d" % n for n in range(1000)]
    async with connected() as (transport, venue):
        await venue.send(b"".join(frame(TEXT, message) for message in messages))
        batch = await transport.receive_batch()

    assert batch == messages


async def test_messages_that_come_with_the_handshake_are_not_lost(autojump_clock: MockClock) -> None:
    client, server = memory_stream_pair()
    venue = RawVenue(server)

    async def serve() -> None:
        key = (await venue.read_request())["sec-websocket-key"]
        await venue.send(venue.acceptance(key) + frame(TEXT, b"first"))
        await venue.listen()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        async with open_transport(client, ENDPOINT, HEADERS, LIMITS) as transport:
            batch = await transport.receive_batch()

    assert batch == [b"first"]


async def test_the_host_is_named_with_its_port(autojump_clock: MockClock) -> None:
    async with connected() as (_, venue):
        pass

    assert b"\r\nHost: 127.0.0.1:8010\r\n" in venue.request


async def test_fragments_and_whole_messages_keep_one_order(autojump_clock: MockClock) -> None:
    stream = (
        frame(TEXT, b"a")
        + frame(TEXT, b"b1", is_final=False)
        + frame(PING, b"inside")
        + frame(CONTINUATION, b"b2")
        + frame(BINARY, b"c")
        + frame(TEXT, b"d" * 70_000)
    )
    got: list[bytes] = []
    async with connected() as (transport, venue):
        for at in range(0, len(stream), 999):
            await venue.send(stream[at : at + 999])
        while len(got) < 4:
            got += await transport.receive_batch()
        await trio.testing.wait_all_tasks_blocked()

    assert got == [b"a", b"b1b2", b"c", b"d" * 70_000]
    assert venue.pongs == [b"inside"]


async def test_pings_of_the_venue_are_answered(autojump_clock: MockClock) -> None:
    async with connected() as (_, venue):
        await venue.send(frame(PING, b"heartbeat"))
        await trio.sleep(ABSENT_S + 0.01)  # nobody takes messages

    assert venue.pongs == [b"heartbeat"]


async def test_pings_are_answered_at_once_while_somebody_takes_messages(autojump_clock: MockClock) -> None:
    async with connected() as (transport, venue), trio.open_nursery() as nursery:
        nursery.start_soon(transport.receive_batch)
        await trio.testing.wait_all_tasks_blocked()
        await venue.send(frame(PING, b"heartbeat"))
        await trio.testing.wait_all_tasks_blocked()

        assert venue.pongs == [b"heartbeat"]
        await venue.send(frame(TEXT, b"x"))


async def test_who_comes_to_take_messages_after_a_pause_has_them_at_once(autojump_clock: MockClock) -> None:
    async with connected() as (transport, venue):
        await trio.sleep(5)  # trio-websocket reads meanwhile
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(venue.send, frame(TEXT, b"x") + frame(TEXT, b"y"))
            batch = await transport.receive_batch()

        assert trio.current_time() == began
    assert batch == [b"x", b"y"]


async def test_a_message_cancelled_while_waiting_is_not_lost(autojump_clock: MockClock) -> None:
    async with connected() as (transport, venue):
        with trio.move_on_after(1):
            await transport.receive_batch()
        await venue.send(frame(TEXT, b"later"))
        batch = await transport.receive_batch()

    assert batch == [b"later"]


# -- ends ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("and_then", ["ends", "stays open"])
async def test_a_close_frame_is_told_with_code_and_reason_at_once(autojump_clock: MockClock, and_then: str) -> None:
    async with connected() as (transport, venue):
        began = trio.current_time()
        await venue.send(frame(TEXT, b"last") + frame(CLOSE, b"\x03\xe9maintenance"))
        venue.answers_close = False
        if and_then == "ends":
            await venue.send_eof()
        last = await transport.receive_batch()
        with pytest.raises(ConnectivityError, match=r"code 1001 'maintenance'"):
            await transport.receive_batch()

        assert trio.current_time() - began < 0.1
    assert last == [b"last"]


async def test_an_end_without_a_close_frame_is_told_so(autojump_clock: MockClock) -> None:
    async with connected() as (transport, venue):
        await venue.send_eof()
        with pytest.raises(ConnectivityError, match="without a close frame"):
            await transport.receive_batch()


@pytest.mark.parametrize("is_accepted", [True, False])
async def test_a_connection_reset_is_told_at_once(autojump_clock: MockClock, is_accepted: bool) -> None:
    client, server = memory_stream_pair()
    resetting = ResettingStream(client)
    venue = RawVenue(server)

    async def serve() -> None:
        if is_accepted:
            await venue.accept()
        else:
            await venue.read_request()
        resetting.is_reset = True
        await venue.send_eof()

    with pytest.raises(ConnectivityError):
        await converse(resetting, serve)

    assert trio.current_time() < 0.1


async def test_a_connection_that_takes_no_more_pings_is_over(autojump_clock: MockClock) -> None:
    client, server = memory_stream_pair()
    deaf = ResettingStream(client)
    venue = RawVenue(server)

    async def serve() -> None:
        await venue.accept()
        await trio.sleep(1)
        deaf.is_deaf = True

    with pytest.raises(ConnectivityError):
        await converse(deaf, serve)

    assert trio.current_time() == pytest.approx(LIMITS.ping_s, abs=LIMITS.close_s)


async def converse(stream: trio.abc.Stream, serve: Callable[[], Awaitable[None]]) -> None:
    """Stay connected over `stream` until it ends, which is raised."""
    outcome: TraderError | None = None
    with trio.fail_after(100):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            try:
                async with open_transport(stream, ENDPOINT, HEADERS, LIMITS) as transport:
                    await read_to_the_end(transport)
            except TraderError as error:
                outcome = error
    assert outcome is not None
    raise outcome


class ResettingStream(trio.abc.Stream):
    """Ends like a socket whose peer was killed: with an error instead of an end."""

    def __init__(self, inner: trio.abc.Stream) -> None:
        self._inner = inner
        self.is_reset = False
        self.is_deaf = False

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        data = bytes(await self._inner.receive_some(max_bytes))
        if self.is_reset and not data:
            raise trio.BrokenResourceError("connection reset by peer")
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self.is_deaf:
            raise trio.BrokenResourceError("broken pipe")
        await self._inner.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._inner.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._inner.aclose()


async def test_after_the_end_nothing_can_be_sent(autojump_clock: MockClock) -> None:
    async with connected() as (transport, venue):
        await venue.send(frame(CLOSE, b"\x03\xe8"))
        await trio.sleep(1)
        with pytest.raises(ConnectivityError, match="code 1000"):
            await transport.send(b"{}")


async def test_a_venue_that_takes_no_command_is_left(autojump_clock: MockClock) -> None:
    client, server = lockstep_stream_pair()
    venue = RawVenue(server)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(venue.accept)
        with pytest.raises(ConnectivityError, match="took no command for 10 s"):
            async with open_transport(client, ENDPOINT, HEADERS, LIMITS) as transport:
                await transport.send(b"{}")


@pytest.mark.parametrize(
    "malformed",
    [b"\x81\x80\0\0\0\0", frame(TEXT, b"x", reserved=0x40), frame(CONTINUATION, b"x"), b"\x81\x7f" + b"\xff" * 8],
)
async def test_a_malformed_frame_ends_the_connection_as_the_venues_fault(
    autojump_clock: MockClock, malformed: bytes
) -> None:
    async with connected() as (transport, venue):
        await venue.send(frame(TEXT, b"good") + malformed)
        with pytest.raises(RemoteProtocolError):
            await read_to_the_end(transport)


@pytest.mark.parametrize(
    "close",
    [b"\x03", b"\x00\x00", b"\x03\xed", b"\x03\xe8\xff\xfe", b"\xff\xff", b"\x13\x88", b"\x03\xe8" + b"x" * 123],
)
async def test_any_close_frame_is_an_end_and_nothing_worse(autojump_clock: MockClock, close: bytes) -> None:
    error = await outcome_of_bytes(frame(CLOSE, close), is_accepted=True)

    assert isinstance(error, ConnectivityError)


@given(st.lists(st.builds(frame, st.integers(0, 15), st.binary(max_size=130)) | st.binary(max_size=20), max_size=6))
def test_no_bytes_whatever_raise_anything_else(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    error = trio.run(lambda: outcome_of_bytes(data, is_accepted=True), clock=MockClock(autojump_threshold=0))

    assert isinstance(error, ConnectivityError | RemoteProtocolError)


# -- life ----------------------------------------------------------------------------------------------------------


async def test_we_ping_every_ten_seconds(autojump_clock: MockClock) -> None:
    async with connected() as (_, venue):
        began = trio.current_time()
        await trio.sleep(55)

    assert [round(at - began, 3) for at in venue.times(Ping)] == [10, 20, 30, 40, 50]


@pytest.mark.parametrize("last_word_s", [0, 3, 9.5, 17])
async def test_thirty_seconds_of_neither_bytes_nor_pong_are_death(
    autojump_clock: MockClock, last_word_s: float
) -> None:
    with pytest.raises(ConnectivityError, match="silent for 30 s"):
        await hear_a_last_word(last_word_s)

    died_at = last_word_s + LIMITS.silence_s
    assert died_at <= trio.current_time() <= died_at + LIMITS.close_s + 0.01


async def hear_a_last_word(last_word_s: float) -> None:
    async with connected() as (transport, venue):
        venue.answers_pings = False
        await trio.sleep(last_word_s)
        await venue.send(frame(TEXT, b"last word"))
        await read_to_the_end(transport)


@pytest.mark.parametrize("kind", ["traffic without pongs", "pongs without traffic", "pings without traffic"])
async def test_bytes_of_any_kind_are_life(autojump_clock: MockClock, kind: str) -> None:
    async with connected() as (transport, venue):
        venue.answers_pings = kind == "pongs without traffic"
        until = trio.current_time() + 1800
        while trio.current_time() < until:
            await trio.sleep(29)
            if kind == "traffic without pongs":
                await venue.send(frame(TEXT, b"x"))
                await transport.receive_batch()
            elif kind == "pings without traffic":
                await venue.send(frame(PING, b"heartbeat"))

        assert trio.current_time() >= until


async def test_an_answered_ping_starts_the_thirty_seconds_anew(autojump_clock: MockClock) -> None:
    with pytest.raises(ConnectivityError, match="silent"):
        await stop_answering_after(25)

    died_at = 20 + LIMITS.silence_s  # the ping at 20 was the last that was answered
    assert died_at <= trio.current_time() <= died_at + LIMITS.close_s + 0.01


async def stop_answering_after(seconds: float) -> None:
    async with connected() as (transport, venue):
        await trio.sleep(seconds)
        venue.answers_pings = False
        await read_to_the_end(transport)


# -- leaving -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answers_close", [True, False])
async def test_leaving_is_quick_with_a_backlog_that_nobody_read(autojump_clock: MockClock, answers_close: bool) -> None:
    async with connected() as (_, venue):
        venue.answers_close = answers_close
        for _ in range(10):
            await venue.send(frame(TEXT, b"x" * 60_000) * 10)
        await trio.testing.wait_all_tasks_blocked()
        began = trio.current_time()
    took_s = trio.current_time() - began

    # The goodbye of a venue that answers lies behind the backlog: it is found, not waited for.
    assert took_s < 0.01 if answers_close else took_s == pytest.approx(LIMITS.close_s)


async def test_leaving_a_venue_that_reads_nothing_is_bounded(autojump_clock: MockClock) -> None:
    client, server = lockstep_stream_pair()
    venue = RawVenue(server)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(venue.accept)
        async with open_transport(client, ENDPOINT, HEADERS, LIMITS):
            began = trio.current_time()

        assert trio.current_time() - began <= LIMITS.close_s + 0.01


async def test_leaving_says_goodbye(autojump_clock: MockClock) -> None:
    async with connected() as (_, venue):
        began = trio.current_time()
    await trio.testing.wait_all_tasks_blocked()

    assert [event.code for _, event in venue.heard if isinstance(event, CloseConnection)] == [1000]
    assert trio.current_time() - began < 0.01


async def test_cancelled_it_says_goodbye_too(autojump_clock: MockClock) -> None:
    client, server = memory_stream_pair()
    venue = RawVenue(server)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(venue.accept)
        with trio.move_on_after(5):
            async with open_transport(client, ENDPOINT, HEADERS, LIMITS) as transport:
                nursery.start_soon(venue.listen)
                await transport.receive_batch()

    assert [event.code for _, event in venue.heard if isinstance(event, CloseConnection)] == [1000]


async def test_cancelled_while_receiving_it_leaves_nothing_running(autojump_clock: MockClock) -> None:
    before = trio.lowlevel.current_statistics().tasks_living
    with trio.move_on_after(5) as scope:
        async with connected() as (transport, _):
            await transport.receive_batch()

    assert scope.cancelled_caught
    assert trio.lowlevel.current_statistics().tasks_living == before
    assert trio.current_time() <= 5 + LIMITS.close_s


async def test_cancelled_while_a_silent_connection_is_left_it_is_cancelled_and_nothing_else(
    autojump_clock: MockClock,
) -> None:
    client, server = memory_stream_pair()
    venue = RawVenue(server)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(venue.accept)  # and never another byte
        with trio.move_on_after(LIMITS.silence_s + LIMITS.close_s / 2) as scope:
            async with open_transport(client, ENDPOINT, HEADERS, LIMITS) as transport:
                await transport.receive_batch()

    assert scope.cancelled_caught


async def test_cancelled_during_the_handshake_it_leaves_nothing_running(autojump_clock: MockClock) -> None:
    before = trio.lowlevel.current_statistics().tasks_living
    client, _server = memory_stream_pair()
    with trio.move_on_after(5) as scope:
        async with open_transport(client, ENDPOINT, HEADERS, LIMITS):
            pass

    assert scope.cancelled_caught
    assert trio.lowlevel.current_statistics().tasks_living == before


async def test_an_error_of_the_user_comes_out_as_it_is(autojump_clock: MockClock) -> None:
    with pytest.raises(KeyError, match="mine"):
        await raise_inside(KeyError("mine"))


async def raise_inside(error: Exception) -> None:
    client, server = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(RawVenue(server).accept)
        caught: Exception | None = None
        try:
            async with open_transport(client, ENDPOINT, HEADERS, LIMITS):
                raise error
        except KeyError as exc:
            caught = exc
    assert caught is error
    raise caught
