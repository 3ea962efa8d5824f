"""A WebSocket to the venue on trio-websocket, with our own frame reader under it.

`BatchStream` sits between the socket and trio-websocket: whoever takes messages reads 64 KiB at a time and has every whole
data message in a batch (no task switch, not even one a batch); all other bytes are passed on, so that trio-websocket keeps
handshake, control frames, sends and close. A refusal of the handshake ends here as `VenueRefused`, anything else as
`ConnectivityError`.
Units: seconds of Trio's clock.
Source: RFC 6455; design section 10.4 (measured: 20 us a message through trio-websocket, 2 us this way).
Never: a connection to a host that the environment does not allow, whatever built the endpoint.
"""

import os
import re
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import certifi
import h11
import trio
import trio_websocket
from wsproto.utilities import ProtocolError

from traderv3.config.endpoints import Endpoint, check_host
from traderv3.config.environment import LOOPBACK_ADDRESSES
from traderv3.domain.errors import (
    ConnectivityError,
    EnvironmentMismatch,
    RemoteProtocolError,
    TraderError,
    VenueRefused,
)
from traderv3.protocol.frames import FrameReader
from traderv3.protocol.rest import advice, error_text

READ_BYTES: Final = 64 * 1024
ABSENT_S: Final = 0.5  # far below the time that the answer to a ping may take
CONTROL_MAX: Final = 64 * 1024  # bytes of control frames that wait for their answers
HEAD_MAX: Final = 64 * 1024
# What trio-websocket's reader task lets out when the venue does not speak WebSocket as it should.
_BY_THE_VENUE: Final = (ProtocolError, h11.ProtocolError, trio_websocket.HandshakeError)
_HEAD_END: Final = b"\r\n\r\n"
_STATUS: Final = re.compile(rb"HTTP/1\.[01] (\d{3})(?: |\r\n)")
_EXTENSION: Final = re.compile(rb"\r\nsec-websocket-extensions:([^\r\n]*)", re.IGNORECASE)
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,5})[ \t]*\r\n", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TransportLimits:
    """The connection's bounds, in seconds."""

    connect_s: float = 10.0
    handshake_s: float = 10.0
    ping_s: float = 10.0
    silence_s: float = 30.0  # neither bytes nor pong for so long: dead
    send_s: float = 10.0
    close_s: float = 0.3  # courtesy: the close frame itself goes out first


