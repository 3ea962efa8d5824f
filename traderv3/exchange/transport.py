"""One client's TCP stream after the upgrade, shared by trio-websocket and by our own ready-made data frames.

trio-websocket keeps the handshake, control frames, close and the client's commands; data frames, which are most of the
traffic, go out joined into large writes. One lock keeps the two from cutting into each other's frames.
Source: RFC 6455, section 5.2: a server's frames are not masked, so their header is two or four bytes here.
Never: compression, or a data frame after a close frame.
"""

import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import trio

PING: Final = b"\x89\x09heartbeat"  # the venue's own payload
GOING_AWAY: Final = b"\x88\x02\x03\xe9"  # close, code 1001

WRITE_BYTES: Final = 256 << 10  # so that a ping waits for no more than this
_SHORT_MAX: Final = 125
_MEDIUM_MAX: Final = 65_535
_MEDIUM: Final = struct.Struct(">BBH").pack
_LONG: Final = struct.Struct(">BBQ").pack
_TEXT: Final = 0x81  # final fragment, text


def framed(texts: Iterable[bytes]) -> Iterator[bytes]:
    """Whole text frames, joined into writes of about `WRITE_BYTES`."""
    parts: list[bytes] = []
    size = 0
    for text in texts:
        length = len(text)
        if length > _MEDIUM_MAX:
            header = _LONG(_TEXT, 127, length)
        elif length > _SHORT_MAX:
            header = _MEDIUM(_TEXT, 126, length)
        else:
            header = bytes((_TEXT, length))
        parts += (header, text)
        size += length
        if size >= WRITE_BYTES:
            yield b"".join(parts)
            parts, size = [], 0
    if parts:
        yield b"".join(parts)


class ClientStream(trio.abc.Stream):
    """Replays the bytes already read, then passes on; all writing goes through one lock."""

    def __init__(self, stream: trio.abc.Stream, already_read: bytes) -> None:
        self._stream = stream
        self._already_read = already_read
        self._lock = trio.Lock()
        self._is_torn = False
        self.is_silent = False

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """As the stream below; the replayed bytes come first."""
        if self._already_read:
            await trio.lowlevel.checkpoint()
            count = len(self._already_read) if max_bytes is None else max_bytes
            data, self._already_read = self._already_read[:count], self._already_read[count:]
            return data
        return bytes(await self._stream.receive_some(max_bytes))

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Write whole frames. A stream that fell silent never returns from here."""
        async with self._lock:
            await self._write(data)

    async def send_texts(self, texts: Iterable[bytes], *, is_open: Callable[[], bool]) -> None:
        """Write text frames, a large piece at a time; what is left when the connection closes is dropped."""
        for piece in framed(texts):
            async with self._lock:
                if not is_open():
                    return
                await self._write(piece)

    async def _write(self, data: bytes | bytearray | memoryview) -> None:
        if self.is_silent:
            await trio.sleep_forever()
        self._is_torn = True
        await self._stream.send_all(data)
        self._is_torn = False

    async def wait_send_all_might_not_block(self) -> None:
        """As the stream below."""
        await self._stream.wait_send_all_might_not_block()

    async def say_going_away(self) -> None:
        """Send a close frame, unless the stream stands in the middle of another frame."""
        if not (self._is_torn or self.is_silent):
            await self._stream.send_all(GOING_AWAY)

    def reset_on_close(self) -> None:
        """Let the close that follows be a TCP reset, as of a peer that crashed; a stream in memory just ends."""
        if isinstance(self._stream, trio.SocketStream):
            self._stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async def aclose(self) -> None:
        """As the stream below."""
        await self._stream.aclose()
