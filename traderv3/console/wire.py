"""The sending side of one connection: frames written to the socket at once, without a task and without a wait.

A hundred consoles that hear of one event cost a hundred system calls this way, and no switch of tasks; through Quart,
Hypercorn and wsproto each of them costs some seven times as much. What the socket does not take is kept, at most one
write's worth, and goes before anything else: `unblock` waits for it in the connection's own task.
Units: bytes.
Source: RFC 6455, section 5.2: a server's frames are not masked, and any may come uncompressed.
Never: half a frame followed by another; a write while somebody else is sending.
"""

import os
from collections.abc import Iterable

import trio

from traderv3.console.client import Frame

_TEXT_FINAL = 0x81


def frame(payload: bytes) -> bytes:
    """A whole text message as one unmasked WebSocket frame."""
    size = len(payload)
    if size < 126:
        head = bytes((_TEXT_FINAL, size))
    elif size < 1 << 16:
        head = bytes((_TEXT_FINAL, 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((_TEXT_FINAL, 127)) + size.to_bytes(8, "big")
    return head + payload


def frame_all(frames: Iterable[Frame]) -> bytes:
    """Each message as a WebSocket frame of its own."""
    return b"".join(frame(each.payload) for each in frames)


class Wire:
    """What is sent on one connection. `is_blocked`: the socket took no more, and the rest waits to be unblocked."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._sending = trio.Lock()
        self._rest = b""
        self._has_rest = trio.Event()
        self._is_over = False

    @property
    def is_blocked(self) -> bool:
        """Whether a write would have to wait, or is pointless."""
        return bool(self._rest) or self._is_over or self._sending.locked()

    def write(self, data: bytes) -> None:
        """Send now what the socket takes, and keep the rest. Only while it is not blocked. Never raises."""
        assert not self.is_blocked
        try:
            sent = os.write(self._stream.socket.fileno(), data)
        except BlockingIOError:
            sent = 0
        except OSError:  # gone; the reading side hears of it
            self._is_over = True
            return
        if sent < len(data):
            self._rest = data[sent:]
            self._has_rest.set()

    async def unblock(self) -> None:
        """Wait for a rest, and send it."""
        await self._has_rest.wait()
        await self.send_all(b"")

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send in turn, the rest first. One that is cut short is the last: half a frame may be out."""
        async with self._sending:
            if self._is_over:
                raise trio.BrokenResourceError
            self._is_over = True
            if self._rest:
                await self._stream.send_all(self._rest)
            self._rest, self._has_rest = b"", trio.Event()
            if data:
                await self._stream.send_all(data)
            self._is_over = False