def make_tls_context() -> ssl.SSLContext:
    """TLS that trusts certifi's roots alone: the surroundings (SSL_CERT_FILE, SSLKEYLOGFILE) have no say."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks certificate and host name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(certifi.where())
    return context


async def name_to_connect(endpoint: Endpoint) -> str:
    """The endpoint's host; where only loopback is allowed, the loopback address that it stands for, not to be resolved again.

    Raises `EnvironmentMismatch` if a loopback name leads anywhere else, `ConnectivityError` if it leads nowhere.
    """
    if not endpoint.environment.policy.is_loopback_only:
        return endpoint.host
    try:
        found = await trio.socket.getaddrinfo(endpoint.host, endpoint.port, type=trio.socket.SOCK_STREAM)
    except OSError as exc:
        msg = f"cannot resolve {endpoint.host}: {exc}"
        raise ConnectivityError(msg) from exc
    addresses = {str(address[0]) for *_, address in found}
    if elsewhere := addresses - LOOPBACK_ADDRESSES:
        msg = f"{endpoint.host} leads to {', '.join(sorted(elsewhere))}, which is not loopback"
        raise EnvironmentMismatch(msg)
    return min(addresses)  # 127.0.0.1 where there is one: what the embedded exchange listens on


async def open_stream(endpoint: Endpoint) -> trio.abc.Stream:
    """Connect to `endpoint`, checked once more, TLS included.

    Raises `ConnectivityError`, `EnvironmentMismatch`.
    """
    check_host(endpoint.environment, endpoint.host, endpoint.port, endpoint.scheme)
    name = await name_to_connect(endpoint)
    try:
        socket = await trio.open_tcp_stream(name, endpoint.port)
    except OSError as exc:
        msg = f"cannot connect to {endpoint.authority}: {exc}"
        raise ConnectivityError(msg) from exc
    if not endpoint.is_tls:
        return socket
    stream = trio.SSLStream(socket, make_tls_context(), server_hostname=endpoint.host, https_compatible=True)
    try:
        await stream.do_handshake()
    except trio.BrokenResourceError as exc:
        await trio.aclose_forcefully(socket)
        msg = f"no secure connection to {endpoint.authority}: {exc.__cause__ or exc}"
        raise ConnectivityError(msg) from exc
    except BaseException:
        await trio.aclose_forcefully(socket)
        raise
    return stream


async def _read(socket: int) -> bytes:
    """What `SocketStream.receive_some` does, in a fifth of its steps: when one message comes alone, they are what takes time."""
    while True:
        await trio.lowlevel.wait_readable(socket)
        try:
            return os.read(socket, READ_BYTES)
        except BlockingIOError:
            continue
        except OSError as exc:
            raise trio.BrokenResourceError from exc


class BatchStream(trio.abc.Stream):
    """Takes data messages out of a client's byte stream; everything else is for trio-websocket.

    Whoever wants messages reads the socket, in `receive_batch`, so that a batch is in its hands without a switch of tasks.
    trio-websocket, in `receive_some`, is given the control frames that were found on the way; it reads itself before the
    handshake is answered, after `discard`, and whenever nobody else does for `ABSENT_S` and nothing waits to be taken.
    """

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._socket = stream.socket.fileno() if isinstance(stream, trio.SocketStream) else None
        self._reader = FrameReader()
        self._head = bytearray()
        self._messages: list[bytes] = []  # read, and taken by nobody yet
        self._control = bytearray()  # for trio-websocket
        self._has_control = trio.Event()
        self._is_reading = False
        self._was_read = trio.Event()  # by trio-websocket, while somebody wanted messages
        self._is_open = False  # the handshake was answered with 101
        self._is_discarding = False
        self._is_stopped = False
        self._is_broken = False  # by a reset
        self._is_cut_short = False
        self._over = trio.Event()  # nothing comes any more, and trio-websocket knows why
        self.answered = trio.Event()  # the handshake was answered, or never will be
        self.status: int | None = None
        self.refusal_body = b""
        self.last_bytes_at = trio.current_time()
        self.error: RemoteProtocolError | None = None

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Bytes for trio-websocket; empty at the end of the connection."""
        while True:
            if self._control:
                passed_on, self._control = bytes(self._control), bytearray()
                return passed_on
            if self._is_at_its_end:  # a close frame has been answered by now; nothing may follow it
                self._end()
                if self._is_broken:
                    raise trio.BrokenResourceError
                return b""
            if self._is_open and not self._is_discarding:
                self._has_control = trio.Event()
                with trio.move_on_after(ABSENT_S):
                    await self._has_control.wait()
                if self._control or self._is_reading or self._messages:
                    continue
            await self._read()
            self._was_read.set()

    async def receive_batch(self) -> list[bytes]:
        """The data messages that have come, at least one; none at the end of the connection."""
        if self._messages:
            await trio.lowlevel.checkpoint()
        while not self._messages:
            if self._is_at_its_end:
                await self._over.wait()  # trio-websocket answers the close frame first, or notes the end
                return []
            if self._is_reading:
                self._was_read = trio.Event()
                await self._was_read.wait()
            else:
                await self._read()
        messages, self._messages = self._messages, []
        return messages

    async def _read(self) -> None:
        """Take what the socket has: messages, control frames, or the end."""
        self._is_reading = True
        try:
            data = await (self._stream.receive_some(READ_BYTES) if self._socket is None else _read(self._socket))
        except trio.BrokenResourceError:
            self._is_broken = True
            self._stop()
            return
        finally:
            self._is_reading = False
        self.last_bytes_at = trio.current_time()
        if self._is_open and data:
            self._split(bytes(data))
        elif not data or not self._take_head(bytes(data)):
            self._stop()

    def _take_head(self, data: bytes) -> bool:
        """Collect the answer to the handshake. False: it was a refusal, or no HTTP at all."""
        self._head += data
        at = self._head.find(_HEAD_END)
        if at < 0:
            return len(self._head) <= HEAD_MAX
        match = _STATUS.match(self._head)
        if match is None:
            return False
        end = at + len(_HEAD_END)
        self.status = int(match[1])
        if self.status == 101:
            if extension := _EXTENSION.search(self._head, 0, end):
                said = extension[1][:80].decode("latin-1").strip()
                self.error = RemoteProtocolError(
                    f"the venue uses a WebSocket extension that we did not ask for: {said}"
                )
                return False
            self._is_open = True
            self.answered.set()
            self._control += self._head[:end]
            self._split(bytes(self._head[end:]))
            return True
        length = _LENGTH.search(self._head, 0, end)
        wanted = int(length[1]) if length else 0
        self.refusal_body = bytes(self._head[end:])
        return len(self.refusal_body) < wanted

    def _split(self, data: bytes) -> None:
        try:
            messages, control = self._reader.receive(data)
        except RemoteProtocolError as exc:
            self.error = exc
            self._stop()
            return
        if control:
            self._control += control
            self._has_control.set()
            if len(self._control) > CONTROL_MAX:
                self.error = RemoteProtocolError("the venue sends pings and takes no answers")
                self._stop()
        if messages and not self._is_discarding:
            self._messages += messages

    def discard(self) -> None:
        """From now on throw data messages away: nobody reads them, and the closing handshake lies behind them."""
        self._is_discarding = True
        self._messages = []
        self._has_control.set()

    @property
    def _is_at_its_end(self) -> bool:
        return self._is_stopped or self._reader.is_closed

    def _stop(self) -> None:
        """Nothing more comes: trio-websocket is to know first, then whoever waits for batches."""
        self._is_stopped = True
        self._has_control.set()

    def _end(self) -> None:
        self._over.set()
        self.answered.set()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Pass on. A send that was cut short is the last one: half a frame may be out."""
        if self._is_cut_short:
            raise trio.BrokenResourceError
        self._is_cut_short = True
        await self._stream.send_all(data)
        self._is_cut_short = False

    async def wait_send_all_might_not_block(self) -> None:
        """Pass on."""
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Close the socket and end the batches."""
        self._stop()
        self._end()
        await self._stream.aclose()


