"""A line between trader and exchange in the hands of somebody else: delays, cuts, half-closes, drips, holds. Loopback only."""

import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import trio

HOST = "127.0.0.1"
_GONE = (trio.BrokenResourceError, trio.ClosedResourceError)
_RESET = struct.pack("ii", 1, 0)


@dataclass
class Line:
    """How the line behaves from now on; both directions alike.

    `piece_bytes`: how much is passed on at a time. `is_held`: nothing passes, and nobody is told.
    """

    target_port: int
    port: int = 0
    delay_s: float = 0.0
    piece_bytes: int = 65_536
    is_held: bool = False
    carried: int = 0
    accepted: int = 0
    _ends: list[trio.SocketStream] = field(default_factory=list)

    def cut(self) -> int:
        """Reset every connection; how many there were."""
        ends, self._ends = self._ends, []
        for end in ends:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            end.socket.close()
        return len(ends) // 2

    async def half_close(self) -> None:
        """Tell every trader's end that no more comes, while it may go on sending."""
        for end in self._ends[::2]:
            with suppress(*_GONE):
                await end.send_eof()

    async def carry(self, near: trio.SocketStream) -> None:
        """Serve one connection of the trader's to its end."""
        self.accepted += 1
        try:
            far = await trio.open_tcp_stream(HOST, self.target_port)
        except OSError:
            await trio.aclose_forcefully(near)
            return
        self._ends += [near, far]
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._pass_on, near, far)
                nursery.start_soon(self._pass_on, far, near)
        finally:
            self._ends = [end for end in self._ends if end not in (near, far)]
            near.socket.close()
            far.socket.close()

    async def _pass_on(self, source: trio.SocketStream, target: trio.SocketStream) -> None:
        try:
            async for data in source:
                for at in range(0, len(data), self.piece_bytes):
                    while self.is_held:  # noqa: ASYNC110 - whoever holds it sets a flag
                        await trio.sleep(0.02)
                    if self.delay_s:
                        await trio.sleep(self.delay_s)
                    piece = bytes(data[at : at + self.piece_bytes])
                    await target.send_all(piece)
                    self.carried += len(piece)
            await target.send_eof()
        except (*_GONE, OSError):
            await trio.aclose_forcefully(source)
            await trio.aclose_forcefully(target)


@asynccontextmanager
async def line_to(api_url: str) -> AsyncIterator[tuple[Line, dict[str, str]]]:
    """A line to the exchange of that URL, and what a trader needs to go through it."""
    line = Line(int(api_url.split(":")[2].partition("/")[0]))
    (listener,) = await trio.open_tcp_listeners(0, host=HOST)
    line.port = listener.socket.getsockname()[1]
    at = f"{HOST}:{line.port}/trade-api"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, line.carry, [listener])
        yield line, {"KALSHI_API_URL": f"http://{at}/v2", "KALSHI_WS_URL": f"ws://{at}/ws/v2"}
        nursery.cancel_scope.cancel()
