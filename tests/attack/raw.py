"""Clients without manners: bytes to a console's port, exactly as given, and WebSocket frames made by hand."""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import trio

HOST = "127.0.0.1"
KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
UPGRADE = "Upgrade: websocket\r\nConnection: Upgrade\r\n"
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a reset

TEXT, BINARY, CLOSE, PING, CONTINUATION = 1, 2, 8, 9, 0


def head(port: int, *, method: str = "GET", path: str = "/v3/ws", more: str = UPGRADE + KEY) -> bytes:
    """A request's head for our own Host."""
    return f"{method} {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\n{more}\r\n".encode("latin-1")


def frame(payload: bytes, opcode: int = TEXT, *, is_final: bool = True, length: int | None = None) -> bytes:
    """A masked frame (with a mask of zeros); `length`, if given, is what it claims."""
    size = len(payload) if length is None else length
    first = bytes([opcode | (0x80 if is_final else 0)])
    if size < 126:
        return first + bytes([0x80 | size]) + bytes(4) + payload
    if size < 1 << 16:
        return first + bytes([0x80 | 126]) + struct.pack(">H", size) + bytes(4) + payload
    return first + bytes([0x80 | 127]) + struct.pack(">Q", size) + bytes(4) + payload


async def ask(port: int, data: bytes, *, within_s: float = 8.0) -> bytes:
    """Send these bytes and read to the end of the connection; what came within the time."""
    answer = bytearray()
    stream = await trio.open_tcp_stream(HOST, port)
    async with stream:
        with trio.move_on_after(within_s):
            try:
                await stream.send_all(data)
                async for chunk in stream:
                    answer += chunk
            except trio.BrokenResourceError:
                pass
    return bytes(answer)


async def open_socket(port: int, *, buffer_bytes: int | None = None) -> trio.SocketStream:
    """An accepted console socket, without a client library."""
    raw = trio.socket.socket()
    if buffer_bytes is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
    await raw.connect((HOST, port))
    stream = trio.SocketStream(raw)
    await stream.send_all(head(port))
    answer = bytearray()
    while b"\r\n\r\n" not in answer:
        chunk = await stream.receive_some()
        assert chunk, bytes(answer)
        answer += chunk
    assert answer.startswith(b"HTTP/1.1 101"), bytes(answer)
    return stream


def reset(stream: trio.SocketStream) -> None:
    """Vanish: the next packet of the other side gets a reset."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    stream.socket.close()


@contextmanager
def many(streams: list[trio.SocketStream]) -> Iterator[None]:
    """Close all of them at the end."""
    try:
        yield
    finally:
        for stream in streams:
            stream.socket.close()