class Transport:
    """An open, accepted connection. Made by `open_transport`."""

    def __init__(self, stream: BatchStream, limits: TransportLimits) -> None:
        self._stream = stream
        self._limits = limits
        self._is_leaving = False
        self.batch_at = 0.0  # when the bytes of the last batch were read, on Trio's clock
        self.websocket: trio_websocket.WebSocketConnection | None = None

    @property
    def heard_at(self) -> float:
        """When bytes last came, of whatever kind, on Trio's clock."""
        return self._stream.last_bytes_at

    async def receive_batch(self) -> list[bytes]:
        """The data messages that have come, at least one. Raises `ConnectivityError` when the connection is over."""
        batch = await self._stream.receive_batch()
        if not batch:
            raise self._why_over()
        self.batch_at = self._stream.last_bytes_at
        return batch

    async def send(self, command: bytes) -> None:
        """Send one text message. Raises `ConnectivityError`."""
        assert self.websocket is not None
        try:
            with trio.fail_after(self._limits.send_s):
                await self.websocket.send_message(command.decode())
        except trio_websocket.ConnectionClosed:
            raise self._why_over() from None
        except trio.TooSlowError:
            msg = f"the venue took no command for {self._limits.send_s:g} s"
            raise ConnectivityError(msg) from None

    async def keep_alive(self) -> None:
        """Ping for ever. Raises `ConnectivityError` after `silence_s` with neither bytes nor pong."""
        assert self.websocket is not None
        due = trio.current_time() + self._limits.ping_s
        while True:
            dead_at = self._stream.last_bytes_at + self._limits.silence_s
            if trio.current_time() >= dead_at:
                silent_s = self._limits.silence_s
                msg = f"the connection has been silent for {silent_s:g} s: neither bytes nor an answer to our pings"
                raise ConnectivityError(msg)
            if trio.current_time() < due:
                await trio.sleep_until(min(due, dead_at))
                continue
            due += self._limits.ping_s
            with trio.move_on_at(min(due, dead_at)):
                try:
                    await self.websocket.ping()
                except trio_websocket.ConnectionClosed:
                    if self._is_leaving:
                        return
                    raise self._why_over() from None

    def _why_over(self) -> ConnectivityError | RemoteProtocolError:
        if self._stream.error is not None:
            return self._stream.error
        closed = self.websocket.closed if self.websocket is not None else None
        if closed is None or closed.code == 1006:
            return ConnectivityError("the connection ended without a close frame")
        reason = f" {closed.reason!r}" if closed.reason else ""
        return ConnectivityError(f"the venue closed the connection with code {closed.code}{reason}")

    async def close(self) -> None:
        """Say goodbye within `close_s`, then cut."""
        self._is_leaving = True
        self._stream.discard()
        with trio.move_on_after(self._limits.close_s, shield=True):
            if self.websocket is not None:
                await self.websocket.aclose()
        await trio.aclose_forcefully(self._stream)


@asynccontextmanager
async def open_transport(
    stream: trio.abc.Stream, endpoint: Endpoint, headers: Mapping[str, str], limits: TransportLimits
) -> AsyncIterator[Transport]:
    """Shake hands over `stream` and keep the connection alive inside the block.

    Raises `VenueRefused` if the upgrade was answered with anything but 101, else `ConnectivityError`.
    """
    batch_stream = BatchStream(stream)
    transport = Transport(batch_stream, limits)
    is_left = False
    try:
        async with trio.open_nursery() as nursery:
            try:
                await _shake_hands(nursery, transport, batch_stream, endpoint, headers, limits)
                nursery.start_soon(transport.keep_alive)
                yield transport
                is_left = True
            finally:
                await transport.close()  # noqa: ASYNC102 - shielded and bounded inside
                nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        if is_left and group.split(_BY_THE_VENUE)[1] is None:
            return  # trio-websocket stumbled over what came after our goodbye
        raise _sole_cause(group, endpoint) from None


async def _shake_hands(
    nursery: trio.Nursery,
    transport: Transport,
    stream: BatchStream,
    endpoint: Endpoint,
    headers: Mapping[str, str],
    limits: TransportLimits,
) -> None:
    opened = trio.Event()

    async def upgrade() -> None:
        extra = [(name.encode(), value.encode()) for name, value in headers.items()]
        transport.websocket = await trio_websocket.wrap_client_stream(
            nursery,
            stream,  # type: ignore[arg-type]  # any trio Stream works; the annotation is narrower than the code
            endpoint.authority,
            endpoint.path,
            extra_headers=extra,
        )
        opened.set()

    nursery.start_soon(upgrade)
    with trio.move_on_after(limits.handshake_s):
        await stream.answered.wait()
        if stream.error is not None:
            raise ConnectivityError(str(stream.error))
        if stream.status == 101:
            await opened.wait()
            return
    if stream.status not in (None, 101):
        code, sentence = error_text(stream.refusal_body)
        said = f"HTTP {stream.status}: {sentence}{advice(sentence)}"
        msg = f"{endpoint.authority} refused the WebSocket handshake with {said}"
        raise VenueRefused(msg, status=stream.status, code=code)
    if stream.status is None and stream.answered.is_set():
        msg = f"{endpoint.authority} ended the connection during the handshake"
        raise ConnectivityError(msg)
    msg = f"{endpoint.authority} did not finish the WebSocket handshake within {limits.handshake_s:g} s"
    raise ConnectivityError(msg)


def _sole_cause(group: BaseExceptionGroup[BaseException], endpoint: Endpoint) -> BaseException:
    """The one error that a person should hear of; the group itself where several kinds met.

    Cancelled while the connection ends: it is the cancellation that goes on, or whoever is stopped would seem to fail.
    """
    ours = group.split(_BY_THE_VENUE)[1]
    if ours is None:
        return ConnectivityError(f"{endpoint.authority} broke the WebSocket protocol: {_leaves(group)[0]}")
    leaves = _leaves(ours)
    foreseen = [leaf for leaf in leaves if isinstance(leaf, TraderError | trio.Cancelled)]
    if len(foreseen) == len(leaves):
        return next((leaf for leaf in leaves if isinstance(leaf, trio.Cancelled)), leaves[0])
    return leaves[0] if len(leaves) == 1 else ours


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found
